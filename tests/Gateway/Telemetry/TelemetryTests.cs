using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Telemetry;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Web;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Telemetry;

/// <summary>What operators see of a real gateway process: traces and metrics at a real collector, /metrics, and that alerts and dashboard speak of what is there.</summary>
internal sealed class TelemetryTests
{
    private static readonly string[] Way =
    [
        FrameTracer.Publish, FrameTracer.Verify, FrameTracer.Commit, FrameTracer.Batch, FrameTracer.Certificate, FrameTracer.Anchor, FrameTracer.Submitted, FrameTracer.Mined, FrameTracer.Final,
    ];

    [Test]
    public async Task One_trace_holds_a_frames_way_from_publish_to_final_anchor_across_a_kill_and_metrics_arrive()
    {
        await using OtlpReceiver collector = await OtlpReceiver.StartAsync();
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        SecretFile.Write(Path.Combine(network.Folder, "headers"), "authorization: Bearer of-good-news\n"u8);
        Configure(gateway, $$""" "telemetry": { "endpoint": "{{collector.Url}}", "sampleRatio": 1, "intervalS": 1, "headersFile": "headers" }, "anchor": { "enabled": false },""");
        await gateway.StartAsync();
        byte[] frame = device.NextFrame();
        await PublishAsync(gateway, device, frame);
        string trace = FrameTracer.TraceIdOf(FrameLeaf.Hash(frame)).ToHexString();
        await GatewayProcess.WaitAsync("its batch's span", () => Task.FromResult(collector.Spans.FirstOrDefault(span => span.Trace == trace && span.Name == FrameTracer.Batch)));

        await gateway.KillAsync(); // nothing is remembered but what is durable
        Configure(gateway, "\"anchor\": { \"enabled\": true },", instead: "\"anchor\": { \"enabled\": false },");
        await gateway.StartAsync();
        await GatewayProcess.WaitAsync("the last span", () => Task.FromResult(collector.Spans.FirstOrDefault(span => span.Trace == trace && span.Name == FrameTracer.Final)));

        Dictionary<string, ReceivedSpan> spans = collector.Spans.Where(span => span.Trace == trace).GroupBy(span => span.Name).ToDictionary(same => same.Key, same => same.Last());
        Assert.That(spans.Keys, Is.EquivalentTo(Way));
        (string Child, string Parent)[] tree =
        [
            (FrameTracer.Verify, FrameTracer.Publish), (FrameTracer.Commit, FrameTracer.Publish), (FrameTracer.Batch, FrameTracer.Publish), (FrameTracer.Certificate, FrameTracer.Batch),
            (FrameTracer.Anchor, FrameTracer.Certificate), (FrameTracer.Submitted, FrameTracer.Anchor), (FrameTracer.Mined, FrameTracer.Anchor), (FrameTracer.Final, FrameTracer.Anchor),
        ];
        Assert.That(spans[FrameTracer.Publish].Parent, Is.Empty);
        foreach ((string child, string parent) in tree) Assert.That(spans[child].Parent, Is.EqualTo(spans[parent].Id), child);
        Assert.That(spans.Values.Select(span => span.EndNs >= span.StartNs), Is.All.True);
        Assert.That(spans[FrameTracer.Final].EndNs, Is.GreaterThanOrEqualTo(spans[FrameTracer.Publish].EndNs));
        Assert.That(spans.Values.Select(span => span.Service), Is.All.EqualTo("depin-gateway"));

        // A batch has a trace of its own, and a frame's span leads there.
        string batch = spans[FrameTracer.Batch].LinkedTraces.Single();
        Assert.That(collector.Spans.Where(span => span.Trace == batch).Select(span => span.Name), Is.SupersetOf(new[] { FrameTracer.Batch, FrameTracer.Certificate, FrameTracer.Anchor }));

        await GatewayProcess.WaitAsync("metrics", () => Task.FromResult(collector.Metrics.ContainsKey("depin.frames") && collector.Metrics.ContainsKey("depin_up") ? "" : null));
        Assert.That(collector.Authorization, Is.EqualTo("Bearer of-good-news"));
    }

    [Test]
    public async Task A_collector_takes_traces_and_metrics_over_gRPC_and_a_refusal_by_its_status_is_told()
    {
        await using OtlpReceiver collector = await OtlpReceiver.StartAsync(grpc: true);
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        SecretFile.Write(Path.Combine(network.Folder, "headers"), "authorization: Bearer of-good-news\n"u8);
        Configure(gateway, $$""" "telemetry": { "endpoint": "{{collector.Url}}", "protocol": "grpc", "sampleRatio": 1, "intervalS": 1, "headersFile": "headers" },""");
        await gateway.StartAsync();
        byte[] frame = device.NextFrame();
        await PublishAsync(gateway, device, frame);
        string trace = FrameTracer.TraceIdOf(FrameLeaf.Hash(frame)).ToHexString();
        await GatewayProcess.WaitAsync("a span and a metric over gRPC", () => Task.FromResult(collector.Spans.Any(span => span.Trace == trace && span.Name == FrameTracer.Publish) && collector.Metrics.ContainsKey("depin_up") ? "" : null));
        Assert.That(collector.Authorization, Is.EqualTo("Bearer of-good-news"));
        Assert.That(await gateway.Http.GetStringAsync("/metrics"), Does.Match("depin_telemetry_exports_total\\{signal=\"traces\",outcome=\"taken\"\\} [1-9]"));

        collector.Refusal = 7; // PERMISSION_DENIED
        await GatewayProcess.WaitAsync("the refusal in the log", () => Task.FromResult(gateway.Output().Contains("does not take what is sent (gRPC status 7)", StringComparison.Ordinal) ? "" : null));
    }

    [Test]
    public async Task A_dead_collector_disturbs_nothing_and_is_told_once_and_alerts_and_dashboard_name_only_metrics_that_exist()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        Configure(gateway, """ "telemetry": { "endpoint": "http://127.0.0.1:1", "sampleRatio": 1, "intervalS": 1 },""");
        await gateway.StartAsync();
        for (int i = 0; i < 10; i++) await PublishAsync(gateway, device, device.NextFrame());
        string text = await GatewayProcess.WaitAsync("exports that failed, and a final anchor", async () =>
        {
            string now = await gateway.Http.GetStringAsync("/metrics");
            return Regex.Matches(now, "depin_telemetry_exports_total\\{signal=\"(traces|metrics)\",outcome=\"failed\"\\} [2-9]").Count > 0 && now.Contains("depin_batch_final_duration_seconds_count", StringComparison.Ordinal) ? now : null;
        });
        Assert.That(text, Does.Contain("depin_frames_total{verdict=\"Accepted\"} 10"));
        Assert.That(Regex.Matches(gateway.Output(), "the collector of telemetry.endpoint does not take").Count, Is.EqualTo(1));

        // Histograms are histograms: buckets rise to the count.
        Assert.That(text, Does.Contain("# TYPE depin_frames_duration_seconds histogram"));
        Assert.That(text, Does.Contain("depin_frames_duration_seconds_bucket{le=\"+Inf\"} 10"));

        HashSet<string> there = [.. Regex.Matches(text, "^([a-z_]+)(\\{| )", RegexOptions.Multiline).Select(m => m.Groups[1].Value), .. Reasons];
        string rules = await File.ReadAllTextAsync(Path.Combine(Folder, "alerts.yml"));
        JsonNode dashboard = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Folder, "dashboard.json")))!;
        List<string> expressions = [.. Regex.Matches(rules, "^ +expr: (.+)$", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
        Assert.That(expressions, Has.Count.GreaterThan(10));
        List<JsonNode> panels = [.. dashboard["panels"]!.AsArray().Select(panel => panel!)];
        expressions.AddRange(panels.Where(panel => panel["targets"] is not null).SelectMany(panel => panel["targets"]!.AsArray()).Select(target => target!["expr"]!.GetValue<string>()));
        foreach (string expression in expressions)
            foreach (Match name in Regex.Matches(expression, "depin_[a-z_]+"))
                Assert.That(there, Does.Contain(name.Value), expression);

        Assert.That(panels.Select(panel => panel["id"]!.GetValue<int>()), Is.Unique);
        Assert.That(dashboard["templating"]!["list"]!.AsArray().Any(variable => variable!["type"]!.GetValue<string>() == "datasource"), Is.True);
        Assert.That(panels.Where(panel => panel["type"]!.GetValue<string>() != "row").Select(panel => panel["datasource"]!["uid"]!.GetValue<string>()), Is.All.EqualTo("${datasource}"));
        string[] alerts = Regex.Split(rules, "^ +- alert: ", RegexOptions.Multiline)[1..];
        foreach (string alert in alerts)
            foreach (string part in new[] { "expr:", "for:", "severity:", "summary:", "next:", "code:" }) Assert.That(alert, Does.Contain(part), alert.Split('\n')[0]);
    }

    [Test]
    public async Task The_alert_rules_are_valid_and_fire_when_they_should()
    {
        string? promtool = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "promtool")).FirstOrDefault(File.Exists);
        if (promtool is null)
        {
            const string Missing = "promtool is missing: apt-get install --no-install-recommends prometheus";
            if (Environment.GetEnvironmentVariable("CI") is { Length: > 0 }) Assert.Fail(Missing);
            Assert.Ignore(Missing);
        }

        foreach (string[] arguments in new[] { ["check", "rules", "alerts.yml"], new[] { "test", "rules", "alerts.test.yml" } })
        {
            using Process tool = Process.Start(new ProcessStartInfo(promtool, arguments) { WorkingDirectory = Folder, RedirectStandardError = true, RedirectStandardOutput = true })!;
            Task<string> output = tool.StandardOutput.ReadToEndAsync(), errors = tool.StandardError.ReadToEndAsync();
            await tool.WaitForExitAsync();
            Assert.That(tool.ExitCode, Is.Zero, await output + await errors);
        }
    }

    /// <summary>Counters with a reason as label, which appear with their first count.</summary>
    private static readonly string[] Reasons =
    [
        "depin_mqtt_refused_total", "depin_mqtt_malformed_total", "depin_mqtt_drops_total", "depin_mqtt_admission_total", "depin_mqtt_disconnects_total", "depin_peers",
    ];

    private static string Folder => Path.Combine(Repository(), "tools", "Packaging", "monitoring");

    private static string Repository()
    {
        string? folder = TestContext.CurrentContext.TestDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DePIN.Edge.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("not in the repository");
    }

    private static void Configure(GatewayProcess gateway, string more, string? instead = null)
    {
        string config = File.ReadAllText(gateway.ConfigFile);
        const string First = "\"data\":";
        File.WriteAllText(gateway.ConfigFile, instead is null ? config.Replace(First, more + First, StringComparison.Ordinal) : config.Replace(instead, more, StringComparison.Ordinal));
    }

    private static async Task PublishAsync(GatewayProcess gateway, TestDevice device, byte[] frame)
    {
        await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Text });
        Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
        await GatewayProcess.WaitAsync("an acknowledged frame", async () => (await client.PublishAsync(Topics.Frame(device.Text), frame)).IsSuccess ? "" : null);
    }
}

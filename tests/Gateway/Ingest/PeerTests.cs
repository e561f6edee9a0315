// Other people's clients against the listener: mosquitto_pub and mosquitto_sub, MQTT.js; both versions, with and without TLS.

using System.Diagnostics;
using System.Net;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class PeerTests
{
    private const string Senml = """[{"bn":"urn:dev:depin:00112233445566778899aabbccddeeff00112233:","n":"temperature","u":"Cel","v":21.5}]""";

    private readonly TestAuthority _authority = new();
    private string _rootFile = "";
    private IngestHost _host = null!;

    private static string SenmlTopic => $"depin/1/{IngestHost.Device}/senml";

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _rootFile = _authority.WriteRootPem();
        _host = await IngestHost.StartAsync(s => s with { Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => _authority.Presented });
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _host.DisposeAsync();
        _authority.Dispose();
        File.Delete(_rootFile);
    }

    [Test]
    public async Task Mosquitto_publishes_a_frame_and_reads_an_export([Values("mqttv311", "mqttv5")] string version, [Values] bool tls)
    {
        RequireTool("mosquitto_pub", "apt-get install mosquitto-clients");
        string[] where = Where(version, tls);
        byte[] frame = new byte[200];
        Random.Shared.NextBytes(frame);
        string file = Path.GetTempFileName();
        await File.WriteAllBytesAsync(file, frame);
        try
        {
            (int exit, string output) = await RunAsync("mosquitto_pub", [.. where, "-q", "1", "-t", IngestHost.FrameTopic, "-f", file]);
            Assert.That(exit, Is.Zero, output);
            Assert.That(_host.Intake.Frames.Last(), Is.EqualTo(frame));
        }
        finally
        {
            File.Delete(file);
        }

        Task<(int Exit, string Output)> subscriber = RunAsync("mosquitto_sub", [.. where, "-q", "1", "-t", "depin/1/+/senml", "-C", "1", "-W", "60"]);
        await PublishUntilAsync(subscriber);
        Assert.That((await subscriber).Output.Trim(), Is.EqualTo(Senml));
    }

    [Test]
    public async Task Mosquitto_is_told_of_a_refused_frame([Values("mqttv311", "mqttv5")] string version)
    {
        RequireTool("mosquitto_pub", "apt-get install mosquitto-clients");
        await using IngestHost host = await IngestHost.StartAsync();
        host.Intake.Decide = static (_, _) => new(global::DePIN.Gateway.Verify.FrameVerdict.BadSignature);
        string[] arguments = ["-h", "127.0.0.1", "-p", $"{host.Port}", "-V", version, "-q", "1", "-t", IngestHost.FrameTopic, "-m", "x", "-d"];
        (_, string output) = version == "mqttv5" ? await RunAsync("mosquitto_pub", arguments) : (0, "");
        if (version == "mqttv5")
        {
            Assert.That(output, Does.Contain("135").Or.Contain("0x87").Or.Contain("Not authorized").IgnoreCase, output);
        }
        else
        {
            // In 3.1.1 it tries again and again; the connection it loses is the answer.
            using Process process = Start("mosquitto_pub", arguments);
            await Until.TrueAsync(() => host.Ingest.Metrics.Disconnects(MqttReason.NotAuthorized) >= 1, "the connection to be closed");
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    [Test]
    public async Task MQTT_js_publishes_frames_and_reads_an_export([Values(4, 5)] int level, [Values] bool tls)
    {
        RequireTool("node", "apt-get install nodejs npm");
        string tests = TestsFolder();
        if (!Directory.Exists(Path.Combine(tests, "node_modules", "mqtt")))
        {
            Missing("tests/node_modules", "npm ci --ignore-scripts in tests/");
        }

        int before = _host.Intake.Submitted;
        const int Frames = 50;
        string script = $$"""
            const mqtt = require('mqtt'), fs = require('fs');
            const client = mqtt.connect({ host: 'localhost', servername: 'localhost', port: {{(tls ? _host.EndPoints.Tls!.Port : _host.Port)}}, protocol: '{{(tls ? "mqtts" : "mqtt")}}',
              protocolVersion: {{level}}, clientId: 'js-{{level}}-{{tls}}', ca: fs.readFileSync('{{_rootFile}}'), family: 4 });
            client.on('error', e => { console.error(e); process.exit(1); });
            const message = new Promise(done => client.once('message', (topic, payload) => { console.log(topic + ' ' + payload); done(); }));
            client.on('connect', () => client.subscribe('depin/1/+/senml', { qos: 1 }, async (e) => {
              if (e) throw e;
              const acks = [];
              for (let i = 0; i < {{Frames}}; i++) acks.push(client.publishAsync('{{IngestHost.FrameTopic}}', Buffer.alloc(200, i), { qos: i % 3 }));
              await Promise.all(acks);
              console.log('acknowledged');
              await message;
              client.end();
            }));
            """;
        Task<(int Exit, string Output)> node = RunAsync("node", ["-e", script], tests);
        await Until.TrueAsync(() => node.IsCompleted || _host.Intake.Submitted >= before + Frames, "the frames");
        await PublishUntilAsync(node);
        (int exit, string output) = await node;
        Assert.That(exit, Is.Zero, output);
        Assert.That(output, Does.Contain("acknowledged").And.Contain(SenmlTopic + " " + Senml));
        Assert.That(_host.Intake.Submitted, Is.EqualTo(before + Frames));
    }

    [Test]
    public async Task Our_client_speaks_TLS_and_trusts_only_its_pinned_root([Values] MqttVersion version)
    {
        MqttClientOptions options = new()
        {
            Host = "localhost", Port = _host.EndPoints.Tls!.Port, Version = version, ClientId = "tls",
            Tls = new MqttTls { TrustedRoots = [_authority.Root] },
        };
        await using (MqttClient client = new(options))
        {
            Assert.That((await client.ConnectAsync()).IsConnected);
            Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess);
            await client.DisconnectAsync();
        }

        using TestAuthority other = new();
        await using MqttClient stranger = new(options with { Tls = new MqttTls { TrustedRoots = [other.Root] } });
        Assert.ThrowsAsync<System.Security.Authentication.AuthenticationException>(() => stranger.ConnectAsync());
    }

    private string[] Where(string version, bool tls) =>
        tls
            ? ["-h", "localhost", "-p", $"{_host.EndPoints.Tls!.Port}", "--cafile", _rootFile, "-V", version]
            : ["-h", "127.0.0.1", "-p", $"{_host.Port}", "-V", version];

    // Once is enough for a subscriber that is there; the repeats are for one that was mistaken for its predecessor.
    private async Task PublishUntilAsync(Task subscriber)
    {
        while (!subscriber.IsCompleted)
        {
            await Until.TrueAsync(() => subscriber.IsCompleted || _host.Ingest.HasReaders(IngestHost.Device), "a subscriber");
            _host.Ingest.PublishReadings(IngestHost.Device, Encoding.UTF8.GetBytes(Senml));
            await Task.WhenAny(subscriber, Task.Delay(TimeSpan.FromSeconds(5)));
        }
    }

    private static Process Start(string tool, string[] arguments, string? folder = null)
    {
        ProcessStartInfo start = new(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder ?? "" };
        return Process.Start(start)!;
    }

    private static async Task<(int Exit, string Output)> RunAsync(string tool, string[] arguments, string? folder = null)
    {
        using Process process = Start(tool, arguments, folder);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using CancellationTokenSource timeout = new(TimeSpan.FromSeconds(90));
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
        }

        await Task.WhenAll(output, errors);
        return (process.HasExited ? process.ExitCode : -1, await output + await errors);
    }

    private static void RequireTool(string tool, string remedy)
    {
        bool there = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, tool)));
        if (!there)
        {
            Missing(tool, remedy);
        }
    }

    private static void Missing(string what, string remedy)
    {
        if (Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail($"{what} is missing: {remedy}");
        }

        Assert.Ignore($"{what} is missing: {remedy}");
    }

    private static string TestsFolder()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "DePIN.Edge.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The repository's root was not found.");
        }

        return Path.Combine(folder, "tests");
    }
}

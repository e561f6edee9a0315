using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Web;

/// <summary>The whole gateway as a process: frames in over MQTT, proofs out over HTTP, a real chain behind it.</summary>
internal sealed class GatewayTests
{
    [Test]
    public async Task A_frame_published_over_TLS_becomes_a_proof_that_the_contract_accepts_even_after_kill_9()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        await gateway.StartAsync();

        TaskCompletionSource<string> exported = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MqttClient client = new(new MqttClientOptions
        {
            Host = "127.0.0.1", Port = gateway.MqttTls.Port, ClientId = device.Text,
            Tls = new MqttTls { TargetHost = "localhost", TrustedRoots = [X509CertificateLoader.LoadCertificateFromFile(Path.Combine(gateway.DataFolder, CertificateAuthority.FileName))] },
            OnMessage = (in MqttMessage message) => exported.TrySetResult(Encoding.UTF8.GetString(message.Payload)),
        });
        Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
        Assert.That((await client.SubscribeAsync(Topics.Senml(device.Text))).IsSuccess, Is.True);
        for (int i = 0; i < 3; i++)
        {
            byte[] frame = device.NextFrame();
            await GatewayProcess.WaitAsync("an acknowledged frame", async () => (await client.PublishAsync(Topics.Frame(device.Text), frame)).IsSuccess ? "" : null);
        }

        JsonNode senml = JsonNode.Parse(await exported.Task.WaitAsync(TimeSpan.FromSeconds(30)))!;
        Assert.That(senml[0]!["bn"]!.GetValue<string>(), Does.Contain(device.Text));

        await gateway.KillAsync(); // what was acknowledged survives
        await gateway.StartAsync();
        string path = $"/api/devices/{device.Text}/frames/2";
        await GatewayProcess.WaitAsync("an anchored frame", async () => (await gateway.GetAsync(path))["state"]!.GetValue<string>() == "anchored" ? "" : null);

        byte[] json = await gateway.Http.GetByteArrayAsync(path + "/proof");
        Assert.That(Proof.TryRead(json, out Proof? proof), Is.Null);
        Assert.That(ProofVerifier.Check(proof!).Passed, Is.True);
        LedgerReader ledger = new(network.Client, network.Deployment.Ledger);
        ProofVerdict verdict = await ledger.VerifyAsync(new Ledger.FrameProof(proof!.Frame.ToArray(), new Hash32(proof.PublicKey.Span[..32]), new Hash32(proof.PublicKey.Span[32..]),
            [.. proof.BatchPath], proof.Batch, [.. proof.AnchorPath], proof.Anchor, [.. proof.LedgerPath]));
        Assert.That(verdict.IsProven, Is.True, verdict.Refusal?.Text);
        Assert.That(verdict.Sequence, Is.EqualTo(2UL));

        await AssertShapesAsync(gateway, device);
        await AssertHostileInputAsync(gateway, device);
        JsonNode health = await GatewayProcess.WaitAsync("health", async () =>
        {
            JsonNode told = await gateway.GetAsync("/health");
            return told["status"]!.GetValue<string>() == "healthy" ? told : null;
        });
        Assert.That(health["queues"]!["certificatesPending"]!.GetValue<long>(), Is.Zero);
        Assert.That(health["oldestUnanchoredAgeMs"], Is.Null);
        Assert.That(await gateway.StopAsync(), Is.EqualTo(ExitCodes.Stopped));
        Assert.That(File.Exists(Path.Combine(gateway.DataFolder, RunningFile.FileName)), Is.False);
    }

    [Test]
    public async Task A_frame_that_is_not_anchored_has_no_proof_yet_and_the_chain_away_is_told()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(2);
        await network.RegisterAsync(device);
        await using GatewayProcess gateway = new(network);
        await gateway.StartAsync();
        await GatewayProcess.WaitAsync("the device", async () => (await gateway.Http.GetAsync($"/api/devices/{device.Text}")).IsSuccessStatusCode ? "" : null);
        await GatewayProcess.WaitAsync("that no batch is to be restored", async () =>
            (await gateway.GetAsync("/health"))["parts"]!.AsArray().Any(p => p!["name"]!.GetValue<string>() == "attest" && p["state"]!.GetValue<string>() == "ok") ? "" : null);
        await network.Node.KillAsync();
        await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = gateway.Mqtt.Port, ClientId = device.Text });
        await client.ConnectAsync();

        Assert.That((await client.PublishAsync(Topics.Frame(device.Text), device.NextFrame())).IsSuccess, Is.True, "ingest works without the chain");

        using HttpResponseMessage proof = await gateway.Http.GetAsync($"/api/devices/{device.Text}/frames/1/proof");
        Assert.That(proof.StatusCode, Is.EqualTo(HttpStatusCode.Conflict));
        Assert.That(proof.Content.Headers.ContentType!.MediaType, Is.EqualTo("application/problem+json"));
        Assert.That(JsonNode.Parse(await proof.Content.ReadAsStringAsync())!["remedy"]!.GetValue<string>(), Is.Not.Empty);
        JsonNode health = await GatewayProcess.WaitAsync("the registry's complaint", async () =>
        {
            JsonNode told = await gateway.GetAsync("/health");
            return told["problems"]!.AsArray().Any(p => p!["name"]!.GetValue<string>() == "registry") ? told : null;
        });
        Assert.That(health["status"]!.GetValue<string>(), Is.EqualTo("degraded"));
        Assert.That(health["queues"]!["framesUnbatched"]!.GetValue<long>() + (await gateway.GetAsync("/api/status"))["lastBatch"]!.GetValue<long>(), Is.EqualTo(1));
    }

    [Test]
    public async Task Settings_and_identity_faults_end_with_their_exit_code_and_a_remedy()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        await using GatewayProcess gateway = new(network);
        (int code, string output) = await gateway.RunToEndAsync("--config", gateway.ConfigFile, "--nonsense");
        Assert.That((code, output), Is.EqualTo((ExitCodes.Usage, output)));
        Assert.That(output, Does.Contain("unknown argument '--nonsense'"));

        (code, output) = await gateway.RunToEndAsync("--config", gateway.ConfigFile, "--check");
        Assert.That(code, Is.EqualTo(ExitCodes.Stopped), output);

        if (OperatingSystem.IsWindows()) return; // file modes are a Unix matter
        string keyFile = Path.Combine(gateway.DataFolder, "gateway.key");
        File.SetUnixFileMode(keyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        (code, output) = await gateway.RunToEndAsync("--config", gateway.ConfigFile);
        Assert.That(code, Is.EqualTo(ExitCodes.Identity));
        Assert.That(output, Does.Contain($"chmod 600 {keyFile}"));
    }

    private static async Task AssertShapesAsync(GatewayProcess gateway, TestDevice device)
    {
        JsonNode devices = await gateway.GetAsync("/api/devices?limit=1");
        Assert.That(devices["devices"]![0]!["device"]!.GetValue<string>(), Is.EqualTo(device.Text));
        Assert.That(devices["devices"]![0]!["lastSequence"]!.GetValue<ulong>(), Is.EqualTo(3UL));
        JsonNode frames = await gateway.GetAsync($"/api/devices/{device.Text}/frames?from=2&limit=1");
        Assert.That(frames["frames"]![0]!["samples"]![0]!["value"]!.GetValue<string>(), Is.EqualTo("21.5"));
        Assert.That(frames["next"]!.GetValue<ulong>(), Is.EqualTo(3UL));

        using HttpRequestMessage asked = new(HttpMethod.Get, $"/api/devices/0x{device.Text}/frames");
        asked.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(SenMl.MediaType));
        using HttpResponseMessage answer = await gateway.Http.SendAsync(asked);
        Assert.That(answer.Content.Headers.ContentType!.MediaType, Is.EqualTo(SenMl.MediaType));
        Assert.That(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsArray(), Has.Count.EqualTo(6), "three frames of two samples");

        JsonNode batches = await gateway.GetAsync("/api/batches");
        ulong number = batches["batches"]![0]!["number"]!.GetValue<ulong>();
        JsonNode batch = await gateway.GetAsync($"/api/batches/{number}");
        Assert.That(batch["attestations"]!.AsArray(), Has.Count.EqualTo(1));
        Assert.That(batch["state"]!.GetValue<string>(), Is.EqualTo("anchored"));
        JsonNode anchors = await gateway.GetAsync("/api/anchors");
        Assert.That(anchors["anchors"]![0]!["ownBatches"]!.AsArray(), Is.Not.Empty);
        Assert.That(anchors["anchors"]![0]!["final"]!.GetValue<bool>(), Is.True);
        JsonNode status = await gateway.GetAsync("/api/status");
        Assert.That(status["active"]!.GetValue<bool>(), Is.True);
        JsonNode seen = await gateway.GetAsync("/network");
        string self = seen["gateway"]!.GetValue<string>();
        Assert.That(seen["active"]!.AsArray().Select(m => m!["gateway"]!.GetValue<string>()), Is.EqualTo(new[] { self }), "a network of one");
        Assert.That(seen["active"]![0]!["place"]!.GetValue<int>(), Is.EqualTo(1));
        Assert.That(seen["active"]![0]!["connected"], Is.Null, "with itself it has no connection");
        Assert.That(seen["knownEntries"]!.GetValue<ulong>(), Is.EqualTo(seen["entries"]!.GetValue<ulong>()));
        Assert.That(seen["epochEndsS"]!.GetValue<ulong>(), Is.EqualTo((seen["epoch"]!.GetValue<ulong>() + 1) * TestNetwork.EpochSeconds));
        Assert.That(seen["evidence"]!.AsArray(), Is.Empty);
        string metrics = await gateway.Http.GetStringAsync("/metrics");
        Assert.That(metrics, Does.Contain("depin_ledger_size 1"));
    }

    private static async Task AssertHostileInputAsync(GatewayProcess gateway, TestDevice device)
    {
        foreach ((string path, HttpStatusCode expected, string? field) in new (string, HttpStatusCode, string?)[]
        {
            ("/api/devices/zz", HttpStatusCode.BadRequest, "device"),
            ("/api/devices/" + new string('0', 40), HttpStatusCode.NotFound, null),
            ("/api/devices/" + new string('a', 3000), HttpStatusCode.BadRequest, "device"),
            ("/api/devices/%2e%2e%2fetc", HttpStatusCode.BadRequest, "device"),
            ("/api/devices?limit=0", HttpStatusCode.BadRequest, "limit"),
            ("/api/devices?limit=51", HttpStatusCode.BadRequest, "limit"),
            ("/api/devices?limit=-1", HttpStatusCode.BadRequest, "limit"),
            ("/api/devices?limit=1&limit=2", HttpStatusCode.BadRequest, "limit"),
            ("/api/devices?lmit=1", HttpStatusCode.BadRequest, "lmit"),
            ("/network?watch=1", HttpStatusCode.BadRequest, "watch"),
            ($"/api/devices/{device.Text}/frames?from=99999999999999999999", HttpStatusCode.BadRequest, "from"),
            ($"/api/devices/{device.Text}/frames/0", HttpStatusCode.BadRequest, "sequence"),
            ($"/api/devices/{device.Text}/frames/4", HttpStatusCode.NotFound, null),
            ($"/api/devices/{device.Text}/frames/1%00/proof", HttpStatusCode.BadRequest, null),
            ("/api/batches/9999999", HttpStatusCode.NotFound, null),
            ("/api/nothing", HttpStatusCode.NotFound, null),
        })
        {
            using HttpResponseMessage answer = await gateway.Http.GetAsync(path);
            string body = await answer.Content.ReadAsStringAsync();
            Assert.That(answer.StatusCode, Is.EqualTo(expected), $"{path}: {body}");
            if (answer.Content.Headers.ContentType?.MediaType != "application/problem+json") continue; // Kestrel itself refused it
            JsonNode problem = JsonNode.Parse(body)!;
            Assert.That(problem["remedy"]!.GetValue<string>(), Is.Not.Empty, path);
            if (field is not null) Assert.That(problem["field"]!.GetValue<string>(), Is.EqualTo(field), path);
        }

        using HttpResponseMessage posted = await gateway.Http.PostAsync("/api/devices", null);
        Assert.That(posted.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
    }
}

using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Gateway.HomeAssistant;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Subscribe;
using DePIN.Gateway.Tests.Ingest;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Subscribe;

/// <summary>The subscription against a real mosquitto with persistence.</summary>
[TestFixture]
internal sealed class BrokerSubscriberTests
{
    private static readonly BrokerOptions Quick = new()
    {
        Host = "localhost", Port = 0, ClientId = "gateway", RetryInterval = TimeSpan.FromMilliseconds(50), BackOffFirst = TimeSpan.FromMilliseconds(50), BackOffMax = TimeSpan.FromMilliseconds(200),
        StoredInterval = TimeSpan.FromMilliseconds(50),
    };

    [Test]
    public async Task Frames_that_waited_in_a_killed_broker_are_stored_exactly_once_and_told_as_stored([Values] MqttVersion version)
    {
        await using Mosquitto broker = await Mosquitto.StartAsync();
        using Pipeline pipeline = new();
        SigningDevice[] devices = [await pipeline.AddDeviceAsync(), await pipeline.AddDeviceAsync()];
        await using (Subscription first = new(Quick with { Port = broker.Port }, pipeline.Verifier))
        {
            await first.ConnectedAsync();
        }

        // The gateway is away; the broker has the frames on its disk, and is killed.
        await PublishAsync(broker, [.. Enumerable.Range(0, 400).Select(i => Frame(devices[i % 2]))], version);
        await broker.SaveAndKillAsync();
        await broker.StartAgainAsync();

        ConcurrentDictionary<string, string> told = new();
        await using MqttClient application = await ConnectAsync(broker, told);
        await application.SubscribeAsync("depin/1/+/stored");
        await using (Subscription second = new(Quick with { Port = broker.Port }, pipeline.Verifier))
        {
            await Until.TrueAsync(() => pipeline.Rows() == 400, "all frames");
            await Until.TrueAsync(() => told.Values.Count(payload => payload.Contains("\"sequence\":200,", StringComparison.Ordinal)) == 2, "what is stored");
            Assert.That(second.Metrics.FramesWith(FrameVerdict.Accepted), Is.EqualTo(400));
            Assert.That(second.Metrics.Forgotten, Is.Zero);
        }

        // What was answered is gone at the broker: a third connection gets nothing.
        await using Subscription third = new(Quick with { Port = broker.Port }, pipeline.Verifier);
        await third.ConnectedAsync();
        await PublishAsync(broker, [Frame(devices[0])], version);
        await Until.TrueAsync(() => third.Metrics.FramesWith(FrameVerdict.Accepted) == 1, "the next frame");
        Assert.That(third.Metrics.FramesWith(FrameVerdict.Duplicate), Is.Zero);
        Assert.That(pipeline.Rows(), Is.EqualTo(401));
    }

    [Test]
    public async Task A_broker_that_is_killed_again_and_again_during_load_loses_nothing_that_a_device_sends_until_it_is_stored()
    {
        await using Mosquitto broker = await Mosquitto.StartAsync();
        using Pipeline pipeline = new();
        SigningDevice device = await pipeline.AddDeviceAsync();
        await using Subscription subscription = new(Quick with { Port = broker.Port }, pipeline.Verifier);
        await subscription.ConnectedAsync();
        byte[][] frames = [.. Enumerable.Range(0, 200).Select(_ => device.Next())];
        for (int kill = 0; kill < 3; kill++)
        {
            await PublishAsync(broker, [.. frames.Skip(kill * 50).Take(50).Select(frame => (device, frame))]);
            await broker.KillAsync();
            await broker.StartAgainAsync();
            await subscription.ConnectedAsync();
        }

        // A device that hears on .../stored how far the gateway is sends the rest again: from its own store, in order.
        await Until.TrueAsync(() => subscription.Window == 0, "what is on its way");
        ulong stored = pipeline.Devices.Find(device.Id)!.Log.Last.Sequence;
        await PublishAsync(broker, [.. frames.Skip((int)stored).Select(frame => (device, frame))]);
        await Until.TrueAsync(() => pipeline.Rows() == frames.Length, "all frames");
        Assert.That(pipeline.Log.Frames(1, pipeline.Log.LastRow).Select(frame => Sequence(frame.Frame)), Is.EqualTo(Enumerable.Range(1, frames.Length).Select(i => (ulong)i)));
    }

    [Test]
    public async Task Gateways_of_one_share_group_split_the_frames_and_together_have_each_once()
    {
        const int Gateways = 3, Devices = 12, Each = 50;
        await using Mosquitto broker = await Mosquitto.StartAsync();
        Pipeline[] pipelines = [.. Enumerable.Range(0, Gateways).Select(_ => new Pipeline())];
        Subscription[] subscriptions = [.. pipelines.Select((pipeline, i) => new Subscription(Quick with { Port = broker.Port, ClientId = $"gateway-{i}", ShareGroup = "field" }, pipeline.Verifier))];
        try
        {
            SigningDevice[] devices = [.. Enumerable.Range(0, Devices).Select(_ => new SigningDevice())];
            foreach (Pipeline pipeline in pipelines)
            {
                foreach (SigningDevice device in devices) await pipeline.Devices.PutAsync(device.Registration);
            }

            foreach (Subscription subscription in subscriptions) await subscription.ConnectedAsync();
            await PublishAsync(broker, [.. Enumerable.Range(0, Devices * Each).Select(i => Frame(devices[i % Devices]))]);
            await Until.TrueAsync(() => pipelines.Sum(pipeline => pipeline.Rows()) >= Devices * Each, "all frames");
            List<(string, ulong)> all = [.. pipelines.SelectMany(pipeline => pipeline.Log.Frames(1, pipeline.Log.LastRow)).Select(frame => (DeviceId.ToText(frame.Frame, FrameFormat.DeviceIdOffset), Sequence(frame.Frame)))];
            Assert.That(all.Distinct().Count(), Is.EqualTo(Devices * Each), "none is missing");
            Assert.That(all, Has.Count.EqualTo(Devices * Each), "none is there twice");
            Assert.That(pipelines.Select(pipeline => pipeline.Rows()), Has.All.GreaterThan(Devices * Each / Gateways / 2), "each has a fair part");
        }
        finally
        {
            foreach (Subscription subscription in subscriptions) await subscription.DisposeAsync();
            foreach (Pipeline pipeline in pipelines) pipeline.Dispose();
        }
    }

    [Test]
    public async Task Refused_frames_are_answered_and_their_verdict_is_published_so_that_they_hold_nobody_up()
    {
        await using Mosquitto broker = await Mosquitto.StartAsync();
        using Pipeline pipeline = new();
        SigningDevice device = await pipeline.AddDeviceAsync();
        using SigningDevice stranger = new();
        ConcurrentQueue<byte[]> verdicts = new();
        await using MqttClient board = new(new MqttClientOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "board", OnMessage = (in MqttMessage message) => verdicts.Enqueue(message.Payload.ToArray()) });
        await board.ConnectAsync();
        await board.SubscribeAsync("depin/1/+/verdict");
        await using Subscription subscription = new(Quick with { Port = broker.Port }, pipeline.Verifier);
        await subscription.ConnectedAsync();

        (SigningDevice Device, byte[] Bytes) good = Frame(device);
        byte[] forged = [.. good.Bytes];
        forged[^1] ^= 1;
        await PublishAsync(broker, [(device, forged), Frame(stranger), (device, [1, 2, 3]), (stranger, good.Bytes), good, good]);
        await Until.TrueAsync(() => subscription.Metrics.FramesWith(FrameVerdict.Duplicate) == 1, "the last frame");
        Assert.That(pipeline.Rows(), Is.EqualTo(1));
        await Until.TrueAsync(() => verdicts.Count >= 4, "verdicts");
        Assert.That(verdicts.Select(verdict => (FrameVerdict)VerdictMessage.Verdict(verdict, 0)),
            Is.EquivalentTo([FrameVerdict.BadSignature, FrameVerdict.UnknownDevice, FrameVerdict.Malformed, FrameVerdict.TopicMismatch]));
        Assert.That(verdicts, Has.All.Matches<byte[]>(verdict => !VerdictMessage.Keep(verdict, 0)), "the board has it no more");
        Assert.That(subscription.Window, Is.Zero);
    }

    [Test]
    public async Task A_store_that_is_full_leaves_the_frames_to_the_broker_and_gets_them_later([Values] MqttVersion version)
    {
        await using Mosquitto broker = await Mosquitto.StartAsync();
        FrameVerdict verdict = FrameVerdict.StoreFull;
        ConcurrentQueue<ulong> accepted = new();
        FakeIntake intake = new() { Record = false };
        intake.Decide = (_, frame) =>
        {
            if (verdict == FrameVerdict.Accepted) accepted.Enqueue(Sequence(frame.ToArray()));
            return new(verdict);
        };
        await using Subscription subscription = new(Quick with { Port = broker.Port, HoldMax = TimeSpan.FromMilliseconds(300), WindowFrames = 8 }, intake);
        await subscription.ConnectedAsync();
        using SigningDevice device = new();
        await PublishAsync(broker, [.. Enumerable.Range(0, 40).Select(_ => Frame(device))], version);
        await Until.TrueAsync(() => subscription.Metrics.GivenUp >= 2, "the connection to be given up");
        Assert.That(subscription.Health.Find(BrokerSubscriber.Part)!.Reason, Does.Contain("StoreFull").Or.Contain("takes depin"));
        Assert.That(subscription.Metrics.FramesWith(FrameVerdict.StoreFull), Is.Zero, "nothing was answered");

        verdict = FrameVerdict.Accepted;
        await Until.TrueAsync(() => accepted.Distinct().Count() == 40, "all frames");
        await Until.TrueAsync(() => subscription.Window == 0 && subscription.Metrics.FramesWith(FrameVerdict.Accepted) >= 40, "their answers");
        Assert.That(accepted.Distinct(), Is.Ordered);
    }

    [Test]
    public async Task A_password_over_TLS_is_taken_and_what_is_wrong_is_told_with_the_next_step()
    {
        using TestAuthority authority = new(), other = new();
        await using Mosquitto broker = await Mosquitto.StartAsync(folder =>
        {
            File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.Root.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "other.pem"), other.Root.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "server.pem"), authority.Server.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "server.key"), authority.Server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
            SecretFile.Write(Path.Combine(folder, "password"), "correct horse\n"u8);
            SecretFile.Write(Path.Combine(folder, "wrong"), "battery staple\n"u8);
            using Process tool = Process.Start("mosquitto_passwd", ["-b", "-c", Path.Combine(folder, "users"), "gateway", "correct horse"]);
            tool.WaitForExit();
            File.WriteAllText(Path.Combine(folder, "acl"), "user gateway\ntopic readwrite depin/#\n");
            return $"cafile {folder}/ca.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\nallow_anonymous false\npassword_file {folder}/users\nacl_file {folder}/acl";
        });
        BrokerOptions good = Quick with { Port = broker.Port, IsSecure = true, User = "gateway", PasswordFile = Path.Combine(broker.Folder, "password"), AuthorityFile = Path.Combine(broker.Folder, "ca.pem") };
        await using (Subscription subscription = new(good, new FakeIntake()))
        {
            await subscription.ConnectedAsync();
        }

        foreach ((BrokerOptions wrong, string reason, string next) in new[]
        {
            (good with { PasswordFile = Path.Combine(broker.Folder, "wrong") }, "NotAuthorized", "broker.passwordFile"),
            (good with { AuthorityFile = Path.Combine(broker.Folder, "other.pem") }, "TLS failed", "broker.authorityFile"),
            (good with { PasswordFile = Path.Combine(broker.Folder, "none") }, "cannot be read", "read again"),
            (good with { IsSecure = false }, "", "mqtts://"),
            (good with { Port = 1 }, "cannot be reached", "broker.url"),
        })
        {
            await using Subscription subscription = new(wrong, new FakeIntake());
            await Until.TrueAsync(() => subscription.Health.Find(BrokerSubscriber.Part)!.State == PartState.Degraded, "the complaint");
            PartStatus status = subscription.Health.Find(BrokerSubscriber.Part)!;
            Assert.That(status.Reason, Does.Contain(reason));
            Assert.That(status.NextStep, Does.Contain(next), status.Reason);
        }
    }

    [Test]
    public async Task A_broker_that_asks_for_certificates_takes_the_gateways_and_no_others()
    {
        using TestAuthority authority = new(), strangers = new();
        using X509Certificate2 own = authority.Issue(name: "gateway"), stranger = strangers.Issue(name: "gateway");
        await using Mosquitto broker = await Mosquitto.StartAsync(folder =>
        {
            File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.Root.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "server.pem"), authority.Server.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, "server.key"), authority.Server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
            foreach ((string name, X509Certificate2 certificate) in new[] { ("own", own), ("stranger", stranger) })
            {
                File.WriteAllText(Path.Combine(folder, name + ".pem"), certificate.ExportCertificatePem());
                SecretFile.Write(Path.Combine(folder, name + ".key"), Encoding.ASCII.GetBytes(certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem()));
            }

            File.WriteAllText(Path.Combine(folder, "acl"), "user gateway\ntopic readwrite depin/#\n");
            return $"cafile {folder}/ca.pem\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\nrequire_certificate true\nuse_identity_as_username true\nacl_file {folder}/acl";
        });
        string Place(string name) => Path.Combine(broker.Folder, name);
        BrokerOptions good = Quick with { Port = broker.Port, IsSecure = true, AuthorityFile = Place("ca.pem"), CertificateFile = Place("own.pem"), CertificateKeyFile = Place("own.key") };
        using Pipeline pipeline = new();
        await using (Subscription subscription = new(good, pipeline.Verifier))
        {
            await subscription.ConnectedAsync();
            Assert.That(broker.Log(), Does.Contain("'gateway'"), "it is who its certificate says");
        }

        foreach (BrokerOptions wrong in new[] { good with { CertificateFile = "", CertificateKeyFile = "" }, good with { CertificateFile = Place("stranger.pem"), CertificateKeyFile = Place("stranger.key") } })
        {
            await using Subscription subscription = new(wrong, new FakeIntake());
            await Until.TrueAsync(() => subscription.Health.Find(BrokerSubscriber.Part)?.State == PartState.Degraded, "the complaint");
            Assert.That(subscription.Metrics.Connects, Is.Zero);
        }
    }

    [Test]
    public async Task Home_Assistant_at_the_external_broker_is_told_of_a_device_and_again_after_the_broker_forgot()
    {
        await using Mosquitto broker = await Mosquitto.StartAsync();
        using Pipeline pipeline = new();
        SigningDevice device = await pipeline.AddDeviceAsync();
        string id = Convert.ToHexStringLower(device.IdBytes), discovery = $"homeassistant/device/depin_{id}/config";
        await using Subscription subscription = new(Quick with { Port = broker.Port, AvailabilityTopic = "depin/1/gateway/00/status" }, pipeline.Verifier);
        HomeAssistantStage stage = new(new HomeAssistantSettings { Enabled = true }, pipeline.Log, subscription.Publisher, "depin/1/gateway/00/status", _ => false, TimeProvider.System);
        using CancellationTokenSource stopping = new();
        Task running = Task.Run(() => stage.RunAsync(stopping.Token));
        await subscription.ConnectedAsync();
        await PublishAsync(broker, [Frame(device)]);
        ConcurrentDictionary<string, string> told = new();
        await using (MqttClient home = await ConnectAsync(broker, told))
        {
            await home.SubscribeAsync("homeassistant/#");
            await home.SubscribeAsync($"depin/1/{id}/state");
            await home.SubscribeAsync("depin/1/gateway/00/status");
            await Until.TrueAsync(() => told.ContainsKey(discovery) && told.ContainsKey($"depin/1/{id}/state") && told.GetValueOrDefault("depin/1/gateway/00/status") == "online", "discovery, state and availability");
        }

        // A broker that lost everything: what Home Assistant needs is told anew, without a new frame.
        await broker.KillAsync();
        File.Delete(Path.Combine(broker.Folder, "mosquitto.db"));
        await broker.StartAgainAsync();
        await subscription.ConnectedAsync();
        told.Clear();
        await using MqttClient again = await ConnectAsync(broker, told);
        await again.SubscribeAsync("homeassistant/#");
        await Until.TrueAsync(() => told.ContainsKey(discovery), "discovery again");
        await stopping.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => running);
    }

    [Test]
    public async Task Nothing_is_taken_before_the_registry_was_read_and_an_unknown_device_waits_while_it_cannot_be()
    {
        await using Mosquitto broker = await Mosquitto.StartAsync();
        bool isRead = false, isCurrent = false;
        using Pipeline pipeline = new();
        using SigningDevice device = new();
        await using Subscription subscription = new(Quick with { Port = broker.Port }, pipeline.Verifier, () => isRead, () => isCurrent);
        await Until.TrueAsync(() => subscription.Health.Find(BrokerSubscriber.Part)!.State == PartState.Waiting, "waiting for the registry");
        Assert.That(subscription.Metrics.Connects, Is.Zero);
        isRead = true;
        await subscription.ConnectedAsync();
        await PublishAsync(broker, [Frame(device)]);
        await Until.TrueAsync(() => subscription.Window == 1 && pipeline.Counters.Total >= 2, "the frame, handed in again");
        await pipeline.Devices.PutAsync(device.Registration);
        await Until.TrueAsync(() => pipeline.Rows() == 1, "the frame");
    }

    private static (SigningDevice Device, byte[] Bytes) Frame(SigningDevice device) => (device, device.Next());

    private static ulong Sequence(byte[] frame) => BinaryPrimitives.ReadUInt64BigEndian(frame.AsSpan(FrameFormat.SequenceOffset));

    private static async Task<MqttClient> ConnectAsync(Mosquitto broker, ConcurrentDictionary<string, string> told)
    {
        MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "application", OnMessage = (in MqttMessage message) => told[message.TopicText] = Encoding.UTF8.GetString(message.Payload) });
        Assert.That((await client.ConnectAsync()).IsConnected);
        return client;
    }

    // As boards do: QoS 1, and done when the broker has answered.
    private static async Task PublishAsync(Mosquitto broker, IReadOnlyList<(SigningDevice Device, byte[] Bytes)> frames, MqttVersion version = MqttVersion.V311)
    {
        await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = broker.Port, ClientId = "devices", Version = version });
        Assert.That((await client.ConnectAsync()).IsConnected);
        foreach (Task<MqttAnswer> answer in frames.Select(frame => client.PublishAsync(Topics.Frame(Convert.ToHexStringLower(frame.Device.IdBytes)), frame.Bytes).AsTask()).ToArray())
        {
            Assert.That((await answer).IsSuccess);
        }

        await client.DisconnectAsync();
    }

    /// <summary>A subscriber that runs until it is disposed.</summary>
    private sealed class Subscription : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stopping = new();
        private readonly BrokerSubscriber _subscriber;
        private readonly Task _running;

        public Subscription(BrokerOptions options, IFrameIntake intake, Func<bool>? isRead = null, Func<bool>? isCurrent = null)
        {
            Health = new HealthBoard(TimeProvider.System, NullLogger.Instance);
            _subscriber = new BrokerSubscriber(options, "0x00", intake, isRead ?? (() => true), isCurrent ?? (() => true), Health, TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
            _running = Task.Run(() => _subscriber.RunAsync(_stopping.Token));
        }

        public HealthBoard Health { get; }

        public ITopicPublisher Publisher => _subscriber;

        public BrokerMetrics Metrics => _subscriber.Metrics;

        public int Window => _subscriber.Waiting;

        public Task ConnectedAsync() => Until.TrueAsync(() => Metrics.IsConnected, "the subscription: " + Health.Find(BrokerSubscriber.Part)?.Reason);

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            try
            {
                await _running;
            }
            catch (OperationCanceledException)
            {
                // As every stage ends.
            }

            _subscriber.Dispose();
            _stopping.Dispose();
        }
    }
}

using System.Diagnostics;
using System.Security.Cryptography;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Tests.Ingest;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Update;

/// <summary>Updates over real connections to the real listener.</summary>
internal sealed class UpdateMqttTests
{
    private const int PackageBytes = 96 * 1024;

    [Test]
    public async Task A_node_fetches_a_package_and_goes_on_after_a_lost_connection()
    {
        await using UpdateHost host = await UpdateHost.StartAsync();
        UpdatePackage package = host.Operators.Pack(2, PackageBytes);
        await using WireNode node = new(host, 1);
        await node.ConnectAsync();
        Assert.That(await node.ManifestAsync(), Is.Empty, "no offer yet, and it is said");
        await node.SayAsync(UpdateStates.Idle, running: 1);
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Reports.Count) == 1, "the state");
        host.Start(package);
        byte[] manifest = await node.ManifestAsync();
        Assert.That(manifest, Is.EqualTo(package.ManifestBytes), "published when the offer came");

        await node.FetchAsync(package.Manifest, package.Hash, upTo: 40_000);
        await node.CutAsync();
        await node.ConnectAsync();
        Assert.That(await node.ManifestAsync(), Is.EqualTo(package.ManifestBytes), "published on subscribing");
        int resumedAt = node.At;
        await node.FetchAsync(package.Manifest, package.Hash);
        Assert.That(resumedAt, Is.GreaterThanOrEqualTo(40_000));
        for (int i = 0; i < node.Files.Length; i++) Assert.That(SHA256.HashData(node.Files[i]), Is.EqualTo(package.Manifest.Hashes[i]));
        Assert.That(host.Metrics.ChunkBytes, Is.LessThan(PackageBytes + (200 * UpdateChunk.HeaderBytes)), "nothing was fetched twice");

        await node.SayAsync(UpdateStates.Confirmed, running: 2, offered: 2, package.Hash);
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Rollouts[0].State) == RolloutState.Complete, "the end of the roll-out");
        Assert.That(await node.ManifestAsync(), Is.Empty, "what runs is not offered");
    }

    [Test]
    public async Task A_state_counts_only_after_a_fresh_frame_of_the_same_device_on_that_connection()
    {
        await using UpdateHost host = await UpdateHost.StartAsync();
        FrameVerdict verdict = FrameVerdict.Duplicate;
        host.Host.Intake.Decide = (_, _) => new(verdict);
        await using WireNode node = new(host, 1);
        await node.ConnectAsync(); // a replayed frame
        await node.SayAsync(UpdateStates.Idle, running: 1);
        await node.FrameAsync();
        Assert.That(host.Stage.Read((core, _) => core.Reports.Count), Is.Zero);
        verdict = FrameVerdict.Accepted;
        await node.FrameAsync();
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Reports.Count) == 1, "the state that was held");

        await using WireNode victim = new(host, 2);
        byte[] state = new byte[UpdateState.BytesMax];
        int count = UpdateState.Write(9, 0, null, UpdateStates.Confirmed, 0, 0, 0, "9", state, 0);
        Assert.That((await node.Client.PublishAsync(Topics.UpdateState(victim.Text), state.AsMemory(0, count), MqttQos.AtMostOnce)).IsSuccess, Is.True);
        await Until.TrueAsync(() => host.Metrics.Refused(UpdateRefusal.Foreign) == 1, "another device's state is refused");
        Assert.That(node.Client.IsConnected, Is.True);
        await node.FrameAsync();
    }

    [Test]
    public async Task Nonsense_is_counted_by_its_reason_and_frames_go_on()
    {
        await using UpdateHost host = await UpdateHost.StartAsync();
        UpdatePackage package = host.Operators.Pack(2);
        await using WireNode node = new(host, 1);
        await using WireNode stranger = new(host, 1, clientId: "somebody");
        await node.ConnectAsync();
        byte[] Request(byte[] hash, byte file, uint at, ushort count)
        {
            byte[] request = new byte[UpdateGet.Bytes];
            UpdateGet.Write(hash, file, at, count, request, 0);
            return request;
        }

        byte[] sound = Request(package.Hash, 0, 0, 100);
        await node.AskAsync(sound);
        await node.SayAsync(UpdateStates.Idle, running: 1);
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Reports.Count) == 1, "the state");
        host.Start(package);
        await node.AskAsync([]);
        await node.AskAsync(new byte[300]);
        await node.AskAsync(Request(package.Hash, 0, 0, 1_025));
        await node.AskAsync(Request(new byte[32], 0, 0, 100));
        await node.AskAsync(Request(package.Hash, 2, 0, 100));
        await node.AskAsync(Request(package.Hash, 0, 950, 100));
        await node.AskAsync(Request(package.Hash, 0, uint.MaxValue - 100, 100));
        await stranger.ConnectAsync(sendFrame: false);
        await stranger.AskAsync(sound);
        Random random = new(5);
        for (int i = 0; i < 500; i++)
        {
            byte[] noise = new byte[UpdateGet.Bytes];
            random.NextBytes(noise);
            await node.AskAsync(noise);
        }

        await node.FrameAsync();
        await stranger.FrameAsync();
        await Until.TrueAsync(() => host.Metrics.Refused(UpdateRefusal.Foreign) == 1, "the stranger's request");
        Assert.Multiple(() =>
        {
            Assert.That(host.Metrics.Refused(UpdateRefusal.NoOffer), Is.EqualTo(1));
            Assert.That(host.Metrics.Refused(UpdateRefusal.OutOfRange), Is.EqualTo(3));
            Assert.That(host.Metrics.Refused(UpdateRefusal.Malformed) + host.Metrics.Refused(UpdateRefusal.OtherManifest), Is.EqualTo(504));
            Assert.That(host.Metrics.Chunks, Is.Zero);
            Assert.That(node.Client.IsConnected && stranger.Client.IsConnected, Is.True);
        });
        Assert.That(await node.AnswerAsync(sound), Has.Length.EqualTo(UpdateChunk.HeaderBytes + 100));
        Assert.That(await stranger.AnswerAsync(sound), Has.Length.EqualTo(UpdateChunk.HeaderBytes + 100), "its frames are the device's by now");
    }

    [Test]
    public async Task Frames_go_first()
    {
        await using UpdateHost host = await UpdateHost.StartAsync(change: settings => settings with { IntakeBytesMax = 350 });
        UpdatePackage package = host.Operators.Pack(2);
        await using WireNode node = new(host, 1);
        await node.ConnectAsync();
        await node.SayAsync(UpdateStates.Idle, running: 1);
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Reports.Count) == 1, "the state");
        host.Start(package);
        byte[] request = new byte[UpdateGet.Bytes];
        UpdateGet.Write(package.Hash, 0, 0, 100, request, 0);
        TaskCompletionSource<FrameVerdict> slow = new();
        host.Host.Intake.Decide = (_, _) => new(slow.Task);
        Task frame = node.FrameAsync();
        await node.AskAsync(request);
        await Until.TrueAsync(() => host.Metrics.Refused(UpdateRefusal.FramesFirst) == 1, "a request that gives way");
        slow.SetResult(FrameVerdict.Accepted);
        await frame;
        Assert.That(await node.AnswerAsync(request), Has.Length.EqualTo(UpdateChunk.HeaderBytes + 100));
    }

    [TestCase(MqttVersion.V311, MqttQos.AtMostOnce)]
    [TestCase(MqttVersion.V311, MqttQos.AtLeastOnce)]
    [TestCase(MqttVersion.V5, MqttQos.AtLeastOnce)]
    public async Task A_gateway_without_updates_takes_the_messages_and_does_nothing(MqttVersion version, MqttQos qos)
    {
        await using IngestHost host = await IngestHost.StartAsync();
        await using MqttClient client = await host.ConnectAsync(options => options with { ClientId = IngestHost.Device, Version = version });
        Assert.That((await client.SubscribeAsync(Topics.UpdateManifest(IngestHost.Device))).IsSuccess, Is.True);
        Assert.That((await client.PublishAsync(Topics.UpdateState(IngestHost.Device), new byte[30], qos)).IsSuccess, Is.True);
        Assert.That((await client.PublishAsync(Topics.UpdateGet(IngestHost.Device), new byte[15], qos)).IsSuccess, Is.True);
        Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[100])).IsSuccess, Is.True);
        Assert.That(client.IsConnected, Is.True);
    }

    [Test]
    public async Task A_session_that_waits_for_its_client_keeps_the_offer_and_its_end()
    {
        await using UpdateHost host = await UpdateHost.StartAsync();
        await using WireNode node = new(host, 1);
        await node.ConnectAsync();
        await node.SayAsync(UpdateStates.Idle, running: 1);
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Reports.Count) == 1, "the state");
        Rollout rollout = host.Start(host.Operators.Pack(2));
        Assert.That(await node.ManifestAsync(), Is.Empty);
        Assert.That(await node.ManifestAsync(), Is.Not.Empty);
        host.Stage.Command(rollout.Id, "abort");
        Assert.That(await node.ManifestAsync(), Is.Empty, "aborted: the offer is withdrawn at once");
    }

    [TestCase(12)]
    [TestCase(200, Explicit = true, Category = "ByHand", Reason = "the figure of gateway/Update/README.md: ten seconds at the rate of the default settings")]
    public async Task A_fleet_fetches_at_the_rate_of_all_together(int nodes)
    {
        UpdateSettings defaults = new();
        ChunkRates rates = nodes > 100 ? new ChunkRates(defaults.DeviceKibPerS * 1024, defaults.AllKibPerS * 1024) : new ChunkRates(1 << 20, 1 << 20);
        await using UpdateHost host = await UpdateHost.StartAsync(rates);
        UpdatePackage package = host.Operators.Pack(2, PackageBytes);
        WireNode[] fleet = [.. Enumerable.Range(1, nodes).Select(i => new WireNode(host, i))];
        await Task.WhenAll(fleet.Select(async node =>
        {
            await node.ConnectAsync();
            await node.SayAsync(UpdateStates.Idle, running: 1);
        }));
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Reports.Count) == nodes, "all states");
        Stopwatch watch = Stopwatch.StartNew();
        host.Start(package);
        await Task.WhenAll(fleet.Select(async node =>
        {
            while ((await node.ManifestAsync()).Length == 0)
            {
            }

            await node.FetchAsync(package.Manifest, package.Hash);
            await node.SayAsync(UpdateStates.Confirmed, running: 2, offered: 2, package.Hash);
        }));
        await Until.TrueAsync(() => host.Stage.Read((core, _) => core.Rollouts[0].State) == RolloutState.Complete, "the end");
        double seconds = watch.Elapsed.TotalSeconds;
        foreach (WireNode node in fleet) await node.CutAsync();
        Assert.That(fleet.All(node => node.Files.Select(SHA256.HashData).Zip(package.Manifest.Hashes).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second))), Is.True);
        long sent = host.Metrics.ChunkBytes;
        Assert.That(seconds, Is.GreaterThan((double)sent / rates.AllBytesPerS - 1), "the rate holds");
        TestContext.Out.WriteLine($"{nodes} nodes, {PackageBytes} bytes: {seconds:0.0} s; {fleet.Average(n => n.WireBytes):0} bytes in TCP a node, {host.Metrics.Chunks / nodes} pieces");
    }
}

using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using DePIN.Gateway.Store.Postgres;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Store;

/// <summary>What only the shared store has: a commit whose answer is lost, a server killed under load, several processes at one log, a leader that was paused.</summary>
internal sealed class PostgresStoreTests
{
    private static readonly Address Gateway = new(Enumerable.Repeat((byte)7, 20).ToArray());

    [TestCase(CuttingProxy.At.BeforeTheServerGotIt)]
    [TestCase(CuttingProxy.At.AfterTheServerAnswered)]
    public async Task A_commit_whose_answer_is_lost_is_looked_up_and_never_told_wrongly(object at)
    {
        PostgresServer server = await PostgresForTests.Server.Value;
        using CuttingProxy proxy = new(server.Port);
        using Pipeline pipeline = new(postgres: await StoreKind.DatabaseAsync(server, proxy.Port));
        using SigningDevice device = await pipeline.AddDeviceAsync();
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));

        proxy.Cut = (CuttingProxy.At)at;
        byte[] frame = device.Next();
        FrameVerdict verdict = await pipeline.SubmitAsync(device, frame);
        Assert.That(proxy.Cuts, Is.EqualTo(1));
        bool isStored = pipeline.Frames.Find(pipeline.DeviceNumber(device), 2) is not null;
        Assert.That(isStored, Is.EqualTo((CuttingProxy.At)at == CuttingProxy.At.AfterTheServerAnswered));
        Assert.That(verdict, Is.EqualTo(isStored ? FrameVerdict.Accepted : FrameVerdict.Unavailable));

        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(isStored ? FrameVerdict.Duplicate : FrameVerdict.Accepted), "the device sends it again");
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Frames.Frames(1, 10).Select(f => f.Row), Is.EqualTo(new[] { 1L, 2L, 3L }));
    }

    [Test]
    public async Task What_was_acknowledged_survives_kills_of_the_server_under_load_exactly_once()
    {
        using PostgresServer server = await PostgresServer.StartAsync();
        using Pipeline pipeline = new(postgres: (await StoreKind.DatabaseAsync(server)) with { BackoffMaxMs = 400 });
        SigningDevice[] devices = [await pipeline.AddDeviceAsync(), await pipeline.AddDeviceAsync(), await pipeline.AddDeviceAsync()];
        byte[][][] frames = [.. devices.Select(d => Enumerable.Range(0, 1_500).Select(_ => d.Next()).ToArray())];
        Task[] sending = [.. devices.Select((device, i) => Device.SendAllAsync(pipeline, device, frames[i], window: 16))];
        for (int kill = 1; kill <= 2; kill++)
        {
            long at = kill * 600;
            await Eventually.TrueAsync(() => pipeline.Frames.LastRow > at || sending.All(s => s.IsCompleted), "frames are stored");
            server.Kill();
            await server.RestartAsync();
        }

        await Task.WhenAll(sending);
        Assert.That(pipeline.Frames.LastRow, Is.EqualTo(3 * 1_500));
        for (int i = 0; i < devices.Length; i++)
        {
            Assert.That(pipeline.Frames.FramesOf(pipeline.DeviceNumber(devices[i]), 1, 4_000).Select(f => f.Frame), Is.EqualTo(frames[i]));
            devices[i].Dispose();
        }

        Assert.That(pipeline.Frames.Frames(1, 5_000).Select(f => f.Row), Is.EqualTo(Enumerable.Range(1, 4_500).Select(row => (long)row)), "no holes");
    }

    [Test]
    public async Task Frames_that_reach_several_processes_in_any_order_are_stored_once_and_acknowledged_by_each()
    {
        PostgresOptions options = await StoreKind.DatabaseAsync();
        using Pipeline one = new(postgres: options), two = new(postgres: options);
        using SigningDevice device = await one.AddDeviceAsync();
        two.Devices.Refresh();
        byte[][] frames = [.. Enumerable.Range(0, 400).Select(_ => device.Next())];
        Random random = new(6);
        byte[][] other = [.. frames.Where((_, i) => i % 2 == 0).Concat(frames.Where((_, i) => i % 7 == 0)).OrderBy(_ => random.Next())];
        byte[][] mine = [.. frames.Where((_, i) => i % 2 == 1 || i % 10 == 0)];
        await Task.WhenAll(InWindowsAsync(one, mine), InWindowsAsync(two, other)); // a late frame is no replay: it was never stored
        await InWindowsAsync(one, frames);
        Assert.That(one.Frames.FramesOf(one.DeviceNumber(device), 1, 4_000).Select(f => f.Frame), Is.EqualTo(frames));
        Assert.That(one.Frames.Frames(1, 1_000).Select(f => f.Row), Is.EqualTo(Enumerable.Range(1, 400).Select(row => (long)row)));

        byte[] rival = device.Frame(400, new byte[32], value: 99);
        await Eventually.TrueAsync(async () => await two.SubmitAsync(device, rival) == FrameVerdict.Equivocation, "two frames with one sequence at different processes are evidence");
        Assert.That(one.Frames.Equivocations(1, 10).Select(e => (e.First, e.Second)), Is.EqualTo(new[] { (frames[399], rival) }));

        async Task InWindowsAsync(Pipeline pipeline, byte[][] some)
        {
            foreach (byte[][] window in some.Chunk(16))
                Assert.That(await Task.WhenAll(window.Select(f => pipeline.SubmitAsync(device, f))), Is.All.Matches<FrameVerdict>(v => v.IsDurable()));
        }
    }

    [Test]
    public async Task A_leader_that_was_paused_can_write_nothing_after_another_one_took_over()
    {
        PostgresOptions options = (await StoreKind.DatabaseAsync()) with { LeaseMs = 400 };
        using PostgresDatabase first = PostgresDatabase.Open(options, PostgresChain.Schema), second = PostgresDatabase.Open(options, PostgresChain.Schema);
        HealthBoard health = new(TimeProvider.System, NullLogger.Instance);
        PostgresLease paused = new(first, "first", health, TimeProvider.System, NullLogger.Instance), next = new(second, "second", health, TimeProvider.System, NullLogger.Instance);
        using PostgresFrameStore here = PostgresFrameStore.Open(first, paused), there = PostgresFrameStore.Open(second, next);
        using PostgresChain records = new(first, paused);
        Assert.That(paused.TryTake(), Is.True);
        Assert.That(next.TryTake(), Is.False, "the lead is held");
        Assert.That(async () => await there.SaveCutRowAsync(1), Throws.TypeOf<LeadershipLostException>(), "a follower cuts nothing");
        await here.SaveCutRowAsync(0);

        await Eventually.TrueAsync(next.TryTake, "the lead is free once its time is over");
        Assert.That(paused.IsLeading, Is.True, "it has not noticed yet");
        Assert.That(async () => await here.SaveBatchAsync(Batch(1)), Throws.TypeOf<LeadershipLostException>());
        Assert.That(() => records.Write(_ => { }), Throws.TypeOf<LeadershipLostException>(), "so nothing that it signed leaves");
        Assert.That(async () => await paused.RunAsync(default), Throws.TypeOf<LeadershipLostException>(), "and it ends");
        Assert.That(here.LastBatch(), Is.Null);
        Assert.That(await there.SaveBatchAsync(Batch(1)), Is.True);
        Assert.That(there.LastBatch()!.Number, Is.EqualTo(1));
    }

    [Test]
    public async Task A_server_that_may_lose_what_it_committed_is_refused()
    {
        using PostgresServer server = await PostgresServer.StartAsync("fsync = off");
        PostgresOptions options = await StoreKind.DatabaseAsync(server);
        Assert.That(() => PostgresDatabase.Open(options, PostgresChain.Schema), Throws.TypeOf<StoreException>().With.Message.Contains("fsync = off"));
    }

    [TestCase("postgresql://depin:secret@localhost/depin", "has a password in it")]
    [TestCase("mysql://localhost/depin", "no connection URI")]
    [TestCase("postgresql://depin@localhost/depin?sslmode=maybe", "sslmode 'maybe' is none")]
    [TestCase("postgresql://depin@localhost/depin?pool=1", "'pool' is not known")]
    public void A_wrong_connection_URI_says_what_to_write(string uri, string says) =>
        Assert.That(() => PostgresOptions.Parse(uri, ""), Throws.InstanceOf<Exception>().With.Message.Contains(says).And.Message.Not.Contains("secret"));

    private static StoredBatch Batch(ulong number) => new(number, 1, 1, Gateway.ToArray(), new byte[32], new byte[32], 1, 1, 1, new byte[32], new byte[32]) { FramesHash = new byte[32] };
}

using System.Diagnostics;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Store;

/// <summary>The log in several files: reads over their borders, restarts, what may be dropped and what never, and a store of schema 2 taken over.</summary>
internal sealed class PartitionTests
{
    private static readonly Address Gateway = new([.. Enumerable.Repeat((byte)7, 20)]);

    private static readonly FrameLogOptions Small = new() { Path = "", PartitionBytesMax = 24 * 1024, IndexIntervalFrames = 100 };

    [Test]
    public async Task Frames_over_many_partitions_are_read_like_one_log_before_and_after_restarts()
    {
        using Pipeline pipeline = new(store: Small);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> sent = [];
        for (int i = 0; i < 4; i++)
        {
            sent.AddRange(await SendAsync(pipeline, device, 300));
            if (i == 2) pipeline.Restart();
        }
        Compare();
        pipeline.Restart();
        Compare();
        Assert.That(pipeline.Log.CheckAll(), Is.Empty);

        void Compare()
        {
            FrameLog log = pipeline.Log;
            Assert.That(log.PartitionCount, Is.GreaterThan(4));
            Assert.That(log.Frames(1, log.LastRow).Select(static one => one.Frame), Is.EqualTo(sent));
            Assert.That(log.Lengths(1, log.LastRow).Select(static one => one.Bytes), Is.EqualTo(sent.Select(static one => one.Length)));
            Assert.That(log.FramesOf(pipeline.DeviceNumber(device), 1, 4_000).Select(static one => one.Frame), Is.EqualTo(sent));
            Assert.That(log.Latest(1_100).Select(static one => one.Row), Is.EqualTo(Enumerable.Range(101, 1_100).Reverse().Select(static row => (long)row)));
            for (ulong sequence = 1; sequence <= 1_200; sequence += 7)
                Assert.That(log.Find(pipeline.DeviceNumber(device), sequence)!.Frame, Is.EqualTo(sent[(int)sequence - 1]));
        }
    }

    [Test]
    public async Task Age_and_budget_drop_whole_partitions_that_are_anchored_and_nothing_else()
    {
        using Pipeline pipeline = new(store: Small);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> sent = [];
        for (int i = 0; i < 5; i++) sent.AddRange(await SendAsync(pipeline, device, 200));
        FrameLog log = pipeline.Log;
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 64 }, log);
        await batcher.CutNowAsync();
        Ledger ledger = new() { NowS = 1_000_000 };
        HealthBoard health = new(TimeProvider.System, NullLogger.Instance);
        using Retention retention = new(new RetentionOptions(KeepS: 86_400), log, ledger, static () => Task.CompletedTask, health, TimeProvider.System);

        Assert.That(await retention.SweepAsync(), Is.Zero, "nothing is anchored");
        ledger.Anchored = number => number <= 6 ? 1_000_000 - 86_399 : null; // rows 1 to 384
        Assert.That(await retention.SweepAsync(), Is.Zero, "not old enough");
        ledger.NowS = null;
        Assert.That(await retention.SweepAsync(), Is.Zero, "a chain that is not followed tells no time");
        ledger.NowS = 1_000_002;
        string oldest = PartitionFile.PathOf(log.Place, 1);
        Assert.That(File.Exists(oldest), Is.True);
        Assert.That(await retention.SweepAsync(), Is.Positive);
        Assert.That(File.Exists(oldest), Is.False);
        Assert.That(log.FirstRow, Is.GreaterThan(1).And.LessThanOrEqualTo(385));
        Check();
        pipeline.Restart();
        log = pipeline.Log;
        Check();
        // The last sequence protects what is dropped: an old frame is a replay, never new.
        Assert.That(await pipeline.SubmitAsync(device, sent[0]), Is.EqualTo(FrameVerdict.Replayed));
        Assert.That(await pipeline.SubmitAsync(device, sent[^1]), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(log.LastRow, Is.EqualTo(1_000));

        void Check()
        {
            int number = pipeline.DeviceNumber(device);
            long first = log.FirstRow;
            Assert.That(log.FrameAt(first - 1), Is.Null);
            Assert.That(log.IsDropped(first - 1), Is.True);
            Assert.That(log.IsDropped(first), Is.False);
            Assert.That(log.Frames(1, log.LastRow).Select(static one => one.Frame), Is.EqualTo(sent[(int)(first - 1)..]));
            Assert.That(log.FramesOf(number, 1, 4_000).Select(static one => one.Frame), Is.EqualTo(sent[(int)(first - 1)..]));
            Assert.That(log.NewestOf(number, 1, ulong.MaxValue, 4_000).Select(static one => one.Frame), Is.EqualTo(sent[(int)(first - 1)..].AsEnumerable().Reverse()));
            Assert.That(log.Find(number, 1), Is.Null);
            Assert.That(log.FindDropped(number, 1)!.Batch!.Number, Is.EqualTo(1));
            Assert.That(log.FindDropped(number, (ulong)first), Is.Null);
            BatchReader reader = new(log);
            StoredBatch dropped = log.BatchAt(1)!;
            Assert.That(Assert.Throws<StoreException>(() => reader.Summary(dropped))!.Fault, Is.EqualTo(StoreFault.Dropped));
            OwnBodies bodies = new(log, reader);
            Assert.That(bodies.Has(new Hash32(dropped.FramesHash)), Is.False);
            Assert.That(bodies.Open(new Hash32(dropped.FramesHash), 0), Is.Null);
            Assert.That(bodies.Has(new Hash32(log.LastBatch()!.FramesHash)), Is.True);
            Assert.That(reader.Prove(log.LastRow), Is.Not.Null);
        }
    }

    [Test]
    public async Task At_the_budget_anchored_partitions_make_room_and_without_any_frames_are_refused()
    {
        using Pipeline pipeline = new(store: Small with { DiskBudgetBytes = 700 * 1024 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        HealthBoard health = new(TimeProvider.System, NullLogger.Instance);
        Ledger ledger = new() { NowS = 1_000 };
        using Retention retention = new(new RetentionOptions(KeepS: 0), pipeline.Log, ledger, static () => Task.CompletedTask, health, TimeProvider.System);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 50 }, pipeline.Log);
        FrameVerdict verdict;
        long stored = 0;
        byte[] refused;
        while ((verdict = await pipeline.SubmitAsync(device, refused = device.Next(40))) == FrameVerdict.Accepted && stored < 5_000) stored++;
        Assert.That(verdict, Is.EqualTo(FrameVerdict.StoreFull));
        await batcher.CutNowAsync();
        Assert.That(await retention.SweepAsync(), Is.Zero, "nothing is anchored, so nothing goes");
        Assert.That(health.Find("retention")!.State, Is.EqualTo(PartState.Degraded));
        Assert.That(pipeline.Rows(), Is.EqualTo(stored));
        ledger.Anchored = static _ => 999;
        Assert.That(await retention.SweepAsync(), Is.Positive);
        Assert.That(pipeline.Log.FirstRow, Is.GreaterThan(1));
        while ((verdict = await pipeline.SubmitAsync(device, refused)) is FrameVerdict.StoreFull or FrameVerdict.Busy or FrameVerdict.Unavailable) await Task.Delay(20);
        Assert.That(verdict, Is.EqualTo(FrameVerdict.Accepted));
    }

    [Test]
    public async Task A_store_of_schema_2_is_taken_over_without_loss_also_after_a_stop_in_the_middle()
    {
        using Pipeline pipeline = new(store: Small with { PartitionBytesMax = 64 << 20 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> sent = await SendAsync(pipeline, device, 250);
        await new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = 100 }, pipeline.Log).CutNowAsync();
        pipeline.Stop();
        string path = pipeline.Store.Path;
        ToSchema2(path);
        byte[] old = File.ReadAllBytes(path);
        pipeline.Start();
        await CheckAsync();
        pipeline.Stop();
        // Stopped between the two renames: the old file is the first partition already, the new database not yet in its place.
        byte[] made = File.ReadAllBytes(path);
        Assert.That(File.Exists(path + ".new"), Is.False);
        File.Move(path, path + ".new");
        pipeline.Start();
        Assert.That(File.ReadAllBytes(path), Has.Length.GreaterThanOrEqualTo(made.Length));
        Assert.That(pipeline.Log.Frames(1, 250).Select(static one => one.Frame), Is.EqualTo(sent));
        pipeline.Stop();
        // Stopped before them, half of the new database written.
        Directory.Delete(PartitionFile.FolderOf(path), recursive: true);
        File.WriteAllBytes(path, old);
        File.WriteAllBytes(path + ".new", made[..(made.Length / 2)]);
        pipeline.Start();
        await CheckAsync();

        async Task CheckAsync()
        {
            FrameLog log = pipeline.Log;
            Assert.That(log.Frames(1, 250).Select(static one => one.Frame), Is.EqualTo(sent));
            Assert.That(log.FramesOf(pipeline.DeviceNumber(device), 1, 1_000).Take(250).Select(static one => one.Frame), Is.EqualTo(sent));
            Assert.That(log.Batches(1, 10).Select(static batch => batch.LastRow), Is.EqualTo(new long[] { 100, 200, 250 }));
            Assert.That(new BatchReader(log).Summary(log.LastBatch()!).IsConsistent(), Is.True);
            Assert.That(await pipeline.SubmitAsync(device, sent[3]), Is.EqualTo(FrameVerdict.Duplicate));
            Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));
            Assert.That(log.LastRow, Is.EqualTo(251));
            Assert.That(log.PartitionCount, Is.EqualTo(2));
        }

        // What the gateway wrote before: one file, frames without checksums.
        static void ToSchema2(string path)
        {
            using (SqliteConnection connection = new($"Data Source={path};Pooling=False"))
            {
                connection.Open();
                Sql.Execute(connection, "ATTACH DATABASE $0 AS log", PartitionFile.PathOf(path, 1));
                Sql.Execute(connection, "CREATE TABLE main.frames (row INTEGER PRIMARY KEY, device INTEGER NOT NULL, received_ms INTEGER NOT NULL, frame BLOB NOT NULL)");
                Sql.Execute(connection, $"INSERT INTO main.frames SELECT row, device, received_ms, substr(frame, 1, length(frame) - {PartitionFile.CheckBytes}) FROM log.frames");
                Sql.Execute(connection, "DROP TABLE partitions");
                Sql.Execute(connection, "PRAGMA main.user_version = 2");
            }
            Directory.Delete(PartitionFile.FolderOf(path), recursive: true);
        }
    }

    [Test]
    public async Task A_row_that_the_disk_changed_is_never_served()
    {
        using Pipeline pipeline = new(store: Small);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> sent = await SendAsync(pipeline, device, 600);
        pipeline.Stop();
        string path = PartitionFile.PathOf(pipeline.Store.Path, 1);
        byte[] file = File.ReadAllBytes(path);
        int at = file.AsSpan().LastIndexOf(sent[10]); // the first one may be what a split left behind in a page
        file[at + 50] ^= 4;
        File.WriteAllBytes(path, file);
        pipeline.Start();
        Assert.That(pipeline.Log.FrameAt(10)!.Frame, Is.EqualTo(sent[9]));
        Assert.That(Assert.Throws<StoreException>(() => pipeline.Log.FrameAt(11))!.Fault, Is.EqualTo(StoreFault.Corrupt));
        // The rest of the file is saved, and what is lost is said.
        while (pipeline.Log.LostFrames == 0) await Task.Delay(5);
        Assert.That(pipeline.Log.LostRuns, Is.EqualTo(new[] { (11L, 11L) }));
        Assert.That(pipeline.Log.FrameAt(11), Is.Null);
        Assert.That(pipeline.Log.FindDropped(pipeline.DeviceNumber(device), 11)!.IsLost, Is.True);
        Assert.That(pipeline.Log.Frames(1, 600).Select(static one => one.Frame), Is.EqualTo(sent[..10].Concat(sent[11..])));
        Assert.That(pipeline.Log.Damage, Has.Count.EqualTo(1).And.Some.Contains("1 could not be: rows 11."));
        pipeline.Restart();
        Assert.That(pipeline.Log.LostRuns, Is.EqualTo(new[] { (11L, 11L) }));
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));
    }

    [Test]
    public async Task A_clock_that_jumps_ten_years_drops_nothing_and_frames_go_on()
    {
        TestClock clock = new();
        using Pipeline pipeline = new(store: Small, time: clock);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> sent = await SendAsync(pipeline, device, 200);
        foreach (int years in (int[])[10, -10, -10, 10])
        {
            clock.Offset += TimeSpan.FromDays(365.25 * years);
            sent.AddRange(await SendAsync(pipeline, device, 200));
            if (years < 0) pipeline.Restart();
        }
        FrameLog log = pipeline.Log;
        await new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = 64 }, log).CutNowAsync();
        Ledger ledger = new() { NowS = 1_000_000, Anchored = static _ => 1_000_000 - 600 };
        using Retention retention = new(new RetentionOptions(KeepS: 86_400), log, ledger, static () => Task.CompletedTask, new HealthBoard(clock, NullLogger.Instance), clock);
        Assert.That(log.Frames(1, log.LastRow).Select(static one => one.ReceivedMs).Max() - log.FrameAt(1)!.ReceivedMs, Is.GreaterThan(TimeSpan.FromDays(3_600).TotalMilliseconds), "it did jump");
        Assert.That(await retention.SweepAsync(), Is.Zero, "by the chain's time the frames were anchored ten minutes ago");
        Assert.That(log.Frames(1, log.LastRow).Select(static one => one.Frame), Is.EqualTo(sent));
        ledger.NowS += 86_400;
        Assert.That(await retention.SweepAsync(), Is.Positive, "and a day later a day ago");
    }

    [Test]
    public async Task A_store_of_300_000_frames_starts_in_seconds_after_a_power_cut()
    {
        string copy = Directory.CreateTempSubdirectory("depin-start-").FullName;
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "" });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] frame = device.Next(4);
        DeviceLog log = pipeline.Log.LogOf(pipeline.DeviceNumber(device));
        for (int group = 0; group < 300; group++)
        {
            // Straight to the store: 300,000 signatures would say nothing about it.
            Appended last = null!;
            for (int i = 0; i < 1_000; i++)
            {
                byte[] one = [.. frame];
                ulong sequence = (ulong)(group * 1_000 + i + 1);
                System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(one.AsSpan(32), sequence);
                pipeline.Log.Append(last = new Appended(pipeline.Log.Epoch, log, sequence, one));
            }
            await last.Done;
        }
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(pipeline.Store.Path)!, "*", SearchOption.AllDirectories))
        {
            if (file.EndsWith(".lock", StringComparison.Ordinal) || file.EndsWith("-shm", StringComparison.Ordinal)) continue;
            string made = Path.Combine(copy, Path.GetRelativePath(Path.GetDirectoryName(pipeline.Store.Path)!, file));
            Directory.CreateDirectory(Path.GetDirectoryName(made)!);
            File.Copy(file, made);
        }
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();
        using (FrameLog started = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(copy, "frames.db") }))
        {
            TimeSpan took = System.Diagnostics.Stopwatch.GetElapsedTime(begun);
            TestContext.Out.WriteLine($"{took.TotalMilliseconds:0} ms");
            Assert.That(started.LastRow, Is.EqualTo(300_000));
            Assert.That(started.Find(log.Device, 300_000)!.Row, Is.EqualTo(300_000));
            Assert.That(started.Find(log.Device, 7)!.Row, Is.EqualTo(7));
            Assert.That(took, Is.LessThan(TimeSpan.FromSeconds(10)));
        }
        Directory.Delete(copy, recursive: true);
    }

    [Test]
    public async Task The_bytes_that_reach_the_disk_are_counted()
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("Only Linux counts what a thread sends to the disk (write_bytes, proc(5)).");
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        long frames = 0;
        while (pipeline.Log.WrittenBytes is not > 100_000 && frames < 100_000)
        {
            await SendAsync(pipeline, device, 100);
            frames += 100;
        }
        Assert.That(pipeline.Log.WrittenBytes, Is.GreaterThan(100_000));
    }

    [Test]
    public async Task Small_commits_are_an_interval_apart_once_the_burst_is_used_up()
    {
        const int interval = 100;
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", CommitIntervalMs = interval, CommitBurst = 3 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        long from = Stopwatch.GetTimestamp();
        for (int i = 0; i < 12; i++)
            Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(Stopwatch.GetElapsedTime(from).TotalMilliseconds, Is.GreaterThan((12 - 3 - 2) * interval));
    }

    [Test]
    public async Task A_commit_that_is_worth_it_waits_for_no_interval_and_neither_does_a_batch_or_a_stop()
    {
        TimeSpan never = TimeSpan.FromHours(1);
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", CommitIntervalMs = (int)never.TotalMilliseconds, CommitBurst = 0 });
        using SigningDevice device = await pipeline.AddDeviceAsync(); // a commit: the next one's turn is in an hour
        Task<FrameVerdict>[] few = [.. Enumerable.Range(0, 63).Select(_ => pipeline.SubmitAsync(device, device.Next()))];
        Assert.That(few, Has.All.Matches<Task>(static one => !one.IsCompleted));
        few = [.. few, pipeline.SubmitAsync(device, device.Next())];
        Assert.That(await Task.WhenAll(few), Is.All.EqualTo(FrameVerdict.Accepted));

        Task<FrameVerdict> one = pipeline.SubmitAsync(device, device.Next());
        SpinWait.SpinUntil(() => pipeline.Log.QueueDepth == 1);
        await pipeline.Log.WriteAsync(static _ => true);
        Assert.That(await one, Is.EqualTo(FrameVerdict.Accepted));
        one = pipeline.SubmitAsync(device, device.Next());
        SpinWait.SpinUntil(() => pipeline.Log.QueueDepth == 1);
        pipeline.Log.Dispose();
        Assert.That(await one, Is.EqualTo(FrameVerdict.Accepted));
    }

    private static async Task<List<byte[]>> SendAsync(Pipeline pipeline, SigningDevice device, int count)
    {
        List<byte[]> sent = [.. Enumerable.Range(0, count).Select(_ => device.Next())];
        foreach (byte[][] part in sent.Chunk(20))
            Assert.That(await Task.WhenAll(part.Select(frame => pipeline.SubmitAsync(device, frame))), Is.All.EqualTo(FrameVerdict.Accepted));
        return sent;
    }

    private sealed class Appended : FrameAppend
    {
        private readonly TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Appended(long epoch, DeviceLog log, ulong sequence, byte[] frame) => (Epoch, Log, Sequence, ReceivedMs, Frame) = (epoch, log, sequence, 1_780_000_000_000 + (long)sequence, frame);

        public Task Done => done.Task;

        protected internal override void Committed() => done.SetResult();

        internal override void Failed(StoreFault fault) => done.SetException(new StoreException(fault, "not stored"));
    }

    /// <summary>The machine's clock, set wrong.</summary>
    private sealed class TestClock : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;
    }

    private sealed class Ledger : ILedgerTimes
    {
        public long? NowS { get; set; }

        public Func<ulong, long?> Anchored { get; set; } = static _ => null;

        public long? AnchoredS(ulong number) => Anchored(number);

        public bool IsAnchored(ReadOnlySpan<byte> frame) => false;
    }
}

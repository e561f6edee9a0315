using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Tests.Store;

/// <summary>The store on a real file: reads, restarts, a full disk, damage, and commits that fail in pairs: not persisted, and persisted.</summary>
internal sealed class FrameLogTests
{
    [Test]
    public async Task Frames_are_found_by_device_and_sequence_across_blocks_gaps_and_restarts()
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", IndexIntervalFrames = 97 });
        using SigningDevice one = await pipeline.AddDeviceAsync();
        using SigningDevice two = await pipeline.AddDeviceAsync();
        Dictionary<ulong, byte[]> frames = [];
        for (int i = 0; i < 700; i++)
        {
            byte[] frame = one.Next(skip: (ulong)(i % 7 == 0 ? 3 : 0));
            frames[one.Sequence] = frame;
            Task<FrameVerdict> first = pipeline.SubmitAsync(one, frame);
            Assert.That(await pipeline.SubmitAsync(two, two.Next()), Is.EqualTo(FrameVerdict.Accepted));
            Assert.That(await first, Is.EqualTo(FrameVerdict.Accepted));
            if (i is 300 or 699)
                pipeline.Restart();
        }
        int device = pipeline.DeviceNumber(one);
        for (ulong sequence = 0; sequence <= one.Sequence + 1; sequence++)
            Assert.That(pipeline.Log.Find(device, sequence)?.Frame, Is.EqualTo(frames.GetValueOrDefault(sequence)), $"{sequence}");
        ulong from = 1;
        List<byte[]> paged = [];
        while (pipeline.Log.FramesOf(device, from, 33) is { Count: > 0 } page)
        {
            paged.AddRange(page.Select(frame => frame.Frame));
            from = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(page[^1].Frame.AsSpan(32)) + 1;
        }
        Assert.That(paged, Is.EqualTo(frames.Values));
    }

    [Test]
    public async Task The_newest_frames_come_first_and_page_back_to_the_oldest()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        for (int i = 0; i < 25; i++)
            await pipeline.SubmitAsync(device, device.Next());
        List<long> rows = [];
        long before = 0;
        while (pipeline.Log.Latest(10, before) is { Count: > 0 } page)
        {
            rows.AddRange(page.Select(frame => frame.Row));
            before = rows[^1];
        }
        Assert.That(rows, Is.EqualTo(Enumerable.Range(1, 25).Reverse().Select(row => (long)row)));
        Assert.That(pipeline.Log.Frames(5, 9).Select(frame => frame.Row), Is.EqualTo(new long[] { 5, 6, 7, 8, 9 }));
    }

    [Test]
    public async Task Frames_of_any_range_are_the_rows_whether_they_are_still_in_memory_or_not()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        // 3,600 frames of 144 to 1,168 bytes: more than the tail in memory holds, so its ring has gone round.
        Random random = new(5);
        for (int i = 0; i < 18; i++)
        {
            Task<FrameVerdict>[] verdicts = [.. Enumerable.Range(0, 200).Select(_ => pipeline.SubmitAsync(device, device.Next(random.Next(65))))];
            Assert.That(await Task.WhenAll(verdicts), Is.All.EqualTo(FrameVerdict.Accepted));
            if (i == 2)
                pipeline.Restart();
            Compare(pipeline.Log, 1, pipeline.Log.LastRow);
        }
        for (int i = 0; i < 100; i++)
        {
            long from = random.NextInt64(1, pipeline.Log.LastRow + 1);
            Compare(pipeline.Log, from, random.NextInt64(from, pipeline.Log.LastRow + 1));
            Assert.That(pipeline.Log.FrameAt(from)!.Frame, Is.EqualTo(Rows(pipeline.Log, from, from)[0].Frame));
        }
        Assert.That(pipeline.Log.FrameAt(pipeline.Log.LastRow + 1), Is.Null);
        Assert.That(pipeline.Log.Frames(pipeline.Log.LastRow, pipeline.Log.LastRow + 1).Count(), Is.EqualTo(1));

        // Straight from the file, frame and checksum.
        static List<StoredFrame> Rows(FrameLog log, long from, long to)
        {
            using SqliteConnection connection = new($"Data Source={PartitionFile.PathOf(log.Place, 1)};Mode=ReadOnly;Pooling=False");
            connection.Open();
            return Sql.Rows(connection, static row => new StoredFrame(row.GetInt64(0), row.GetInt32(1), row.GetInt64(2), ((byte[])row.GetValue(3))[..^PartitionFile.CheckBytes]),
                "SELECT row, device, received_ms, frame FROM frames WHERE row BETWEEN $0 AND $1 ORDER BY row", from, to);
        }

        static void Compare(FrameLog log, long from, long to)
        {
            List<StoredFrame> rows = Rows(log, from, to);
            List<StoredFrame> frames = [.. log.Frames(from, to)];
            Assert.That(frames.Select(static one => (one.Row, one.Device, one.ReceivedMs)), Is.EqualTo(rows.Select(static one => (one.Row, one.Device, one.ReceivedMs))));
            Assert.That(frames.Zip(rows).All(static pair => pair.First.Frame.AsSpan().SequenceEqual(pair.Second.Frame)), Is.True, $"rows {from} to {to}");
        }
    }

    [Test]
    public async Task Frames_stored_by_a_commit_in_doubt_are_read_like_all_others()
    {
        FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> sent = [];
        for (int i = 0; i < 6; i++)
        {
            sent.Add(device.Next());
            if (i == 3)
                commit.FailAfter(1);
            Assert.That(await pipeline.SubmitAsync(device, sent[^1]), Is.EqualTo(FrameVerdict.Accepted));
        }
        Assert.That(pipeline.Log.FailedCommits, Is.EqualTo(1));
        Assert.That(pipeline.Log.Frames(1, 6).Select(static one => one.Frame), Is.EqualTo(sent));
        Assert.That(pipeline.Log.Frames(5, 6).Select(static one => one.Frame), Is.EqualTo(sent[4..]));
    }

    [Test]
    public async Task A_commit_that_fails_and_stored_nothing_acknowledges_nothing()
    {
        FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] frame = device.Next();
        commit.FailBefore(1);
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Unavailable));
        Assert.That(pipeline.Rows(), Is.Zero);
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Rows(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_commit_that_fails_but_stored_is_found_out_and_acknowledged_once()
    {
        FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] frame = device.Next();
        commit.FailAfter(1);
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(pipeline.Rows(), Is.EqualTo(1));
        Assert.That(pipeline.Log.FailedCommits, Is.EqualTo(1));
    }

    [Test]
    public async Task A_commit_in_doubt_that_cannot_be_looked_up_is_not_acknowledged_until_it_can()
    {
        FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        string path = pipeline.Store.Path;
        byte[] frame = device.Next();
        byte[] next = device.Next();
        commit.FailAfter(1, () => File.Move(path, path + ".away"));
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Unavailable));
        Assert.That(await pipeline.SubmitAsync(device, next), Is.EqualTo(FrameVerdict.Unavailable));
        File.Move(path + ".away", path);
        FrameVerdict verdict;
        while ((verdict = await pipeline.SubmitAsync(device, frame)) == FrameVerdict.Unavailable)
            await Task.Delay(1);
        Assert.That(verdict, Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(await pipeline.SubmitAsync(device, next), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Rows(), Is.EqualTo(2));
    }

    [Test]
    public async Task Under_commits_that_fail_at_random_every_frame_is_stored_exactly_once_and_none_becomes_a_replay()
    {
        FailingCommit commit = new() { Random = new Random(4) };
        using Pipeline pipeline = new(commit: commit, store: new FrameLogOptions { Path = "", GroupFramesMax = 16, IndexIntervalFrames = 50 });
        SigningDevice[] devices = new SigningDevice[6];
        for (int d = 0; d < devices.Length; d++)
        {
            devices[d] = new SigningDevice();
            while (pipeline.Devices.Find(devices[d].Id) is null)
            {
                try
                {
                    await pipeline.Devices.PutAsync(devices[d].Registration);
                }
                catch (StoreException)
                {
                    // In doubt by design of this test: said again.
                }
            }
        }
        byte[][][] frames = [.. devices.Select(device => Enumerable.Range(0, 200).Select(_ => device.Next()).ToArray())];
        await Task.WhenAll(devices.Select((device, d) => Task.Run(() => Device.SendAllAsync(pipeline, device, frames[d], window: 15))));
        commit.Random = null;
        Assert.Multiple(() =>
        {
            Assert.That(pipeline.Rows(), Is.EqualTo(6 * 200));
            Assert.That(pipeline.Log.FailedCommits, Is.GreaterThan(10));
            Assert.That(pipeline.Counters.Of(FrameVerdict.Replayed), Is.Zero);
            for (int d = 0; d < devices.Length; d++)
                Assert.That(pipeline.Log.FramesOf(pipeline.DeviceNumber(devices[d]), 1, 1000).Select(frame => frame.Frame), Is.EqualTo(frames[d]));
        });
        pipeline.Restart();
        Assert.That(pipeline.Log.FramesOf(pipeline.DeviceNumber(devices[0]), 1, 1000).Select(frame => frame.Frame), Is.EqualTo(frames[0]));
        foreach (SigningDevice device in devices)
            device.Dispose();
    }

    [Test]
    public async Task At_the_disk_floor_frames_are_refused_not_dropped_and_taken_when_there_is_room()
    {
        FakeDisk disk = new();
        using Pipeline pipeline = new(disk: disk);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, 30).Select(_ => device.Next())];
        Assert.That(await pipeline.SubmitAsync(device, frames[0]), Is.EqualTo(FrameVerdict.Accepted));
        disk.Free = 0;
        FrameVerdict verdict;
        int at = 0;
        while ((verdict = await pipeline.SubmitAsync(device, frames[at + 1])) == FrameVerdict.Accepted && at < 20)
        {
            at++;
            await Task.Delay(100);
        }
        Assert.That(verdict, Is.EqualTo(FrameVerdict.StoreFull));
        Assert.That(pipeline.Log.State, Is.EqualTo(StoreFault.Full));
        Assert.That(await pipeline.SubmitAsync(device, frames[0]), Is.EqualTo(FrameVerdict.StoreFull).Or.EqualTo(FrameVerdict.Duplicate));
        disk.Free = long.MaxValue;
        await Device.SendAllAsync(pipeline, device, frames, window: 10);
        Assert.That(pipeline.Rows(), Is.EqualTo(30));
    }

    [Test]
    public async Task A_database_that_really_is_full_refuses_and_keeps_what_it_acknowledged()
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", PagesMax = 60 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        List<byte[]> acknowledged = [];
        FrameVerdict verdict = FrameVerdict.Accepted;
        while (verdict == FrameVerdict.Accepted && acknowledged.Count < 2_000)
        {
            byte[] frame = device.Next(64);
            verdict = await pipeline.SubmitAsync(device, frame);
            if (verdict == FrameVerdict.Accepted)
                acknowledged.Add(frame);
        }
        Assert.That(verdict, Is.EqualTo(FrameVerdict.StoreFull));
        pipeline.Restart();
        Assert.That(pipeline.Log.FramesOf(pipeline.DeviceNumber(device), 1, 4_000).Select(frame => frame.Frame), Is.EqualTo(acknowledged));
        Assert.That(pipeline.Log.CheckAll(), Is.Empty);
    }

    [Test]
    public void A_damaged_database_says_so_and_what_to_do()
    {
        string folder = Directory.CreateTempSubdirectory("depin-damage-").FullName;
        string path = Path.Combine(folder, "frames.db");
        File.WriteAllBytes(path, [.. "this is no database, whatever its name says"u8, .. new byte[8192]]);
        StoreException? fault = Assert.Throws<StoreException>(() => FrameLog.Open(new FrameLogOptions { Path = path }));
        Assert.That(fault!.Fault, Is.EqualTo(StoreFault.Corrupt));
        Assert.That(fault.Message, Does.Contain("from one backup").And.Contain(path));
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    public async Task Flipped_bytes_inside_a_partition_are_noticed_at_the_start_and_what_is_lost_is_said()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        for (int i = 0; i < 200; i++)
            await pipeline.SubmitAsync(device, device.Next(20));
        pipeline.Stop();
        string path = PartitionFile.PathOf(pipeline.Store.Path, 1);
        byte[] broken = File.ReadAllBytes(path);
        for (int page = 4096 * 2; page + 200 < broken.Length; page += 2 * 4096)
            broken.AsSpan(page, 100).Fill(0xFF);
        File.WriteAllBytes(path, broken);
        pipeline.Start();
        Assert.That(pipeline.Log.LostFrames, Is.Positive.And.LessThan(200));
        Assert.That(pipeline.Rows() + pipeline.Log.LostFrames, Is.EqualTo(200));
        Assert.That(pipeline.Log.LastRow, Is.EqualTo(200));
        Assert.That(pipeline.Log.Damage, Has.Count.EqualTo(1).And.Some.Contains("could not be"));
        Assert.That(Directory.GetFiles(StoreDamage.FolderOf(pipeline.Store.Path), "*.db").Select(File.ReadAllBytes), Has.Exactly(1).EqualTo(broken));
    }

    [Test]
    public void A_second_gateway_on_the_same_store_is_told_so()
    {
        using Pipeline pipeline = new();
        StoreException? fault = Assert.Throws<StoreException>(() => FrameLog.Open(pipeline.Store));
        Assert.That(fault!.Fault, Is.EqualTo(StoreFault.Locked));
    }

    [Test]
    public void A_store_of_a_newer_version_is_left_alone()
    {
        using Pipeline pipeline = new();
        pipeline.Stop();
        using (SqliteConnection connection = new($"Data Source={pipeline.Store.Path};Pooling=False"))
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA user_version = 99");
        }
        Assert.That(Assert.Throws<StoreException>(() => FrameLog.Open(pipeline.Store))!.Fault, Is.EqualTo(StoreFault.Version));
        using (SqliteConnection connection = new($"Data Source={pipeline.Store.Path};Pooling=False"))
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA user_version = 3");
        }
        pipeline.Start();
    }

    [Test]
    public void A_store_of_before_the_network_says_what_to_do()
    {
        using Pipeline pipeline = new();
        pipeline.Stop();
        using (SqliteConnection connection = new($"Data Source={pipeline.Store.Path};Pooling=False"))
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA user_version = 1");
        }
        StoreException? fault = Assert.Throws<StoreException>(() => FrameLog.Open(pipeline.Store));
        Assert.That(fault!.Fault, Is.EqualTo(StoreFault.Version));
        Assert.That(fault.Message, Does.Contain("new data folder"));
        using (SqliteConnection connection = new($"Data Source={pipeline.Store.Path};Pooling=False"))
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA user_version = 3");
        }
        pipeline.Start();
    }

    [Test]
    public async Task A_write_of_another_stage_that_is_wrong_fails_alone()
    {
        using Pipeline pipeline = new();
        using SigningDevice device = await pipeline.AddDeviceAsync();
        Task<int> wrong = pipeline.Log.WriteAsync(connection => Sql.Execute(connection, "INSERT INTO nowhere VALUES (1)"));
        Task<FrameVerdict> frame = pipeline.SubmitAsync(device, device.Next());
        Assert.ThrowsAsync<SqliteException>(() => wrong);
        Assert.That(await frame, Is.EqualTo(FrameVerdict.Accepted));
    }

    internal sealed class FakeDisk : IDisk
    {
        public long Free { get; set; } = long.MaxValue;

        public long FreeBytes(string path) => Free;

        public long UsedBytes(string path) => 0;
    }

    /// <summary>Fails the next commits, before or after the real one, or a third of all at random.</summary>
    internal sealed class FailingCommit : ICommitStep
    {
        private int before;
        private int after;
        private Action? then;

        public Random? Random { get; set; }

        public void FailBefore(int commits) => before = commits;

        public void FailAfter(int commits, Action? action = null) => (after, then) = (commits, action);

        public void Commit(SqliteConnection connection)
        {
            int dice = Random?.Next(6) ?? -1;
            if (dice == 0 || (before > 0 && before-- > 0))
                throw new SqliteException("disk I/O error (injected before the commit)", 10, 10);
            Sql.Execute(connection, "COMMIT");
            if (dice == 1 || (after > 0 && after-- > 0))
            {
                then?.Invoke();
                throw new SqliteException("disk I/O error (injected after the commit)", 10, 10);
            }
        }
    }
}

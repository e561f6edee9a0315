using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Batch;

/// <summary>Batches with rows left out, batches cut again, and batches that come back from peers after a lost disk, on a real store.</summary>
internal sealed class RecutAndRestoreTests
{
    private static readonly Address Gateway = new(Enumerable.Repeat((byte)7, 20).ToArray());
    private readonly Anchored _anchored = new();

    [Test]
    public async Task Frames_anchored_through_another_gateway_are_left_out_of_a_new_batch()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 20);
        _anchored.Add(frames[0], frames[4], frames[19]);
        BatchReader reader = new(pipeline.Log);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, reader, _anchored);
        await batcher.CutNowAsync();

        StoredBatch first = pipeline.Log.BatchAt(1)!, second = pipeline.Log.BatchAt(2)!;
        Assert.Multiple(() =>
        {
            Assert.That((first.Frames, second.Frames), Is.EqualTo((8U, 9U)));
            Assert.That(first.Skipped, Is.EqualTo(new[] { 1L, 5L }));
            Assert.That(reader.Body(first).Compare(BatchReader.Header(first)), Is.EqualTo(BatchMatch.Matches));
            Assert.That(pipeline.Log.BatchOf(1), Is.Null);
            Assert.That(pipeline.Log.BatchOf(2)!.Number, Is.EqualTo(1));
            Assert.That(batcher.Waiting, Is.Zero);
            Assert.That(new BatchReader(pipeline.Log).Summary(first).IsConsistent(), Is.True, "derived anew");
        });
        for (int i = 0; i < frames.Length; i++)
        {
            if (reader.Prove(i + 1) is not { } proof) continue;
            Assert.That(MerkleTree.Verify(new Hash32(proof.Batch.Root), FrameLeaf.Hash(frames[i]), [.. proof.Path]), Is.True, $"row {i + 1}");
        }
    }

    [Test]
    public async Task Rows_that_are_all_left_out_are_not_looked_at_again()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 10);
        _anchored.Add(frames);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 5 }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        Assert.That((batcher.Last, batcher.Waiting), Is.EqualTo(((StoredBatch?)null, 0L)));
        pipeline.Restart();
        Assert.That(new Batcher(new BatcherOptions { Gateway = Gateway }, pipeline.Log, anchored: _anchored).Waiting, Is.Zero);
    }

    [Test]
    public async Task A_void_batch_is_cut_again_once_without_what_is_anchored()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 20);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        _anchored.Add(frames[2], frames[3]);

        StoredBatch again = (await batcher.RecutAsync(1))!;
        Assert.That((again.Number, again.Frames, again.RecutOf), Is.EqualTo((3UL, 8U, 1UL)));
        Assert.That(again.Previous, Is.EqualTo(pipeline.Log.BatchAt(2)!.Hash));
        Assert.That((await batcher.RecutAsync(1))!.Number, Is.EqualTo(3), "asked again");
        Assert.That(pipeline.Log.BatchOf(1)!.Number, Is.EqualTo(3));
        Assert.That(pipeline.Log.BatchOf(3)!.Number, Is.EqualTo(1), "the anchored one is only in the void batch");
        Assert.That(pipeline.Log.BatchOf(15)!.Number, Is.EqualTo(2));

        pipeline.Restart();
        batcher = new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        Assert.That((batcher.Last!.Number, batcher.Waiting), Is.EqualTo((3UL, 0L)));
        _anchored.Add(frames[4]);
        StoredBatch third = (await batcher.RecutAsync(3))!; // void in its turn
        Assert.That((third.Number, third.Frames), Is.EqualTo((4UL, 7U)));
        _anchored.Add(frames[..10]);
        Assert.That(await batcher.RecutAsync(4), Is.Null, "nothing is left");
        byte[][] more = await FillAsync(pipeline, 5);
        await batcher.CutNowAsync();
        Assert.That((batcher.Last!.Number, batcher.Last.FirstRow, batcher.Last.Frames), Is.EqualTo((5UL, 21L, (uint)more.Length)));
    }

    [Test]
    public async Task A_recut_whose_commit_fails_before_or_after_is_made_once([Range(1, 8)] int seed)
    {
        FrameLogTests.FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        byte[][] frames = await FillAsync(pipeline, 20);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        _anchored.Add(frames[2]);
        commit.Random = new Random(seed);
        StoredBatch? again = null;
        for (int i = 0; again is null && i < 200; i++)
        {
            try
            {
                again = await batcher.RecutAsync(1);
            }
            catch (StoreException fault) when (fault.Fault == StoreFault.Unavailable)
            {
                await Task.Delay(5);
            }
        }

        commit.Random = null;
        Assert.That((again!.Number, again.Frames), Is.EqualTo((3UL, 9U)));
        Assert.That(pipeline.Log.Batches(1, 10), Has.Count.EqualTo(3));
    }

    [Test]
    public async Task A_store_comes_back_from_its_batches_to_the_same_headers_and_goes_on()
    {
        using Pipeline lost = new();
        using SigningDevice a = await lost.AddDeviceAsync(), b = await lost.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, 30).Select(i => (i % 3 == 0 ? a : b).Next(2))];
        for (int i = 0; i < frames.Length; i++) Assert.That(await lost.SubmitAsync(i % 3 == 0 ? a : b, frames[i]), Is.EqualTo(FrameVerdict.Accepted));
        Batcher before = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, lost.Log, anchored: _anchored);
        await before.CutNowAsync();
        _anchored.Add(frames[11]);
        await before.RecutAsync(2);
        BatchReader old = new(lost.Log);
        Dictionary<Hash32, BatchBody> bodies = [];
        List<BatchSummary> batches = [];
        foreach (StoredBatch stored in lost.Log.Batches(1, 10))
        {
            batches.Add(old.Summary(stored));
            bodies[batches[^1].Hash] = old.Body(stored);
        }

        FrameLogTests.FailingCommit commit = new();
        using Pipeline fresh = new(commit: commit);
        (OwnBatches own, Batcher batcher) = Make();
        Assert.That((own.IsEmpty, own.Find(1)), Is.EqualTo((true, (BatchSummary?)null)));
        Assert.That(await own.RestoreAsync(batches[0], default), Is.False, "its devices are not known yet");
        foreach ((int _, RegisteredDevice device) in lost.Log.Devices()) await fresh.Devices.PutAsync(device);
        commit.Random = new Random(5);
        for (int i = 0; i < batches.Count;)
        {
            try
            {
                if (await own.RestoreAsync(batches[i], default)) i++;
            }
            catch (StoreException)
            {
                (own, batcher) = Make(); // as after a restart
                await Task.Delay(5);
            }
        }

        commit.Random = null;
        Assert.That(Enumerable.Range(1, batches.Count).Select(n => own.Find((ulong)n)!.Hash), Is.EqualTo(batches.Select(x => x.Hash)));
        Assert.That(fresh.Log.LastRow, Is.EqualTo(30));
        fresh.Restart();
        (own, batcher) = Make();
        Assert.That(own.Find(4)!.IsConsistent(), Is.True);
        Assert.That(await own.RestoreAsync(batches[3], default), Is.True, "again: nothing changes");
        byte[] next = a.Next(2);
        Assert.That(await fresh.SubmitAsync(a, next), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await fresh.SubmitAsync(b, frames[29]), Is.EqualTo(FrameVerdict.Duplicate), "what was acknowledged before the loss is known again");
        await batcher.CutNowAsync();
        Assert.That((batcher.Last!.Number, batcher.Last.Frames, new Hash32(batcher.Last.Previous)), Is.EqualTo((5UL, 1U, batches[^1].Hash)));

        (OwnBatches, Batcher) Make()
        {
            BatchReader reader = new(fresh.Log);
            Batcher made = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, fresh.Log, reader, _anchored);
            return (new OwnBatches(fresh.Log, reader, made, fresh.Devices, summary => bodies.GetValueOrDefault(summary.Hash)), made);
        }
    }

    [Test]
    public async Task What_a_damaged_disk_lost_comes_back_from_peers_or_is_cut_anew()
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", PartitionBytesMax = 12 * 1024 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, 400).Select(_ => device.Next(2))];
        foreach (byte[] frame in frames) Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        BatcherOptions cutting = new() { Gateway = Gateway, FramesMax = 40 };
        await new Batcher(cutting, pipeline.Log).CutNowAsync();
        BatchReader reader = new(pipeline.Log);
        List<BatchSummary> batches = [.. pipeline.Log.Batches(1, 10).Select(reader.Summary)];
        Dictionary<Hash32, BatchBody> bodies = pipeline.Log.Batches(1, 10).ToDictionary(one => new Hash32(one.Hash), reader.Body);
        string folder = Directory.CreateTempSubdirectory("depin-lost-").FullName;
        using (ChainDatabase database = ChainDatabase.Open(folder))
        {
            NetworkLog network = new(database);
            foreach (BatchSummary batch in batches[..7]) network.SaveCertificate(batch, []);
            pipeline.Stop();
            Break(1); // its batches have certificates
            Break(280); // that of the next ones have not
            pipeline.Start();
            for (int i = 0; i < 20; i++) // the slow round, twice over all partitions
            {
                pipeline.Log.VerifyNext(FrameLog.ReadFramesMax);
                await pipeline.Log.ProveAsync();
            }

            Assert.That(pipeline.Log.LostRuns, Has.Count.EqualTo(2));
            LostBatches lost = new(pipeline.Log, network, Gateway, () => 4);
            reader = new BatchReader(pipeline.Log);
            Assert.That(reader.IsWhole(pipeline.Log.BatchAt(1)!), Is.False);
            Assert.That(await lost.ForgetAsync(), Is.EqualTo(1));
            Assert.That(pipeline.Log.FirstMissingBatch(1), Is.EqualTo(1));
            Batcher batcher = new(cutting, pipeline.Log, reader);
            OwnBatches own = new(pipeline.Log, reader, batcher, pipeline.Devices, summary => bodies.GetValueOrDefault(summary.Hash));
            foreach (BatchSummary batch in batches[..7])
                if (pipeline.Log.BatchAt(batch.Header.Number) is null) Assert.That(await own.RestoreAsync(batch, default), Is.True);
            await batcher.CutNowAsync();
            Assert.That(await lost.ForgetAsync(), Is.Zero, "again: nothing changes");

            List<StoredBatch> now = pipeline.Log.Batches(1, 100);
            Assert.That(now.Take(7).Select(one => new Hash32(one.Hash)), Is.EqualTo(batches[..7].Select(one => one.Hash)));
            Assert.That(now.Select(one => one.Number), Is.EqualTo(Enumerable.Range(1, now.Count).Select(n => (ulong)n)));
            Assert.That(now.Select(one => new BatchReader(pipeline.Log).Summary(one).IsConsistent()), Is.All.True);
            for (int i = 0; i < 280; i++) Assert.That(reader.Prove(pipeline.DeviceNumber(device), (ulong)i + 1)!.Frame.ToArray(), Is.EqualTo(frames[i]));
            int gone = Enumerable.Range(281, 120).Count(sequence => pipeline.Log.Find(pipeline.DeviceNumber(device), (ulong)sequence) is null);
            Assert.That(gone, Is.Positive.And.LessThan(120), "of batches that nobody has signed only what could be read is left");
            Assert.That(now.Skip(7).Sum(one => one.Frames), Is.GreaterThanOrEqualTo(120 - gone));
        }

        Directory.Delete(folder, recursive: true);

        void Break(long fromRow)
        {
            string path = PartitionFile.PathOf(pipeline.Store.Path, PartitionFile.FirstRowsIn(pipeline.Store.Path).First(row => row >= fromRow));
            byte[] bytes = File.ReadAllBytes(path);
            bytes.AsSpan(3 * 4096, 4096).Fill(0x55);
            File.WriteAllBytes(path, bytes);
        }
    }

    [Test]
    public async Task A_recut_in_doubt_is_looked_up_before_the_next_cut([Values] bool isStored)
    {
        FrameLogTests.FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        byte[][] frames = await FillAsync(pipeline, 10);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        await FillAsync(pipeline, 5);
        _anchored.Add(frames[2]);
        Fail(commit, isStored);
        Assert.ThrowsAsync<StoreException>(() => batcher.RecutAsync(1));
        await batcher.CutNowAsync();
        Assert.That((await batcher.RecutAsync(1))!.Number, Is.EqualTo(isStored ? 2UL : 3UL));
        AssertOneChain(pipeline, (1, 10, 10), isStored ? (1, 10, 9U) : (11, 15, 5U), isStored ? (11, 15, 5U) : (1, 10, 9U));
    }

    [Test]
    public async Task A_cut_in_doubt_is_looked_up_before_the_next_recut([Values] bool isStored)
    {
        FrameLogTests.FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        byte[][] frames = await FillAsync(pipeline, 10);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        await FillAsync(pipeline, 5);
        _anchored.Add(frames[2]);
        Fail(commit, isStored);
        Assert.ThrowsAsync<StoreException>(batcher.CutNowAsync);
        Assert.That((await batcher.RecutAsync(1))!.Number, Is.EqualTo(isStored ? 3UL : 2UL));
        await batcher.CutNowAsync();
        AssertOneChain(pipeline, (1, 10, 10), isStored ? (11, 15, 5U) : (1, 10, 9U), isStored ? (1, 10, 9U) : (11, 15, 5U));
    }

    [Test]
    public async Task Recuts_beside_running_cuts_and_failing_commits_keep_one_chain([Range(1, 4)] int seed)
    {
        FrameLogTests.FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        byte[][] frames = await FillAsync(pipeline, 100);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10, AgeMaxMs = 600_000, RetryMs = 1 }, pipeline.Log, anchored: _anchored);
        _anchored.Add(frames[85], frames[99]);
        commit.Random = new Random(seed);
        using CancellationTokenSource stop = new();
        Task running = batcher.RunAsync(stop.Token);
        for (ulong number = 1; number <= 5; number++)
        {
            await batcher.WaitForBatchAsync(number - 1, default);
            _anchored.Add(frames[(int)(number * 10) - 7]);
            while (true)
            {
                try
                {
                    if (await batcher.RecutAsync(number) is not null || pipeline.Log.BatchAt(number) is not null) break;
                }
                catch (StoreException)
                {
                    await Task.Delay(1);
                }
            }
        }

        while (batcher.Waiting > 0) await Task.Delay(1);
        commit.Random = null;
        await stop.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => running);
        AssertOneChain(pipeline);
        List<StoredBatch> batches = pipeline.Log.Batches(1, 100);
        Assert.That(batches.Count(b => b.RecutOf > 0), Is.EqualTo(5).Or.EqualTo(4), "the first cut may have left out what its recut would");
        Assert.That(batches.Where(b => b.RecutOf == 0).OrderBy(b => b.FirstRow).Select(b => b.FirstRow), Is.EqualTo(Enumerable.Range(0, 10).Select(i => (i * 10L) + 1)));
    }

    [Test]
    public async Task Cutting_goes_on_after_the_newest_row_when_the_last_batch_has_old_ones()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 20);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        _anchored.Add(frames[0]);
        await batcher.RecutAsync(1);
        pipeline.Restart();
        await FillAsync(pipeline, 3);
        batcher = new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, anchored: _anchored);
        Assert.That((pipeline.Log.CutRow, batcher.Waiting), Is.EqualTo((20L, 3L)));
        await batcher.CutNowAsync();
        AssertOneChain(pipeline, (1, 10, 10), (11, 20, 10), (1, 10, 9), (21, 23, 3));
    }

    [Test]
    public async Task A_restore_in_doubt_is_made_once([Values] bool isStored)
    {
        using Lost lost = await Lost.MakeAsync(20, 10);
        FrameLogTests.FailingCommit commit = new();
        using Pipeline fresh = new(commit: commit);
        (OwnBatches own, Batcher batcher) = await lost.MoveToAsync(fresh, _anchored);
        Fail(commit, isStored);
        Assert.ThrowsAsync<StoreException>(() => own.RestoreAsync(lost.Batches[0], default));
        Assert.That(fresh.Log.LastRow, Is.EqualTo(isStored ? 10 : 0), "all of a batch or nothing");
        Assert.That(await own.RestoreAsync(lost.Batches[0], default), Is.True);
        Assert.That(await own.RestoreAsync(lost.Batches[1], default), Is.True);
        Assert.That((fresh.Log.LastRow, batcher.Last!.Number, batcher.Waiting), Is.EqualTo((20L, 2UL, 0L)));
        AssertBack(fresh, own, lost);
    }

    [Test]
    public async Task A_restore_is_complete_though_newer_frames_of_the_devices_were_taken_before_and_meanwhile([Values(7, 100_000)] int indexInterval)
    {
        using Lost lost = await Lost.MakeAsync(60, 20);
        using Pipeline fresh = new(store: new FrameLogOptions { Path = "", IndexIntervalFrames = indexInterval });
        (OwnBatches own, Batcher batcher) = await lost.MoveToAsync(fresh, _anchored);
        // What a board sends again because its PUBACK was lost with the gateway, then new frames.
        byte[][] again = [lost.Frames[18], lost.Frames[57], lost.Frames[59]];
        foreach (byte[] frame in again) Assert.That(await lost.SubmitAsync(fresh, frame), Is.EqualTo(FrameVerdict.Accepted));
        List<byte[]> newer = [];
        foreach (BatchSummary batch in lost.Batches)
        {
            newer.AddRange(lost.Next(3));
            foreach (byte[] frame in newer[^3..]) Assert.That(await lost.SubmitAsync(fresh, frame), Is.EqualTo(FrameVerdict.Accepted));
            Assert.That(await own.RestoreAsync(batch, default), Is.True);
            fresh.Restart();
            (own, batcher) = await lost.MoveToAsync(fresh, _anchored);
        }

        AssertBack(fresh, own, lost);
        Assert.That(batcher.Waiting, Is.EqualTo(fresh.Log.LastRow), "taken before what came back: not cut yet");
        await batcher.CutNowAsync();
        Assert.That(batcher.Waiting, Is.Zero);
        foreach (StoredBatch cut in fresh.Log.Batches(4, 100)) Assert.That(new BatchReader(fresh.Log).Summary(cut).IsConsistent(), Is.True);
        BatchReader reader = new(fresh.Log);
        foreach (byte[] frame in newer)
        {
            BatchProof proof = reader.Prove(fresh.Log.Find(lost.Device(fresh, frame), FrameSpans.Key(frame).Sequence)!.Row)!;
            Assert.That(proof.Batch.Number, Is.GreaterThan(3));
            Assert.That(MerkleTree.Verify(new Hash32(proof.Batch.Root), FrameLeaf.Hash(frame), [.. proof.Path]), Is.True);
        }

        fresh.Restart();
        (own, batcher) = await lost.MoveToAsync(fresh, _anchored);
        AssertBack(fresh, own, lost);
        Assert.That((batcher.Waiting, fresh.Log.CutRow), Is.EqualTo((0L, fresh.Log.LastRow)));
        Assert.That(await lost.SubmitAsync(fresh, lost.Frames[3]), Is.EqualTo(FrameVerdict.Duplicate));
        foreach (IGrouping<int, byte[]> device in lost.Frames.Concat(newer).GroupBy(frame => lost.Device(fresh, frame)))
        {
            List<byte[]> paged = [];
            for (ulong from = 1; fresh.Log.FramesOf(device.Key, from, 7) is { Count: > 0 } page; from = FrameSpans.Key(page[^1].Frame).Sequence + 1) paged.AddRange(page.Select(f => f.Frame));
            Assert.That(paged, Is.EqualTo(device.OrderBy(f => FrameSpans.Key(f).Sequence)));
        }
    }

    [Test]
    public async Task Frames_decided_before_a_restore_are_refused_and_taken_when_sent_again([Range(1, 3)] int seed)
    {
        using Lost lost = await Lost.MakeAsync(60, 5);
        FrameLogTests.FailingCommit commit = new();
        using Pipeline fresh = new(commit: commit, store: new FrameLogOptions { Path = "", GroupFramesMax = 8, IndexIntervalFrames = 20 });
        (OwnBatches own, Batcher batcher) = await lost.MoveToAsync(fresh, _anchored);
        byte[][] newer = lost.Next(150);
        commit.Random = new Random(seed);
        Task sending = Task.WhenAll(newer.GroupBy(frame => lost.Device(fresh, frame)).Select(device => Task.Run(async () =>
        {
            foreach (byte[] frame in device)
            {
                while (await lost.SubmitAsync(fresh, frame) is not (FrameVerdict.Accepted or FrameVerdict.Duplicate)) await Task.Delay(1);
            }
        })));
        foreach (BatchSummary batch in lost.Batches)
        {
            while (true)
            {
                try
                {
                    Assert.That(await own.RestoreAsync(batch, default), Is.True);
                    break;
                }
                catch (Exception fault) when (fault is StoreException or Microsoft.Data.Sqlite.SqliteException)
                {
                    await Task.Delay(1);
                }
            }
        }

        await sending;
        commit.Random = null;
        AssertBack(fresh, own, lost);
        await batcher.CutNowAsync();
        Assert.That((fresh.Log.LastRow, batcher.Waiting), Is.EqualTo((210L, 0L)), "every frame once");
        Assert.That(fresh.Log.Batches(1, 1000).Sum(b => b.Frames), Is.EqualTo(210));
        fresh.Restart();
        foreach (byte[] frame in newer.Concat(lost.Frames))
            Assert.That(fresh.Log.Find(lost.Device(fresh, frame), FrameSpans.Key(frame).Sequence)?.Frame, Is.EqualTo(frame));
    }

    [Test]
    public async Task A_restore_may_begin_at_any_number_and_fill_in_lower_ones_later()
    {
        using Lost lost = await Lost.MakeAsync(50, 10);
        using Pipeline fresh = new();
        (OwnBatches own, Batcher batcher) = await lost.MoveToAsync(fresh, _anchored);
        Assert.That(await own.RestoreAsync(lost.Batches[2], default), Is.True);
        Assert.That(await own.RestoreAsync(lost.Batches[4], default), Is.True);
        Assert.That((own.Find(1), own.Find(4), own.Find(5)!.Hash), Is.EqualTo(((BatchSummary?)null, (BatchSummary?)null, lost.Batches[4].Hash)));
        Assert.That(((ulong[])[1, 3, 4, 5]).Select(own.FirstMissing), Is.EqualTo((ulong[])[1, 4, 4, 6]));
        fresh.Restart();
        (own, batcher) = await lost.MoveToAsync(fresh, _anchored);
        byte[] next = lost.Next(1)[0];
        Assert.That(await lost.SubmitAsync(fresh, next), Is.EqualTo(FrameVerdict.Accepted));
        await batcher.CutNowAsync();
        Assert.That((batcher.Last!.Number, new Hash32(batcher.Last.Previous)), Is.EqualTo((6UL, lost.Batches[4].Hash)));
        foreach (int i in (int[])[3, 0, 1]) Assert.That(await own.RestoreAsync(lost.Batches[i], default), Is.True);
        fresh.Restart();
        (own, batcher) = await lost.MoveToAsync(fresh, _anchored);
        AssertBack(fresh, own, lost);
        Assert.That((batcher.Last!.Number, batcher.Waiting), Is.EqualTo((6UL, 0L)));
        Assert.That(own.FirstMissing(1), Is.EqualTo(7));
    }

    [Test]
    public async Task What_does_not_give_the_signed_header_is_not_restored()
    {
        using Lost lost = await Lost.MakeAsync(20, 10);
        using Pipeline fresh = new();
        (OwnBatches own, _) = await lost.MoveToAsync(fresh, _anchored);
        BatchSummary one = lost.Batches[0], two = lost.Batches[1];
        lost.Bodies[one.Hash] = lost.Bodies[two.Hash];
        Assert.That(await own.RestoreAsync(one, default), Is.False);
        Assert.That(await own.RestoreAsync(one with { FramesHash = two.FramesHash }, default), Is.False);
        Assert.That((fresh.Log.LastRow, fresh.Log.LastBatch()), Is.EqualTo((0L, (StoredBatch?)null)));
        Assert.That(await own.RestoreAsync(two, default), Is.True);
        BatchSummary other = new(two.Header with { Previous = one.Hash, FirstReceivedMs = 1 }, two.FramesHash, two.Spans);
        lost.Bodies[other.Hash] = lost.Bodies[two.Hash];
        Assert.That(await own.RestoreAsync(other, default), Is.False, "another batch has that number");
        Assert.That(own.Find(2)!.Hash, Is.EqualTo(two.Hash));
    }

    [Test]
    public async Task Any_part_of_a_body_is_read_by_itself()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 700);
        _anchored.Add(frames[0], frames[256], frames[300], frames[699]);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway }, pipeline.Log, anchored: _anchored);
        await batcher.CutNowAsync();
        BatchReader reader = new(pipeline.Log);
        byte[] whole = reader.Body(batcher.Last!).Bytes.ToArray();
        OwnBodies bodies = new(pipeline.Log, reader);
        Hash32 hash = new(batcher.Last!.FramesHash);
        Random random = new(8);
        foreach (long offset in Enumerable.Range(0, 60).Select(_ => random.NextInt64(whole.Length)).Concat([0, 1, whole.Length - 1, whole.Length, whole.Length + 5]))
        {
            using BodyReading reading = bodies.Open(hash, offset)!;
            using MemoryStream rest = new();
            reading.Rest.CopyTo(rest);
            Assert.That(reading.Length, Is.EqualTo(whole.Length));
            Assert.That(rest.ToArray().AsSpan().SequenceEqual(whole.AsSpan((int)Math.Min(offset, whole.Length))), Is.True, $"from {offset}");
        }

        Assert.That((bodies.Has(hash), bodies.Has(Hash32.Zero), bodies.Open(Hash32.Zero, 0)), Is.EqualTo((true, false, (BodyReading?)null)));
    }

    private static void Fail(FrameLogTests.FailingCommit commit, bool isStored)
    {
        if (isStored) commit.FailAfter(1);
        else commit.FailBefore(1);
    }

    private static void AssertOneChain(Pipeline pipeline, params (long First, long Last, uint Frames)[] expected)
    {
        List<StoredBatch> batches = pipeline.Log.Batches(1, 1_000);
        if (expected.Length > 0) Assert.That(batches.Select(b => (b.FirstRow, b.LastRow, b.Frames)), Is.EqualTo(expected));
        for (int i = 0; i < batches.Count; i++)
        {
            Assert.That(batches[i].Number, Is.EqualTo((ulong)i + 1));
            Assert.That(batches[i].Previous, Is.EqualTo(i == 0 ? new byte[32] : batches[i - 1].Hash));
            Assert.That(new BatchReader(pipeline.Log).Summary(batches[i]).IsConsistent(), Is.True, $"batch {i + 1}");
        }
    }

    private static void AssertBack(Pipeline fresh, OwnBatches own, Lost lost)
    {
        BatchReader reader = new(fresh.Log);
        Assert.That(lost.Batches.Select(b => own.Find(b.Header.Number)?.Hash), Is.EqualTo(lost.Batches.Select(b => b.Hash)));
        foreach (BatchSummary batch in lost.Batches)
        {
            StoredBatch stored = fresh.Log.BatchAt(batch.Header.Number)!;
            Assert.That(reader.Summary(stored).IsConsistent(), Is.True);
            Assert.That(reader.Body(stored).FramesHash(), Is.EqualTo(batch.FramesHash));
        }

        foreach (byte[] frame in lost.Frames)
        {
            StoredFrame stored = fresh.Log.Find(lost.Device(fresh, frame), FrameSpans.Key(frame).Sequence)!;
            Assert.That(stored.Frame, Is.EqualTo(frame));
            BatchProof proof = reader.Prove(stored.Row)!;
            Assert.That(proof.Batch.Number, Is.LessThanOrEqualTo((ulong)lost.Batches.Count), "of the batch that was signed");
            Assert.That(MerkleTree.Verify(new Hash32(proof.Batch.Root), FrameLeaf.Hash(frame), [.. proof.Path]), Is.True);
        }
    }

    /// <summary>A gateway whose disk is gone: what its boards sent, and what its peers have of its batches.</summary>
    private sealed class Lost : IDisposable
    {
        private readonly SigningDevice[] _devices = [new(), new(), new()];
        private int _sent;

        public List<byte[]> Frames { get; } = [];

        public List<BatchSummary> Batches { get; } = [];

        public Dictionary<Hash32, BatchBody> Bodies { get; } = [];

        public static async Task<Lost> MakeAsync(int frames, int framesMax)
        {
            Lost lost = new();
            using Pipeline pipeline = new();
            foreach (SigningDevice device in lost._devices) await pipeline.Devices.PutAsync(device.Registration);
            lost.Frames.AddRange(lost.Next(frames));
            foreach (byte[] frame in lost.Frames) Assert.That(await lost.SubmitAsync(pipeline, frame), Is.EqualTo(FrameVerdict.Accepted));
            await new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = framesMax }, pipeline.Log).CutNowAsync();
            BatchReader reader = new(pipeline.Log);
            foreach (StoredBatch stored in pipeline.Log.Batches(1, 1_000))
            {
                lost.Batches.Add(reader.Summary(stored));
                lost.Bodies[lost.Batches[^1].Hash] = reader.Body(stored);
            }

            return lost;
        }

        /// <summary>The next frames of the boards, by turns.</summary>
        public byte[][] Next(int count) => [.. Enumerable.Range(0, count).Select(_ => _devices[_sent++ % _devices.Length].Next(2))];

        public Task<FrameVerdict> SubmitAsync(Pipeline pipeline, byte[] frame) => pipeline.SubmitAsync(Of(frame), frame);

        public int Device(Pipeline pipeline, byte[] frame) => pipeline.DeviceNumber(Of(frame));

        public async Task<(OwnBatches, Batcher)> MoveToAsync(Pipeline pipeline, IAnchoredFrames anchored)
        {
            foreach (SigningDevice device in _devices) await pipeline.Devices.PutAsync(device.Registration);
            BatchReader reader = new(pipeline.Log);
            Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log, reader, anchored);
            return (new OwnBatches(pipeline.Log, reader, batcher, pipeline.Devices, summary => Bodies.GetValueOrDefault(summary.Hash)), batcher);
        }

        public void Dispose() => Array.ForEach(_devices, device => device.Dispose());

        private SigningDevice Of(byte[] frame) => _devices.Single(device => device.IdBytes.AsSpan().SequenceEqual(frame.AsSpan(8, 20)));
    }

    [Test]
    public void Rows_left_out_are_kept_in_few_bytes()
    {
        Random random = new(4);
        for (int round = 0; round < 200; round++)
        {
            long first = random.NextInt64(1, 1L << 40);
            long[] rows = [.. Enumerable.Range(0, random.Next(50)).Select(_ => first + random.NextInt64(70_000)).Distinct().Order()];
            byte[] bytes = SkippedRows.Write(rows, first);
            Assert.That(SkippedRows.Read(bytes, first), Is.EqualTo(rows));
            Assert.That(bytes, Has.Length.LessThanOrEqualTo(rows.Length * 3));
        }
    }

    private static async Task<byte[][]> FillAsync(Pipeline pipeline, int count)
    {
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, count).Select(_ => device.Next(2))];
        foreach (byte[] frame in frames) Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        return frames;
    }

    private sealed class Anchored : IAnchoredFrames
    {
        private readonly SpanSet _set = new();

        public void Add(params byte[][] frames) => _set.Add(FrameSpans.From(frames.Select(f => FrameSpans.Key(f)).Distinct())!);

        public bool IsAnchored(FrameSpans spans) => _set.Overlaps(spans);

        public bool IsAnchored(Address device, ulong sequence) => _set.Contains(device, sequence);
    }
}

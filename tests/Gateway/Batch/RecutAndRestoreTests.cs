using DePIN.Evidence;
using DePIN.Gateway.Batch;
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

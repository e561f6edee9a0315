using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Batch;

/// <summary>Batches follow from the log alone: same rows, same header, after a restart at any step.</summary>
internal sealed class BatcherTests
{
    private static readonly Address Gateway = new([.. Enumerable.Range(1, 20).Select(i => (byte)i)]);

    [Test]
    public async Task A_full_batch_is_cut_and_its_header_follows_from_the_frames()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 25);
        using CancellationTokenSource stop = new();
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10, AgeMaxMs = 600_000 }, pipeline.Log);
        Task running = batcher.RunAsync(stop.Token);
        await batcher.WaitForBatchAsync(1, default);
        await stop.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => running);

        List<StoredBatch> batches = pipeline.Log.Batches(1, 10);
        BatchBody body = BatchBody.Encode(frames.Take(10).Select(frame => (ReadOnlyMemory<byte>)frame));
        BatchHeader first = BatchReader.Header(batches[0]);
        Assert.Multiple(() =>
        {
            Assert.That(batches, Has.Count.EqualTo(2));
            Assert.That(first.Check(), Is.EqualTo(BatchHeaderFault.None));
            Assert.That(first.Root, Is.EqualTo(body.Root()));
            Assert.That(body.Compare(first), Is.EqualTo(BatchMatch.Matches));
            Assert.That(first.Frames, Is.EqualTo(10));
            Assert.That(first.Samples, Is.EqualTo(20));
            Assert.That(batches[0].Hash, Is.EqualTo(first.Hash().ToArray()));
            Assert.That(batches[1].Previous, Is.EqualTo(batches[0].Hash));
            Assert.That(batches[1].FirstRow, Is.EqualTo(11));
            Assert.That(batcher.Waiting, Is.EqualTo(5));
        });
    }

    [Test]
    public async Task In_a_large_network_a_batch_that_is_not_full_waits_for_longer()
    {
        using Pipeline pipeline = new();
        await FillAsync(pipeline, 3);
        using CancellationTokenSource stop = new();
        NetworkRules rules = new(Gateway, new Eip712Domain(1, Gateway));
        TaskCompletionSource asked = new();
        BatcherOptions options = new()
        {
            Gateway = Gateway, FramesMax = 10, AgeMaxMs = 1,
            AgeLeastMs = () =>
            {
                asked.TrySetResult();
                return rules.BatchAgeLeastMs(1_024, 60);
            },
        };
        Batcher batcher = new(options, pipeline.Log);
        Task running = batcher.RunAsync(stop.Token);
        await asked.Task;
        await FillAsync(pipeline, 7);
        await batcher.WaitForBatchAsync(0, default);
        await stop.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => running);
        Assert.That(pipeline.Log.LastBatch()!.Frames, Is.EqualTo(10), "cut when full, not when the first three were a millisecond old");
    }

    [Test]
    public void How_long_a_gateway_collects_follows_from_the_size_of_the_network()
    {
        NetworkRules rules = new(Gateway, new Eip712Domain(1, Gateway));
        Assert.That(rules.BatchAgeLeastMs(16, 60), Is.Zero, "as each likes");
        Assert.That(rules.BatchAgeLeastMs(64, 60), Is.EqualTo(60_000), "64 batches an epoch");
        Assert.That(rules.BatchAgeLeastMs(1_024, 60), Is.EqualTo(16 * 60_000));
    }

    [Test]
    public async Task An_old_frame_is_cut_into_a_batch_that_is_not_full()
    {
        using Pipeline pipeline = new();
        await FillAsync(pipeline, 3);
        using CancellationTokenSource stop = new();
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10, AgeMaxMs = 1 }, pipeline.Log);
        Task running = batcher.RunAsync(stop.Token);
        await batcher.WaitForBatchAsync(0, default);
        await stop.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => running);
        Assert.That(pipeline.Log.LastBatch()!.Frames, Is.EqualTo(3));
    }

    [Test]
    public async Task A_restart_at_every_step_gives_the_batches_of_a_run_without_one()
    {
        using Pipeline pipeline = new();
        await FillAsync(pipeline, 40);
        List<string> whole = [];
        {
            BatchReader reader = new(pipeline.Log);
            Hash32 previous = Hash32.Zero;
            for (int i = 0; i < 4; i++)
            {
                StoredBatch batch = reader.Derive(Gateway, (ulong)i + 1, previous, (i * 10) + 1, (i + 1) * 10);
                previous = new Hash32(batch.Hash);
                whole.Add(previous.ToString());
            }
        }
        for (int i = 0; i < 4; i++)
        {
            // Before the cut, after it, and after the cut with the answer lost.
            pipeline.Restart();
            StoredBatch? last = pipeline.Log.LastBatch();
            StoredBatch next = new BatchReader(pipeline.Log).Derive(Gateway, (ulong)i + 1, last is null ? Hash32.Zero : new Hash32(last.Hash), (i * 10) + 1, (i + 1) * 10);
            Assert.That(await pipeline.Log.SaveBatchAsync(next), Is.True);
            pipeline.Restart();
            Assert.That(await pipeline.Log.SaveBatchAsync(next), Is.True, "saving again changes nothing");
            _ = new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Log);
        }
        Assert.That(pipeline.Log.Batches(1, 10).Select(batch => new Hash32(batch.Hash).ToString()), Is.EqualTo(whole));
    }

    [Test]
    public async Task Cuts_whose_commit_fails_before_or_after_never_fork_the_chain_of_batches()
    {
        FrameLogTests.FailingCommit commit = new();
        using Pipeline pipeline = new(commit: commit);
        await FillAsync(pipeline, 60);
        commit.Random = new Random(3);
        using CancellationTokenSource stop = new();
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 5, AgeMaxMs = 600_000, RetryMs = 1 }, pipeline.Log);
        Task running = batcher.RunAsync(stop.Token);
        await batcher.WaitForBatchAsync(11, default);
        await stop.CancelAsync();
        Assert.CatchAsync<OperationCanceledException>(() => running);
        commit.Random = null;
        List<StoredBatch> batches = pipeline.Log.Batches(1, 100);
        Assert.That(batches, Has.Count.EqualTo(12));
        for (int i = 0; i < batches.Count; i++)
        {
            Assert.That(batches[i].FirstRow, Is.EqualTo((i * 5) + 1));
            Assert.That(batches[i].Previous, Is.EqualTo(i == 0 ? new byte[32] : batches[i - 1].Hash));
        }
    }

    [Test]
    public async Task Every_frame_is_proven_against_its_batch()
    {
        using Pipeline pipeline = new();
        byte[][] frames = await FillAsync(pipeline, 23);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 9 }, pipeline.Log);
        await batcher.CutNowAsync();
        BatchReader reader = new(pipeline.Log);
        for (int i = 0; i < frames.Length; i++)
        {
            BatchProof proof = reader.Prove(i + 1)!;
            Assert.That(proof.Frame.ToArray(), Is.EqualTo(frames[i]));
            Assert.That(MerkleTree.Verify(new Hash32(proof.Batch.Root), FrameLeaf.Hash(frames[i]), [.. proof.Path]), Is.True);
        }
        Assert.That(reader.Prove(24), Is.Null);
        Assert.That(pipeline.Log.BatchOf(10)!.Number, Is.EqualTo(2));
    }

    [Test]
    public async Task The_streamed_body_is_the_one_the_header_commits_to()
    {
        using Pipeline pipeline = new();
        await FillAsync(pipeline, 700);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway }, pipeline.Log);
        await batcher.CutNowAsync();
        StoredBatch batch = batcher.Last!;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int chunks = 0;
        foreach (ReadOnlyMemory<byte> chunk in new BatchReader(pipeline.Log).BodyChunks(batch))
        {
            hash.AppendData(chunk.Span);
            chunks++;
        }
        BatchBody whole = new BatchReader(pipeline.Log).Body(batch);
        Assert.That(new Hash32(hash.GetHashAndReset()), Is.EqualTo(whole.FramesHash()));
        Assert.That(whole.Compare(BatchReader.Header(batch)), Is.EqualTo(BatchMatch.Matches));
        Assert.That(chunks, Is.GreaterThan(1));
        Assert.That(new BatchReader(pipeline.Log).Body(batch).Root().ToArray(), Is.EqualTo(batch.Root));
    }

    [Test]
    public async Task A_log_that_no_longer_yields_its_last_batch_is_refused()
    {
        using Pipeline pipeline = new();
        await FillAsync(pipeline, 12);
        await new Batcher(new BatcherOptions { Gateway = Gateway }, pipeline.Log).CutNowAsync();
        await pipeline.Log.WriteAsync(connection => Sql.Execute(connection, "UPDATE frames SET frame = zeroblob(160) WHERE row = 5"));
        pipeline.Restart(); // A start reads the rows; the log that wrote them still has the newest in memory.
        StoreException? fault = Assert.Throws<StoreException>(() => _ = new Batcher(new BatcherOptions { Gateway = Gateway }, pipeline.Log));
        Assert.That(fault!.Fault, Is.EqualTo(StoreFault.Corrupt));
    }

    private static async Task<byte[][]> FillAsync(Pipeline pipeline, int count)
    {
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, count).Select(_ => device.Next(2))];
        FrameVerdict[] verdicts = await Task.WhenAll(frames.Chunk(200).SelectMany(chunk => chunk).Select(frame => SubmitAsync(pipeline, device, frame)));
        Assert.That(verdicts, Is.All.EqualTo(FrameVerdict.Accepted));
        return frames;
    }

    private static Task<FrameVerdict> SubmitAsync(Pipeline pipeline, SigningDevice device, byte[] frame)
    {
        // Below the device's share, in order.
        SpinWait.SpinUntil(() => pipeline.Verifier.InFlight < 200);
        return pipeline.SubmitAsync(device, frame);
    }
}

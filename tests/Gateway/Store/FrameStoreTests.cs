using System.Diagnostics;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using Npgsql;
using NpgsqlTypes;

namespace DePIN.Gateway.Tests.Store;

/// <summary>What every implementation of the store promises to the other parts.</summary>
[TestFixture(StoreKind.File)]
[TestFixture(StoreKind.PostgreSql)]
internal sealed class FrameStoreTests(string kind)
{
    private static readonly Address Gateway = new(Enumerable.Repeat((byte)7, 20).ToArray());
    private readonly string _kind = kind;

    [Test]
    public async Task Frames_are_found_by_row_and_by_device_and_sequence_before_and_after_a_restart()
    {
        using Pipeline pipeline = await StoreKind.PipelineAsync(_kind);
        using SigningDevice one = await pipeline.AddDeviceAsync(), two = await pipeline.AddDeviceAsync();
        Dictionary<ulong, byte[]> frames = [];
        for (int i = 0; i < 300; i++)
        {
            byte[] frame = one.Next(skip: (ulong)(i % 7 == 0 ? 3 : 0));
            frames[one.Sequence] = frame;
            Task<FrameVerdict> first = pipeline.SubmitAsync(one, frame);
            Assert.That(await pipeline.SubmitAsync(two, two.Next()), Is.EqualTo(FrameVerdict.Accepted));
            Assert.That(await first, Is.EqualTo(FrameVerdict.Accepted));
            if (i is 150 or 299) pipeline.Restart();
        }

        int device = pipeline.DeviceNumber(one);
        for (ulong sequence = 0; sequence <= one.Sequence + 1; sequence++)
            Assert.That(pipeline.Frames.Find(device, sequence)?.Frame, Is.EqualTo(frames.GetValueOrDefault(sequence)), $"{sequence}");
        Assert.That(pipeline.Frames.FramesOf(device, 5, 50).Select(f => f.Frame), Is.EqualTo(frames.Where(f => f.Key >= 5).OrderBy(f => f.Key).Take(50).Select(f => f.Value)));
        Assert.That(pipeline.Frames.LastRow, Is.EqualTo(600));
        Assert.That(pipeline.Frames.Frames(1, 600).Select(f => f.Row), Is.EqualTo(Enumerable.Range(1, 600).Select(row => (long)row)));
        Assert.That(pipeline.Frames.Latest(3, 10).Select(f => f.Row), Is.EqualTo(new[] { 9L, 8L, 7L }));
        Assert.That(pipeline.Frames.Lengths(1, 600).Select(l => l.Bytes), Is.EqualTo(pipeline.Frames.Frames(1, 600).Select(f => f.Frame.Length)));
        Assert.That(pipeline.Frames.FrameAt(601), Is.Null);
        Assert.That((pipeline.Devices.Find(one.Id)!.Log.LastSequence, pipeline.Frames.Devices().Count), Is.EqualTo((one.Sequence, 2)));
    }

    [Test]
    public async Task A_devices_newest_frames_are_read_downwards_over_gaps_blocks_and_restarts()
    {
        using Pipeline pipeline = await StoreKind.PipelineAsync(_kind);
        SigningDevice[] devices = [await pipeline.AddDeviceAsync(), await pipeline.AddDeviceAsync(), await pipeline.AddDeviceAsync(), await pipeline.AddDeviceAsync()];
        SortedDictionary<ulong, byte[]> sent = [];
        for (int i = 0; i < 300; i++)
        {
            byte[] frame = devices[0].Next(skip: (ulong)(i % 7 == 0 ? 3 : 0));
            sent[devices[0].Sequence] = frame;
            foreach (SigningDevice other in devices[1..]) Assert.That(await pipeline.SubmitAsync(other, other.Next()), Is.EqualTo(FrameVerdict.Accepted));
            Assert.That(await pipeline.SubmitAsync(devices[0], frame), Is.EqualTo(FrameVerdict.Accepted));
            if (i is 150 or 299) pipeline.Restart();
            if (i is not (149 or 150 or 298 or 299)) continue;
            int device = pipeline.DeviceNumber(devices[0]);
            foreach ((ulong from, ulong before, int count) in new[] { (1UL, ulong.MaxValue, 1_000), (1UL, devices[0].Sequence + 1, 40), (10UL, 150UL, 200), (10UL, 150UL, 5), (5UL, 5UL, 5), (devices[0].Sequence + 1, ulong.MaxValue, 5), (0UL, 1UL, 5) })
                Assert.That(pipeline.Frames.NewestOf(device, from, before, count).Select(f => f.Frame), Is.EqualTo(sent.Where(f => f.Key >= from && f.Key < before).Reverse().Take(count).Select(f => f.Value)), $"{from} to {before}, {count}");
            Assert.That(pipeline.Frames.NewestSequences(device, 32), Is.EqualTo(sent.Keys.Reverse().Take(32)));
        }

        Assert.That(pipeline.Frames.NewestOf(pipeline.DeviceNumber(devices[0]), 1, 2, 0), Is.Empty);
    }

    [Test]
    public async Task A_frame_is_stored_once_and_two_with_one_sequence_are_evidence_kept_once()
    {
        using Pipeline pipeline = await StoreKind.PipelineAsync(_kind);
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[] frame = device.Next(), rival = device.Frame(1, null, value: 99);
        FrameVerdict[] verdicts = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => pipeline.SubmitAsync(device, frame)));
        Assert.That(verdicts.Order(), Is.EqualTo(Enumerable.Repeat(FrameVerdict.Duplicate, 19).Prepend(FrameVerdict.Accepted).Order()));
        for (int i = 0; i < 3; i++) Assert.That(await pipeline.SubmitAsync(device, rival), Is.EqualTo(FrameVerdict.Equivocation));
        pipeline.Restart();
        Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(pipeline.Frames.Equivocations(1, 10).Select(e => (e.Sequence, e.First, e.Second)), Is.EqualTo(new[] { (1UL, frame, rival) }));
        Assert.That(pipeline.Frames.LastRow, Is.EqualTo(1));
    }

    [Test]
    public async Task Batches_are_cut_once_cut_again_once_and_proven_after_a_restart()
    {
        using Pipeline pipeline = await StoreKind.PipelineAsync(_kind);
        byte[][] frames = await FillAsync(pipeline, 25);
        HashSet<ulong> elsewhere = [];
        Anchored anchored = new(elsewhere);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Frames, anchored: anchored);
        await batcher.CutNowAsync();
        Assert.That(pipeline.Frames.Batches(1, 10).Select(b => (b.Number, b.FirstRow, b.LastRow)), Is.EqualTo(new[] { (1UL, 1L, 10L), (2UL, 11L, 20L), (3UL, 21L, 25L) }));
        elsewhere.UnionWith([3, 4]);
        StoredBatch again = (await batcher.RecutAsync(1))!;
        Assert.That((again.Number, again.Frames, again.RecutOf), Is.EqualTo((4UL, 8U, 1UL)));

        pipeline.Restart();
        batcher = new Batcher(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, pipeline.Frames, anchored: anchored);
        Assert.That((batcher.Last!.Number, batcher.Waiting, pipeline.Frames.CutRow), Is.EqualTo((4UL, 0L, 25L)));
        Assert.That((await batcher.RecutAsync(1))!.Hash, Is.EqualTo(again.Hash), "asked again");
        Assert.That(pipeline.Frames.FirstMissingBatch(1), Is.EqualTo(5));
        BatchReader reader = new(pipeline.Frames);
        for (int row = 1; row <= 25; row++)
        {
            BatchProof proof = reader.Prove(row)!;
            Assert.That(proof.Batch.Number, Is.EqualTo(row is 3 or 4 ? 1UL : row <= 10 ? 4UL : row <= 20 ? 2UL : 3UL), $"row {row}");
            Assert.That(MerkleTree.Verify(new Hash32(proof.Batch.Root), FrameLeaf.Hash(frames[row - 1]), [.. proof.Path]), Is.True, $"row {row}");
        }

        Assert.That(await pipeline.Frames.SaveBatchAsync(again with { Hash = new byte[32] }), Is.False, "the number is taken");
    }

    [Test]
    public async Task A_batch_that_comes_back_has_its_rows_and_newer_frames_of_its_device_stay()
    {
        using Pipeline lost = await StoreKind.PipelineAsync(_kind), fresh = await StoreKind.PipelineAsync(_kind);
        using SigningDevice device = await lost.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, 12).Select(_ => device.Next())];
        foreach (byte[] frame in frames[..10]) await lost.SubmitAsync(device, frame);
        Batcher batcher = new(new BatcherOptions { Gateway = Gateway, FramesMax = 10 }, lost.Frames);
        await batcher.CutNowAsync();
        StoredBatch batch = lost.Frames.LastBatch()!;

        Assert.That(await fresh.Devices.PutAsync(device.Registration), Is.True);
        foreach (byte[] frame in frames[8..]) Assert.That(await fresh.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        DeviceLog log = fresh.Devices.Find(device.Id)!.Log;
        RestoredFrame[] back = [.. frames[..10].Select((f, i) => new RestoredFrame(log, (ulong)i + 1, (long)batch.FirstReceivedMs, f, IsFound: true))];
        Assert.That(await fresh.Frames.AppendBatchAsync(batch, back), Is.True);
        Assert.That(await fresh.Frames.AppendBatchAsync(batch, back), Is.True, "again");
        Assert.That(fresh.Frames.Find(log.Device, 9)!.Row, Is.EqualTo(13), "the row in the batch is the one that a proof can be made of");
        Assert.That(fresh.Frames.FramesOf(log.Device, 1, 100).Select(f => f.Frame), Is.EqualTo(frames));
        Assert.That(fresh.Frames.NewestOf(log.Device, 1, ulong.MaxValue, 100).Select(f => f.Frame), Is.EqualTo(frames.AsEnumerable().Reverse()));
        Assert.That(fresh.Frames.BatchOf(5)!.FirstRow, Is.EqualTo(5));
        Assert.That(await fresh.SubmitAsync(device, frames[3]), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(new BatchReader(fresh.Frames).Summary(fresh.Frames.LastBatch()!).IsConsistent(), Is.True);
    }

    /// <summary>Frames/s acknowledged after their commit, by a verifier that checks every signature; for PostgreSQL also a COPY of the same rows.</summary>
    [Test, Explicit("Figures, by hand."), Category("ByHand")]
    public async Task How_many_frames_a_second_are_acknowledged()
    {
        using Pipeline pipeline = await StoreKind.PipelineAsync(_kind);
        SigningDevice[] devices = new SigningDevice[8];
        for (int i = 0; i < devices.Length; i++) devices[i] = await pipeline.AddDeviceAsync();
        byte[][][] frames = [.. devices.Select(d => Enumerable.Range(0, 4_000).Select(_ => d.Next()).ToArray())];
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(devices.Select((device, i) => Device.SendAllAsync(pipeline, device, frames[i], window: 200)));
        TestContext.Out.WriteLine($"{_kind}: {32_000 / Stopwatch.GetElapsedTime(start).TotalSeconds:0} frames/s in {pipeline.Frames.Commits} commits");
        foreach (SigningDevice device in devices) device.Dispose();
        if (pipeline.Postgres is null) return;

        using NpgsqlConnection connection = new(pipeline.Postgres.Connection.ConnectionString);
        connection.Open();
        using (NpgsqlCommand table = new("CREATE TABLE copied (LIKE frames INCLUDING ALL)", connection)) table.ExecuteNonQuery();
        start = Stopwatch.GetTimestamp();
        long row = 0;
        foreach (byte[][] group in frames.SelectMany(f => f).Chunk(1_024))
        {
            using NpgsqlBinaryImporter copy = connection.BeginBinaryImport("COPY copied (row, device, sequence, received_ms, found, frame) FROM STDIN BINARY");
            foreach (byte[] frame in group)
            {
                copy.StartRow();
                copy.Write(++row, NpgsqlDbType.Bigint);
                copy.Write(1, NpgsqlDbType.Integer);
                copy.Write(row, NpgsqlDbType.Bigint);
                copy.Write(0L, NpgsqlDbType.Bigint);
                copy.Write(true, NpgsqlDbType.Boolean);
                copy.Write(frame, NpgsqlDbType.Bytea);
            }

            copy.Complete();
        }

        TestContext.Out.WriteLine($"COPY of the same rows in commits of 1,024: {32_000 / Stopwatch.GetElapsedTime(start).TotalSeconds:0} rows/s");
    }

    private static async Task<byte[][]> FillAsync(Pipeline pipeline, int count)
    {
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] frames = [.. Enumerable.Range(0, count).Select(_ => device.Next())];
        foreach (byte[] frame in frames) Assert.That(await pipeline.SubmitAsync(device, frame), Is.EqualTo(FrameVerdict.Accepted));
        return frames;
    }

    private sealed class Anchored(HashSet<ulong> sequences) : IAnchoredFrames
    {
        public bool IsAnchored(FrameSpans spans) => spans.Runs.Any(run => sequences.Any(s => s >= run.First && s <= run.Last));

        public bool IsAnchored(Address device, ulong sequence) => sequences.Contains(sequence);
    }
}

using System.Buffers;
using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Protocol;

namespace DePIN.Gateway.Batch;

/// <summary>Where a frame stands in the evidence: its batch, its place in it, and the path from its leaf to the batch's root.</summary>
/// <param name="Batch">The saved batch.</param>
/// <param name="Index">From 0.</param>
/// <param name="Frame">The frame's bytes.</param>
/// <param name="Path">Siblings from the leaf up.</param>
public sealed record BatchProof(StoredBatch Batch, int Index, ReadOnlyMemory<byte> Frame, IReadOnlyList<Hash32> Path);

/// <summary>
/// Derives everything of a batch from the arrival log: a batch is a range of rows, sometimes without some of them, nothing else. Same rows, same header, same body,
/// on every run. Used by the batcher to cut, by attest to hand the body to peers, by the web and the CLI to prove a frame.
/// </summary>
public sealed class BatchReader(IFrameStore log)
{
    /// <summary>Bytes of body per chunk at least, except the last.</summary>
    private const int ChunkBytes = 64 * 1024;

    /// <summary>Bytes of body hashed at once: a call for each frame would cost as much as its hash.</summary>
    private const int HashedBytes = 8 * 1024;

    /// <summary>Trees kept for the next proof of the same batch: 64 bytes a frame each, 4 MiB for the largest batch.</summary>
    private const int TreesKept = 4;

    /// <summary>Maps of bodies kept for the next part that a peer asks for: 4 KiB each for the largest batch.</summary>
    private const int MapsKept = 16;

    private readonly (ulong Number, MerkleTree? Tree)[] _trees = new (ulong, MerkleTree?)[TreesKept];
    private readonly BodyMap?[] _maps = new BodyMap?[MapsKept];
    private int _nextTree;
    private int _nextMap;
    private DerivedRows? _lastDerived;

    /// <summary>The EIP-712 header of a saved batch.</summary>
    public static BatchHeader Header(StoredBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return new BatchHeader(new Address(batch.Gateway), batch.Number, new Hash32(batch.Previous), new Hash32(batch.Root),
            batch.Frames, batch.Samples, batch.FirstReceivedMs, batch.LastReceivedMs, new Hash32(batch.Body));
    }

    /// <summary>False when frames of a batch are gone: dropped after they were anchored, or lost by the disk.</summary>
    public bool IsWhole(StoredBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return !log.IsDropped(batch.FirstRow) && !log.LostRows(batch.FirstRow, batch.LastRow).Any(batch.Contains);
    }

    /// <summary>Derives a batch from its rows: one pass, 64 bytes of memory per frame.</summary>
    /// <param name="gateway">Whose.</param>
    /// <param name="number">Its number.</param>
    /// <param name="previous">Hash of the batch before.</param>
    /// <param name="firstRow">The range's first row.</param>
    /// <param name="lastRow">Its last.</param>
    /// <param name="skipped">Rows of it to leave out, ascending; null none.</param>
    /// <exception cref="StoreException">Corrupt: a row is missing.</exception>
    public StoredBatch Derive(Address gateway, ulong number, Hash32 previous, long firstRow, long lastRow, IReadOnlyList<long>? skipped = null)
    {
        skipped ??= [];
        long count = lastRow - firstRow + 1 - skipped.Count;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, EvidenceLimits.BatchFramesMax);
        using IncrementalHash body = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        ArrayBufferWriter<byte> chunk = new(HashedBytes + 2 + FrameFormat.FrameBytesMax);
        Hash32[] leaves = new Hash32[count];
        FrameKey[] keys = new FrameKey[count];
        long at = firstRow;
        int i = 0;
        uint samples = 0;
        long earliest = long.MaxValue;
        long latest = long.MinValue;
        foreach (StoredFrame frame in log.Frames(firstRow, lastRow))
        {
            while (at < frame.Row && SkippedRows.Contains(skipped, at)) at++; // left out because the disk lost them
            if (frame.Row != at)
                break;
            at++;
            if (skipped.Count > 0 && SkippedRows.Contains(skipped, frame.Row))
                continue;
            keys[i] = FrameSpans.Key(frame.Frame);
            leaves[i++] = FrameLeaf.Hash(frame.Frame);
            BatchBody.Append(chunk, frame.Frame);
            if (chunk.WrittenCount >= HashedBytes)
            {
                body.AppendData(chunk.WrittenSpan);
                chunk.ResetWrittenCount();
            }
            samples += (uint)FrameParser.SampleCount(frame.Frame, 0);
            // Not the first and last row's: the gateway's clock may have been set in between.
            earliest = Math.Min(earliest, frame.ReceivedMs);
            latest = Math.Max(latest, frame.ReceivedMs);
        }
        while (at <= lastRow && SkippedRows.Contains(skipped, at)) at++;
        if (log.IsDropped(firstRow))
            throw Dropped(number);
        if (at != lastRow + 1)
            throw new StoreException(StoreFault.Corrupt, $"{log.Place}: row {at} is missing, so batch {number} cannot be derived: restore frames.db and chain.db from one backup.");
        body.AppendData(chunk.WrittenSpan);
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        body.GetHashAndReset(digest);
        // The store takes a (device, sequence) once, so the spans exist.
        FrameSpans spans = FrameSpans.From(keys)!;
        Hash32 framesHash = new(digest);
        Hash32 commitment = BatchBody.Commitment(spans.Hash(), framesHash);
        BatchHeader header = new(gateway, number, previous, MerkleTree.RootInPlace(leaves), (uint)count, samples, (ulong)earliest, (ulong)latest, commitment);
        BatchSummary summary = new(header, framesHash, spans);
        Volatile.Write(ref _lastDerived, new DerivedRows(firstRow, lastRow, skipped, summary));
        return new StoredBatch(number, firstRow, lastRow, gateway.ToArray(), previous.ToArray(), header.Root.ToArray(), samples,
            header.FirstReceivedMs, header.LastReceivedMs, header.Body.ToArray(), summary.Hash.ToArray()) { FramesHash = framesHash.ToArray(), Skipped = skipped };
    }

    /// <summary>
    /// The batch that a saved batch's rows give; the times are those saved, because a batch that came back from peers has only its header's. Rows never
    /// change, so what was derived from the same rows a moment ago in this process (the batcher just cut it) is not derived again: hashing every frame
    /// twice would cost a tenth of the gateway's throughput. Not consistent (<see cref="BatchSummary.IsConsistent"/>) when the rows are not those it was cut from.
    /// </summary>
    public BatchSummary Summary(StoredBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        BatchHeader saved = Header(batch);
        BatchSummary derived = Volatile.Read(ref _lastDerived) is { } recent && recent.FirstRow == batch.FirstRow && recent.LastRow == batch.LastRow
                && recent.Skipped.SequenceEqual(batch.Skipped) && recent.Summary.Id == new BatchId(saved.Gateway, saved.Number)
            ? recent.Summary
            : Derived(batch);
        BatchHeader timed = derived.Header with { Previous = saved.Previous, FirstReceivedMs = saved.FirstReceivedMs, LastReceivedMs = saved.LastReceivedMs };
        return timed == saved ? new BatchSummary(saved, derived.FramesHash, derived.Spans) : new BatchSummary(saved, Hash32.Zero, derived.Spans);
    }

    private static StoreException Dropped(ulong number) => new(StoreFault.Dropped, $"The frames of batch {number} are dropped, by age or disk budget: they are on the ledger, their bodies no longer here.");

    private BatchSummary Derived(StoredBatch batch)
    {
        Derive(new Address(batch.Gateway), batch.Number, new Hash32(batch.Previous), batch.FirstRow, batch.LastRow, batch.Skipped);
        return Volatile.Read(ref _lastDerived)!.Summary;
    }

    /// <summary>Bytes of the encoded body.</summary>
    public long BodyLength(StoredBatch batch) => MapOf(batch).Length;

    /// <summary>The encoded body in chunks from an offset on, streamed from the store; the header commits to the SHA-256 over all of it.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> BodyChunks(StoredBatch batch, long offset = 0)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        (long from, long skip) = offset == 0 ? (batch.FirstRow, 0) : MapOf(batch).Seek(offset);
        ArrayBufferWriter<byte> chunk = new(ChunkBytes + 2 + FrameFormat.FrameBytesMax);
        foreach (StoredFrame frame in Rows(batch, from))
        {
            BatchBody.Append(chunk, frame.Frame);
            if (chunk.WrittenCount < ChunkBytes)
                continue;
            if (skip < chunk.WrittenCount)
                yield return chunk.WrittenSpan[(int)skip..].ToArray();
            skip = Math.Max(0, skip - chunk.WrittenCount);
            chunk.ResetWrittenCount();
        }
        if (chunk.WrittenCount > skip)
            yield return chunk.WrittenSpan[(int)skip..].ToArray();
    }

    /// <summary>The whole body in memory: up to 76 MB for the largest batch.</summary>
    public BatchBody Body(StoredBatch batch) => BatchBody.Encode(Rows(batch).Select(static frame => (ReadOnlyMemory<byte>)frame.Frame));

    /// <summary>
    /// The proof of the frame at a row, or null when it is in no batch yet. The first proof of a batch reads and hashes all of it
    /// (figures: README); the trees of the last <see cref="TreesKept"/> batches asked for are kept.
    /// </summary>
    public BatchProof? Prove(long row)
    {
        if (log.BatchOf(row) is not StoredBatch batch || log.FrameAt(row) is not StoredFrame frame)
            return null;
        int index = (int)(row - batch.FirstRow) - SkippedRows.Before(batch.Skipped, row);
        return new BatchProof(batch, index, frame.Frame, TreeOf(batch).Proof(index));
    }

    /// <summary>The proof of a device's frame, or null when it is not stored or in no batch yet.</summary>
    public BatchProof? Prove(int device, ulong sequence) => log.Find(device, sequence) is StoredFrame frame ? Prove(frame.Row) : null;

    /// <summary>The batch's frames in order.</summary>
    private IEnumerable<StoredFrame> Rows(StoredBatch batch) => Rows(batch, batch.FirstRow);

    private IEnumerable<StoredFrame> Rows(StoredBatch batch, long from) => batch.Skipped.Count == 0
        ? log.Frames(from, batch.LastRow)
        : log.Frames(from, batch.LastRow).Where(frame => !SkippedRows.Contains(batch.Skipped, frame.Row));

    private BodyMap MapOf(StoredBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        lock (_maps)
        {
            foreach (BodyMap? kept in _maps)
            {
                if (kept is not null && kept.Number == batch.Number)
                    return kept;
            }
        }

        List<(long Row, long Offset)> marks = [];
        long length = 0;
        int i = 0;
        foreach ((long row, int bytes) in log.Lengths(batch.FirstRow, batch.LastRow))
        {
            if (batch.Skipped.Count > 0 && SkippedRows.Contains(batch.Skipped, row))
                continue;
            if (i++ % BodyMap.FramesPerMark == 0)
                marks.Add((row, length));
            length += 2 + bytes;
        }

        BodyMap map = new(batch.Number, length, [.. marks]);
        lock (_maps)
        {
            _maps[_nextMap] = map;
            _nextMap = (_nextMap + 1) % MapsKept;
        }

        return map;
    }

    private MerkleTree TreeOf(StoredBatch batch)
    {
        lock (_trees)
        {
            foreach ((ulong number, MerkleTree? kept) in _trees)
            {
                if (kept is not null && number == batch.Number)
                    return kept;
            }
        }

        if (log.IsDropped(batch.FirstRow))
            throw Dropped(batch.Number);
        Hash32[] leaves = new Hash32[batch.Frames];
        int i = 0;
        foreach (StoredFrame stored in Rows(batch))
            leaves[i++] = FrameLeaf.Hash(stored.Frame);
        MerkleTree tree = new(leaves);
        if (tree.Root != new Hash32(batch.Root))
            throw new StoreException(StoreFault.Corrupt, $"{log.Place}: the frames of batch {batch.Number} are not those it was cut from: restore frames.db and chain.db from one backup.");
        lock (_trees)
        {
            _trees[_nextTree] = (batch.Number, tree);
            _nextTree = (_nextTree + 1) % TreesKept;
        }

        return tree;
    }

    /// <summary>Where frames of a body begin, one of <see cref="FramesPerMark"/>: so that a part of it is read without the parts before.</summary>
    private sealed record BodyMap(ulong Number, long Length, (long Row, long Offset)[] Marks)
    {
        public const int FramesPerMark = 256;

        /// <summary>The row to read from, and how many bytes of it and what follows lie before the offset.</summary>
        public (long Row, long Skip) Seek(long offset)
        {
            int at = Array.FindLastIndex(Marks, mark => mark.Offset <= offset);
            return (Marks[at].Row, offset - Marks[at].Offset);
        }
    }

    /// <summary>What was derived last, and from which rows.</summary>
    private sealed record DerivedRows(long FirstRow, long LastRow, IReadOnlyList<long> Skipped, BatchSummary Summary);
}

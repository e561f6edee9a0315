using System.Data.Common;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Batch;

/// <summary>
/// This gateway's batches as the network core asks for them, and back from peers after a lost disk. The last ones asked for are kept: they are asked for
/// at every tick while they collect attestations.
/// </summary>
public sealed class OwnBatches(IFrameStore log, BatchReader reader, Batcher batcher, DeviceTable devices, Func<BatchSummary, BatchBody?> bodies) : IOwnBatches
{
    /// <summary>Batches kept as derived.</summary>
    private const int KeptMax = 8;

    private readonly Lock _gate = new();
    private readonly Queue<BatchSummary> _kept = new();
    private readonly HashSet<ulong> _recuts = []; // begun in this run
    private readonly Queue<ulong> _toRecut = new();
    private bool _isRecutting;

    /// <inheritdoc/>
    public bool IsEmpty => batcher.Last is null;

    /// <inheritdoc/>
    public BatchSummary? Find(ulong number)
    {
        if (number == 0 || number > (batcher.Last?.Number ?? 0)) return null;
        lock (_gate)
            if (_kept.FirstOrDefault(kept => kept.Header.Number == number) is { } kept) return kept;
        if (log.BatchAt(number) is not { } stored) return null;
        // Of one whose frames are dropped or lost the header alone says which it is; nobody attests it (again).
        BatchSummary derived = !reader.IsWhole(stored) ? new BatchSummary(BatchReader.Header(stored), new Hash32(stored.FramesHash), FrameSpans.None) : reader.Summary(stored);
        lock (_gate)
        {
            _kept.Enqueue(derived);
            if (_kept.Count > KeptMax) _kept.Dequeue();
        }

        return derived;
    }

    /// <inheritdoc/>
    public ulong FirstMissing(ulong from) => log.FirstMissingBatch(from);

    /// <summary>True when a batch is this gateway's own and in its store.</summary>
    public bool Has(BatchSummary batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return new Address(batcher.Last?.Gateway ?? new byte[Address.Bytes]) == batch.Header.Gateway && Find(batch.Header.Number)?.Hash == batch.Hash
            && log.BatchAt(batch.Header.Number) is { } stored && reader.IsWhole(stored);
    }

    /// <inheritdoc/>
    public void Recut(ulong number)
    {
        lock (_gate)
        {
            if (!_recuts.Add(number)) return;
            _toRecut.Enqueue(number);
            if (_isRecutting) return;
            _isRecutting = true;
        }

        _ = Task.Run(RecutAsync);
    }

    /// <summary>
    /// Puts a batch that came back from peers into the store as it was signed. When it was cut again from one that is here, its rows are some of that one's;
    /// else its frames are appended, all of them, with the header's receive times: the first one's the earliest, the others' the latest. In any order of the
    /// numbers, beginning at any, also while newer frames of its devices are taken. Repeatable. False when a device of it is not known yet (later), or another
    /// batch has its number, or the body is not the header's (never).
    /// </summary>
    public async Task<bool> RestoreAsync(BatchSummary batch, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(batch);
        BatchHeader header = batch.Header;
        if (log.BatchAt(header.Number) is { } here) return here.Hash.AsSpan().SequenceEqual(batch.Hash.ToArray()) && await TakeOverAsync(stopping).ConfigureAwait(false);
        if (!batch.IsConsistent() || bodies(batch) is not { } body || body.Compare(header) != BatchMatch.Matches || body.FramesHash() != batch.FramesHash) return false;
        RestoredFrame[] frames = new RestoredFrame[body.Count];
        StoredFrame?[] stored = new StoredFrame?[body.Count];
        for (int i = 0; i < body.Count; i++)
        {
            (Address device, ulong sequence, _, _) = FrameSpans.Key(body[i].Span);
            if (await devices.FindOrTakeAsync(new DeviceIdValue(device.ToArray())).ConfigureAwait(false) is not { } known) return false;
            stored[i] = log.Find(known.Log.Device, sequence);
            frames[i] = new RestoredFrame(known.Log, sequence, (long)(i == 0 ? header.FirstReceivedMs : header.LastReceivedMs), body[i],
                IsFound: stored[i] is not { } other || (other.Frame.AsSpan().SequenceEqual(body[i].Span) && !(log.BatchOf(other.Row)?.Number > header.Number)));
        }

        StoredBatch saved = new(header.Number, 0, 0, header.Gateway.ToArray(), header.Previous.ToArray(), header.Root.ToArray(), header.Samples,
            header.FirstReceivedMs, header.LastReceivedMs, header.Body.ToArray(), batch.Hash.ToArray()) { FramesHash = batch.FramesHash.ToArray() };
        bool isSaved = InPlace(saved, body, stored) is { } again
            ? await log.SaveBatchAsync(again).WaitAsync(stopping).ConfigureAwait(false)
            : await log.AppendBatchAsync(saved, frames).WaitAsync(stopping).ConfigureAwait(false);
        return isSaved && await TakeOverAsync(stopping).ConfigureAwait(false);
    }

    private async Task<bool> TakeOverAsync(CancellationToken stopping)
    {
        await batcher.ReloadAsync().WaitAsync(stopping).ConfigureAwait(false);
        return true;
    }

    /// <summary>The batch as one cut again from a batch that is here: all its frames are rows of that one, in order. Null when they are not.</summary>
    private StoredBatch? InPlace(StoredBatch batch, BatchBody body, StoredFrame?[] stored)
    {
        if (stored[0] is not { } first || log.BatchOf(first.Row) is not { } of || of.Number >= batch.Number || log.RecutOf(of.Number) is not null) return null;
        HashSet<long> rows = [];
        long before = 0;
        for (int i = 0; i < stored.Length; i++)
        {
            if (stored[i] is not { } row || row.Row <= before || !of.Contains(row.Row) || !row.Frame.AsSpan().SequenceEqual(body[i].Span)) return null;
            rows.Add(before = row.Row);
        }

        List<long> skipped = [];
        for (long row = of.FirstRow; row <= of.LastRow; row++)
            if (!rows.Contains(row)) skipped.Add(row);
        return batch with { FirstRow = of.FirstRow, LastRow = of.LastRow, Skipped = skipped, RecutOf = of.Number };
    }

    /// <summary>One after another, so that new batches are cut in between.</summary>
    private async Task RecutAsync()
    {
        while (true)
        {
            ulong number;
            lock (_gate)
            {
                if (!_toRecut.TryDequeue(out number))
                {
                    _isRecutting = false;
                    return;
                }
            }

            bool isDone = false;
            try
            {
                isDone = await batcher.RecutAsync(number).ConfigureAwait(false) is not null || log.BatchAt(number) is not null;
            }
            catch (Exception fault) when (fault is StoreException or DbException)
            {
                // Full or unavailable, which the store itself reports.
            }

            if (isDone) continue;
            lock (_gate) _recuts.Remove(number); // not done, or not here (yet): the core asks again
        }
    }
}

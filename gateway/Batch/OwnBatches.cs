using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Batch;

/// <summary>
/// This gateway's batches as the network core asks for them, and back from peers after a lost disk. The last one asked for is kept: it is asked for at
/// every tick while it collects attestations.
/// </summary>
public sealed class OwnBatches(FrameLog log, BatchReader reader, Batcher batcher, DeviceTable devices, Func<BatchSummary, BatchBody?> bodies) : IOwnBatches
{
    /// <summary>Restored frames on their way to the disk.</summary>
    private const int FramesInFlightMax = 1_024;

    private readonly HashSet<ulong> _recuts = []; // begun in this run
    private BatchSummary? _last;

    /// <inheritdoc/>
    public bool IsEmpty => batcher.Last is null;

    /// <inheritdoc/>
    public BatchSummary? Find(ulong number)
    {
        if (number == 0 || number > (batcher.Last?.Number ?? 0)) return null;
        if (_last is { } last && last.Header.Number == number) return last;
        return log.BatchAt(number) is not { } stored ? null : _last = reader.Summary(stored);
    }

    /// <summary>True when a batch is this gateway's own and in its store.</summary>
    public bool Has(BatchSummary batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return new Address(batcher.Last?.Gateway ?? new byte[Address.Bytes]) == batch.Header.Gateway && Find(batch.Header.Number)?.Hash == batch.Hash;
    }

    /// <inheritdoc/>
    public void Recut(ulong number)
    {
        lock (_recuts)
            if (!_recuts.Add(number)) return;
        _ = Task.Run(async () =>
        {
            try
            {
                await batcher.RecutAsync(number).ConfigureAwait(false);
            }
            catch (StoreException)
            {
                lock (_recuts) _recuts.Remove(number); // full or unavailable, which the store itself reports: the core asks again
            }
        });
    }

    /// <summary>
    /// Puts a batch that came back from peers into the store as it was: its frames at the end of the log, or, when they are there already (a batch cut again
    /// from one that came back before), as rows of that one. Receive times are the header's. Repeatable at any point. False when a device of it is not
    /// known yet, a newer frame of it was taken meanwhile, or the rows do not give the header that was signed.
    /// </summary>
    public async Task<bool> RestoreAsync(BatchSummary batch, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ulong number = batch.Header.Number;
        if (Find(number) is { } here) return here.Hash == batch.Hash;
        if (number <= (batcher.Last?.Number ?? 0) || bodies(batch) is not { } body) return false;
        long[] rows = new long[body.Count];
        Queue<(int Index, Task<long> Stored)> appended = [];
        Dictionary<DeviceLog, ulong> newest = [];
        for (int i = 0; i < body.Count; i++)
        {
            if (Known(body[i].Span) is not { } device) return false;
            ulong sequence = FrameSpans.Key(body[i].Span).Sequence;
            if (log.Find(device.Log.Device, sequence) is { } stored)
            {
                if (!stored.Frame.AsSpan().SequenceEqual(body[i].Span)) return false;
                rows[i] = stored.Row;
                continue;
            }

            if (sequence <= newest.GetValueOrDefault(device.Log, device.Log.LastSequence)) return false;
            newest[device.Log] = sequence;
            RestoredFrame append = new(log.Epoch, device.Log, sequence, (long)(i == 0 ? batch.Header.FirstReceivedMs : batch.Header.LastReceivedMs), body[i]);
            log.Append(append);
            appended.Enqueue((i, append.Stored));
            if (appended.Count == FramesInFlightMax) await OldestAsync().ConfigureAwait(false);
        }

        while (appended.Count > 0) await OldestAsync().ConfigureAwait(false);

        (long first, long last, IReadOnlyList<long> skipped, ulong of) = Range(rows);
        StoredBatch derived = reader.Derive(batch.Header.Gateway, number, batch.Header.Previous, first, last, skipped) with
        {
            FirstReceivedMs = batch.Header.FirstReceivedMs, LastReceivedMs = batch.Header.LastReceivedMs, Hash = batch.Hash.ToArray(), RecutOf = of,
        };
        if (BatchReader.Header(derived) != batch.Header || !await log.SaveBatchAsync(derived).ConfigureAwait(false)) return false;
        await batcher.ReloadAsync().ConfigureAwait(false);
        return true;

        async Task OldestAsync()
        {
            (int index, Task<long> stored) = appended.Dequeue();
            rows[index] = await stored.WaitAsync(stopping).ConfigureAwait(false);
        }
    }

    private KnownDevice? Known(ReadOnlySpan<byte> frame) => devices.Find(new DeviceIdValue(frame.Slice(FrameFormat.DeviceIdOffset, DeviceIdValue.Bytes)));

    /// <summary>Rows as a range: that of the batch they are in already, or their own.</summary>
    private (long First, long Last, IReadOnlyList<long> Skipped, ulong RecutOf) Range(long[] rows)
    {
        StoredBatch? of = log.BatchOf(rows[0]);
        (long first, long last) = of is null ? (rows.Min(), rows.Max()) : (of.FirstRow, of.LastRow);
        HashSet<long> mine = [.. rows];
        List<long> skipped = [];
        for (long row = first; row <= last; row++)
            if (!mine.Contains(row)) skipped.Add(row);
        return (first, last, skipped, of?.Number ?? 0);
    }

    private sealed class RestoredFrame : FrameAppend
    {
        private readonly TaskCompletionSource<long> _stored = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public RestoredFrame(long epoch, DeviceLog log, ulong sequence, long receivedMs, ReadOnlyMemory<byte> frame) =>
            (Epoch, Log, Sequence, ReceivedMs, Frame) = (epoch, log, sequence, receivedMs, frame);

        public Task<long> Stored => _stored.Task;

        protected internal override void Committed() => _stored.TrySetResult(Row);

        internal override void Failed(StoreFault fault) => _stored.TrySetException(new StoreException(fault, "A frame that came back from a peer could not be stored; it is tried again."));
    }
}

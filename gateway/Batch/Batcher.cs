using System.Data.Common;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Batch;

/// <summary>
/// Cuts the arrival log into batches by count or age. Cutting is choosing a last row; everything else follows from the rows
/// (<see cref="BatchReader.Derive"/>). The cut is durable before anyone is told of it, so a kill at any point either leaves no batch
/// or the same batch; after a write in doubt the store is asked which. Callers read batches from the log and wait with <see cref="WaitForBatchAsync"/>.
/// </summary>
public sealed class Batcher
{
    private readonly BatcherOptions options;
    private readonly IFrameStore log;
    private readonly BatchReader reader;
    private readonly IAnchoredFrames anchored;
    private readonly TimeProvider time;
    private readonly SemaphoreSlim cutting = new(1, 1); // one batch number is given at a time
    private readonly Lock gate = new();
    private TaskCompletionSource cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private StoredBatch? last;
    private long cutRow;
    private bool running;
    private bool inDoubt; // a write may have happened: what is stored is looked up before the next one

    /// <summary>Reads the last batch and derives it again: a store that no longer yields it is refused (<see cref="StoreException"/>, Corrupt).</summary>
    /// <param name="options">When a batch is cut.</param>
    /// <param name="log">The store.</param>
    /// <param name="reader">Keeps what was derived last, for who asks for it next; null: one of its own.</param>
    /// <param name="anchored">Frames that another gateway's batch brought to the ledger are left out; null: none are.</param>
    /// <param name="time">The clock.</param>
    public Batcher(BatcherOptions options, IFrameStore log, BatchReader? reader = null, IAnchoredFrames? anchored = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.FramesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.FramesMax, EvidenceLimits.BatchFramesMax);
        (this.options, this.log, this.reader, this.anchored, this.time) = (options, log, reader ?? new BatchReader(log), anchored ?? new NothingAnchored(), time ?? TimeProvider.System);
        last = log.LastBatch();
        cutRow = Adjacent(log.CutRow);
        if (last is null)
            return;
        if (new Address(last.Gateway) != options.Gateway)
            throw new StoreException(StoreFault.Corrupt, $"{log.Place} holds the batches of gateway {new Address(last.Gateway)}, the key is {options.Gateway}'s: restore the right key, or give this gateway a folder of its own.");
        if (this.reader.IsWhole(last) && !this.reader.Summary(last).IsConsistent())
            throw new StoreException(StoreFault.Corrupt, $"{log.Place}: the frames of batch {last.Number} are not those it was cut from: restore frames.db and chain.db from one backup.");
    }

    /// <summary>The last batch cut, or null.</summary>
    public StoredBatch? Last => Volatile.Read(ref last);

    /// <summary>Frames stored and in no batch yet.</summary>
    public long Waiting => log.LastRow - Volatile.Read(ref cutRow);

    /// <summary>The last row in a batch; every row up to it is done with.</summary>
    public long CutRow => Volatile.Read(ref cutRow);

    /// <summary>True from the start of <see cref="RunAsync"/> on: before, frames wait for the network.</summary>
    public bool IsRunning => Volatile.Read(ref running);

    /// <summary>The oldest frame waits this long when all is well.</summary>
    public TimeSpan WaitMax => TimeSpan.FromMilliseconds(Math.Max(options.AgeMaxMs, options.AgeLeastMs()));

    /// <summary>Cuts until stopped. Waits out a store that is full or unavailable; frames only wait longer then.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref running, true);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await CutDueAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is StoreException { Fault: StoreFault.Full or StoreFault.Unavailable } or DbException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(options.RetryMs), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Cuts all that is stored and in no batch, due or not: for a stop, a test, an operator in a hurry. Not while <see cref="RunAsync"/> runs.</summary>
    public async Task CutNowAsync()
    {
        while (Volatile.Read(ref cutRow) + 1 is var first && log.LastRow >= first)
            await CutAsync(first, Math.Min(log.LastRow, first + options.FramesMax - 1)).ConfigureAwait(false);
    }

    /// <summary>Completes when a batch with a higher number is durable.</summary>
    public async Task WaitForBatchAsync(ulong number, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next;
            lock (gate)
            {
                if ((last?.Number ?? 0) > number)
                    return;
                next = cut.Task;
            }
            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task CutDueAsync(CancellationToken cancellationToken)
    {
        long first = Volatile.Read(ref cutRow) + 1;
        await log.WaitForRowAsync(first - 1, cancellationToken).ConfigureAwait(false);
        long full = first + options.FramesMax - 1;
        if (log.LastRow < full)
        {
            // By the wall clock, so that a restart does not begin the wait anew; never longer than the limit, whatever the clock says.
            long ageMs = time.GetUtcNow().ToUnixTimeMilliseconds() - (log.FrameAt(first)?.ReceivedMs ?? 0);
            long ageMaxMs = Math.Max(options.AgeMaxMs, options.AgeLeastMs());
            TimeSpan wait = TimeSpan.FromMilliseconds(Math.Clamp(ageMaxMs - ageMs, 0, ageMaxMs));
            if (wait > TimeSpan.Zero)
                await FullOrOldAsync(full, wait, cancellationToken).ConfigureAwait(false);
        }
        await CutAsync(first, Math.Min(log.LastRow, full)).ConfigureAwait(false);
    }

    private async Task FullOrOldAsync(long full, TimeSpan wait, CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task old = Task.Delay(wait, time, either.Token);
        Task isFull = log.WaitForRowAsync(full - 1, either.Token);
        await Task.WhenAny(old, isFull).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Puts what is left of a void batch, without the frames that are anchored through other gateways, into a new batch over the same rows. Done once: asked
    /// again it gives the batch made then. Null when nothing is left, or there is no such batch.
    /// </summary>
    public async Task<StoredBatch?> RecutAsync(ulong number)
    {
        await cutting.WaitAsync().ConfigureAwait(false);
        try
        {
            LookUp();
            if (log.RecutOf(number) is { } made) return made;
            if (log.BatchAt(number) is not { } of) return null;
            List<long> skipped = [];
            foreach (StoredFrame frame in log.Frames(of.FirstRow, of.LastRow))
            {
                (Address device, ulong sequence, _, _) = FrameSpans.Key(frame.Frame);
                if (!of.Contains(frame.Row) || anchored.IsAnchored(device, sequence)) skipped.Add(frame.Row);
            }

            return skipped.Count == of.LastRow - of.FirstRow + 1 ? null : await SaveAsync(of.FirstRow, of.LastRow, skipped, number).ConfigureAwait(false);
        }
        finally
        {
            cutting.Release();
        }
    }

    /// <summary>Takes over what was put into the store beside it: batches that came back from peers.</summary>
    public async Task ReloadAsync()
    {
        await cutting.WaitAsync().ConfigureAwait(false);
        try
        {
            inDoubt = true;
            LookUp();
        }
        finally
        {
            cutting.Release();
        }
    }

    private async Task CutAsync(long firstRow, long lastRow)
    {
        await cutting.WaitAsync().ConfigureAwait(false);
        try
        {
            LookUp();
            if (firstRow != cutRow + 1) return; // looked up meanwhile
            // A batch that came back after these rows is never within a cut: ranges do not overlap.
            if (log.NextRange(firstRow) is { } restored) lastRow = Math.Min(lastRow, restored.First - 1);
            StoredBatch? made = lastRow < firstRow ? null : await SaveAsync(firstRow, lastRow, [], recutOf: 0).ConfigureAwait(false);
            long done = Adjacent(lastRow);
            if (made is not null && done == lastRow) return;
            inDoubt = true; // rows that are all anchored already, or in batches that came back: not looked at again
            await log.SaveCutRowAsync(done).ConfigureAwait(false);
            inDoubt = false;
            Volatile.Write(ref cutRow, done);
        }
        finally
        {
            cutting.Release();
        }
    }

    /// <summary>The last row of the batches that follow a row without a gap; the row itself when none does.</summary>
    private long Adjacent(long row)
    {
        while (log.NextRange(row + 1) is { } next && next.First == row + 1) row = next.Last;
        return row;
    }

    /// <summary>After a write that may have happened, and after batches came back: what is stored now.</summary>
    private void LookUp()
    {
        if (!inDoubt) return;
        StoredBatch? stored = log.LastBatch();
        long row = Adjacent(log.CutRow);
        inDoubt = false;
        Tell(stored, row);
    }

    private void Tell(StoredBatch? batch, long row)
    {
        TaskCompletionSource told;
        lock (gate)
        {
            Volatile.Write(ref last, batch);
            Volatile.Write(ref cutRow, Math.Max(cutRow, row));
            told = cut;
            cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        told.SetResult();
    }

    /// <summary>Derives, leaves out what is anchored, saves, tells. Null when nothing is left.</summary>
    private async Task<StoredBatch?> SaveAsync(long firstRow, long lastRow, IReadOnlyList<long> skipped, ulong recutOf)
    {
        StoredBatch? before = Last;
        ulong number = (before?.Number ?? 0) + 1;
        Hash32 previous = before is null ? Hash32.Zero : new Hash32(before.Hash);
        IReadOnlyList<long> lost = log.LostRows(firstRow, lastRow);
        if (lost.Count > 0) skipped = [.. skipped.Union(lost).Order()];
        if (skipped.Count == lastRow - firstRow + 1) return null;
        StoredBatch batch = reader.Derive(options.Gateway, number, previous, firstRow, lastRow, skipped) with { RecutOf = recutOf };
        if (recutOf == 0 && anchored.IsAnchored(reader.Summary(batch).Spans))
        {
            skipped = [.. log.Frames(firstRow, lastRow).Where(frame => FrameSpans.Key(frame.Frame) is var key && anchored.IsAnchored(key.Device, key.Sequence)).Select(frame => frame.Row).Union(lost).Order()];
            if (skipped.Count == lastRow - firstRow + 1) return null;
            batch = reader.Derive(options.Gateway, number, previous, firstRow, lastRow, skipped);
        }

        inDoubt = true;
        if (!await log.SaveBatchAsync(batch).ConfigureAwait(false))
            throw new StoreException(StoreFault.Unavailable, $"Batch {batch.Number} came back from peers while another one was cut: the next number is taken."); // looked up, then done again
        inDoubt = false;
        Tell(batch, recutOf == 0 ? batch.LastRow : 0);
        return batch;
    }
}

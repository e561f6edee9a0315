using DePIN.Evidence;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Batch;

/// <summary>
/// Cuts the arrival log into batches by count or age. Cutting is choosing a last row; everything else follows from the rows
/// (<see cref="BatchReader.Derive"/>). The cut is durable before anyone is told of it, so a kill at any point either leaves no batch
/// or the same batch. Callers read batches from the log and wait with <see cref="WaitForBatchAsync"/>.
/// </summary>
public sealed class Batcher
{
    private readonly BatcherOptions options;
    private readonly FrameLog log;
    private readonly BatchReader reader;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private TaskCompletionSource cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private StoredBatch? last;

    /// <summary>Reads the last batch and derives it again: a store that no longer yields it is refused (<see cref="StoreException"/>, Corrupt).</summary>
    public Batcher(BatcherOptions options, FrameLog log, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.FramesMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.FramesMax, EvidenceLimits.BatchFramesMax);
        (this.options, this.log, this.time) = (options, log, time ?? TimeProvider.System);
        reader = new BatchReader(log);
        last = log.LastBatch();
        if (last is null)
            return;
        if (new Address(last.Gateway) != options.Gateway)
            throw new StoreException(StoreFault.Corrupt, $"{log.FilePath} holds the batches of gateway {new Address(last.Gateway)}, the key is {options.Gateway}'s: restore the right key, or give this gateway a folder of its own.");
        StoredBatch again = reader.Derive(options.Gateway, last.Number, new Hash32(last.Previous), last.FirstRow, last.LastRow);
        if (!again.Hash.AsSpan().SequenceEqual(last.Hash))
            throw new StoreException(StoreFault.Corrupt, $"{log.FilePath}: the frames of batch {last.Number} are not those it was cut from: restore frames.db and chain.db from one backup.");
    }

    /// <summary>The last batch cut, or null.</summary>
    public StoredBatch? Last => Volatile.Read(ref last);

    /// <summary>Frames stored and in no batch yet.</summary>
    public long Waiting => log.LastRow - (Last?.LastRow ?? 0);

    /// <summary>Cuts until stopped. Waits out a store that is full or unavailable; frames only wait longer then.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await CutDueAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (StoreException fault) when (fault.Fault is StoreFault.Full or StoreFault.Unavailable)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(options.RetryMs), time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Cuts all that is stored and in no batch, due or not: for a stop, a test, an operator in a hurry. Not while <see cref="RunAsync"/> runs.</summary>
    public async Task CutNowAsync()
    {
        for (long first = (Last?.LastRow ?? 0) + 1; log.LastRow >= first; first = Last!.LastRow + 1)
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
        long first = (Last?.LastRow ?? 0) + 1;
        await log.WaitForRowAsync(first - 1, cancellationToken).ConfigureAwait(false);
        long full = first + options.FramesMax - 1;
        if (log.LastRow < full)
        {
            // By the wall clock, so that a restart does not begin the wait anew; never longer than the limit, whatever the clock says.
            long ageMs = time.GetUtcNow().ToUnixTimeMilliseconds() - (log.FrameAt(first)?.ReceivedMs ?? 0);
            TimeSpan wait = TimeSpan.FromMilliseconds(Math.Clamp(options.AgeMaxMs - ageMs, 0, options.AgeMaxMs));
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

    private async Task CutAsync(long firstRow, long lastRow)
    {
        StoredBatch? before = Last;
        StoredBatch batch = reader.Derive(options.Gateway, (before?.Number ?? 0) + 1, before is null ? Hash32.Zero : new Hash32(before.Hash), firstRow, lastRow);
        if (!await log.SaveBatchAsync(batch).ConfigureAwait(false))
        {
            // A save in doubt that came through with another last row: what is durable is the batch.
            batch = log.BatchAt(batch.Number) is StoredBatch saved && saved.FirstRow == firstRow ? saved
                : throw new StoreException(StoreFault.Corrupt, $"{log.FilePath}: batch {batch.Number} does not follow the one before: restore frames.db and chain.db from one backup.");
        }
        TaskCompletionSource told;
        lock (gate)
        {
            Volatile.Write(ref last, batch);
            told = cut;
            cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        told.SetResult();
    }
}

using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Batch;

/// <summary>
/// What becomes of the batches whose frames the disk lost. One that a quorum signed is forgotten here, so that it is missing and comes back from peers, as
/// after a lost disk. One that nobody has signed yet was told to nobody: it is cut anew from the frames that are left. Others stay, and say so.
/// </summary>
/// <param name="log">The store.</param>
/// <param name="network">Who signed what.</param>
/// <param name="self">This gateway.</param>
/// <param name="members">Gateways in the active set: a network of one has no peers to ask.</param>
public sealed class LostBatches(FrameLog log, NetworkLog network, Address self, Func<int> members)
{
    /// <summary>The same while the gateway runs: the batcher looks again, the network asks for what is missing.</summary>
    public async Task MendAsync(Batcher batcher, Func<ulong, Task> ask)
    {
        ArgumentNullException.ThrowIfNull(batcher);
        ArgumentNullException.ThrowIfNull(ask);
        if (await ForgetAsync().ConfigureAwait(false) is not (> 0 and ulong lowest)) return;
        await batcher.ReloadAsync().ConfigureAwait(false);
        await ask(lowest).ConfigureAwait(false);
    }

    /// <summary>Forgets them; gives the lowest number, 0 when there was none. Repeatable.</summary>
    /// <exception cref="StoreException">Unavailable: ask again.</exception>
    public async Task<ulong> ForgetAsync()
    {
        ulong last = log.LastBatch()?.Number ?? 0;
        ulong lowest = 0;
        foreach ((long first, long end) in log.LostRuns)
        {
            foreach (StoredBatch batch in log.BatchesOver(first, end))
            {
                if (!log.LostRows(batch.FirstRow, batch.LastRow).Any(batch.Contains)) continue;
                BatchState? state = network.Find(new BatchId(self, batch.Number))?.State;
                // The last number must not be given again before its batch is back: at the start signing waits for that, later the next start will do.
                bool comesBack = state is BatchState.Certified or BatchState.Anchored && members() > 1 && batch.Number < last;
                bool isUnsigned = state is null && Enumerable.Range(0, (int)Math.Min(last - batch.Number + 1, int.MaxValue)).All(i => network.Find(new BatchId(self, batch.Number + (ulong)i)) is null);
                if (!comesBack && !isUnsigned) continue;
                await log.ForgetBatchesAsync(batch.Number, isUnsigned ? last : batch.Number, isUnsigned ? batch.FirstRow - 1 : null).ConfigureAwait(false);
                lowest = lowest == 0 ? batch.Number : Math.Min(lowest, batch.Number);
                if (isUnsigned) last = batch.Number - 1;
            }
        }

        return lowest;
    }
}

using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Batch;

/// <summary>This gateway's batches as the network core asks for them. The last one asked for is kept: it is asked for at every tick while it collects attestations.</summary>
public sealed class OwnBatches(FrameLog log, BatchReader reader) : IOwnBatches
{
    private BatchSummary? _last;

    /// <inheritdoc/>
    public bool IsEmpty => log.LastBatch() is null;

    /// <inheritdoc/>
    public BatchSummary? Find(ulong number)
    {
        if (number > long.MaxValue) return null;
        if (_last is { } last && last.Header.Number == number) return last;
        return log.BatchAt(number) is not { } stored ? null : _last = reader.Summary(stored);
    }

    /// <inheritdoc/>
    public void Recut(ulong number) => throw new NotSupportedException();

    /// <inheritdoc/>
    public Task<bool> RestoreAsync(BatchSummary batch, CancellationToken stopping) => throw new NotSupportedException();
}

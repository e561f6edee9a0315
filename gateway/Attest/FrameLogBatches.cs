using DePIN.Evidence;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Attest;

/// <summary>Own batches as the frame store keeps them: the header from its row, the body from the frames' rows.</summary>
public sealed class FrameLogBatches(FrameLog log) : IBatchSource
{
    /// <inheritdoc/>
    public BatchHeader? Batch(ulong number) => log.BatchAt(number) is { } batch ? Header(batch) : null;

    /// <inheritdoc/>
    public BatchBody Body(ulong number) => log.BatchAt(number) is { } batch
        ? BatchBody.Encode(log.Frames(batch.FirstRow, batch.LastRow).Select(f => (ReadOnlyMemory<byte>)f.Frame))
        : throw new ArgumentOutOfRangeException(nameof(number), number, "There is no such batch.");

    /// <summary>The header of a stored batch.</summary>
    public static BatchHeader Header(StoredBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return new BatchHeader(new Address(batch.Gateway), batch.Number, new Hash32(batch.Previous), new Hash32(batch.Root), batch.Frames, batch.Samples,
            batch.FirstReceivedMs, batch.LastReceivedMs, new Hash32(batch.Body));
    }
}

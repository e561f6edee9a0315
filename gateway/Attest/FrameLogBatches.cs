using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Attest;

/// <summary>Own batches as the frame store keeps them: the header from its row, the body from the frames' rows.</summary>
public sealed class FrameLogBatches(FrameLog log, BatchReader reader) : IBatchSource
{
    /// <inheritdoc/>
    public BatchHeader? Batch(ulong number) => log.BatchAt(number) is { } batch ? BatchReader.Header(batch) : null;

    /// <inheritdoc/>
    public BatchHeader FromFrames(ulong number) =>
        reader.FromFrames(log.BatchAt(number) ?? throw new ArgumentOutOfRangeException(nameof(number), number, "There is no such batch."));
}

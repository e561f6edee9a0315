using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Batch;

/// <summary>The bodies of own batches, streamed from the frame store: attesters fetch them by their SHA-256.</summary>
public sealed class OwnBodies(IFrameStore log, BatchReader reader) : IBodySource
{
    /// <inheritdoc/>
    public bool Has(Hash32 framesHash) => log.BatchOfBody(framesHash.ToArray()) is { } batch && reader.IsWhole(batch);

    /// <inheritdoc/>
    public BodyReading? Open(Hash32 framesHash, long offset)
    {
        if (log.BatchOfBody(framesHash.ToArray()) is not { } batch || !reader.IsWhole(batch)) return null;
        return new BodyReading(reader.BodyLength(batch), new ChunkStream(reader.BodyChunks(batch, offset), 0));
    }
}

using DePIN.Evidence;

namespace DePIN.Gateway.Dispute;

/// <summary>A gateway signed a batch with the frame of a device that this one does not know: perhaps nobody does, perhaps this one is behind or lacks a list.</summary>
/// <param name="Header">The batch.</param>
/// <param name="Author">Its gateway's signature.</param>
/// <param name="Frame">The frame, as evidence has it: <see cref="FrameInBatch"/>.</param>
/// <param name="Device">Whose frame it says it is.</param>
/// <param name="SeenBlock">The newest block when it was seen first.</param>
public sealed record Suspicion(BatchHeader Header, Attestation Author, byte[] Frame, Address Device, ulong SeenBlock);

/// <summary>
/// Suspicions between the core, which finds them, and the dispute stage, which makes accusations of those that hold. In memory: an author offers a batch that nobody attests again and
/// again, so what a restart forgot is found again. Safe for concurrent use.
/// </summary>
public sealed class Suspicions
{
    /// <summary>Kept at a time; above, no more are taken until some are dropped.</summary>
    public const int SuspicionsMax = 64;

    /// <summary>Of one gateway.</summary>
    public const int PerGatewayMax = 4;

    private readonly Lock _gate = new();
    private readonly Dictionary<Hash32, Suspicion> _all = []; // by batch hash

    /// <summary>All of them.</summary>
    public IReadOnlyList<Suspicion> All()
    {
        lock (_gate) return [.. _all.Values];
    }

    /// <summary>Takes one, or passes it over: one a batch, and not too many.</summary>
    public void Add(BatchHeader header, Attestation author, ReadOnlySpan<byte> frameInBatch, ulong block)
    {
        ArgumentNullException.ThrowIfNull(header);
        if (!FrameInBatch.TryDecode(frameInBatch, out byte[] frame, out _)) return;
        lock (_gate)
        {
            if (_all.Count >= SuspicionsMax || _all.Values.Count(s => s.Header.Gateway == header.Gateway) >= PerGatewayMax) return;
            _all.TryAdd(header.Hash(), new Suspicion(header, author, frameInBatch.ToArray(), FrameSpans.Key(frame).Device, block));
        }
    }

    /// <summary>It is settled, one way or the other.</summary>
    public void Drop(Suspicion suspicion)
    {
        ArgumentNullException.ThrowIfNull(suspicion);
        lock (_gate) _all.Remove(suspicion.Header.Hash());
    }
}

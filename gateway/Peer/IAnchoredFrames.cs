using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>Which frames are on the ledger, whichever gateway's batch they are in.</summary>
public interface IAnchoredFrames
{
    /// <summary>True when one of these frames is in an anchored batch.</summary>
    bool IsAnchored(FrameSpans spans);

    /// <summary>True when this one is.</summary>
    bool IsAnchored(Address device, ulong sequence);
}

/// <summary>None: a gateway that batches without a network, in tests and benchmarks.</summary>
public sealed class NothingAnchored : IAnchoredFrames
{
    /// <inheritdoc/>
    public bool IsAnchored(FrameSpans spans) => false;

    /// <inheritdoc/>
    public bool IsAnchored(Address device, ulong sequence) => false;
}

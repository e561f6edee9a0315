using DePIN.Evidence;

namespace DePIN.Gateway.Batch;

/// <summary>When a batch is cut. Both limits bound how long a frame waits for its place in the evidence.</summary>
public sealed record BatcherOptions
{
    /// <summary>The address that stands in the header: this gateway's.</summary>
    public required Address Gateway { get; init; }

    /// <summary>Frames in a batch at most, 1 to 65,536 (<see cref="EvidenceLimits.BatchFramesMax"/>).</summary>
    public int FramesMax { get; init; } = 4_096;

    /// <summary>Age of the oldest frame at which a batch is cut even when it is not full, ms.</summary>
    public int AgeMaxMs { get; init; } = 30_000;

    /// <summary>
    /// In a large network batches are cut at a greater age, so that what each gateway learns of the others' in an epoch does not grow with the network
    /// (<see cref="Peer.NetworkRules.BatchAgeLeastMs"/>), ms; asked before each cut.
    /// </summary>
    public Func<long> AgeLeastMs { get; init; } = () => 0;

    /// <summary>How long to wait after the store refused a batch, ms.</summary>
    public int RetryMs { get; init; } = 1_000;
}

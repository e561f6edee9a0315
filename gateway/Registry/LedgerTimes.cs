using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Registry;

/// <summary>The ledger as retention asks for it: an entry counts when it lies as many blocks deep as the operator asks for (chain.confirmations).</summary>
public sealed class LedgerTimes(Address self, NetworkLog network, RegistryLog registry, ChainRegistry follower, int confirmations) : ILedgerTimes
{
    /// <inheritdoc/>
    public long? NowS => follower.IsCurrent ? (long?)follower.Head?.TimeS : null;

    /// <inheritdoc/>
    public long? AnchoredS(ulong number)
    {
        if (network.Find(new BatchId(self, number)) is not { State: BatchState.Anchored, Ordinal: { } ordinal } || registry.Ledger(ordinal, 1) is not [var entry] || registry.Last is not var (head, _)) return null;
        return head >= entry.Block && head - entry.Block + 1 >= (ulong)confirmations ? (long)follower.Epochs.StartOf(entry.Header.Epoch) : null;
    }

    /// <inheritdoc/>
    public bool IsAnchored(ReadOnlySpan<byte> frame)
    {
        (Address device, ulong sequence, _, _) = FrameSpans.Key(frame);
        return network.IsAnchored(device, sequence);
    }
}

using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// Everything the network core asks of the world besides its log: no call blocks, and answers come back later as calls to <see cref="NetworkCore"/>
/// on its one thread. The gateway implements it with sockets, files and clocks, the simulator with its own.
/// </summary>
public interface INetworkHost
{
    /// <summary>A clock that only goes forward, ms. For patience and repetition, never for order.</summary>
    long NowMs { get; }

    /// <summary>Hands a message to the connection with a peer; dropped when there is none or its queue is full.</summary>
    void Send(Address to, PeerMessage message);

    /// <summary>Gets the body of a batch from a peer, checks it whole (hash, root, counts, spans, every frame's structure and signature against the registry), and keeps it on disk. Then <see cref="NetworkCore.BodyChecked"/>. Asking again while it runs changes nothing.</summary>
    void FetchBody(Address from, BatchSummary batch);

    /// <summary>True when the checked body of this batch is on this gateway's disk (its own frames, or kept as attester).</summary>
    bool HasBody(BatchSummary batch);

    /// <summary>An own batch as the frame store has it, derived from its frames; null when there is none with that number (yet).</summary>
    BatchSummary? OwnBatch(ulong number);

    /// <summary>The lowest number from this one on that no own batch in the frame store has.</summary>
    ulong FirstMissingOwn(ulong from);

    /// <summary>An own batch came back from peers because this gateway lost its disk: its body is to be fetched and put into the frame store. Repeated, from other peers too, until <see cref="OwnBatch"/> has it; <see cref="NetworkCore.RestoreFailed"/> when the peer does not have the body.</summary>
    void RestoreOwn(Address from, BatchSummary batch);

    /// <summary>True when the frame store holds no batch at all: a new gateway, or one that lost its disk.</summary>
    bool IsStoreEmpty { get; }

    /// <summary>An own batch is void: what is left of it after the anchored frames goes into a new batch. Asked again at every start; done once.</summary>
    void Recut(ulong number);

    /// <summary>Signs with the gateway's key, deterministically.</summary>
    Attestation Sign(Hash32 digest);

    /// <summary>Whether an attestation is over a digest.</summary>
    bool IsOver(Attestation attestation, Hash32 digest);

    /// <summary>The header of a ledger entry as followed on the chain, or null when the followed ledger does not have it.</summary>
    AnchorHeader? LedgerEntry(ulong ordinal);

    /// <summary>A peer signed a batch with the frame of a device that nobody here knows, as the check of the body says. Not proof of anything yet.</summary>
    void Suspect(BatchHeader header, Attestation author, ReadOnlyMemory<byte> frameInBatch)
    {
    }

    /// <summary>A peer broke a rule; the transport scores it and may drop it. The reason is shown to people.</summary>
    void Blame(Address peer, string reason);
}

using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// What the network core must not lose. Every write is one transaction and durable when it returns. A write that throws may have happened or
/// not: the core then does nothing that depends on it and asks again later, so every write must be repeatable. Called by one thread.
/// </summary>
public interface INetworkLog
{
    /// <summary>The batch, or null.</summary>
    BatchRecord? Find(BatchId batch);

    /// <summary>
    /// The header that this gateway knew and may have signed under a number before the ledger, or a certificate, brought another one: null when there was none.
    /// Nothing else is ever signed under that number.
    /// </summary>
    Hash32? Replaced(BatchId batch);

    /// <summary>The highest number of a gateway's batches that are certified, anchored or void; 0 none.</summary>
    ulong HighestNumber(Address gateway);

    /// <summary>The gateways that have batches here.</summary>
    IReadOnlyList<Address> Authors();

    /// <summary>Certified batches (not anchored, not void), ascending by <see cref="BatchId"/>, at most <paramref name="limit"/>.</summary>
    IReadOnlyList<BatchRecord> Pending(int limit);

    /// <summary>Of one gateway, ascending by number, at most <paramref name="limit"/>.</summary>
    IReadOnlyList<BatchRecord> PendingOf(Address gateway, int limit);

    /// <summary>A gateway's batches that are void, ascending.</summary>
    IReadOnlyList<ulong> VoidNumbers(Address gateway);

    /// <summary>Certified batches in no entry, and void ones.</summary>
    (long Pending, long Void) Counts();

    /// <summary>Saves that this gateway signs a batch, with the attestations known (its own and the author's). Throws <see cref="InvalidOperationException"/> when another header has that number.</summary>
    void SaveVote(BatchSummary batch, IReadOnlyList<Attestation> attestations);

    /// <summary>
    /// Saves a certified batch, or more attestations for one. Voids it at once when one of its frames is anchored (Ordinal: the last entry then).
    /// Throws <see cref="InvalidOperationException"/> when a certified or anchored batch with another header has that number; a vote for another header gives way and is remembered (<see cref="Replaced"/>).
    /// </summary>
    void SaveCertificate(BatchSummary batch, IReadOnlyList<Attestation> attestations);

    /// <summary>True when one of these frames is in an anchored batch.</summary>
    bool IsAnchored(FrameSpans spans);

    /// <summary>Ledger entries whose batches are known: ordinals 0 … KnownEntries-1.</summary>
    ulong KnownEntries { get; }

    /// <summary>Hash of a known entry.</summary>
    Hash32 EntryHash(ulong ordinal);

    /// <summary>The batches of a known entry, in leaf order.</summary>
    IReadOnlyList<BatchRecord> BatchesIn(ulong ordinal);

    /// <summary>Saves which batches the entry <see cref="KnownEntries"/> contains: they become anchored, their frames' spans too, and pending batches that share a frame with them become void.</summary>
    void SaveEntry(ulong ordinal, AnchorHeader anchor, IReadOnlyList<BatchSummary> contents);

    /// <summary>Takes back the entries from <paramref name="ordinal"/> on, because the chain did: their batches are as they were (certified, or gone when known from the ledger alone), what they voided is pending again.</summary>
    void TakeBack(ulong ordinal);

    /// <summary>The anchor signed in an epoch, or null.</summary>
    AnchorVote? VoteIn(ulong epoch);

    /// <summary>Anchors signed on top of a ledger head, the newest epoch first, at most 8.</summary>
    IReadOnlyList<AnchorVote> VotesOn(Hash32 previous);

    /// <summary>Saves the one anchor signed in its epoch. Throws <see cref="InvalidOperationException"/> when another one is.</summary>
    void SaveVote(AnchorVote vote);

    /// <summary>Whether evidence of that kind, against that gateway, at that height is kept already.</summary>
    bool HasMisconduct(EvidenceKind kind, Address accused, ulong height);

    /// <summary>Keeps evidence, once per kind, accused and height; at most 1,024 are kept.</summary>
    void SaveMisconduct(Misconduct misconduct);

    /// <summary>The evidence, the newest first.</summary>
    IReadOnlyList<Misconduct> Misconducts(int limit);
}

using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>What the core knows and waits for, for people and metrics; a snapshot.</summary>
/// <param name="Epoch">The present epoch by chain time.</param>
/// <param name="Chain">The chain as followed; null while it is not followed to its newest block.</param>
/// <param name="Order">The gateways in the order in which they may begin this epoch.</param>
/// <param name="KnownEntries">Ledger entries whose batches are known.</param>
/// <param name="Pending">Certified batches that no entry contains.</param>
/// <param name="Void">Certified batches that lost a frame to an earlier anchor.</param>
/// <param name="Restoring">Own batches being fetched back from peers.</param>
/// <param name="Offer">The own batch that collects attestations, or null.</param>
/// <param name="Anchor">The anchor under way, or null.</param>
/// <param name="Waits">What is waited for and what to do; empty when nothing is.</param>
/// <param name="Peers">What peers said of themselves last.</param>
/// <param name="Evidence">Evidence against gateways, the newest first.</param>
public sealed record NetworkState(ulong Epoch, ChainSnapshot? Chain, IReadOnlyList<Address> Order, ulong KnownEntries, long Pending, long Void, int Restoring,
    OfferState? Offer, AnchorState? Anchor, string Waits, IReadOnlyList<PeerWord> Peers, IReadOnlyList<Misconduct> Evidence);

/// <summary>An own batch and who attested it so far.</summary>
public sealed record OfferState(ulong Number, IReadOnlyList<Address> Attesters, int Needed, IReadOnlyList<RefusalState> Refusals);

/// <summary>An anchor and who signed it so far.</summary>
public sealed record AnchorState(ulong Epoch, Hash32 Hash, Address? Proposer, uint Batches, ulong Frames, IReadOnlyList<Address> Attesters, int Needed, IReadOnlyList<RefusalState> Refusals);

/// <summary>Who does not sign, and why.</summary>
public sealed record RefusalState(Address Gateway, Refusal Reason);

/// <summary>What a peer said of itself.</summary>
public sealed record PeerWord(Address Gateway, ulong KnownEntries, ulong Epoch, ulong Block);

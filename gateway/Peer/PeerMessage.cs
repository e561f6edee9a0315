using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// What gateways say to each other: one byte kind, then the fields in order, big-endian, lists with their count in front
/// (<see cref="PeerCodec"/>). A message says nothing about its sender: the connection does, by the TLS key the registry records.
/// </summary>
public abstract record PeerMessage;

/// <summary>A run of one gateway's batches by number, both included.</summary>
public readonly record struct BatchRun(Address Gateway, ulong First, ulong Last);

/// <summary>What a gateway has, told now and then and at every new connection: the start of all repair.</summary>
/// <param name="KnownEntries">Ledger entries whose batches it knows.</param>
/// <param name="Pending">Its certified batches that no entry contains.</param>
/// <param name="YourHighest">The highest batch of the receiver's own that it has a certificate or a vote for; 0 none.</param>
/// <param name="Epoch">Its present epoch.</param>
/// <param name="Block">The block it has followed the chain to.</param>
public sealed record StatusMessage(ulong KnownEntries, IReadOnlyList<BatchRun> Pending, ulong YourHighest, ulong Epoch, ulong Block) : PeerMessage;

/// <summary>Asks for an attestation: the sender's own batch, with its own.</summary>
public sealed record OfferMessage(BatchSummary Batch, Attestation Author) : PeerMessage;

/// <summary>The attestation asked for.</summary>
public sealed record AttestedMessage(ulong Number, Attestation Attestation) : PeerMessage;

/// <summary>Why there is none, or not yet.</summary>
public sealed record RefusedMessage(ulong Number, Refusal Reason) : PeerMessage;

/// <summary>Certified batches; also the answer to <see cref="GetBatchesMessage"/>.</summary>
public sealed record CertificatesMessage(IReadOnlyList<CertifiedBatch> Batches) : PeerMessage;

/// <summary>A batch with its attestations.</summary>
public sealed record CertifiedBatch(BatchSummary Batch, IReadOnlyList<Attestation> Attestations);

/// <summary>Asks for certified batches by number.</summary>
public sealed record GetBatchesMessage(BatchRun Run) : PeerMessage;

/// <summary>Asks the receiver for the asker's own batches from a number on, certified or only voted for: the asker lost its disk.</summary>
public sealed record GetMineMessage(ulong From) : PeerMessage;

/// <summary>The answer: the asker's own batches, in order.</summary>
public sealed record YoursMessage(IReadOnlyList<CertifiedBatch> Batches) : PeerMessage;

/// <summary>An anchor, its batches, and the signatures known; the proposer's among them.</summary>
public sealed record ProposalMessage(AnchorHeader Anchor, IReadOnlyList<AnchorLeaf> Contents, IReadOnlyList<Attestation> Attestations) : PeerMessage;

/// <summary>A signature over an anchor.</summary>
public sealed record VoteMessage(AnchorHeader Anchor, Attestation Attestation) : PeerMessage;

/// <summary>Why an anchor is not signed (yet).</summary>
public sealed record AnchorRefusedMessage(ulong Epoch, Hash32 Anchor, Refusal Reason) : PeerMessage;

/// <summary>Asks for an anchor that the receiver signed: only votes for it came here.</summary>
public sealed record GetProposalMessage(ulong Epoch, Hash32 Anchor) : PeerMessage;

/// <summary>Asks which batches a ledger entry contains, from a leaf on.</summary>
public sealed record GetEntryMessage(ulong Ordinal, Hash32 Anchor, uint FromLeaf) : PeerMessage;

/// <summary>Batches of a ledger entry in leaf order, from a leaf on; Total counts all of them.</summary>
public sealed record EntryMessage(ulong Ordinal, Hash32 Anchor, uint FromLeaf, uint Total, IReadOnlyList<CertifiedBatch> Batches) : PeerMessage;

/// <summary>Evidence against a gateway.</summary>
public sealed record MisconductMessage(Misconduct Misconduct) : PeerMessage;

/// <summary>What the sender computed of everybody's rewards, with its own signature; said again and again until a root is on the chain.</summary>
public sealed record PayoutMessage(DePIN.Contracts.Rewards.Payout Payout, Attestation Attestation) : PeerMessage;

/// <summary>Asks for a part of a body by its SHA-256, from an offset on.</summary>
public sealed record GetBodyMessage(Hash32 FramesHash, uint Offset) : PeerMessage;

/// <summary>A part of a body. Total is the body's length; 0: the sender does not have it. Deflated when Compressed.</summary>
public sealed record BodyPartMessage(Hash32 FramesHash, uint Offset, uint Total, bool Compressed, ReadOnlyMemory<byte> Part) : PeerMessage;

/// <summary>Why an attestation is not given. Those up to <see cref="LastForNow"/> can pass by themselves: ask again.</summary>
public enum Refusal
{
    /// <summary>The body is being fetched and checked.</summary>
    Checking = 1,

    /// <summary>The batch before it is not known.</summary>
    ParentUnknown = 2,

    /// <summary>A device in it is not registered as far as is known.</summary>
    DeviceUnknown = 3,

    /// <summary>The chain is not followed to its head, or to another head.</summary>
    ChainBehind = 4,

    /// <summary>Batches in it are not known, or their certificates do not hold now.</summary>
    BatchUnknown = 5,

    /// <summary>Not this epoch, or not the proposer's turn yet.</summary>
    NotNow = 6,

    /// <summary>The disk does not take it.</summary>
    Disk = 7,

    /// <summary>The body could not be fetched.</summary>
    BodyUnavailable = 8,

    /// <summary>The last of those that can pass.</summary>
    LastForNow = 15,

    /// <summary>Another header is signed under this number, or another anchor in this epoch.</summary>
    SignedOtherwise = 16,

    /// <summary>The header contradicts itself, its spans or its body.</summary>
    BadHeader = 17,

    /// <summary>A signature is not its gateway's.</summary>
    BadSignature = 18,

    /// <summary>A frame in it is malformed, badly signed or repeated.</summary>
    BadFrame = 19,

    /// <summary>It names another batch before it than the one that is certified.</summary>
    WrongParent = 20,

    /// <summary>The receiver is not in the batch's committee.</summary>
    NotInCommittee = 21,

    /// <summary>A frame in it is anchored already, or twice in it.</summary>
    AlreadyAnchored = 22,

    /// <summary>The sender is not an active gateway, or not the author.</summary>
    NotActive = 23,

    /// <summary>Root or counts are not those of its batches.</summary>
    WrongContents = 24,
}

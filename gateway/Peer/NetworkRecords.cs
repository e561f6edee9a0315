using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>A batch as every gateway can check it without its body: the header commits to the spans through 32 more bytes.</summary>
/// <param name="Header">The header.</param>
/// <param name="FramesHash">SHA-256 of the encoded body: the name under which the body is stored and fetched.</param>
/// <param name="Spans">Which frames it holds.</param>
public sealed record BatchSummary(BatchHeader Header, Hash32 FramesHash, FrameSpans Spans)
{
    private Hash32? _hash;

    private BatchSummary(BatchSummary original) => (Header, FramesHash, Spans) = (original.Header, original.FramesHash, original.Spans); // a copy may get another header

    /// <inheritdoc/>
    public bool Equals(BatchSummary? other) => other is not null && Hash == other.Hash && FramesHash == other.FramesHash; // the hash covers the spans

    /// <inheritdoc/>
    public override int GetHashCode() => Hash.GetHashCode();

    /// <summary>The batch hash: EIP-712 struct hash, the leaf in an anchor's tree.</summary>
    public Hash32 Hash => _hash ??= Header.Hash();

    /// <summary>Gateway and number.</summary>
    public BatchId Id => new(Header.Gateway, Header.Number);

    /// <summary>True when the header is sound by itself and commits to these spans and this body.</summary>
    public bool IsConsistent() => Header.Check() == BatchHeaderFault.None && Spans.Frames == Header.Frames
        && Header.Body == BatchBody.Commitment(Spans.Hash(), FramesHash);
}

/// <summary>Names a batch.</summary>
public readonly record struct BatchId(Address Gateway, ulong Number) : IComparable<BatchId>
{
    /// <summary>The order of leaves in an anchor's tree.</summary>
    public int CompareTo(BatchId other) => Gateway != other.Gateway ? Gateway.CompareTo(other.Gateway) : Number.CompareTo(other.Number);
}

/// <summary>How far a batch has come, as one gateway knows it.</summary>
public enum BatchState
{
    /// <summary>This gateway signed it (its own, or a peer's that it attested); no quorum known.</summary>
    Voted = 1,

    /// <summary>A quorum attested it.</summary>
    Certified = 2,

    /// <summary>A ledger entry contains it.</summary>
    Anchored = 3,

    /// <summary>Certified, but one of its frames is in a batch that was anchored first: it never can be. Its gateway puts what is left of it into a new batch.</summary>
    Void = 4,
}

/// <summary>What a gateway keeps of a batch.</summary>
/// <param name="Summary">The batch.</param>
/// <param name="Attestations">Ascending by gateway; the author's is always among them, unless it is known from the ledger alone (then there may be none).</param>
/// <param name="State">How far it has come.</param>
/// <param name="Ordinal">The ledger entry that contains it (Anchored), or that made it void (Void); null before.</param>
public sealed record BatchRecord(BatchSummary Summary, IReadOnlyList<Attestation> Attestations, BatchState State, ulong? Ordinal);

/// <summary>The one anchor this gateway signed in an epoch.</summary>
/// <param name="Header">The anchor.</param>
/// <param name="Contents">Its batches in leaf order, with their hashes.</param>
/// <param name="Mine">This gateway's signature.</param>
/// <param name="IsOwn">Whether this gateway made it, and so puts it onto the chain without waiting.</param>
public sealed record AnchorVote(AnchorHeader Header, IReadOnlyList<AnchorLeaf> Contents, Attestation Mine, bool IsOwn);

/// <summary>One batch in an anchor.</summary>
public readonly record struct AnchorLeaf(BatchId Batch, Hash32 Hash);

/// <summary>What a gateway did that no honest one does.</summary>
public enum EvidenceKind
{
    /// <summary>Two batches signed under one number. First, Second: header (148 bytes) and attestation (84) of each.</summary>
    BatchEquivocation = 1,

    /// <summary>Two anchors signed in one epoch. First, Second: anchor (84 bytes) and attestation (84) of each.</summary>
    AnchorEquivocation = 2,

    /// <summary>A signed batch with a frame that is not what the header or its device says. First: header and attestation; Second: the frame, or empty.</summary>
    BadBatch = 3,
}

/// <summary>Evidence against a gateway, checkable by anyone.</summary>
/// <param name="Kind">What it did.</param>
/// <param name="Accused">Who.</param>
/// <param name="Height">Batch number or epoch.</param>
/// <param name="First">See <see cref="EvidenceKind"/>.</param>
/// <param name="Second">See <see cref="EvidenceKind"/>.</param>
/// <param name="Text">For a person.</param>
public sealed record Misconduct(EvidenceKind Kind, Address Accused, ulong Height, byte[] First, byte[] Second, string Text);

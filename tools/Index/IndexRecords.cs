using DePIN.Evidence;

namespace DePIN.Index;

/// <summary>An anchor whose batches are not known yet.</summary>
/// <param name="Ordinal">Its place in the ledger.</param>
/// <param name="Header">What the ledger recorded.</param>
public sealed record AnchorWork(ulong Ordinal, AnchorHeader Header);

/// <summary>A batch under an anchor's root, with what its header's <c>body</c> is made of. Checked: the hash is in the tree, the commitment holds.</summary>
/// <param name="Header">The header.</param>
/// <param name="FramesHash">SHA-256 of the encoded body: its name.</param>
/// <param name="SpansHash">SHA-256 of the spans.</param>
public sealed record AnchoredBatch(BatchHeader Header, Hash32 FramesHash, Hash32 SpansHash);

/// <summary>A batch whose frames are not indexed yet.</summary>
/// <param name="Ordinal">Its anchor.</param>
/// <param name="Anchor">That anchor's hash: when another one stands there after a reorganisation, this work is void.</param>
/// <param name="Block">The anchor's block: a device must be registered by then.</param>
/// <param name="Position">Place in the anchor's leaf order, from 0.</param>
/// <param name="Header">The batch.</param>
/// <param name="FramesHash">Its body's SHA-256.</param>
public sealed record BatchWork(ulong Ordinal, Hash32 Anchor, ulong Block, int Position, BatchHeader Header, Hash32 FramesHash);

/// <summary>A body that was checked whole.</summary>
/// <param name="Work">Whose.</param>
/// <param name="Body">Every frame signed by its device.</param>
public sealed record CheckedBatch(BatchWork Work, BatchBody Body);

/// <summary>Something that could not be got.</summary>
/// <param name="Ordinal">The anchor.</param>
/// <param name="Position">The batch in it, or <see cref="Contents"/>.</param>
/// <param name="Reason">One of <see cref="GapReason"/>.</param>
/// <param name="Detail">For a person: who said what.</param>
public sealed record Gap(ulong Ordinal, int Position, string Reason, string Detail)
{
    /// <summary>Position of a gap that is an anchor's batches.</summary>
    public const int Contents = -1;
}

/// <summary>Why something could not be got. Names for programs: they never change.</summary>
public static class GapReason
{
    /// <summary>No gateway that answered has it.</summary>
    public const string Missing = "missing";

    /// <summary>No gateway answered.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>All that came was altered.</summary>
    public const string Altered = "altered";

    /// <summary>A device in it is not in the registry at the anchor's block.</summary>
    public const string DeviceUnknown = "device-unknown";

    /// <summary>A quorum certified a frame that its device did not sign, or that no batch may hold.</summary>
    public const string BadFrame = "bad-frame";
}

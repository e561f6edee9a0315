using DePIN.Protocol;

namespace DePIN.Evidence;

/// <summary>Every bound of this assembly in one place. What exceeds one is refused with a result that names it, never truncated.</summary>
public static class EvidenceLimits
{
    /// <summary>Frames in one batch (DESIGN section 5). Depth of its tree is then at most <see cref="BatchPathMax"/>.</summary>
    public const int BatchFramesMax = 65_536;

    /// <summary>Bytes of one encoded batch body: every frame at its longest, each with its two length bytes.</summary>
    public const int BatchBodyBytesMax = BatchFramesMax * (2 + FrameFormat.FrameBytesMax);

    /// <summary>Path elements from a frame's leaf to its batch root: ceil(log2(65,536)).</summary>
    public const int BatchPathMax = 16;

    /// <summary>Path elements from a batch hash to its anchor root: the anchor counts batches in 32 bits.</summary>
    public const int AnchorPathMax = 32;

    /// <summary>Path elements from an anchor hash to its ledger peak: one anchor per epoch, so 2^40 outlives any chain.</summary>
    public const int LedgerPathMax = 40;

    /// <summary>Gateways in the active set: the signers' bitmask on chain is one 256-bit word.</summary>
    public const int GatewaysMax = 256;

    /// <summary>Bytes of a proof in JSON; the longest legal one is about 10 KiB.</summary>
    public const int ProofJsonBytesMax = 64 * 1024;

    /// <summary>Bytes of a certificate in JSON: 256 attestations of about 220 bytes and the header.</summary>
    public const int CertificateJsonBytesMax = 128 * 1024;
}

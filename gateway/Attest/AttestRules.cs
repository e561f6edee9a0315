using DePIN.Evidence;

namespace DePIN.Gateway.Attest;

/// <summary>Why an own batch is not signed.</summary>
public enum BatchRefusal
{
    /// <summary>It is in order.</summary>
    None = 0,

    /// <summary>Another gateway's.</summary>
    NotOurs,

    /// <summary>The header contradicts itself (<see cref="BatchHeader.Check"/>).</summary>
    BadHeader,

    /// <summary>Not the next number.</summary>
    NotNext,

    /// <summary>It does not name the batch before.</summary>
    WrongPrevious,

    /// <summary>This number was signed before, with another header: signing would be equivocation.</summary>
    SignedOtherwise,

    /// <summary>Counts, root or body hash are not those of the frames.</summary>
    NotTheFrames,
}

/// <summary>The attestor's judgement as pure functions: no clock, no disk, no network.</summary>
public static class AttestRules
{
    /// <summary>Judges an own batch against what was signed before and against its frames.</summary>
    /// <param name="header">The batch.</param>
    /// <param name="self">This gateway.</param>
    /// <param name="before">The certificate of the batch before; null for number 1.</param>
    /// <param name="same">A certificate that already has this number; normally null.</param>
    /// <param name="fromFrames">The header that the stored frames give.</param>
    public static BatchRefusal Judge(BatchHeader header, Address self, OwnCertificate? before, OwnCertificate? same, BatchHeader fromFrames)
    {
        ArgumentNullException.ThrowIfNull(header);
        if (header.Gateway != self) return BatchRefusal.NotOurs;
        if (same is not null && same.Hash != header.Hash()) return BatchRefusal.SignedOtherwise;
        if (header.Check() != BatchHeaderFault.None) return BatchRefusal.BadHeader;
        if (header.Number != (before?.Header.Number ?? 0) + 1) return BatchRefusal.NotNext;
        if (header.Previous != (before?.Hash ?? Hash32.Zero)) return BatchRefusal.WrongPrevious;
        return header == fromFrames ? BatchRefusal.None : BatchRefusal.NotTheFrames;
    }

    /// <summary>Keeps what is signed rightly by active gateways, once each, ascending by address: the canonical list.</summary>
    public static IReadOnlyList<Attestation> Sound(IEnumerable<Attestation> attestations, Hash32 digest, GatewaySet active)
    {
        ArgumentNullException.ThrowIfNull(active);
        return [.. attestations.Where(a => active.Contains(a.Gateway) && a.IsOver(digest)).DistinctBy(a => a.Gateway).OrderBy(a => a.Gateway)];
    }
}

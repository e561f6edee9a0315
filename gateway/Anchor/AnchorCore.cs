using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Attest;

namespace DePIN.Gateway.Anchor;

/// <summary>The chain as of one followed block; every value belongs to that same block.</summary>
/// <param name="Block">The block's number.</param>
/// <param name="TimeS">Chain time, seconds since the Unix epoch.</param>
/// <param name="Active">The set that must sign.</param>
/// <param name="Head">Hash of the ledger's last anchor; zero when it is empty.</param>
/// <param name="LastEpoch">Its epoch; null when the ledger is empty.</param>
/// <param name="MinedNonce">Transactions of this gateway's account that are in the chain.</param>
/// <param name="Balance">Of this gateway's account, wei.</param>
/// <param name="BaseFeePerGas">Of the block, wei.</param>
public sealed record ChainView(ulong Block, ulong TimeS, GatewaySet Active, Hash32 Head, ulong? LastEpoch, ulong MinedNonce, BigInteger Balance, BigInteger BaseFeePerGas);

/// <summary>What the core decides on: the chain, what the gateway keeps, and the clock.</summary>
/// <param name="Chain">The chain as of one block.</param>
/// <param name="OnHead">The anchor this gateway signed on top of the ledger's head, or null.</param>
/// <param name="LastSignedEpoch">The highest epoch this gateway ever signed an anchor for; null none.</param>
/// <param name="Pending">Certificates not on the ledger, at most the number one anchor takes.</param>
/// <param name="IsMatched">Whether every ledger entry up to the head is known to be ours, with its certificates, or another gateway's.</param>
/// <param name="NowMs">The gateway's clock, ms since the Unix epoch. Used for patience only, never for order.</param>
public sealed record AnchorInput(ChainView Chain, SignedAnchor? OnHead, ulong? LastSignedEpoch, IReadOnlyList<OwnCertificate> Pending, bool IsMatched, long NowMs);

/// <summary>Limits and prices the core works with; all in wei, seconds and ms.</summary>
public sealed record AnchorRules(
    Address Self, Eip712Domain Domain, ulong EpochSeconds, int CertificatesMax, BigInteger FeeCap, BigInteger PriorityFee,
    long ReplaceAfterMs, int FeeBumpPermille, ulong LeaderTimeoutS)
{
    /// <summary>An endpoint that lost the transaction (restarted, evicted it) gets it again this often.</summary>
    public long ResendAfterMs { get; init; } = 15_000;
}

/// <summary>Why nothing is to be done now.</summary>
public enum AnchorWait
{
    /// <summary>Everything is on the ledger.</summary>
    NothingPending,

    /// <summary>The registry does not list this gateway: a person has to act.</summary>
    NotActive,

    /// <summary>What is pending may be on the ledger already, in an anchor that was forgotten.</summary>
    NotMatched,

    /// <summary>This epoch has its anchor.</summary>
    EpochTaken,

    /// <summary>The signed anchor's epoch has not begun on this chain: its time went back.</summary>
    EpochAhead,

    /// <summary>Another gateway leads this epoch, and its time has not run out.</summary>
    NotLeader,

    /// <summary>A transaction is out.</summary>
    InFlight,

    /// <summary>The base fee is above the cap.</summary>
    FeeAboveCap,
}

/// <summary>What the shell has to do next. It does exactly one action, then asks again.</summary>
public abstract record AnchorAction
{
    private AnchorAction() { }

    /// <summary>Nothing, because of <paramref name="Reason"/>; it can change at chain time <paramref name="UntilS"/> (0: unknown).</summary>
    public sealed record Wait(AnchorWait Reason, ulong UntilS = 0) : AnchorAction;

    /// <summary>Sign this anchor and save it with its certificates.</summary>
    public sealed record Sign(AnchorHeader Header, IReadOnlyList<ulong> Numbers) : AnchorAction;

    /// <summary>Collect attestations for this anchor until they are a quorum.</summary>
    public sealed record Collect(SignedAnchor Anchor) : AnchorAction;

    /// <summary>
    /// Make, save and send a transaction for this anchor. GasLimit: that of the one it replaces, because an estimate made
    /// while that one waits may count it as done (anvil does); null when it replaces none.
    /// </summary>
    public sealed record Submit(SignedAnchor Anchor, ulong Nonce, BigInteger MaxFeePerGas, BigInteger PriorityFeePerGas, ulong? GasLimit) : AnchorAction;

    /// <summary>Send a saved transaction, for the first time or again.</summary>
    public sealed record Send(SignedAnchor Anchor, AnchorAttempt Attempt) : AnchorAction;
}

/// <summary>
/// The whole protocol of anchoring as one pure function from what is durable and what the chain says to the next action.
/// It keeps nothing, so a crash anywhere is the same as asking again.
///
/// Why no certificate is anchored twice: an anchor is signed once per epoch and once per predecessor; the ledger takes it
/// only on that predecessor. While our anchor fits the head it is the only one we push. When the head moved to something else,
/// it can only come back if the chain drops that head, and with it everything built on it. So of two anchors of ours that
/// contain one certificate, at most one is on any chain. When chain.db was lost, forgotten anchors count too: nothing is
/// signed before the ledger's entries were matched with the certificates, and one still on its way fits only the head that
/// the new one is signed on, so again one of the two is on the chain, and is recognised there.
/// </summary>
public static class AnchorCore
{
    /// <summary>Decides.</summary>
    public static AnchorAction Decide(AnchorInput input, AnchorRules rules)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(rules);
        ChainView chain = input.Chain;
        if (!chain.Active.Contains(rules.Self)) return new AnchorAction.Wait(AnchorWait.NotActive);
        return input.OnHead is { } anchor ? Push(input, anchor, rules) : Begin(input, rules);
    }

    /// <summary>When this gateway may begin <paramref name="epoch"/>: its place in the order times the patience for those before it.</summary>
    public static ulong MayBeginAtS(GatewaySet active, ulong epoch, AnchorRules rules)
    {
        ArgumentNullException.ThrowIfNull(active);
        ArgumentNullException.ThrowIfNull(rules);
        int place = Array.IndexOf(active.LeadersOf(epoch), rules.Self);
        return epoch * rules.EpochSeconds + (ulong)place * rules.LeaderTimeoutS;
    }

    private static AnchorAction Begin(AnchorInput input, AnchorRules rules)
    {
        if (!input.IsMatched) return new AnchorAction.Wait(AnchorWait.NotMatched);
        if (input.Pending.Count == 0) return new AnchorAction.Wait(AnchorWait.NothingPending);
        ulong epoch = input.Chain.TimeS / rules.EpochSeconds;
        ulong taken = Math.Max(input.Chain.LastEpoch ?? 0, input.LastSignedEpoch ?? 0);
        bool any = input.Chain.LastEpoch is not null || input.LastSignedEpoch is not null;
        if (any && epoch <= taken) return new AnchorAction.Wait(AnchorWait.EpochTaken, (taken + 1) * rules.EpochSeconds);
        ulong begin = MayBeginAtS(input.Chain.Active, epoch, rules);
        if (input.Chain.TimeS < begin) return new AnchorAction.Wait(AnchorWait.NotLeader, begin);

        BatchHeader[] batches = [.. input.Pending.Take(rules.CertificatesMax).Select(c => c.Header)];
        (AnchorHeader header, _) = AnchorHeader.Build(epoch, input.Chain.Head, batches);
        return new AnchorAction.Sign(header, [.. batches.Select(b => b.Number)]);
    }

    private static AnchorAction Push(AnchorInput input, SignedAnchor anchor, AnchorRules rules)
    {
        ChainView chain = input.Chain;
        if (anchor.Attestations.Count(a => chain.Active.Contains(a.Gateway)) < chain.Active.Quorum) return new AnchorAction.Collect(anchor);

        if (anchor.Header.Epoch > chain.TimeS / rules.EpochSeconds)
            return new AnchorAction.Wait(AnchorWait.EpochAhead, anchor.Header.Epoch * rules.EpochSeconds);

        // Only an attempt with the account's next nonce can be mined; one below was overtaken, one above waits for ever.
        AnchorAttempt? live = anchor.Attempts.Where(a => a.Nonce == chain.MinedNonce).MaxBy(a => a.MaxFeePerGas);
        if (live is null)
        {
            BigInteger tip = BigInteger.Min(rules.PriorityFee, rules.FeeCap);
            BigInteger fee = BigInteger.Min(2 * chain.BaseFeePerGas + tip, rules.FeeCap);
            return fee < chain.BaseFeePerGas
                ? new AnchorAction.Wait(AnchorWait.FeeAboveCap)
                : new AnchorAction.Submit(anchor, chain.MinedNonce, fee, BigInteger.Min(tip, fee), GasLimit: null);
        }

        if (live.SentMs == 0) return new AnchorAction.Send(anchor, live);
        if (Elapsed(input.NowMs, live.SavedMs) >= rules.ReplaceAfterMs && Bumped(live, chain, rules) is { } bumped)
            return new AnchorAction.Submit(anchor, live.Nonce, bumped.Fee, bumped.Tip, live.GasLimit);
        if (Elapsed(input.NowMs, live.SentMs) >= rules.ResendAfterMs) return new AnchorAction.Send(anchor, live);
        return new AnchorAction.Wait(live.MaxFeePerGas < chain.BaseFeePerGas ? AnchorWait.FeeAboveCap : AnchorWait.InFlight);
    }

    /// <summary>The fees of a replacement, or null when the cap leaves no room for the least increase a node accepts (12.5 %).</summary>
    private static (BigInteger Fee, BigInteger Tip)? Bumped(AnchorAttempt live, ChainView chain, AnchorRules rules)
    {
        BigInteger leastFee = Up(live.MaxFeePerGas, 125), leastTip = Up(live.PriorityFeePerGas, 125);
        if (leastFee > rules.FeeCap) return null;
        BigInteger tip = BigInteger.Max(Up(live.PriorityFeePerGas, rules.FeeBumpPermille), rules.PriorityFee);
        BigInteger fee = BigInteger.Max(Up(live.MaxFeePerGas, rules.FeeBumpPermille), 2 * chain.BaseFeePerGas + tip);
        fee = BigInteger.Min(fee, rules.FeeCap);
        tip = BigInteger.Max(leastTip, BigInteger.Min(tip, fee));
        return tip <= fee ? (fee, tip) : null;
    }

    private static BigInteger Up(BigInteger value, int permille) => (value * (1000 + permille) + 999) / 1000;

    /// <summary>Time since; a clock that was set back by more than a minute counts as "long ago", so nothing waits for it to return.</summary>
    private static long Elapsed(long nowMs, long thenMs) => nowMs >= thenMs ? nowMs - thenMs : thenMs - nowMs > 60_000 ? long.MaxValue : 0;
}

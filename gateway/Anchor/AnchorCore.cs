using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Anchor;

/// <summary>The chain as of one followed block; every value belongs to that same block.</summary>
/// <param name="Block">The block's number.</param>
/// <param name="TimeS">Chain time, seconds since the Unix epoch.</param>
/// <param name="Epochs">When epochs begin.</param>
/// <param name="Active">The set that must sign.</param>
/// <param name="Head">Hash of the ledger's last anchor; zero when it is empty.</param>
/// <param name="LastEpoch">Its epoch; null when the ledger is empty.</param>
/// <param name="MinedNonce">Transactions of this gateway's account that are in the chain.</param>
/// <param name="Balance">Of this gateway's account, wei.</param>
/// <param name="BaseFeePerGas">Of the block, wei.</param>
public sealed record ChainView(ulong Block, ulong TimeS, EpochSchedule Epochs, GatewaySet Active, Hash32 Head, ulong? LastEpoch, ulong MinedNonce, BigInteger Balance, BigInteger BaseFeePerGas);

/// <summary>What the core decides on: the chain, an anchor with a quorum, the transactions made for it, and the clock.</summary>
/// <param name="Chain">The chain as of one block.</param>
/// <param name="Anchor">The anchor; its predecessor is the ledger's head.</param>
/// <param name="Attempts">Transactions that carry it, the oldest first.</param>
/// <param name="NowMs">The gateway's clock, ms since the Unix epoch. Used for patience only, never for order.</param>
public sealed record AnchorInput(ChainView Chain, SubmittableAnchor Anchor, IReadOnlyList<AnchorAttempt> Attempts, long NowMs);

/// <summary>Limits and prices the core works with; all in wei, seconds and ms.</summary>
public sealed record AnchorRules(
    Address Self, Eip712Domain Domain, BigInteger FeeCap, BigInteger PriorityFee, long ReplaceAfterMs, int FeeBumpPermille)
{
    /// <summary>An endpoint that lost the transaction (restarted, evicted it) gets it again this often.</summary>
    public long ResendAfterMs { get; init; } = 15_000;

    /// <summary>Transactions that may be mined in vain for one anchor before the next ones are paced: another of the same gateway can take a nonce.</summary>
    public int InVainFree { get; init; } = 2;

    /// <summary>The longest pause between transactions that are mined in vain.</summary>
    public long InVainPauseMaxMs { get; init; } = 3_600_000;
}

/// <summary>Why nothing is to be done now.</summary>
public enum AnchorWait
{
    /// <summary>The ledger's head is another than the anchor's predecessor, or its epoch is taken: it can never be appended there.</summary>
    Overtaken,

    /// <summary>The signed anchor's epoch has not begun on this chain: its time went back.</summary>
    EpochAhead,

    /// <summary>A transaction is out.</summary>
    InFlight,

    /// <summary>Transactions with this anchor were mined and had no effect; another one is not paid for yet.</summary>
    MinedInVain,

    /// <summary>The base fee is above the cap.</summary>
    FeeAboveCap,
}

/// <summary>What the shell has to do next. It does exactly one action, then asks again.</summary>
public abstract record AnchorAction
{
    private AnchorAction() { }

    /// <summary>Nothing, because of <paramref name="Reason"/>; it can change at chain time <paramref name="UntilS"/> (0: unknown).</summary>
    public sealed record Wait(AnchorWait Reason, ulong UntilS = 0) : AnchorAction;

    /// <summary>
    /// Make, save and send a transaction for this anchor. GasLimit: that of the one it replaces, because an estimate made
    /// while that one waits may count it as done (anvil does); null when it replaces none.
    /// </summary>
    public sealed record Submit(SubmittableAnchor Anchor, ulong Nonce, BigInteger MaxFeePerGas, BigInteger PriorityFeePerGas, ulong? GasLimit) : AnchorAction;

    /// <summary>Send a saved transaction, for the first time or again.</summary>
    public sealed record Send(SubmittableAnchor Anchor, AnchorAttempt Attempt) : AnchorAction;
}

/// <summary>
/// How an anchor with a quorum gets onto the chain, as one pure function from what is durable and what the chain says to the next action. It keeps
/// nothing, so a crash anywhere is the same as asking again. That nothing is anchored twice is not decided here: the ledger takes an anchor only on its
/// predecessor, and a gateway signs one only when nothing in it is anchored up to there (<see cref="NetworkCore"/>).
/// </summary>
public static class AnchorCore
{
    /// <summary>Decides.</summary>
    public static AnchorAction Decide(AnchorInput input, AnchorRules rules)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(rules);
        ChainView chain = input.Chain;
        SubmittableAnchor anchor = input.Anchor;
        if (anchor.Header.Previous != chain.Head || chain.LastEpoch >= anchor.Header.Epoch) return new AnchorAction.Wait(AnchorWait.Overtaken);
        if (anchor.Header.Epoch > chain.Epochs.EpochAt(chain.TimeS))
            return new AnchorAction.Wait(AnchorWait.EpochAhead, chain.Epochs.StartOf(anchor.Header.Epoch));

        // Only an attempt with the account's next nonce can be mined; one below was overtaken, one above waits for ever.
        AnchorAttempt? live = input.Attempts.Where(a => a.Nonce == chain.MinedNonce).MaxBy(a => a.MaxFeePerGas);
        if (live is null)
        {
            if (InVainPauseMs(input, rules) is > 0 and var pause && Elapsed(input.NowMs, input.Attempts[^1].SavedMs) < pause) return new AnchorAction.Wait(AnchorWait.MinedInVain);
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

    /// <summary>How long after the last attempt the next may be made: it doubles with each nonce this anchor used up, so that a fault costs a bounded amount of gas.</summary>
    private static long InVainPauseMs(AnchorInput input, AnchorRules rules)
    {
        int inVain = input.Attempts.Where(a => a.Nonce < input.Chain.MinedNonce).Select(a => a.Nonce).Distinct().Count() - rules.InVainFree;
        return inVain < 0 ? 0 : Math.Min(rules.ResendAfterMs << Math.Min(inVain, 20), rules.InVainPauseMaxMs);
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

namespace DePIN.Gateway.Dispute;

/// <summary>What the chain says of one dispute.</summary>
/// <param name="IsJudged">Whether the offence is judged as of the newest block.</param>
/// <param name="IsSettled">Whether it is as of a block that counts as final.</param>
/// <param name="IsCommitted">Whether this gateway's commitment is in a block.</param>
public sealed record DisputeView(bool IsJudged, bool IsSettled, bool IsCommitted);

/// <summary>What is to be done next with a dispute.</summary>
public enum DisputeAction
{
    /// <summary>Nothing now.</summary>
    Wait,

    /// <summary>Send the commitment.</summary>
    Commit,

    /// <summary>Show the evidence.</summary>
    Report,

    /// <summary>It is judged: note on whose evidence, and forget about it.</summary>
    Close,

    /// <summary>The contract refused often enough.</summary>
    GiveUp,
}

/// <summary>
/// How evidence gets onto the chain, as one pure function of what is saved, what the chain says, and the clock. It keeps nothing: a crash anywhere, a transaction that
/// was lost and one that a reorganisation took back are all the same as asking again. Whoever was first, the chain says so, and nothing more is sent.
/// </summary>
public static class DisputeCore
{
    /// <summary>A transaction is waited for so long before it is sent again, ms; doubled with each.</summary>
    public const long ResendMs = 15_000;

    /// <summary>The longest such pause, ms.</summary>
    public const long ResendMaxMs = 3_600_000;

    /// <summary>So often the contract may say that it would refuse: its endpoint may be behind.</summary>
    public const int RefusalsMax = 6;

    /// <summary>Transactions sent for one dispute at most: gas for a fault that nobody thought of is bounded.</summary>
    public const int AttemptsMax = 24;

    /// <summary>Decides.</summary>
    /// <param name="record">What is saved.</param>
    /// <param name="chain">What the chain says.</param>
    /// <param name="nowMs">ms since the Unix epoch; for patience only.</param>
    /// <param name="turnMs">How long the gateways before this one in the offence's order are given to report it.</param>
    public static DisputeAction Decide(DisputeRecord record, DisputeView chain, long nowMs, long turnMs)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(chain);
        if (record.IsClosed) return DisputeAction.Wait;
        if (chain.IsJudged) return chain.IsSettled ? DisputeAction.Close : DisputeAction.Wait;
        if (record.Refusals >= RefusalsMax || record.Attempts >= AttemptsMax) return DisputeAction.GiveUp;
        bool waits = Elapsed(nowMs, record.SentMs) < PauseMs(record.SentMs, record.Attempts, record.Refusals);
        // The commitment is in: its transaction is not waited for any more, but a refusal is not repeated at once.
        if (chain.IsCommitted) return waits && (record.State == DisputeState.Reported || record.Refusals > 0) ? DisputeAction.Wait : DisputeAction.Report;
        return waits || Elapsed(nowMs, record.MadeMs) < turnMs ? DisputeAction.Wait : DisputeAction.Commit;
    }

    internal static long PauseMs(long sentMs, int attempts, int refusals) => sentMs == 0 ? 0 : Math.Min(ResendMs << Math.Min(Math.Max(0, attempts + refusals - 2), 16), ResendMaxMs);

    /// <summary>Time since; a clock that was set back by more than a minute counts as "long ago".</summary>
    internal static long Elapsed(long nowMs, long thenMs) => nowMs >= thenMs ? nowMs - thenMs : thenMs - nowMs > 60_000 ? long.MaxValue : 0;
}

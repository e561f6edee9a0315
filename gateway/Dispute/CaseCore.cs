namespace DePIN.Gateway.Dispute;

/// <summary>What the chain says of one case.</summary>
/// <param name="IsOpen">Whether it is open as of the newest block.</param>
/// <param name="IsSettled">Whether it is gone as of a block that counts as final.</param>
/// <param name="IsRegistered">Whether its device is registered as of the newest block.</param>
public sealed record CaseView(bool IsOpen, bool IsSettled, bool IsRegistered);

/// <summary>What is to be done next with a case.</summary>
public enum CaseAction
{
    /// <summary>Nothing now.</summary>
    Wait,

    /// <summary>Register the member whose list is here.</summary>
    Register,

    /// <summary>End the case: its device is registered.</summary>
    Refute,

    /// <summary>Nobody answered in time.</summary>
    Uphold,

    /// <summary>It is over.</summary>
    Close,

    /// <summary>The contract refused often enough.</summary>
    GiveUp,
}

/// <summary>What a gateway does about a case, as one pure function of what is saved, what the chain says, whether the device's list is here, and the clocks. Keeps nothing, as <see cref="DisputeCore"/>.</summary>
public static class CaseCore
{
    /// <summary>Decides.</summary>
    /// <param name="record">What is saved.</param>
    /// <param name="chain">What the chain says.</param>
    /// <param name="isMember">Whether a good list with the device is here.</param>
    /// <param name="chainTimeS">Time of the newest block.</param>
    /// <param name="nowMs">ms since the Unix epoch; for patience only.</param>
    /// <param name="answerTurnMs">How long the gateways before this one are given to answer; the accused is the first.</param>
    /// <param name="upholdTurnMs">How long those before this one are given to uphold it; the reporter is the first.</param>
    public static CaseAction Decide(CaseRecord record, CaseView chain, bool isMember, ulong chainTimeS, long nowMs, long answerTurnMs, long upholdTurnMs)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(chain);
        if (record.State != CaseState.Open) return CaseAction.Wait;
        if (!chain.IsOpen) return chain.IsSettled ? CaseAction.Close : CaseAction.Wait;
        if (record.Refusals >= DisputeCore.RefusalsMax || record.Attempts >= DisputeCore.AttemptsMax) return CaseAction.GiveUp;
        CaseAction due = chain.IsRegistered ? CaseAction.Refute : isMember ? CaseAction.Register : chainTimeS > record.DeadlineS ? CaseAction.Uphold : CaseAction.Wait;
        // What is next is due as soon as the chain has the step before it; the same step again is not.
        if (due == CaseAction.Wait || (due == record.Sent && DisputeCore.Elapsed(nowMs, record.SentMs) < DisputeCore.PauseMs(record.SentMs, record.Attempts, record.Refusals))) return CaseAction.Wait;
        bool isTurn = due == CaseAction.Uphold ? (long)Math.Min(chainTimeS - record.DeadlineS, int.MaxValue) * 1_000 >= upholdTurnMs : DisputeCore.Elapsed(nowMs, record.SeenMs) >= answerTurnMs;
        return isTurn ? due : CaseAction.Wait;
    }
}

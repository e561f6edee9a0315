using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Update;

/// <summary>Where a roll-out is.</summary>
public enum RolloutState
{
    /// <summary>Offers the release stage by stage.</summary>
    Running = 1,

    /// <summary>A person stopped it: nobody new is offered the release, who was goes on.</summary>
    Paused,

    /// <summary>Too many devices failed: all offers are withdrawn until a person resumes or aborts.</summary>
    Halted,

    /// <summary>Every stage is through; devices that come later are still offered the release.</summary>
    Complete,

    /// <summary>A person ended it, or another roll-out for the same board took its place; offers are withdrawn.</summary>
    Aborted,
}

/// <summary>What became of an offer to one device.</summary>
public enum MemberState
{
    /// <summary>Offered, nothing heard of it yet.</summary>
    Offered = 1,

    /// <summary>Fetches, verifies or tries it.</summary>
    Working,

    /// <summary>Runs the release and says that it stays.</summary>
    Confirmed,

    /// <summary>Went back, refused it, or was not heard again after it had fetched it.</summary>
    Failed,

    /// <summary>Cannot take it (another board, no loader, another operator): neither for nor against the release.</summary>
    LeftOut,
}

/// <summary>What a device said last on <c>…/update/state</c>.</summary>
/// <param name="AtMs">When it came, ms since the Unix epoch.</param>
/// <param name="Prefix">First 8 bytes of the manifest's hash that it speaks of.</param>
/// <param name="Board">Empty when it does not tell.</param>
public sealed record DeviceReport(
    DeviceIdValue Device, long AtMs, uint Running, uint Offered, ulong Prefix, byte State, byte Error, uint Done, uint Total, string Version, string Board);

/// <summary>One device of a roll-out.</summary>
/// <param name="Reason">Why it failed or is left out; empty otherwise.</param>
public sealed record Member(DeviceIdValue Device, MemberState State, string Reason, long OfferedMs, long ChangedMs);

/// <summary>One roll-out, without its members.</summary>
/// <param name="Id">8 random bytes as 16 hex digits: part of the order of devices, so that nobody knows it beforehand.</param>
/// <param name="Hash">SHA-256 of the manifest, hex.</param>
/// <param name="Stage">Index of the open stage.</param>
/// <param name="StageMs">When it opened.</param>
/// <param name="SoakMs">Since when it has what the plan asks; null while it has not.</param>
/// <param name="Forgiven">Failures that a person has seen and resumed in spite of.</param>
/// <param name="Reason">Why it is in this state, in words.</param>
public sealed record Rollout(
    string Id, string Board, uint Release, string Version, string Hash, RolloutPlan Plan, RolloutState State, int Stage, long StageMs, long? SoakMs, int Forgiven, string Reason,
    long StartedMs, long ChangedMs)
{
    /// <summary>Whether it still has a say.</summary>
    public bool IsOpen => State != RolloutState.Aborted;

    /// <summary>Whether devices are offered its release now.</summary>
    public bool IsOffering => State is RolloutState.Running or RolloutState.Paused or RolloutState.Complete;
}

/// <summary>What a turn changed: written in one transaction before any of it takes effect.</summary>
public sealed record RolloutChanges(IReadOnlyList<DeviceReport> Reports, IReadOnlyList<Rollout> Rollouts, IReadOnlyList<(string Rollout, Member Member)> Members)
{
    public bool IsEmpty => Reports.Count + Rollouts.Count + Members.Count == 0;
}

/// <summary>Everything that is kept.</summary>
public sealed record RolloutContent(IReadOnlyList<DeviceReport> Reports, IReadOnlyList<Rollout> Rollouts, IReadOnlyList<(string Rollout, Member Member)> Members);

/// <summary>Where the state of roll-outs is kept; tests answer for it. Both methods may throw, <see cref="Write"/> having done its work or not.</summary>
public interface IRolloutLog
{
    RolloutContent Read();

    /// <summary>All or nothing, durable when it returns.</summary>
    void Write(RolloutChanges changes);
}

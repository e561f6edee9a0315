using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Update;

/// <summary>
/// What to do with a report, a command or the passing of time, without disk, clock or network. Changes gather in <see cref="TakeChanges"/>; the stage
/// writes them and only then publishes offers; when writing fails it throws this object away and reads the log again.
/// Devices come in the order of SHA-256(roll-out id ‖ device id): the same after a restart, evenly over the fleet, known to nobody before the start.
/// A device once offered stays a member; a later device has its place in the order among those not offered yet.
/// </summary>
public sealed class RolloutCore
{
    /// <summary>Roll-outs kept, ended ones among them: their releases are what a board has seen.</summary>
    public const int RolloutsMax = 256;

    /// <summary>A device not heard for longer is no candidate, and returns as one when it reports.</summary>
    public const long HeardMaxMs = 7L * 24 * 3600 * 1000;

    private readonly Dictionary<DeviceIdValue, DeviceReport> _reports = [];
    private readonly Dictionary<string, Rollout> _rollouts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<DeviceIdValue, Member>> _members = new(StringComparer.Ordinal);
    private readonly HashSet<DeviceIdValue> _changedReports = [];
    private readonly HashSet<string> _changedRollouts = new(StringComparer.Ordinal);
    private readonly HashSet<(string Rollout, DeviceIdValue Device)> _changedMembers = [];

    public RolloutCore(RolloutContent content)
    {
        ArgumentNullException.ThrowIfNull(content);
        foreach (DeviceReport report in content.Reports) _reports[report.Device] = report;
        foreach (Rollout rollout in content.Rollouts)
        {
            _rollouts[rollout.Id] = rollout;
            _members[rollout.Id] = [];
        }

        foreach ((string rollout, Member member) in content.Members)
            if (_members.TryGetValue(rollout, out Dictionary<DeviceIdValue, Member>? of)) of[member.Device] = member;
    }

    /// <summary>Roll-outs, the newest first.</summary>
    public IReadOnlyList<Rollout> Rollouts => [.. _rollouts.Values.OrderByDescending(r => r.StartedMs).ThenBy(r => r.Id, StringComparer.Ordinal)];

    /// <summary>Devices that have reported.</summary>
    public IReadOnlyCollection<DeviceReport> Reports => _reports.Values;

    /// <summary>The roll-out of this id, or null.</summary>
    public Rollout? Find(string id) => _rollouts.GetValueOrDefault(id);

    /// <summary>Members of a roll-out.</summary>
    public IReadOnlyCollection<Member> Members(string id) => _members[id].Values;

    /// <summary>Devices that the roll-out could still offer the release to, in its order.</summary>
    public IReadOnlyList<DeviceIdValue> Candidates(Rollout rollout, long nowMs)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        return [.. Unoffered(rollout, nowMs)
            .Select(d => (Device: d, Rank: Rank(rollout.Id, d))).OrderBy(r => r.Rank, Comparer<byte[]>.Create(static (a, b) => a.AsSpan().SequenceCompareTo(b))).Select(r => r.Device)];
    }

    /// <summary>How many they are.</summary>
    public int Waiting(Rollout rollout, long nowMs)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        return Unoffered(rollout, nowMs).Count();
    }

    // In no order: that costs a hash each.
    private IEnumerable<DeviceIdValue> Unoffered(Rollout rollout, long nowMs)
    {
        Dictionary<DeviceIdValue, Member> members = _members[rollout.Id];
        HashSet<DeviceIdValue> taken = [.. _rollouts.Values.Where(r => r.IsOpen && r.Id != rollout.Id)
            .SelectMany(r => _members[r.Id].Values.Where(m => m.State is MemberState.Offered or MemberState.Working).Select(m => m.Device))];
        return _reports.Values.Where(r => r.Running < rollout.Release && !members.ContainsKey(r.Device) && !taken.Contains(r.Device) && !IsOtherBoard(r, rollout)
                && r.State != UpdateStates.Disabled && nowMs - r.AtMs <= HeardMaxMs)
            .Select(r => r.Device);
    }

    /// <summary>Devices whose own word rules them out, with the reason.</summary>
    public IEnumerable<(DeviceIdValue Device, string Reason)> LeftOut(Rollout rollout)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        Dictionary<DeviceIdValue, Member> members = _members[rollout.Id];
        foreach (Member member in members.Values.Where(m => m.State == MemberState.LeftOut)) yield return (member.Device, member.Reason);
        foreach (DeviceReport report in _reports.Values.Where(r => !members.ContainsKey(r.Device)))
        {
            if (IsOtherBoard(report, rollout)) yield return (report.Device, $"board {report.Board}");
            else if (report.Running >= rollout.Release) yield return (report.Device, $"runs release {report.Running}");
            else if (report.State == UpdateStates.Disabled) yield return (report.Device, ErrorName(report.Error));
        }
    }

    /// <summary>The offers that stand: device to roll-out.</summary>
    public Dictionary<DeviceIdValue, Rollout> Offers()
    {
        Dictionary<DeviceIdValue, Rollout> offers = [];
        foreach (Rollout rollout in _rollouts.Values.Where(r => r.IsOffering).OrderBy(r => r.StartedMs))
            foreach (Member member in _members[rollout.Id].Values)
                if (member.State is MemberState.Offered or MemberState.Working) offers[member.Device] = rollout;
        return offers;
    }

    /// <summary>Takes what a device said. Where it disagrees with what is known, the device's newest word counts, for this device alone.</summary>
    public void Report(DeviceReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        _reports[report.Device] = report;
        _changedReports.Add(report.Device);
        foreach (Rollout rollout in _rollouts.Values.Where(r => r.IsOpen).ToArray())
            if (_members[rollout.Id].TryGetValue(report.Device, out Member? member))
            {
                (MemberState state, string reason) = Judge(report, rollout, member);
                if (state != member.State || reason != member.Reason) Put(rollout.Id, member with { State = state, Reason = reason, ChangedMs = report.AtMs });
            }
    }

    /// <summary>Starts a roll-out; an earlier complete or aborted one of the board gives way. Null with the reason when it may not start.</summary>
    public Rollout? Start(UpdatePackage package, RolloutPlan plan, string id, long nowMs, out string fault)
    {
        ArgumentNullException.ThrowIfNull(package);
        UpdateManifest manifest = package.Manifest;
        string hash = Convert.ToHexStringLower(package.Hash);
        Rollout[] same = [.. _rollouts.Values.Where(r => r.Board == manifest.Board)];
        fault = same.FirstOrDefault(r => r.State is RolloutState.Running or RolloutState.Paused or RolloutState.Halted) is { } open
                ? $"roll-out {open.Id} of release {open.Release} for {open.Board} is {open.State.ToString().ToLowerInvariant()}: end it with 'depin ota abort {open.Id}' first"
            : same.FirstOrDefault(r => r.Release > manifest.Release) is { } higher
                ? $"release {higher.Release} was rolled out before, and nodes take only a higher release than their own: pack release {same.Max(r => r.Release) + 1} or higher"
            : same.FirstOrDefault(r => r.Release == manifest.Release && r.Hash != hash) is { } other
                ? $"release {other.Release} was rolled out before as another package: pack release {other.Release + 1} or higher"
            : _rollouts.Count >= RolloutsMax ? $"{RolloutsMax} roll-outs are kept: move updates.db away to begin anew" : "";
        if (fault.Length > 0) return null;
        foreach (Rollout former in same.Where(r => r.IsOpen)) Put(former with { State = RolloutState.Aborted, Reason = $"roll-out {id} took its place", ChangedMs = nowMs });
        Rollout rollout = new(id, manifest.Board, manifest.Release, manifest.VersionText, hash, plan, RolloutState.Running, 0, nowMs, null, 0, "", nowMs, nowMs);
        _members[id] = [];
        Put(rollout);
        return rollout;
    }

    /// <summary>Pauses, resumes or aborts. Null with the reason when that makes no sense now.</summary>
    public Rollout? Command(string id, string command, long nowMs, out string fault)
    {
        fault = "";
        Rollout now = _rollouts[id];
        Rollout? next = (command, now.State) switch
        {
            ("pause", RolloutState.Running) => now with { State = RolloutState.Paused, Reason = "paused by the operator", SoakMs = null },
            ("resume", RolloutState.Paused) => now with { State = RolloutState.Running, Reason = "" },
            ("resume", RolloutState.Halted) => now with { State = RolloutState.Running, Reason = "", SoakMs = null, Forgiven = Count(id, MemberState.Failed) },
            ("abort", not RolloutState.Aborted) => now with { State = RolloutState.Aborted, Reason = "aborted by the operator" },
            _ => null,
        };
        if (next is null)
        {
            fault = $"roll-out {id} is {now.State.ToString().ToLowerInvariant()}, so there is nothing to {command}";
            return null;
        }

        next = next with { ChangedMs = nowMs };
        Put(next);
        return next;
    }

    /// <summary>Lets time pass: lost devices, halts, soaks, the next stage, the next offers.</summary>
    public void Step(long nowMs)
    {
        foreach (string id in _rollouts.Values.Where(r => r.IsOffering).OrderBy(r => r.StartedMs).Select(r => r.Id).ToArray())
        {
            FindLost(_rollouts[id], nowMs);
            if (Halt(_rollouts[id], nowMs)) continue;
            // A stage may be through at once where its devices run the release already: then the next opens in the same turn.
            while (_rollouts[id].State == RolloutState.Running && Advance(_rollouts[id], nowMs))
            {
            }

            if (_rollouts[id].State is RolloutState.Running or RolloutState.Complete) Offer(_rollouts[id], nowMs);
        }
    }

    /// <summary>Devices that the open stage offers the release to: those of the stages before among them.</summary>
    public int Target(Rollout rollout, long nowMs)
    {
        ArgumentNullException.ThrowIfNull(rollout);
        int all = Offered(rollout.Id) + Waiting(rollout, nowMs);
        return rollout.State == RolloutState.Complete ? all : Math.Max(rollout.Plan.Stages[rollout.Stage].Up(all), Math.Min(all, Offered(rollout.Id)));
    }

    /// <summary>Members in this state.</summary>
    public int Count(string id, MemberState state) => _members[id].Values.Count(m => m.State == state);

    /// <summary>What has changed since the last call.</summary>
    public RolloutChanges TakeChanges()
    {
        RolloutChanges changes = new([.. _changedReports.Select(d => _reports[d])], [.. _changedRollouts.Select(r => _rollouts[r])],
            [.. _changedMembers.Select(m => (m.Rollout, _members[m.Rollout][m.Device]))]);
        _changedReports.Clear();
        _changedRollouts.Clear();
        _changedMembers.Clear();
        return changes;
    }

    /// <summary>Place of a device in a roll-out's order.</summary>
    public static byte[] Rank(string rolloutId, DeviceIdValue device)
    {
        byte[] input = new byte[sizeof(ulong) + DeviceIdValue.Bytes];
        Convert.FromHexString(rolloutId).CopyTo(input, 0);
        device.CopyTo(input.AsSpan(sizeof(ulong)));
        return SHA256.HashData(input);
    }

    private static bool IsOtherBoard(DeviceReport report, Rollout rollout) => report.Board.Length > 0 && report.Board != rollout.Board;

    private static string ErrorName(byte error) => UpdateErrors.Name(error) ?? $"error {error}";

    private static ulong Prefix(Rollout rollout) => BinaryPrimitives.ReadUInt64BigEndian(Convert.FromHexString(rollout.Hash));

    // Who refused the release itself would refuse it again; who took no updates at all, or ran a newer release, does not any more.
    private static bool IsPassing(string reason) => reason == UpdateErrors.Name(UpdateErrors.NoLoader) || reason == UpdateErrors.Name(UpdateErrors.NoOperatorKey)
        || reason.StartsWith("runs release ", StringComparison.Ordinal);

    private static (MemberState State, string Reason) Judge(DeviceReport report, Rollout rollout, Member member)
    {
        if (IsOtherBoard(report, rollout)) return (MemberState.LeftOut, $"board {report.Board}");
        if (report.Running == rollout.Release)
            return report.State switch
            {
                UpdateStates.Trying => (MemberState.Working, ""),
                UpdateStates.RolledBack => (MemberState.Failed, ErrorName(report.Error)), // said while it is about to start the release before
                _ => (MemberState.Confirmed, ""),
            };
        if (report.Running > rollout.Release) return (MemberState.LeftOut, $"runs release {report.Running}");
        if (report.State == UpdateStates.Disabled) return (MemberState.LeftOut, ErrorName(report.Error));
        if (member.State == MemberState.Confirmed) return (MemberState.Failed, $"runs release {report.Running} again");
        if (member.State == MemberState.LeftOut) return IsPassing(member.Reason) ? (MemberState.Offered, "") : (MemberState.LeftOut, member.Reason);
        if (report.Offered != rollout.Release || report.Prefix != Prefix(rollout)) return (member.State, member.Reason);
        return report.State switch
        {
            UpdateStates.RolledBack => (MemberState.Failed, ErrorName(report.Error)),
            UpdateStates.Refused => report.Error is UpdateErrors.WrongBoard or UpdateErrors.RuntimeTooOld or UpdateErrors.NotThisOperator
                ? (MemberState.LeftOut, ErrorName(report.Error)) : (MemberState.Failed, ErrorName(report.Error)),
            UpdateStates.Fetching or UpdateStates.Verifying or UpdateStates.Staged or UpdateStates.Trying or UpdateStates.Paused => (MemberState.Working, ""),
            UpdateStates.Idle when member.State != MemberState.Failed => (MemberState.Offered, ""), // who failed is idle again when its offer is withdrawn
            _ => (member.State, member.Reason), // "confirmed" while another release runs contradicts itself; a later version's state says nothing to this one
        };
    }

    private void FindLost(Rollout rollout, long nowMs)
    {
        foreach (Member member in _members[rollout.Id].Values.Where(m => m.State == MemberState.Working).ToArray())
        {
            DeviceReport report = _reports[member.Device];
            if (report.State is UpdateStates.Verifying or UpdateStates.Staged or UpdateStates.Trying && nowMs - report.AtMs > rollout.Plan.LostS * 1000L)
                Put(rollout.Id, member with { State = MemberState.Failed, Reason = $"not heard since it was {UpdateStates.Name(report.State)}", ChangedMs = nowMs });
        }
    }

    private bool Halt(Rollout rollout, long nowMs)
    {
        int failed = Count(rollout.Id, MemberState.Failed), allowed = rollout.Plan.Failed.Down(Offered(rollout.Id));
        if (failed - rollout.Forgiven <= allowed) return false;
        string more = rollout.Forgiven > 0 ? $" since it was resumed with {rollout.Forgiven}" : "";
        Put(rollout with
        {
            State = RolloutState.Halted, SoakMs = null, ChangedMs = nowMs,
            Reason = $"{failed - rollout.Forgiven} of {Offered(rollout.Id)} devices failed{more}, {allowed} may",
        });
        return true;
    }

    // Whether a stage was closed by it.
    private bool Advance(Rollout rollout, long nowMs)
    {
        Offer(rollout, nowMs);
        int target = Target(rollout, nowMs);
        int needed = Math.Max(1, rollout.Plan.Confirmed.Up(target));
        if (target == 0 || Count(rollout.Id, MemberState.Confirmed) < needed)
        {
            if (rollout.SoakMs is not null) Put(rollout with { SoakMs = null, ChangedMs = nowMs });
            return false;
        }

        // A clock that went back must not make a soak longer than it is.
        long since = Math.Min(rollout.SoakMs ?? nowMs, nowMs);
        if (since != rollout.SoakMs) Put(rollout = rollout with { SoakMs = since, ChangedMs = nowMs });
        if (nowMs - since < rollout.Plan.SoakS * 1000L) return false;
        bool last = rollout.Stage == rollout.Plan.Stages.Count - 1;
        Put(rollout with
        {
            State = last ? RolloutState.Complete : rollout.State, Stage = last ? rollout.Stage : rollout.Stage + 1, StageMs = nowMs, SoakMs = null, ChangedMs = nowMs,
        });
        return true;
    }

    private void Offer(Rollout rollout, long nowMs)
    {
        int more = Target(rollout, nowMs) - Offered(rollout.Id);
        if (more <= 0) return;
        foreach (DeviceIdValue device in Candidates(rollout, nowMs).Take(more)) Put(rollout.Id, new Member(device, MemberState.Offered, "", nowMs, nowMs));
    }

    private int Offered(string id) => _members[id].Values.Count(m => m.State != MemberState.LeftOut);

    private void Put(Rollout rollout)
    {
        _rollouts[rollout.Id] = rollout;
        _changedRollouts.Add(rollout.Id);
    }

    private void Put(string rollout, Member member)
    {
        _members[rollout][member.Device] = member;
        _changedMembers.Add((rollout, member.Device));
    }
}

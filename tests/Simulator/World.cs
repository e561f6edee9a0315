using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>What is written into the trace.</summary>
internal enum Happened
{
    Started, Crashed, Wiped, Fault, Healed, Connected, Disconnected, Delivered, Lost, Wrote, WriteFailed, BodyChecked, Cut, Recut, Restored, Acknowledged,
    Followed, Unfollowed, Submitted, Block, Anchored, Reverted, Reorganised, Members, Blamed, Hostile, Threw,
}

/// <summary>One line of the trace.</summary>
internal readonly record struct TraceEvent(long TimeMs, int Node, Happened What, object? Detail, long Number);

/// <summary>
/// Time and chance of one run: events in the order of (time, sequence), nothing else ever decides what comes next. Keeps the last events for people and a
/// hash over all of them for the test that a seed replays.
/// </summary>
internal sealed class World(ulong seed)
{
    /// <summary>Events kept for a failing seed.</summary>
    public const int TraceKept = 200;

    private const int SequenceBits = 36;

    private readonly PriorityQueue<Action, ulong> _events = new(1_024);
    private readonly TraceEvent[] _trace = new TraceEvent[TraceKept];
    private ulong _sequence;

    public Prng Random { get; } = new(seed);

    public long NowMs { get; private set; }

    public long Steps { get; private set; }

    public long Traced { get; private set; }

    public ulong TraceHash { get; private set; } = 0xCBF29CE484222325;

    public bool IsStopped { get; private set; }

    /// <summary>Writes every event as it happens, for `--trace`.</summary>
    public Action<TraceEvent>? Listener { get; set; }

    public void At(long timeMs, Action action) => _events.Enqueue(action, (ulong)Math.Max(timeMs, NowMs) << SequenceBits | _sequence++);

    public void After(long delayMs, Action action) => At(NowMs + delayMs, action);

    public void Stop() => IsStopped = true;

    /// <summary>Does the next event; false when there is none or the run was stopped.</summary>
    public bool Step()
    {
        if (IsStopped || !_events.TryDequeue(out Action? action, out ulong when)) return false;
        NowMs = (long)(when >> SequenceBits);
        Steps++;
        action();
        return true;
    }

    public void Trace(int node, Happened what, object? detail = null, long number = 0)
    {
        TraceEvent happened = new(NowMs, node, what, detail, number);
        _trace[Traced++ % TraceKept] = happened;
        TraceHash = Prng.Mix(TraceHash ^ (ulong)NowMs << 20 ^ (ulong)(uint)node << 8 ^ (ulong)what) + Prng.Mix((ulong)number + 0x9E37);
        Listener?.Invoke(happened);
    }

    /// <summary>The last events, the oldest first.</summary>
    public IEnumerable<TraceEvent> LastEvents()
    {
        for (long i = Math.Max(0, Traced - TraceKept); i < Traced; i++) yield return _trace[i % TraceKept];
    }
}

/// <summary>Faults of network, disk, chain, clock and devices, for the scenario and the coverage.</summary>
internal enum FaultKind
{
    Loss, Duplicate, Reorder, Bisect, MajorityRing, OneWay, Isolate,
    CrashIdle, CrashBeforeWrite, CrashBeforeSync, TornWrite, CrashAfterSync, FailedNotPersisted, FailedButPersisted, DiskFull, WipedDisk, WipedChainRecords,
    Reorganisation, RpcOutage, ViewLag, StaleView, TransactionLost, TransactionDelayed, Join, Leave, Replace,
    ClockJump, ClockDrift, DeviceRoams, DeviceCutOff, DeviceEquivocates, AcknowledgementLost, DeviceRegisteredLate,
}

/// <summary>What hostile gateways do.</summary>
internal enum HostileKind
{
    BatchEquivocation, AnchorEquivocation, BadRoot, BadFrame, WithheldBody, FalseBody, ReplayedAttestation, Garbage, MalformedBytes, FalseEntry, LyingStatus,
    VotesForEverything, EarlyProposal, ForgedCertificate, Silence, FalseYours, AnchoredFramesAgain, FalseEvidence,
}

/// <summary>A gateway stopped at once: power, kill -9. Passes through the core like nothing else does.</summary>
internal sealed class CrashException : Exception;

/// <summary>The disk refused, or said so.</summary>
internal sealed class DiskFaultException(FaultKind kind) : Exception(kind.ToString())
{
    public FaultKind Kind => kind;
}

/// <summary>A promise was broken: what, and what is known about it.</summary>
internal sealed class ViolationException(string invariant, string detail) : Exception($"{invariant}: {detail}")
{
    public string Invariant => invariant;

    public string Detail => detail;
}

/// <summary>Short texts of what travels, for the trace.</summary>
internal static class Describe
{
    public static string It(object? detail, Func<Address, string> name) => detail switch
    {
        null => "",
        StatusMessage m => $"status entries {m.KnownEntries} pending {string.Join(',', m.Pending.Take(8).Select(r => $"{name(r.Gateway)}:{r.First}-{r.Last}"))} yours {m.YourHighest} epoch {m.Epoch}",
        OfferMessage m => $"offer {Batch(m.Batch)}",
        AttestedMessage m => $"attested {m.Number} by {name(m.Attestation.Gateway)}",
        RefusedMessage m => $"refused {m.Number}: {m.Reason}",
        CertificatesMessage m => $"certificates {string.Join(' ', m.Batches.Take(8).Select(b => $"{Batch(b.Batch)}x{b.Attestations.Count}"))}",
        GetBatchesMessage m => $"get batches {name(m.Run.Gateway)}:{m.Run.First}-{m.Run.Last}",
        GetMineMessage m => $"get mine from {m.From}",
        YoursMessage m => $"yours {string.Join(' ', m.Batches.Take(8).Select(b => $"{Batch(b.Batch)}x{b.Attestations.Count}"))}",
        ProposalMessage m => $"proposal {Anchor(m.Anchor)} of {string.Join(' ', m.Contents.Take(12).Select(l => $"{name(l.Batch.Gateway)}:{l.Batch.Number}"))} signed by {string.Join(' ', m.Attestations.Select(a => name(a.Gateway)))}",
        VoteMessage m => $"vote {Anchor(m.Anchor)}",
        AnchorRefusedMessage m => $"anchor {Short(m.Anchor)} refused: {m.Reason}",
        GetEntryMessage m => $"get entry {m.Ordinal} from leaf {m.FromLeaf}",
        EntryMessage m => $"entry {m.Ordinal} leaves {m.FromLeaf}+{m.Batches.Count} of {m.Total}",
        MisconductMessage m => $"evidence {m.Misconduct.Kind} against {name(m.Misconduct.Accused)} at {m.Misconduct.Height}",
        BatchSummary b => Batch(b),
        AnchorHeader a => Anchor(a),
        Address a => name(a),
        PeerMessage m => m.GetType().Name,
        _ => detail.ToString() ?? "",
    };

    public static string Short(Hash32 hash) => hash.ToString()[2..8];

    private static string Anchor(AnchorHeader anchor) => $"anchor {Short(anchor.Hash())} epoch {anchor.Epoch} on {Short(anchor.Previous)} ({anchor.Batches} batches)";

    private static string Batch(BatchSummary batch) => $"batch {batch.Header.Number} {Short(batch.Hash)} ({batch.Header.Frames} frames)";
}

namespace DePIN.Simulator;

/// <summary>
/// The disk of one gateway: a write is appended, then synced, and one of these may go wrong by chance. What a transaction does is applied to the tables
/// only once it is durable, and is applied again, record by record, after a crash.
/// </summary>
internal sealed class SimulatedDisk(Simulation simulation, GatewayNode node)
{
    /// <summary>No space until then, ms of the world.</summary>
    public long FullUntilMs { get; set; }

    public bool IsFull => simulation.World.NowMs < FullUntilMs;

    /// <summary>One transaction: durable when it returns. Throws as a disk does, or as a power cut.</summary>
    /// <param name="persist">Puts the record into the durable journal.</param>
    /// <param name="apply">Changes the tables that are read.</param>
    public void Commit(Action persist, Action apply)
    {
        if (IsFull) throw Failed(FaultKind.DiskFull);
        switch (Draw())
        {
            case null:
                persist();
                apply();
                return;
            case FaultKind.FailedNotPersisted:
                throw Failed(FaultKind.FailedNotPersisted);
            case FaultKind.FailedButPersisted:
                persist();
                apply();
                throw Failed(FaultKind.FailedButPersisted);
            case FaultKind.CrashBeforeWrite:
                throw Crash(FaultKind.CrashBeforeWrite);
            case FaultKind.CrashBeforeSync:
                // The system may have written it by itself, or not, or half of it, which the checksum then tells from a whole one.
                if (simulation.World.Random.Below(3) == 0) persist();
                throw Crash(FaultKind.CrashBeforeSync);
            case FaultKind.TornWrite:
                throw Crash(FaultKind.TornWrite);
            default:
                persist();
                throw Crash(FaultKind.CrashAfterSync);
        }
    }

    /// <summary>Writes several records that were appended before, with one sync: after a crash a prefix of them may be there.</summary>
    public void Sync(int records, Action<int> persistPrefix, Action apply)
    {
        if (IsFull) throw Failed(FaultKind.DiskFull);
        switch (Draw())
        {
            case null:
                persistPrefix(records);
                apply();
                return;
            case FaultKind.FailedNotPersisted:
                throw Failed(FaultKind.FailedNotPersisted);
            case FaultKind.FailedButPersisted:
                persistPrefix(records);
                apply();
                throw Failed(FaultKind.FailedButPersisted);
            case FaultKind.CrashBeforeWrite:
                throw Crash(FaultKind.CrashBeforeWrite);
            case FaultKind.CrashBeforeSync:
                persistPrefix(simulation.World.Random.Below(records + 1));
                throw Crash(FaultKind.CrashBeforeSync);
            case FaultKind.TornWrite:
                persistPrefix(simulation.World.Random.Below(records)); // the next one is torn: dropped with what follows
                throw Crash(FaultKind.TornWrite);
            default:
                persistPrefix(records);
                throw Crash(FaultKind.CrashAfterSync);
        }
    }

    private FaultKind? Draw()
    {
        Scenario scenario = simulation.Scenario;
        if (scenario.DiskFaults.Length == 0 || simulation.IsHealed) return null;
        return simulation.World.Random.Below(10_000) < scenario.DiskFaultsPer10k ? simulation.World.Random.Pick(scenario.DiskFaults) : null;
    }

    private DiskFaultException Failed(FaultKind kind)
    {
        simulation.Count(kind);
        simulation.World.Trace(node.Index, Happened.WriteFailed, kind, (int)kind);
        return new DiskFaultException(kind);
    }

    private CrashException Crash(FaultKind kind)
    {
        simulation.Count(kind);
        simulation.World.Trace(node.Index, Happened.Fault, kind, (int)kind);
        return new CrashException();
    }
}

namespace DePIN.Gateway.Operate;

/// <summary>How things stand, in numbers; gathered by the shell, judged by <see cref="HealthRules"/>. Ages and times in ms; null = unknown or none.</summary>
public sealed record HealthFacts
{
    /// <summary>The gateway's clock, ms since the Unix epoch.</summary>
    public required long NowMs { get; init; }

    /// <summary>Since when the gateway runs.</summary>
    public required long StartedMs { get; init; }

    /// <summary>What every part says.</summary>
    public required IReadOnlyList<PartStatus> Parts { get; init; }

    /// <summary>False when the store cannot commit.</summary>
    public required bool StoreWritable { get; init; }

    /// <summary>Why not; empty when it can.</summary>
    public string StoreFault { get; init; } = "";

    /// <summary>Frames between submission and verdict.</summary>
    public long VerifyInFlight { get; init; }

    /// <summary>Frames waiting for a commit.</summary>
    public long StoreQueue { get; init; }

    /// <summary>Frames stored and not yet in a batch.</summary>
    public long FramesUnbatched { get; init; }

    /// <summary>Certificates not yet on the ledger.</summary>
    public long CertificatesPending { get; init; }

    /// <summary>When the oldest frame that is not on the ledger was received; null when all are.</summary>
    public long? OldestUnanchoredMs { get; init; }

    /// <summary>When the oldest frame that is in no batch was received.</summary>
    public long? OldestUnbatchedMs { get; init; }

    /// <summary>When the last frame was received.</summary>
    public long? LastFrameMs { get; init; }

    /// <summary>Chain time minus our clock when the newest block came.</summary>
    public long? ClockErrorMs { get; init; }

    /// <summary>Open MQTT connections.</summary>
    public long Connections { get; init; }
}

/// <summary>What counts as too late, ms.</summary>
public sealed record HealthLimits(long UnanchoredMaxMs, long UnbatchedMaxMs, long ClockErrorMaxMs);

/// <summary>The judgement: one word, and every reason for it.</summary>
public sealed record HealthVerdict(string Status, IReadOnlyList<PartStatus> Problems);

/// <summary>
/// Decides what /health says, as a pure function. "healthy" means that frames move all the way: it is not enough that no
/// part complains. A gateway nobody sends frames to is healthy; one whose frames do not reach the ledger is not.
/// </summary>
public static class HealthRules
{
    public const string Healthy = "healthy", Degraded = "degraded", Failed = "failed", Starting = "starting";

    /// <summary>Judges.</summary>
    public static HealthVerdict Judge(HealthFacts facts, HealthLimits limits)
    {
        ArgumentNullException.ThrowIfNull(facts);
        ArgumentNullException.ThrowIfNull(limits);
        List<PartStatus> problems = [.. facts.Parts.Where(p => p.State >= PartState.Degraded)];
        if (!facts.StoreWritable)
            Add(PartState.Failed, "store", $"frames are not stored ({facts.StoreFault}); boards keep theirs.", "Free disk space or raise store.diskBudgetMib.", null);
        if (facts.OldestUnbatchedMs is { } unbatched && facts.NowMs - unbatched > limits.UnbatchedMaxMs)
            Add(PartState.Degraded, "batch", $"a frame waits for its batch for {Seconds(facts.NowMs - unbatched)}.", "Look for errors of the batch stage in the log.", unbatched);
        if (facts.OldestUnanchoredMs is { } unanchored && facts.NowMs - unanchored > limits.UnanchoredMaxMs)
            Add(PartState.Degraded, "ledger", $"a frame waits for the ledger for {Seconds(facts.NowMs - unanchored)}.", "See the parts registry, attest and anchor for the reason.", unanchored);
        if (facts.ClockErrorMs is { } error && Math.Abs(error) > limits.ClockErrorMaxMs)
            Add(PartState.Degraded, "clock", $"this clock and the chain's differ by {Seconds(error)}.", "Check the time service (timedatectl).", null);

        string status = problems.Any(p => p.State == PartState.Failed) ? Failed
            : problems.Count > 0 ? Degraded
            : facts.Parts.Count == 0 || facts.Parts.Any(p => p.State == PartState.Starting) ? Starting
            : Healthy;
        return new HealthVerdict(status, problems);

        void Add(PartState state, string name, string reason, string next, long? since) =>
            problems.Add(new PartStatus(name, state, reason, next, since ?? facts.NowMs));
    }

    private static string Seconds(long ms) => $"{ms / 1000} s";
}

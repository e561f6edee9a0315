using System.Collections.Concurrent;

namespace DePIN.Gateway.Operate;

/// <summary>How a part is doing.</summary>
public enum PartState
{
    /// <summary>Not yet known.</summary>
    Starting,

    /// <summary>Works, or has nothing to do.</summary>
    Ok,

    /// <summary>Waits for something that normally comes by itself (an epoch, a confirmation).</summary>
    Waiting,

    /// <summary>Does not do its work now, but goes on trying; nothing is lost meanwhile.</summary>
    Degraded,

    /// <summary>Cannot do its work until a person acts.</summary>
    Failed,
}

/// <summary>What a part says about itself.</summary>
/// <param name="Name">The part.</param>
/// <param name="State">How it is doing.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="NextStep">What a person should do; empty when nothing.</param>
/// <param name="SinceMs">Since when it is in this state, ms since the Unix epoch.</param>
public sealed record PartStatus(string Name, PartState State, string Reason, string NextStep, long SinceMs);

/// <summary>
/// Where every part says how it is doing. Changes are logged once, not at every repetition: a chain that is away for a
/// day gives two lines, not a million.
/// </summary>
public sealed class HealthBoard(TimeProvider time, ILogger log)
{
    private readonly ConcurrentDictionary<string, PartStatus> _parts = new(StringComparer.Ordinal);

    /// <summary>All parts, by name.</summary>
    public IReadOnlyList<PartStatus> Parts => [.. _parts.Values.OrderBy(p => p.Name, StringComparer.Ordinal)];

    /// <summary>The part's last word, or null.</summary>
    public PartStatus? Find(string part) => _parts.GetValueOrDefault(part);

    /// <summary>Sets a part's state.</summary>
    public void Report(string part, PartState state, string reason = "", string nextStep = "")
    {
        PartStatus? before = Find(part);
        long since = before?.State == state ? before.SinceMs : time.GetUtcNow().ToUnixTimeMilliseconds();
        _parts[part] = new PartStatus(part, state, reason, nextStep, since);
        if (before?.State == state && (before.NextStep == nextStep || state < PartState.Degraded)) return;
        if (state == PartState.Failed) log.LogError("{Part}: {Reason} {NextStep}", part, reason, nextStep);
        else if (state == PartState.Degraded) log.LogWarning("{Part}: {Reason} {NextStep}", part, reason, nextStep);
        else if (before?.State >= PartState.Degraded) log.LogInformation("{Part}: works again. {Reason}", part, reason);
        else log.LogDebug("{Part}: {State} {Reason}", part, state, reason);
    }
}

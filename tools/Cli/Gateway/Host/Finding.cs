using System.Text.Json.Nodes;

namespace DePIN.Cli.Gateway.Host;

/// <summary>How bad a finding is.</summary>
public enum FindingLevel
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>The gateway works, and somebody should look.</summary>
    Warn,

    /// <summary>The gateway does not work, or will soon not.</summary>
    Fail,

    /// <summary>It could not be found out here.</summary>
    Unknown,
}

/// <summary>One thing that `depin gateway check` looked at.</summary>
/// <param name="Code">Never changes: clock, disk.free and so on; the list is in README.md.</param>
/// <param name="Level">How bad.</param>
/// <param name="What">What was found.</param>
/// <param name="Next">What to do; empty when there is nothing to do.</param>
public sealed record Finding(string Code, FindingLevel Level, string What, string Next = "")
{
    public string ToText() => $"{Level.ToString().ToLowerInvariant(),-8}{Code,-18}{What}" + (Next.Length > 0 ? $"{Environment.NewLine}{"",-26}→ {Next}" : "");

    public string ToJson() => new JsonObject { ["code"] = Code, ["level"] = Level.ToString().ToLowerInvariant(), ["what"] = What, ["next"] = Next }.ToJsonString();
}

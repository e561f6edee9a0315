namespace DePIN.Gateway.Settings;

/// <summary>
/// What a person needs to know about one setting: its text, its unit and its range. The default is the property's
/// own initial value. The template (<c>--print-config</c>) and the error messages are derived from it, so a setting
/// is documented in exactly one place.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SettingAttribute(string text) : Attribute
{
    /// <summary>One or two sentences: what it does, and what a bad choice costs.</summary>
    public string Text { get; } = text;

    /// <summary>The unit of a number, for example <c>ms</c>; empty for text.</summary>
    public string Unit { get; init; } = "";

    /// <summary>The smallest value allowed (numbers only).</summary>
    public double Min { get; init; } = double.NegativeInfinity;

    /// <summary>The largest value allowed (numbers only).</summary>
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>Whether SIGHUP takes a change over; others wait for a restart.</summary>
    public bool IsReloaded { get; init; }
}

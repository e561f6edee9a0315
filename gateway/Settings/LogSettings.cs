namespace DePIN.Gateway.Settings;

/// <summary>Section <c>log</c>.</summary>
public sealed class LogSettings
{
    [Setting("debug, information, warning or error.", IsReloaded = true)]
    public string Level { get; set; } = "information";

    [Setting("One JSON object per line instead of text.")]
    public bool Json { get; set; }
}

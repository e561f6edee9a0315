namespace DePIN.Gateway.Settings;

/// <summary>Section <c>key</c>.</summary>
public sealed class KeySettings
{
    [Setting("The key file (hex, mode 0600); empty = gateway.key in the data folder. Who reads it can sign as this gateway and spend its funds.")]
    public string File { get; set; } = "";
}

namespace DePIN.Gateway.Settings;

/// <summary>Section <c>tls</c>.</summary>
public sealed class TlsSettings
{
    [Setting("Host names and IP addresses boards use for this gateway, besides the host's own name and addresses.", IsReloaded = true)]
    public string[] Names { get; set; } = [];

    [Setting("Life of the server certificate; it is renewed when a third is left.", Unit = "days", Min = 2, Max = 825)]
    public int ServerDays { get; set; } = 365;
}

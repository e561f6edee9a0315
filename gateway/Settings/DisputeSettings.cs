namespace DePIN.Gateway.Settings;

/// <summary>Section <c>dispute</c>.</summary>
public sealed class DisputeSettings
{
    [Setting("Whether evidence that a gateway or a device signed what no honest one does is brought before the Disputes contract, from this gateway's account: two transactions, and a share of the slash. Off: evidence is kept and shown.")]
    public bool Enabled { get; set; } = true;
}

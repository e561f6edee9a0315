namespace DePIN.Gateway.Settings;

/// <summary>Section <c>dispute</c>.</summary>
public sealed class DisputeSettings
{
    [Setting("Whether evidence that a gateway or a device signed what no honest one does is brought before the Disputes contract, from this gateway's account: two transactions, and a share of the slash. Off: evidence is kept and shown, and accusations of this gateway that a list would refute are not answered.")]
    public bool Enabled { get; set; } = true;

    [Setting("Whether a gateway that signs for frames of a device that is neither registered nor a member of a known batch is accused. The account puts down a bond in tokens, and loses it when the device turns out to be a member; without the tokens nothing is sent.")]
    public bool Accuse { get; set; } = true;
}

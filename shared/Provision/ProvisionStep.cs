namespace DePIN.Provision;

/// <summary>The steps of a board, in order. Each may be repeated without harm; a run that was cut off begins again with the first.</summary>
public enum ProvisionStep
{
    /// <summary>Open the port.</summary>
    Open,

    /// <summary>Who is it: public key, board, firmware, state.</summary>
    Identify,

    /// <summary>The device's own signature for chain, registry and owner.</summary>
    Claim,

    /// <summary>On chain, or into the file of claims.</summary>
    Register,

    /// <summary>It joins the Wi-Fi network, when the template names one.</summary>
    Wifi,

    /// <summary>Settings, the gateway's authority, name and place, as a whole.</summary>
    Enrol,

    /// <summary>It starts with them.</summary>
    Restart,

    /// <summary>The gateway verified a new frame of it.</summary>
    Confirm,

    /// <summary>QR label.</summary>
    Label,

    Done,
}

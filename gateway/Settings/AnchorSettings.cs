namespace DePIN.Gateway.Settings;

/// <summary>Section <c>anchor</c>.</summary>
public sealed class AnchorSettings
{
    [Setting("Whether this gateway anchors at all. Off: frames are batched and kept, and anchored later.")]
    public bool Enabled { get; set; } = true;

    [Setting("Certificates in one anchor at most.", Min = 1, Max = 65_536)]
    public int CertificatesMax { get; set; } = 1_024;

    [Setting("The most this gateway pays per gas, tip included. Too low: anchors wait, nothing is lost.", Unit = "gwei", Min = 0.000000001, Max = 1_000_000)]
    public double FeeCapGwei { get; set; } = 100;

    [Setting("Tip per gas of the first attempt.", Unit = "gwei", Min = 0, Max = 1_000_000)]
    public double PriorityFeeGwei { get; set; } = 1;

    [Setting("A transaction without a receipt after this time is replaced at a higher fee.", Unit = "s", Min = 1, Max = 86_400)]
    public int ReplaceAfterS { get; set; } = 60;

    [Setting("Fee increase of a replacement; nodes refuse less than 12.5 (go-ethereum takes 10, others 12.5).", Unit = "percent", Min = 12.5, Max = 400)]
    public double FeeBumpPercent { get; set; } = 25;

    [Setting("A gateway that is not an epoch's leader waits this long per place in the order before it anchors instead.", Unit = "s", Min = 1, Max = 86_400)]
    public int LeaderTimeoutS { get; set; } = 60;
}

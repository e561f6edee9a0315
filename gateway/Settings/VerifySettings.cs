namespace DePIN.Gateway.Settings;

/// <summary>Section <c>verify</c>.</summary>
public sealed class VerifySettings
{
    [Setting("Signature checks at the same time; 0 = number of processors.", Min = 0, Max = 256)]
    public int Workers { get; set; }

    [Setting("Device keys kept ready for checking; about 6 KB of memory each.", Min = 16, Max = 1_000_000)]
    public int KeysCachedMax { get; set; } = 4_096;
}

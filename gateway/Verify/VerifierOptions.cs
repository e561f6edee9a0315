namespace DePIN.Gateway.Verify;

/// <summary>The verifier's limits. Everything it holds is bounded by one of them.</summary>
public sealed record VerifierOptions
{
    /// <summary>Signatures checked at the same time; 0 = one per processor.</summary>
    public int Workers { get; init; }

    /// <summary>Device keys kept ready, about 6 KB each; the least recently used goes first.</summary>
    public int KeysCachedMax { get; init; } = 4_096;

    /// <summary>Frames between submission and verdict, all devices together; above it: Busy.</summary>
    public int FramesInFlightMax { get; init; } = 32_768;

    /// <summary>The same for one device.</summary>
    public int FramesInFlightPerDeviceMax { get; init; } = 256;

    /// <summary>Unknown devices asked of the registry at the same time; above it: UnknownDevice, not remembered.</summary>
    public int LookupsMax { get; init; } = 64;

    /// <summary>How long one question to the registry may take, ms.</summary>
    public int LookupTimeoutMs { get; init; } = 5_000;

    /// <summary>Unknown devices remembered.</summary>
    public int UnknownDevicesMax { get; init; } = 4_096;

    /// <summary>How long an unknown device is not asked for again, ms.</summary>
    public int UnknownDeviceMs { get; init; } = 30_000;

    /// <summary>True while no frame may be taken: this gateway's own batches are being fetched back, and must be stored before what comes after them.</summary>
    public Func<bool> IsClosed { get; init; } = static () => false;

    /// <summary>
    /// How long frames behind one that was refused "retry later" are refused too, ms. Accepting them would make the refused one,
    /// when it comes again, a replay: lost. After this time the device has evidently given it up.
    /// </summary>
    public int RetryHoldMs { get; init; } = 60_000;
}

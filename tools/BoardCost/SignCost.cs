namespace DePIN.BoardCost;

/// <summary>What hashing, signing and framing cost on a board: executed IL instructions, native HMACs beside them, and the seconds they are estimated to take.</summary>
/// <param name="IlPerSignature">Executed IL instructions of one signature of a digest.</param>
/// <param name="HmacsPerSignature">HMAC-SHA256 the platform computes for it (RFC 6979's nonce); not in the seconds.</param>
/// <param name="IlPerHashBlock">Of one 64-byte block of SHA-256.</param>
/// <param name="IlPerFrame">From the samples to the signed record in the ring, <see cref="SignErrand"/>; the mean of some frames.</param>
public sealed record SignCost(long IlPerSignature, long HmacsPerSignature, long IlPerHashBlock, long IlPerFrame)
{
    /// <summary>What the interpreter spends on one IL instruction, native instructions; measured on nanoFramework's own.</summary>
    public const int NativePerIl = 80;

    /// <summary>The ESP32's clock.</summary>
    public const int ClockMHz = 240;

    /// <summary>The slow end: flash cache misses, the collector, other threads.</summary>
    public const double IlPerSecondSlow = 1.2e6;

    /// <summary>The fast end: the clock by the native instructions, none wasted.</summary>
    public const double IlPerSecondFast = ClockMHz * 1e6 / NativePerIl;

    private const int Frames = 8;
    private const int Blocks = 17;

    /// <summary>Slow end.</summary>
    public double SecondsPerSignature => IlPerSignature / IlPerSecondSlow;

    /// <summary>Fast end.</summary>
    public double SecondsPerSignatureFast => IlPerSignature / IlPerSecondFast;

    /// <summary>Slow end.</summary>
    public double SecondsPerFrame => IlPerFrame / IlPerSecondSlow;

    /// <summary>Fast end.</summary>
    public double SecondsPerFrameFast => IlPerFrame / IlPerSecondFast;

    /// <summary>Counts them now.</summary>
    public static SignCost Measure(IlCounter counter)
    {
        ArgumentNullException.ThrowIfNull(counter);
        Action signature = Errand(counter, nameof(SignErrand.Signature));
        signature(); // static constructors run once
        long il = counter.Measure(signature, out long hmacs);
        long one = counter.Measure(Errand(counter, nameof(SignErrand.Hash), 64));
        long all = counter.Measure(Errand(counter, nameof(SignErrand.Hash), 64 * (Blocks + 1)));
        return new SignCost(il, hmacs, (all - one) / Blocks, MeasureFrame(counter));
    }

    private static long MeasureFrame(IlCounter counter)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("depin-cost-");
        try
        {
            Action frame = Errand(counter, nameof(SignErrand.Frame), folder.FullName);
            frame(); // the first one opens the ring
            return counter.Measure(() =>
            {
                for (int i = 0; i < Frames; i++)
                {
                    frame();
                }
            }) / Frames;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Action Errand(IlCounter counter, string name, params object[] arguments) =>
        (Action)counter.Twin(typeof(SignErrand)).GetMethod(name)!.Invoke(null, arguments)!;
}

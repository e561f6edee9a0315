using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using DePIN.BoardCost;
using DePIN.Cli.Terminal;
using DePIN.Protocol;

namespace DePIN.Cli.Bench;

/// <summary>
/// The managed P-256 signer and SHA-256 that run on the board, on this machine, beside .NET's native ones; and what they cost on a
/// board, where the same IL is interpreted: instructions counted in a rewritten copy, the seconds they are estimated to take, the size
/// of the firmware and its live heap. What is counted how: tools/BoardCost/README.md.
/// </summary>
public static class SignBench
{
    private const int Rounds = 5;
    private const int HashBytes = 64 * 1024;

    private static readonly TimeSpan RoundTime = TimeSpan.FromMilliseconds(150);

    /// <summary>All of it, in a few seconds.</summary>
    public static async Task<JsonObject> RunAsync(CancellationToken cancel)
    {
        SignCost cost = SignCost.Measure(new IlCounter());
        FirmwareSize size = FirmwareSize.Measure();
        HeapCost heap = await MeasureHeapAsync(cancel).ConfigureAwait(false);
        JsonObject result = MeasureHere(cancel);
        result["ilPerSignature"] = cost.IlPerSignature;
        result["hmacsPerSignature"] = cost.HmacsPerSignature;
        result["ilPerHashBlock"] = cost.IlPerHashBlock;
        result["ilPerFrame"] = cost.IlPerFrame;
        result["secondsPerSignature"] = Math.Round(cost.SecondsPerSignature, 3);
        result["secondsPerSignatureFast"] = Math.Round(cost.SecondsPerSignatureFast, 3);
        result["secondsPerFrame"] = Math.Round(cost.SecondsPerFrame, 3);
        result["secondsPerFrameFast"] = Math.Round(cost.SecondsPerFrameFast, 3);
        result["firmwareBytes"] = size.Bytes;
        result["heapBytes"] = heap.Bytes;
        return result;
    }

    /// <summary>For a person: each figure with what it is and what it assumes.</summary>
    public static string Table(JsonObject result)
    {
        ArgumentNullException.ThrowIfNull(result);
        (string Name, string Unit, string About)[] rows =
        [
            ("signaturesPerSecond", "", "managed signer, this machine"),
            ("nativeSignaturesPerSecond", "", ".NET's own, this machine"),
            ("signRatio", "", "managed by native"),
            ("hashMiBPerSecond", "", "managed SHA-256, this machine"),
            ("hashRatio", "", "managed by native"),
            ("ilPerSignature", "IL", "executed instructions of one signature"),
            ("hmacsPerSignature", "", "native code on a board: not in the seconds"),
            ("ilPerHashBlock", "IL", "64 bytes of SHA-256"),
            ("ilPerFrame", "IL", $"{SignErrand.Rounds} rounds of {SignErrand.SamplesPerRound} samples: compose, hash, sign, ring record"),
            ("secondsPerSignature", "s", $"ESP32, slow end: {SignCost.IlPerSecondSlow / 1e6:0.0} M IL/s"),
            ("secondsPerSignatureFast", "s", $"fast end: {SignCost.IlPerSecondFast / 1e6:0.0} M IL/s"),
            ("secondsPerFrame", "s", "slow end, flash writes not in it"),
            ("secondsPerFrameFast", "s", "fast end, flash writes not in it"),
            ("firmwareBytes", "B", $"own code as one .pe, computed from its IL; target {FirmwareSize.BytesTarget}"),
            ("heapBytes", "B", $"own live objects, connected with TLS; target {HeapCost.BytesMax}"),
        ];
        return string.Join(Environment.NewLine, rows.Select(row => $"{row.Name,-26} {result[row.Name],9} {row.Unit,-2}  {row.About}"))
            + $"{Environment.NewLine}The seconds are an estimate for {SignCost.ClockMHz} MHz, about {SignCost.NativePerIl} native instructions an IL instruction; not measured on a board.";
    }

    private static async Task<HeapCost> MeasureHeapAsync(CancellationToken cancel)
    {
        try
        {
            return await HeapCost.MeasureAsync(cancel).ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new CliError(ExitCode.Failed, error.Message, "run it again on a machine that is less busy");
        }
    }

    private static JsonObject MeasureHere(CancellationToken cancel)
    {
        P256Signer signer = new(P256Signer.CreatePrivateKey(new SystemRandomSource()));
        using ECDsa native = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] frame = RandomNumberGenerator.GetBytes(FrameFormat.HeaderBytes + (4 * FrameFormat.SampleBytes));
        byte[] signature = new byte[FrameFormat.SignatureBytes];
        byte[] text = RandomNumberGenerator.GetBytes(HashBytes);
        byte[] digest = new byte[Sha256.DigestBytes];
        double[] managedRates = new double[Rounds], nativeRates = new double[Rounds], hashRates = new double[Rounds], nativeHashRates = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            managedRates[round] = PerSecond(() => signer.Sign(frame, 0, frame.Length, signature, 0), cancel);
            nativeRates[round] = PerSecond(() => native.SignData(frame, signature, HashAlgorithmName.SHA256), cancel);
            hashRates[round] = PerSecond(() => Sha256.Hash(text, 0, text.Length, digest, 0), cancel);
            nativeHashRates[round] = PerSecond(() => SHA256.HashData(text, digest), cancel);
        }

        double managed = Median(managedRates), hash = Median(hashRates);
        return new JsonObject
        {
            ["signaturesPerSecond"] = Math.Round(managed),
            ["nativeSignaturesPerSecond"] = Math.Round(Median(nativeRates)),
            ["signRatio"] = Math.Round(managed / Median(nativeRates), 4),
            ["hashMiBPerSecond"] = Math.Round(hash * HashBytes / (1024 * 1024), 1),
            ["hashRatio"] = Math.Round(hash / Median(nativeHashRates), 4),
        };
    }

    private static double PerSecond(Action action, CancellationToken cancel)
    {
        action(); // compiled before it is timed
        long start = Stopwatch.GetTimestamp();
        int done = 0;
        TimeSpan elapsed;
        do
        {
            cancel.ThrowIfCancellationRequested();
            action();
            done++;
            elapsed = Stopwatch.GetElapsedTime(start);
        }
        while (elapsed < RoundTime);
        return done / elapsed.TotalSeconds;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    private sealed class SystemRandomSource : IRandomSource
    {
        public void Fill(byte[] buffer, int offset, int count) => RandomNumberGenerator.Fill(buffer.AsSpan(offset, count));
    }
}

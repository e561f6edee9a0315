using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using DePIN.Protocol;

namespace DePIN.Cli.Bench;

/// <summary>
/// The managed P-256 signer and SHA-256 that run on the board, on this machine, beside .NET's native ones. On a board the same IL
/// is interpreted: the counted instructions in tests/Protocol say more about it than these seconds.
/// </summary>
public static class SignBench
{
    private const int Rounds = 5;
    private const int HashBytes = 64 * 1024;

    private static readonly TimeSpan RoundTime = TimeSpan.FromMilliseconds(400);

    public static Task<JsonObject> RunAsync(CancellationToken cancel)
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
        return Task.FromResult(new JsonObject
        {
            ["signaturesPerSecond"] = Math.Round(managed),
            ["nativeSignaturesPerSecond"] = Math.Round(Median(nativeRates)),
            ["signRatio"] = Math.Round(managed / Median(nativeRates), 4),
            ["hashMiBPerSecond"] = Math.Round(hash * HashBytes / (1024 * 1024), 1),
            ["hashRatio"] = Math.Round(hash / Median(nativeHashRates), 4),
        });
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

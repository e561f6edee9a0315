// What the firmware's tests share: a clock that is told the time, a signer that is cheap and deterministic, hardware for one test, and
// waiting on conditions.

using System.Diagnostics;
using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Tests;

/// <summary>Time as the test says.</summary>
internal sealed class ManualTime : ITimeSource
{
    public long Uptime { get; set; } = 1000;

    public long Wall { get; set; }

    /// <summary>What the time server says; null: it does not answer.</summary>
    public long? Server { get; set; }

    public int Asked { get; private set; }

    public long UptimeMs() => Uptime;

    public long WallMs() => Wall;

    public void SetWallMs(long unixMs) => Wall = unixMs;

    public bool AskTimeServer(string server)
    {
        Asked++;
        if (Server is { } told)
        {
            Wall = told;
        }

        return Server is not null;
    }
}

/// <summary>A keyed hash in the place of a signature: same bytes, same signature, and a record of everything that was ever signed.</summary>
internal sealed class RecordingSigner : IDeviceSigner
{
    private static readonly byte[] Key = [1, 2, 3];

    /// <summary>Body by sequence, as signed.</summary>
    public Dictionary<ulong, byte[]> Signed { get; } = [];

    /// <summary>Sequences that were signed twice with different content.</summary>
    public List<ulong> Contradictions { get; } = [];

    public byte KeyKind => KeyKinds.Software;

    public static byte[] SignatureOf(ReadOnlySpan<byte> body) => HMACSHA512.HashData(Key, body);

    public void ReadPublicKey(byte[] destination, int offset) => Array.Clear(destination, offset, 64);

    public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
    {
        byte[] body = buffer.AsSpan(offset, count).ToArray();
        ulong sequence = FrameParser.Sequence(body, 0);
        if (Signed.TryGetValue(sequence, out byte[]? before) && !before.AsSpan().SequenceEqual(body))
        {
            Contradictions.Add(sequence);
        }

        Signed[sequence] = body;
        SignatureOf(body).CopyTo(signature, signatureOffset);
    }
}

/// <summary>Entropy from a seed.</summary>
internal sealed class SeededEntropy(int seed) : IRandomSource
{
    private readonly Random _random = new(seed);

    public int Draws { get; private set; }

    public void Fill(byte[] buffer, int offset, int count)
    {
        Draws++;
        _random.NextBytes(buffer.AsSpan(offset, count));
    }
}

/// <summary>Waiting for what must come.</summary>
internal static class Eventually
{
    private const int LimitMs = 60_000;

    public static void True(Func<bool> condition, string what)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.ElapsedMilliseconds > LimitMs)
            {
                Assert.Fail($"never came: {what}");
            }

            Thread.Sleep(10);
        }
    }
}

/// <summary>Where the repository's files are.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "DePIN.Edge.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("the tests do not run inside the repository");
    }
}

using System.Diagnostics;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;

namespace DePIN.Gateway.Tests.Store;

/// <summary>kill -9 in the middle of group commits: what was acknowledged is there, once, byte for byte, and every round starts again.</summary>
internal sealed class KillTests
{
    private const int Rounds = 50;
    private const int Devices = 8;
    private const int FramesPerDevice = 5_000;
    private const int Seed = 9;

    [Test]
    public async Task What_was_acknowledged_survives_fifty_kills_exactly_once()
    {
        string folder = Directory.CreateTempSubdirectory("depin-kill-").FullName;
        byte[][][] frames = new byte[Devices][][];
        byte[][] keys = new byte[Devices][];
        for (int d = 0; d < Devices; d++)
        {
            using SigningDevice device = new();
            keys[d] = device.PublicKey;
            frames[d] = [.. Enumerable.Range(0, FramesPerDevice).Select(_ => device.Next())];
        }
        StoreChild.WriteFrames(folder, keys, frames);

        Random random = new(Seed);
        ulong[] acknowledged = new ulong[Devices];
        int killed = 0;
        for (int round = 0; round < Rounds; round++)
        {
            int lines = 0;
            int killAt = random.Next(1, 700);
            using Process child = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(KillTests).Assembly.Location, "store-child", folder])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            Task<string> errors = child.StandardError.ReadToEndAsync();
            while (await child.StandardOutput.ReadLineAsync() is string line)
            {
                string[] parts = line.Split(' ');
                // A line the kill cut in two says nothing.
                if (parts.Length != 2 || !ulong.TryParse(parts[1], out ulong sequence))
                    continue;
                int device = int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture);
                if (lines < killAt)
                    acknowledged[device] = Math.Max(acknowledged[device], sequence);
                if (++lines == killAt)
                {
                    child.Kill();
                    killed++;
                }
            }
            await child.WaitForExitAsync();
            if (lines < killAt && child.ExitCode != 0)
                Assert.Fail($"round {round}: the child ended by itself: {await errors}");
            Check(folder, frames, acknowledged, round);
        }
        TestContext.Out.WriteLine($"{killed} kills, acknowledged {string.Join(' ', acknowledged)}");
        Assert.That(killed, Is.GreaterThanOrEqualTo(Rounds - 5));
        Directory.Delete(folder, recursive: true);
    }

    private static void Check(string folder, byte[][][] frames, ulong[] acknowledged, int round)
    {
        using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(folder, "frames.db"), IndexIntervalFrames = 300 });
        Assert.That(log.CheckAll(), Is.Empty);
        // Device numbers follow registration; the frames say whose they are.
        ulong[] last = new ulong[Devices];
        Dictionary<string, int> byId = Enumerable.Range(0, Devices).ToDictionary(d => Convert.ToHexString(frames[d][0], 8, 20));
        long rows = 0;
        foreach (StoredFrame stored in log.Frames(1, log.LastRow))
        {
            rows++;
            int device = byId[Convert.ToHexString(stored.Frame, 8, 20)];
            ulong sequence = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(stored.Frame.AsSpan(32));
            // Ascending without holes is: each exactly once.
            if (sequence != last[device] + 1 || !stored.Frame.AsSpan().SequenceEqual(frames[device][sequence - 1]))
                Assert.Fail($"round {round}, row {stored.Row}: device {device} sequence {sequence} after {last[device]}");
            last[device] = sequence;
        }
        Assert.That(rows, Is.EqualTo(log.LastRow));
        for (int d = 0; d < Devices; d++)
            Assert.That(last[d], Is.GreaterThanOrEqualTo(acknowledged[d]), $"round {round}: device {d} lost acknowledged frames");
    }
}

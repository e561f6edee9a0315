using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Store;

/// <summary>
/// 500 stores with damage at random places, seeded: bits flipped and files cut short, in partitions, write-ahead logs and the database. Each one opens,
/// serves nothing that was never stored, says what is lost, and goes on.
/// </summary>
internal sealed class CorruptionTests
{
    private const int Cases = 500;
    private const int Frames = 400;
    private const int CheckpointedFrames = 330;

    [Test]
    public async Task After_any_damage_the_store_opens_serves_nothing_wrong_and_says_what_is_lost()
    {
        string folder = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"depin-corrupt-{Environment.ProcessId}"); // in memory: 500 times a dozen syncs
        try
        {
            (string whole, List<byte[]> sent) = await MakeAsync(folder);
            List<string> wrong = [];
            int lossless = 0, salvaged = 0;
            for (int seed = 0; seed < Cases; seed++)
            {
                string copy = Path.Combine(folder, "case");
                Copy(whole, copy);
                string what = Damage(copy, new Random(seed));
                try
                {
                    long lost = Check(Path.Combine(copy, "frames.db"), sent, what);
                    if (lost == 0) lossless++;
                    else salvaged++;
                }
                catch (Exception fault) when (fault is not OperationCanceledException)
                {
                    wrong.Add($"seed {seed}, {what}: {fault.GetType().Name} {fault.Message}");
                }
                Directory.Delete(copy, recursive: true);
            }
            TestContext.Out.WriteLine($"{lossless} lost nothing, {salvaged} lost some and said so");
            Assert.That(wrong, Is.Empty);
            Assert.That(salvaged, Is.GreaterThan(Cases / 20));
            Assert.That(lossless, Is.GreaterThan(Cases / 20));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public async Task A_database_that_is_gone_is_built_again_from_the_partitions_and_old_frames_stay_old()
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", PartitionBytesMax = 24 * 1024, IndexIntervalFrames = 100 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        using SigningDevice other = await pipeline.AddDeviceAsync();
        List<byte[]> sent = [], others = [];
        for (int i = 0; i < 300; i++)
        {
            sent.Add(device.Next());
            others.Add(other.Next());
            Assert.That(await Task.WhenAll(pipeline.SubmitAsync(device, sent[^1]), pipeline.SubmitAsync(other, others[^1])), Is.All.EqualTo(FrameVerdict.Accepted));
        }
        int number = pipeline.DeviceNumber(device);
        pipeline.Stop();
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(pipeline.Store.Path)!, "frames.db*")) File.Delete(file);
        pipeline.Start();
        Assert.That(pipeline.Log.Damage, Has.Count.EqualTo(1).And.Some.Contains("built again"));
        Assert.That(pipeline.Devices.Find(device.Id), Is.Null, "the key comes from the chain");
        Assert.That(await pipeline.Devices.PutAsync(device.Registration), Is.True);
        Assert.That(await pipeline.Devices.PutAsync(other.Registration), Is.True);
        Assert.That(pipeline.DeviceNumber(device), Is.EqualTo(number), "the number is in the frames");
        Assert.That(pipeline.Log.FramesOf(number, 1, 1_000).Select(static one => one.Frame), Is.EqualTo(sent));
        Assert.That(pipeline.Log.NewestOf(number, 1, ulong.MaxValue, 1_000).Select(static one => one.Frame), Is.EqualTo(sent.AsEnumerable().Reverse()));
        Assert.That(pipeline.Log.FramesOf(pipeline.DeviceNumber(other), 1, 1_000).Select(static one => one.Frame), Is.EqualTo(others));
        Assert.That(await pipeline.SubmitAsync(device, sent[0]), Is.EqualTo(FrameVerdict.Duplicate));
        Assert.That(await pipeline.SubmitAsync(device, device.Next()), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(pipeline.Log.LastRow, Is.EqualTo(601));
        Assert.That(pipeline.Log.LostFrames, Is.Zero);
    }

    // Closed partitions, an open one with a write-ahead log that was not folded in, devices, index and batches.
    private static async Task<(string Folder, List<byte[]> Sent)> MakeAsync(string folder)
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", PartitionBytesMax = 16 * 1024, IndexIntervalFrames = 40 });
        using SigningDevice one = await pipeline.AddDeviceAsync();
        using SigningDevice two = await pipeline.AddDeviceAsync();
        List<byte[]> sent = [];
        BatcherOptions cutting = new() { Gateway = new Address(SHA256.HashData("gateway"u8).AsSpan(12)), FramesMax = 64 };
        for (int i = 0; i < Frames; i++)
        {
            SigningDevice device = i % 3 == 0 ? two : one;
            sent.Add(device.Next(i % 5));
            Assert.That(await pipeline.SubmitAsync(device, sent[^1]), Is.EqualTo(FrameVerdict.Accepted));
            if (i % 100 == 99) await new Batcher(cutting, pipeline.Log).CutNowAsync();
            if (i == CheckpointedFrames) pipeline.Restart();
        }
        // As a cut of the power leaves it: the last frames are in the write-ahead logs only.
        string copy = Path.Combine(folder, "whole");
        Copy(Path.GetDirectoryName(pipeline.Store.Path)!, copy);
        Assert.That(Directory.GetFiles(Path.Combine(copy, "frames"), "*-wal").Any(static file => new FileInfo(file).Length > 0), Is.True);
        return (copy, sent);
    }

    private static string Damage(string folder, Random random)
    {
        string[] files = [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Where(static file => !file.EndsWith("-shm", StringComparison.Ordinal) && new FileInfo(file).Length > 0).Order(StringComparer.Ordinal)];
        string path = files[random.Next(files.Length)];
        byte[] bytes = File.ReadAllBytes(path);
        string what;
        switch (random.Next(4))
        {
            case 0:
                int length = random.Next(bytes.Length);
                Array.Resize(ref bytes, length);
                what = $"cut to {length}";
                break;
            case 1:
                int at = random.Next(bytes.Length);
                random.NextBytes(bytes.AsSpan(at, Math.Min(random.Next(1, 4_096), bytes.Length - at)));
                what = $"noise from {at}";
                break;
            default:
                int flips = random.Next(1, 8);
                for (int i = 0; i < flips; i++) bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                what = $"{flips} bits flipped";
                break;
        }
        File.WriteAllBytes(path, bytes);
        return $"{Path.GetFileName(path)} {what}";
    }

    /// <summary>Gives how many rows are gone.</summary>
    private static long Check(string path, List<byte[]> sent, string what)
    {
        FrameLogOptions options = new() { Path = path, PartitionBytesMax = 16 * 1024, IndexIntervalFrames = 40, FreeSpaceFloorBytes = 0 };
        using FrameLog log = FrameLog.Open(options);
        long last = log.LastRow;
        // Reading all of it finds what the start did not look at; after that a read gives what was stored or nothing.
        for (int round = 0; ; round++)
        {
            HashSet<long> served = [];
            try
            {
                foreach (StoredFrame frame in log.Frames(1, last))
                {
                    if (!frame.Frame.AsSpan().SequenceEqual(sent[(int)frame.Row - 1])) throw new InvalidDataException($"row {frame.Row} is not what was stored");
                    served.Add(frame.Row);
                }
            }
            catch (StoreException fault) when (fault.Fault == StoreFault.Corrupt && round < 40)
            {
                log.WriteAsync(static _ => 0, whenFull: true).GetAwaiter().GetResult(); // after the writer's turn what was found is put right
                continue;
            }
            HashSet<long> lost = [.. log.LostRows(1, last)];
            for (long row = 1; row <= last; row++)
            {
                if (served.Contains(row) == lost.Contains(row)) throw new InvalidDataException($"row {row} is gone in silence");
            }
            long gone = sent.Count - served.Count;
            // A write-ahead log that is cut short, or is damaged in its last group (of one frame here), looks like a group that was never committed.
            if (what.Contains("-wal", StringComparison.Ordinal) && gone == sent.Count - last && (gone == 1 || what.Contains("cut", StringComparison.Ordinal))) return gone;
            if (gone > 0 && log.Damage.Count == 0) throw new InvalidDataException($"{gone} rows are gone, of {last} known, and nothing is said");
            return gone;
        }
    }

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            if (file.EndsWith(".lock", StringComparison.Ordinal)) continue;
            string made = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(made)!);
            File.Copy(file, made);
        }
    }
}

using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using System.Security.Cryptography;

namespace DePIN.Gateway.Tests.Store;

/// <summary>
/// Power cuts on the real store: every write and sync that SQLite asks of the disk is recorded (<see cref="RecordingDisk"/>), then the disk is put
/// together as it may look after a cut at any moment: what was synced is there, of the rest any part, in any order, torn in the middle of a page.
/// </summary>
internal sealed class PowerCutTests
{
    private const int Cuts = 150;

    [Test]
    public async Task What_was_acknowledged_is_there_after_a_power_cut_at_any_moment()
    {
        using RecordingDisk disk = RecordingDisk.Begin();
        List<byte[]> sent = [];
        List<(int Event, int Frames)> acknowledged = [(0, 0)];
        List<(int Event, ulong Batch)> told = [(0, 0)];
        string folder;
        using (Pipeline pipeline = new(store: new FrameLogOptions { Path = "", PartitionBytesMax = 12 * 1024, IndexIntervalFrames = 60 }))
        {
            folder = Path.GetDirectoryName(pipeline.Store.Path)!;
            using SigningDevice device = await pipeline.AddDeviceAsync();
            acknowledged.Add((disk.Events, 0));
            Batcher batcher = new(new BatcherOptions { Gateway = new Address(SHA256.HashData("gateway"u8).AsSpan(12)), FramesMax = 64 }, pipeline.Log);
            for (int i = 0; i < 60; i++)
            {
                List<byte[]> group = [.. Enumerable.Range(0, 1 + i % 9).Select(_ => device.Next(i % 4))];
                sent.AddRange(group);
                Assert.That(await Task.WhenAll(group.Select(frame => pipeline.SubmitAsync(device, frame))), Is.All.EqualTo(FrameVerdict.Accepted));
                acknowledged.Add((disk.Events, sent.Count));
                if (i % 12 != 11) continue;
                await batcher.CutNowAsync();
                told.Add((disk.Events, batcher.Last!.Number));
            }
        }
        Assert.That(disk.Events, Is.GreaterThan(200));

        Random random = new(6);
        string image = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"depin-cut-{Environment.ProcessId}");
        int firstStart = acknowledged[1].Event, lostUnacknowledged = 0;
        for (int i = 0; i < Cuts; i++)
        {
            int cut = random.Next(firstStart, disk.Events + 1);
            disk.WriteImage(folder, image, cut, random);
            int frames = acknowledged.Last(one => one.Event <= cut).Frames;
            ulong batch = told.Last(one => one.Event <= cut).Batch;
            using (FrameLog log = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(image, "frames.db"), PartitionBytesMax = 12 * 1024, FreeSpaceFloorBytes = 0 }))
            {
                string at = $"cut {i} at event {cut} of {disk.Events}";
                Assert.That(log.LastRow, Is.GreaterThanOrEqualTo(frames), at);
                Assert.That(log.Frames(1, log.LastRow).Select(static one => one.Frame), Is.EqualTo(sent.Take((int)log.LastRow)), at);
                Assert.That(log.LastBatch()?.Number ?? 0, Is.GreaterThanOrEqualTo(batch), at);
                Assert.That(log.LastBatch()?.LastRow ?? 0, Is.LessThanOrEqualTo(log.LastRow), at);
                if (log.LastBatch() is { } last) Assert.That(new BatchReader(log).Summary(last).IsConsistent(), Is.True, at);
                Assert.That(log.Damage, Is.Empty, at);
                Assert.That(log.LostFrames, Is.Zero, at);
                if (log.LastRow < sent.Count && log.LastRow == frames) lostUnacknowledged++;
            }
            Directory.Delete(image, recursive: true);
        }
        Assert.That(lostUnacknowledged, Is.Positive, "the cuts were in the middle of something");
    }
}

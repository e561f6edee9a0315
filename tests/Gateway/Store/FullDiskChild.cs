using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Store;

/// <summary>
/// The process on the small disk (a tmpfs of 6 MiB): fills it, sees frames refused, reads all that was acknowledged, goes on when there is room, and
/// starts again on what it wrote. Then the disk becomes read-only. Ends with 0 when all of it went as it should, else says what did not.
/// </summary>
internal static class FullDiskChild
{
    private const int FramesMax = 40_000;

    public static async Task<int> RunAsync(string folder)
    {
        string ballast = Path.Combine(folder, "ballast");
        File.WriteAllBytes(ballast, new byte[1 << 20]);
        FrameLogOptions options = new() { Path = Path.Combine(folder, "frames.db"), FreeSpaceFloorBytes = 0, PartitionBytesMax = 128 * 1024, ReopenIntervalMs = 50 };
        using SigningDevice device = new();
        List<byte[]> acknowledged = [];
        byte[] refused;
        using (FrameLog log = FrameLog.Open(options))
        {
            DeviceTable table = new(log);
            await table.PutAsync(device.Registration);
            using FrameVerifier verifier = new(new VerifierOptions(), table, log);
            while (await verifier.SubmitAsync(device.IdBytes, refused = device.Next(40), default) == FrameVerdict.Accepted)
            {
                acknowledged.Add(refused);
                if (acknowledged.Count > FramesMax) return Say("the disk never filled up");
            }
            if (log.State is not (StoreFault.Full or StoreFault.Unavailable)) return Say($"refused in state {log.State}");
            if (!Same(log, acknowledged)) return Say("what was acknowledged cannot be read on the full disk");
            File.Delete(ballast);
            DateTime until = DateTime.UtcNow.AddMinutes(1);
            FrameVerdict verdict;
            while ((verdict = await verifier.SubmitAsync(device.IdBytes, refused, default)) is not (FrameVerdict.Accepted or FrameVerdict.Duplicate))
            {
                if (DateTime.UtcNow > until) return Say($"with room again the frame is still {verdict}: {log.State} {log.LastError}");
                await Task.Delay(20);
            }
            acknowledged.Add(refused);
        }

        using (FrameLog log = FrameLog.Open(options))
            if (!Same(log, acknowledged) || log.Damage.Count > 0 || log.CheckAll().Count > 0) return Say("what was acknowledged is not there after a start");
        if (await MountAsync("-o", "remount,ro", folder) != 0) return Say("the disk could not be made read-only");
        try
        {
            FrameLog.Open(options).Dispose();
            return Say("a store on a read-only disk was opened");
        }
        catch (StoreException fault)
        {
            if (!fault.Message.Contains(options.Path, StringComparison.Ordinal)) return Say($"a read-only disk is not explained: {fault.Message}");
            Console.WriteLine(fault.Message);
        }

        if (await MountAsync("-o", "remount,rw", folder) != 0) return Say("the disk could not be made writable again");
        using (FrameLog log = FrameLog.Open(options))
            if (!Same(log, acknowledged)) return Say("what was acknowledged is not there after the disk was read-only");
        Console.WriteLine($"{acknowledged.Count} frames");
        return 0;
    }

    private static bool Same(FrameLog log, List<byte[]> frames) =>
        log.LastRow == frames.Count && log.Frames(1, log.LastRow).Select(static one => one.Frame).Zip(frames).All(static pair => pair.First.AsSpan().SequenceEqual(pair.Second));

    private static async Task<int> MountAsync(params string[] arguments)
    {
        using System.Diagnostics.Process mount = System.Diagnostics.Process.Start("mount", arguments);
        await mount.WaitForExitAsync();
        return mount.ExitCode;
    }

    private static int Say(string what)
    {
        Console.WriteLine(what);
        return 1;
    }
}

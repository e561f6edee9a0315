using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Store;

/// <summary>The process that gets killed: takes the frames of a file, device by device with 20 in flight, and prints "device sequence" after each acknowledgement.</summary>
internal static class StoreChild
{
    public const string FramesFile = "frames.bin";

    /// <summary>Acknowledged frames submitted again after a start: duplicates, for the most part.</summary>
    private const int Overlap = 10;

    public static void WriteFrames(string folder, byte[][] publicKeys, byte[][][] frames)
    {
        using BinaryWriter writer = new(File.Create(Path.Combine(folder, FramesFile)));
        writer.Write(publicKeys.Length);
        for (int d = 0; d < publicKeys.Length; d++)
        {
            writer.Write(publicKeys[d]);
            writer.Write(frames[d].Length);
            foreach (byte[] frame in frames[d])
            {
                writer.Write(frame.Length);
                writer.Write(frame);
            }
        }
    }

    public static async Task<int> RunAsync(string folder)
    {
        List<(byte[] Key, byte[][] Frames)> devices = [];
        using (BinaryReader reader = new(File.OpenRead(Path.Combine(folder, FramesFile))))
        {
            for (int d = reader.ReadInt32(); d > 0; d--)
            {
                byte[] key = reader.ReadBytes(64);
                byte[][] frames = new byte[reader.ReadInt32()][];
                for (int i = 0; i < frames.Length; i++)
                    frames[i] = reader.ReadBytes(reader.ReadInt32());
                devices.Add((key, frames));
            }
        }
        using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(folder, "frames.db"), IndexIntervalFrames = 300 });
        DeviceTable table = new(log);
        using FrameVerifier verifier = new(new VerifierOptions(), table, log);
        Stream acknowledged = Console.OpenStandardOutput();
        await Task.WhenAll(devices.Select((device, number) => Task.Run(async () =>
        {
            DeviceIdValue id = new(System.Security.Cryptography.SHA256.HashData(device.Key).AsSpan(12));
            await table.PutAsync(new RegisteredDevice(id, device.Key, 1, new byte[20], 1, 0));
            byte[] topic = id.ToArray();
            Queue<(int Index, Task<FrameVerdict> Verdict)> window = [];
            for (int i = Math.Max(0, (int)table.Find(id)!.Log.LastSequence - Overlap); i < device.Frames.Length || window.Count > 0; i++)
            {
                if (window.Count == 20 || i >= device.Frames.Length)
                {
                    (int index, Task<FrameVerdict> verdict) = window.Dequeue();
                    if (!(await verdict).IsDurable())
                        throw new InvalidOperationException($"frame {index + 1} of device {number}: {await verdict}");
                    byte[] line = System.Text.Encoding.ASCII.GetBytes($"{number} {index + 1}\n");
                    lock (acknowledged)
                    {
                        acknowledged.Write(line);
                        acknowledged.Flush();
                    }
                }
                if (i < device.Frames.Length)
                    window.Enqueue((i, verifier.SubmitAsync(topic, device.Frames[i], default).AsTask()));
            }
        })));
        return 0;
    }
}

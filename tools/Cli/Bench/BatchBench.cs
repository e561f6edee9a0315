using System.Diagnostics;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;

namespace DePIN.Cli.Bench;

/// <summary>What to measure.</summary>
/// <param name="Batches">Batches cut.</param>
/// <param name="FramesPerBatch">Frames in each.</param>
public sealed record BatchBenchOptions(int Batches = 8, int FramesPerBatch = 4_096);

/// <summary>The figures; property names are the JSON keys.</summary>
/// <param name="framesPerSecond">Frames read, hashed and rooted per second by the one thread that cuts.</param>
/// <param name="msPerBatch">Time from the decision to the durable batch, ms.</param>
/// <param name="proofMs">Time to prove one frame, ms.</param>
/// <param name="bodyMiBPerSecond">Streaming of bodies from the store.</param>
/// <param name="framesPerBatch">Frames in a batch.</param>
#pragma warning disable IDE1006 // The JSON keys are the contract.
public sealed record BatchBenchResult(double framesPerSecond, double msPerBatch, double proofMs, double bodyMiBPerSecond, int framesPerBatch);
#pragma warning restore IDE1006

/// <summary>How fast stored frames become batches. The store is real and on disk; frames come in through the verifier, outside the measured time.</summary>
public sealed class BatchBench(BatchBenchOptions options)
{
    /// <summary>Runs it; some seconds.</summary>
    public async Task<BatchBenchResult> RunAsync(CancellationToken cancellationToken = default)
    {
        string folder = Directory.CreateTempSubdirectory("depin-bench-").FullName;
        try
        {
            using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(folder, "frames.db") });
            await FillAsync(log, cancellationToken).ConfigureAwait(false);
            Batcher batcher = new(new BatcherOptions { Gateway = new Address([.. Enumerable.Repeat((byte)1, Address.Bytes)]), FramesMax = options.FramesPerBatch }, log);
            long started = Stopwatch.GetTimestamp();
            await batcher.CutNowAsync().ConfigureAwait(false);
            double cutSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;

            BatchReader reader = new(log);
            started = Stopwatch.GetTimestamp();
            for (ulong number = 1; number <= (ulong)options.Batches; number++)
                reader.Prove(log.BatchAt(number)!.FirstRow);
            double proofSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;

            started = Stopwatch.GetTimestamp();
            long bytes = 0;
            for (ulong number = 1; number <= (ulong)options.Batches; number++)
            {
                foreach (ReadOnlyMemory<byte> chunk in reader.BodyChunks(log.BatchAt(number)!))
                    bytes += chunk.Length;
            }
            double bodySeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            double frames = (double)options.Batches * options.FramesPerBatch;
            return new BatchBenchResult(Math.Round(frames / cutSeconds), Math.Round(cutSeconds * 1000 / options.Batches, 2), Math.Round(proofSeconds * 1000 / options.Batches, 2),
                Math.Round(bytes / bodySeconds / 1048576, 1), options.FramesPerBatch);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task FillAsync(FrameLog log, CancellationToken cancellationToken)
    {
        DeviceTable table = new(log);
        using FrameVerifier verifier = new(new VerifierOptions(), table, log);
        int left = options.Batches * options.FramesPerBatch;
        using SigningDevice device = new();
        await table.PutAsync(device.Registration).ConfigureAwait(false);
        byte[] topic = device.IdBytes;
        while (left > 0)
        {
            Task<FrameVerdict>[] group = [.. Enumerable.Range(0, Math.Min(left, 200)).Select(_ => verifier.SubmitAsync(topic, device.Next(4), cancellationToken).AsTask())];
            if ((await Task.WhenAll(group).ConfigureAwait(false)).Any(verdict => verdict != FrameVerdict.Accepted))
                throw new InvalidOperationException("A frame of the benchmark was refused.");
            left -= group.Length;
        }
    }
}

using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;

namespace DePIN.Cli.Bench;

/// <summary>The figures of one network; property names are the JSON keys.</summary>
/// <param name="gateways">Gateway processes, all active.</param>
/// <param name="framesPerSecond">Frames that got their certificate, per second, in the whole network.</param>
/// <param name="bytesPerFrame">Bytes sent on all streams between gateways, per certified frame.</param>
/// <param name="certificateP50Ms">Median time from a frame's PUBACK to the certificate over its batch, ms.</param>
/// <param name="certificateP99Ms">99th percentile of it.</param>
/// <param name="anchorP50Ms">Median time from a frame's PUBACK to the final ledger entry over its batch, ms.</param>
/// <param name="anchorP99Ms">99th percentile of it.</param>
/// <param name="rssMiB">The largest resident set of a gateway's process, MiB.</param>
/// <param name="cpuUsPerFrame">Processor time of all gateways together per certified frame, µs.</param>
/// <param name="batchAgeS">Condition: a batch is cut at this age, s.</param>
/// <param name="epochSeconds">Condition: one anchor in so many seconds at most.</param>
#pragma warning disable IDE1006 // The JSON keys are the contract.
public sealed record NetworkBenchResult(
    int gateways, double framesPerSecond, double bytesPerFrame, double certificateP50Ms, double certificateP99Ms, double anchorP50Ms, double anchorP99Ms, double rssMiB, double cpuUsPerFrame,
    int batchAgeS, ulong epochSeconds);
#pragma warning restore IDE1006

/// <summary>
/// How many frames a second a network of real gateway processes attests on this machine, what it says for it, and how long it takes. Every gateway
/// checks every frame, so the load is what this machine can check so many times over: it is raised until certificates lag, and what was
/// sustained is measured. Frames acknowledged in the measured time are followed to their ledger entry, while the load goes on.
/// </summary>
/// <param name="gateways">Processes.</param>
/// <param name="measured">The time measured.</param>
/// <param name="say">Takes a line about the progress.</param>
internal sealed class NetworkBench(int gateways, TimeSpan measured, Action<string> say)
{
    /// <summary>The first load, as a part of the checks a second that this machine makes now.</summary>
    private const double FirstPart = 0.2;

    /// <summary>The next load by the last one, while certificates come almost as fast as without load.</summary>
    private const double RaiseFast = 2;

    private const double Raise = 1.3;

    /// <summary>Loads tried at most.</summary>
    private const int StepsMax = 10;

    /// <summary>The first load is at least this, and none below it is tried: frames a second and gateway.</summary>
    private const double LeastPerGateway = 2;

    /// <summary>How often the first load runs until certificates come no faster any more: gateways that just started still compile.</summary>
    private const int WarmUpsMax = 8;

    /// <summary>A warm-up that makes certificates no faster than this part of the time before was the last one.</summary>
    private const double WarmedUp = 0.9;

    /// <summary>Of the highest load that was sustained, this is measured.</summary>
    private const double Margin = 0.9;

    private const int MeasurementsMax = 3;

    /// <summary>A load is sustained while a frame waits for its certificate at most so much longer, in the mean, than under the first load.</summary>
    private const double LagMoreS = 1.5;

    /// <summary>And while so much of what should be acknowledged is.</summary>
    private const double AckedMin = 0.85;

    /// <summary>Below this, almost nothing waits that did not under the first load.</summary>
    private const double LagMoreEasyS = 0.5;

    private static readonly TimeSpan StepMin = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan StepMax = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Sampling = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(60);

    /// <summary>For everything but the measured time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    /// <summary>Mean wait for the certificate under the first load, seconds.</summary>
    private double firstLag;

    public async Task<NetworkBenchResult> RunAsync(CancellationToken cancel)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(Patience + MeasurementsMax * measured);
        try
        {
            say($"{gateways} gateways: starting");
            await using LoadedNetwork network = await LoadedNetwork.StartAsync(gateways, patience.Token).ConfigureAwait(false);
            double rate = Margin * await HighestSustainedAsync(network, patience.Token).ConfigureAwait(false);
            for (int tries = 1; ; tries++, rate *= 0.7)
            {
                say($"{gateways} gateways: measuring at {rate:0.#} frames/s");
                (NetworkBenchResult result, bool steady) = await MeasureAsync(network, rate, patience.Token).ConfigureAwait(false);
                if (steady || tries == MeasurementsMax)
                {
                    say($"{gateways} gateways: done{(steady ? "" : "; the machine was never steady: certificates lagged in the measured time too")}");
                    return result;
                }
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new CliError(ExitCode.Failed, $"{gateways} gateways did not get through within {Patience.TotalMinutes:0} minutes", "this machine is too small or too busy for so many gateways: name fewer with --gateways");
        }
    }

    private async Task<double> HighestSustainedAsync(LoadedNetwork network, CancellationToken cancel)
    {
        TimeSpan time = measured < StepMin ? StepMin : measured > StepMax ? StepMax : measured;
        time = TimeSpan.FromSeconds(Math.Max(time.TotalSeconds, 2 * LoadedNetwork.BatchAgeS(gateways))); // both halves see every gateway's batch
        double least = LeastPerGateway * gateways, rate = Math.Max(least, FirstPart * ChecksPerSecond() / gateways), best = 0;
        firstLag = await WarmUpAsync(network, rate, time, cancel).ConfigureAwait(false);
        for (int step = 0; step < StepsMax && rate >= least; step++)
        {
            (double lag, double acked) = await LoadAsync(network, rate, time, cancel).ConfigureAwait(false);
            bool sustained = IsSustained(rate, lag, acked);
            say($"{gateways} gateways: {rate:0.#} frames/s, {acked:0.#} acknowledged, {lag:0.0} s to the certificate{(sustained ? "" : ": too much")}");
            if (sustained)
            {
                (best, rate) = (rate, rate * (lag <= firstLag + LagMoreEasyS ? RaiseFast : Raise));
                continue;
            }

            network.FramesPerSecond = 0;
            await UntilAsync(network, () => network.Uncertified == 0, "certify", cancel).ConfigureAwait(false);
            if (best > 0)
            {
                return best;
            }

            rate /= 2;
        }

        return best > 0 ? best
            : throw new CliError(ExitCode.Failed, $"{gateways} gateways sustained no load at all, down to {least:0} frames/s", "this machine is too small or too busy for so many gateways: name fewer with --gateways");
    }

    private async Task<double> WarmUpAsync(LoadedNetwork network, double rate, TimeSpan time, CancellationToken cancel)
    {
        (double lag, double before) = (0, double.PositiveInfinity);
        for (int i = 0; i < WarmUpsMax; i++)
        {
            (lag, _) = await LoadAsync(network, rate, time, cancel).ConfigureAwait(false);
            say($"{gateways} gateways: warming up at {rate:0.#} frames/s, {lag:0.0} s to the certificate");
            if (lag >= before * WarmedUp)
            {
                break;
            }

            before = lag;
        }

        return Math.Min(lag, before);
    }

    /// <summary>At the end of <paramref name="time"/>: mean wait for the certificate (frames that wait by frames a second), and frames acknowledged a second.</summary>
    private static async Task<(double LagS, double AckedPerS)> LoadAsync(LoadedNetwork network, double rate, TimeSpan time, CancellationToken cancel)
    {
        network.FramesPerSecond = rate;
        await network.RunForAsync(time / 2, cancel).ConfigureAwait(false);
        return await ObserveAsync(network, rate, time / 2, null, cancel).ConfigureAwait(false);
    }

    private static async Task<(double LagS, double AckedPerS)> ObserveAsync(LoadedNetwork network, double rate, TimeSpan time, Action? each, CancellationToken cancel)
    {
        (long began, long acked) = (Stopwatch.GetTimestamp(), network.Acked);
        List<double> waiting = [];
        while (Stopwatch.GetElapsedTime(began) < time)
        {
            await network.RunForAsync(Sampling, cancel).ConfigureAwait(false);
            waiting.Add(network.Uncertified);
            each?.Invoke();
        }

        return (waiting.Average() / rate, (network.Acked - acked) / Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    private async Task<(NetworkBenchResult Result, bool Steady)> MeasureAsync(LoadedNetwork network, double rate, CancellationToken cancel)
    {
        network.FramesPerSecond = rate;
        await network.RunForAsync(Settling, cancel).ConfigureAwait(false);
        GatewayCounters[] before = await network.CountAsync(cancel).ConfigureAwait(false);
        double rss = before.Max(static one => one.RssMiB);
        long from = Stopwatch.GetTimestamp();
        (double lag, double acked) = await ObserveAsync(network, rate, measured, () => rss = Math.Max(rss, network.LargestRssMiB()), cancel).ConfigureAwait(false);
        // A short time may lie between two batches: a rate is only one when every gateway had a certificate in it.
        await UntilAsync(network, () => network.Gateways.All(one => one.Watch.CertifiedBetween(from, long.MaxValue) > 0), "certify", cancel).ConfigureAwait(false);
        GatewayCounters[] after = await network.CountAsync(cancel).ConfigureAwait(false);
        long to = Stopwatch.GetTimestamp();
        long[] sent = [.. network.Gateways.Select(static one => one.Sent)];

        // Whatever was acknowledged by now is among the first frames stored, as many as were sent by now.
        await UntilAsync(network, () => network.Gateways.Zip(sent).All(static one => one.First.Watch.AnchoredFrames >= one.Second), "anchor", cancel).ConfigureAwait(false);
        network.FramesPerSecond = 0;
        List<double> certificate = [], anchor = [];
        foreach ((List<double> Certificate, List<double> Anchor) one in await Task.WhenAll(network.Gateways.Select(gateway => LatenciesAsync(gateway, from, to, cancel))).ConfigureAwait(false))
        {
            certificate.AddRange(one.Certificate);
            anchor.AddRange(one.Anchor);
        }

        certificate.Sort();
        anchor.Sort();
        double certified = network.Gateways.Sum(one => one.Watch.CertifiedBetween(from, to));
        return (new NetworkBenchResult(
            gateways,
            Math.Round(certified / Stopwatch.GetElapsedTime(from, to).TotalSeconds, 1),
            Math.Round((after.Sum(static one => one.PeerBytes) - before.Sum(static one => one.PeerBytes)) / certified),
            Math.Round(Percentile(certificate, 0.5)), Math.Round(Percentile(certificate, 0.99)), Math.Round(Percentile(anchor, 0.5)), Math.Round(Percentile(anchor, 0.99)),
            Math.Round(rss, 1),
            Math.Round((after.Sum(static one => one.ProcessorS) - before.Sum(static one => one.ProcessorS)) * 1e6 / certified),
            LoadedNetwork.BatchAgeS(gateways), LocalChain.EpochSeconds), IsSustained(rate, lag, acked));
    }

    private bool IsSustained(double rate, double lagS, double ackedPerS) => lagS <= firstLag + LagMoreS && ackedPerS >= rate * AckedMin;

    /// <summary>
    /// Of every frame of a gateway acknowledged in that time: ms from the PUBACK to certificate and ledger entry of the very batch it is in, by the gateway's own
    /// word. A device's frames are in batches in their order, so the last one in each batch is searched for; what is found is compared with the batches' counts.
    /// </summary>
    private static async Task<(List<double> Certificate, List<double> Anchor)> LatenciesAsync(LoadedGateway gateway, long from, long to, CancellationToken cancel)
    {
        List<double> certificate = [], anchor = [];
        Dictionary<ulong, long> found = [];
        (ulong first, ulong last) = (0, ulong.MaxValue); // batches between these, both not included, are within that time for every device
        foreach (PacedPublisher publisher in gateway.Publishers)
        {
            (int next, int end) = publisher.AckedBetween(from, to);
            ulong batch = 0;
            for (bool begun = false; next <= end; begun = true)
            {
                batch = await BatchOfAsync(gateway, publisher, next, cancel).ConfigureAwait(false);
                first = begun ? first : Math.Max(first, batch);
                int lastIn = await LastInAsync(gateway, publisher, batch, next, end, cancel).ConfigureAwait(false);
                found[batch] = found.GetValueOrDefault(batch) + lastIn - next + 1;
                WatchedBatch became = gateway.Watch[batch];
                for (; next <= lastIn; next++)
                {
                    certificate.Add(Stopwatch.GetElapsedTime(publisher.AckedAt(next), became.CertifiedAt).TotalMilliseconds);
                    anchor.Add(Stopwatch.GetElapsedTime(publisher.AckedAt(next), became.AnchoredAt).TotalMilliseconds);
                }
            }

            last = Math.Min(last, batch);
        }

        foreach ((ulong batch, long frames) in found.Where(one => one.Key > first && one.Key < last))
        {
            if (frames != gateway.Watch[batch].Frames)
            {
                throw new InvalidOperationException($"Batch {batch} of {gateway.Gateway.Name} has {gateway.Watch[batch].Frames} frames, {frames} were found in it.");
            }
        }

        return (certificate, anchor);
    }

    /// <summary>The last sequence up to <paramref name="end"/> that is in <paramref name="batch"/>; <paramref name="known"/> is.</summary>
    private static async Task<int> LastInAsync(LoadedGateway gateway, PacedPublisher publisher, ulong batch, int known, int end, CancellationToken cancel)
    {
        int not = end + 1;
        for (int stride = 16; known + stride < not; stride *= 2)
        {
            if (await BatchOfAsync(gateway, publisher, known + stride, cancel).ConfigureAwait(false) != batch)
            {
                not = known + stride;
                break;
            }

            known += stride;
        }

        while (not - known > 1)
        {
            int middle = known + (not - known) / 2;
            (known, not) = await BatchOfAsync(gateway, publisher, middle, cancel).ConfigureAwait(false) == batch ? (middle, not) : (known, middle);
        }

        return known;
    }

    private static async Task<ulong> BatchOfAsync(LoadedGateway gateway, PacedPublisher publisher, int sequence, CancellationToken cancel)
    {
        JsonElement frame = await gateway.Gateway.Api.GetAsync($"/api/devices/{publisher.Device.Id}/frames/{sequence}", cancel).ConfigureAwait(false);
        return frame.GetProperty("batch").GetUInt64();
    }

    private async Task UntilAsync(LoadedNetwork network, Func<bool> isSo, string what, CancellationToken cancel)
    {
        long began = Stopwatch.GetTimestamp();
        while (!isSo())
        {
            if (Stopwatch.GetElapsedTime(began) > DrainTimeout)
            {
                throw new CliError(ExitCode.Failed, $"{gateways} gateways did not {what} within {DrainTimeout.TotalSeconds:0} s what they had acknowledged", "this machine is too small or too busy for so many gateways: name fewer with --gateways");
            }

            await network.RunForAsync(BatchWatch.Interval, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>P-256 checks a second by all processors as busy as they are now.</summary>
    private static double ChecksPerSecond()
    {
        byte[] digest = RandomNumberGenerator.GetBytes(SHA256.HashSizeInBytes);
        TimeSpan time = TimeSpan.FromSeconds(1);
        long began = Stopwatch.GetTimestamp(), checks = 0;
        Parallel.For(0, Environment.ProcessorCount, _ =>
        {
            using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            byte[] signature = key.SignHash(digest);
            while (Stopwatch.GetElapsedTime(began) < time && key.VerifyHash(digest, signature))
            {
                Interlocked.Increment(ref checks);
            }
        });
        return checks / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static double Percentile(List<double> sorted, double part) => sorted.Count == 0
        ? throw new CliError(ExitCode.Failed, "no frame was acknowledged in the measured time", "measure longer, with --seconds")
        : sorted[(int)Math.Min(sorted.Count - 1, sorted.Count * part)];
}

using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Up;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Cli.Bench;

/// <summary>What to measure. The defaults are the numbers of gateway/Verify/README.md.</summary>
public sealed record IngestBenchOptions
{
    /// <summary>Devices that publish, one connection each.</summary>
    public int Connections { get; init; } = 50;

    /// <summary>Unacknowledged frames per connection.</summary>
    public int Window { get; init; } = 20;

    /// <summary>Devices connected in all; those above <see cref="Connections"/> are silent.</summary>
    public int ConnectedDevices { get; init; } = 1_000;

    /// <summary>Pairs of one verify phase and one ingest phase.</summary>
    public int Rounds { get; init; } = 4;

    /// <summary>Length of each phase.</summary>
    public TimeSpan Phase { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Samples per frame; 4 makes 208 bytes.</summary>
    public int Samples { get; init; } = 4;
}

/// <summary>The figures; property names are the JSON keys.</summary>
/// <param name="ackedPerSecond">PUBACKs per second, each after the fsync of its frame; median of the rounds.</param>
/// <param name="verifyPerSecond">P-256 checks per second of the same frames on all processors with cached keys and nothing else running; median of the rounds.</param>
/// <param name="ratio">The first by the second.</param>
/// <param name="cpuRatio">Processor time of one check by processor time of one acknowledged frame (gateway and clients, kernel included): the ratio on a machine that does nothing else.</param>
/// <param name="gatewayUsPerFrame">Processor time of the gateway's process per acknowledged frame, µs.</param>
/// <param name="clientUsPerFrame">The same of the clients' process, which shares the processors.</param>
/// <param name="verifyUs">Processor time of one check, µs.</param>
/// <param name="p50Ms">Median time from publish to PUBACK, ms.</param>
/// <param name="p99Ms">99th percentile of it.</param>
/// <param name="rssMiB">Resident set of the gateway's process when <paramref name="connectedDevices"/> have connected and none has published yet, MiB.</param>
/// <param name="rssLoadMiB">The largest one under full load, MiB.</param>
/// <param name="connections">Publishing connections.</param>
/// <param name="window">Unacknowledged frames per connection.</param>
/// <param name="connectedDevices">Connections in all.</param>
/// <param name="frameBytes">Size of a frame.</param>
/// <param name="processors">Processors, shared by gateway, clients and kernel.</param>
#pragma warning disable IDE1006 // The JSON keys are the contract.
public sealed record IngestBenchResult(
    double ackedPerSecond, double verifyPerSecond, double ratio, double cpuRatio, double gatewayUsPerFrame, double clientUsPerFrame, double verifyUs, double p50Ms, double p99Ms, double rssMiB, double rssLoadMiB,
    int connections, int window, int connectedDevices, int frameBytes, int processors);
#pragma warning restore IDE1006

/// <summary>
/// How many frames a second the gateway acknowledges, against what this machine's processors could verify at all. The gateway is the real
/// process with all its stages, a chain to anchor on included (its devices are put into its store beforehand, as its registry stage would);
/// the clients run here, and all of them take their share of the same processors. Verify and ingest
/// phases alternate, so that a machine that slows down slows both. Frames are signed before each phase, while nothing is measured.
/// </summary>
public sealed class IngestBench(IngestBenchOptions options)
{
    private const int WarmUpRounds = 5;

    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(500);

    private readonly List<double> latenciesMs = [];

    /// <summary>Runs it; about a minute.</summary>
    public async Task<IngestBenchResult> RunAsync(CancellationToken cancellationToken = default)
    {
        string folder = Directory.CreateTempSubdirectory("depin-bench-").FullName;
        Publisher[] publishers = [.. Enumerable.Range(0, options.Connections).Select(_ => new Publisher(new SigningDevice()))];
        SigningDevice[] silent = [.. Enumerable.Range(0, options.ConnectedDevices - options.Connections).Select(_ => new SigningDevice())];
        try
        {
            string gatewayFolder = Directory.CreateDirectory(Path.Combine(folder, "gateway")).FullName;
            GatewayIdentity identity = LocalGateway.CreateIdentity(gatewayFolder);
            await RegisterAsync(Path.Combine(gatewayFolder, "frames.db"), [.. publishers.Select(one => one.Device), .. silent]).ConfigureAwait(false);
            await using LocalChain chain = await LocalChain.StartAsync(Directory.CreateDirectory(Path.Combine(folder, "chain")).FullName, [identity], cancellationToken).ConfigureAwait(false);
            await using LocalGateway real = await LocalGateway.StartAsync(
                new LocalGatewayOptions(gatewayFolder, identity, chain.DeploymentFile, chain.Node.RpcUrl, Path.Combine(folder, "gateway.log"))
                {
                    BatchAgeMaxS = 30, PollIntervalMs = 2_000, // the gateway's own defaults
                }, cancellationToken).ConfigureAwait(false);
            int port = real.MqttPort;
            using Process gateway = Process.GetProcessById(real.Process!.Id);
            List<MqttClient> idle = [];
            foreach (SigningDevice device in silent)
                idle.Add(await ConnectAsync(device, port, cancellationToken).ConfigureAwait(false));
            foreach (Publisher publisher in publishers)
                publisher.Client = await ConnectAsync(publisher.Device, port, cancellationToken).ConfigureAwait(false);

            gateway.Refresh();
            double rssConnected = gateway.WorkingSet64 / 1048576.0;
            List<double> verified = [];
            List<double> acked = [];
            double rss = 0;
            (double Gateway, double Client, double Frames, double Verify, double Checks) cpu = default;
            double expected = 12_000 * Environment.ProcessorCount;
            // The first rounds warm both processes up (just-in-time compilation in its tiers) and count for nothing: a gateway runs for years.
            for (int round = 0; round < WarmUpRounds + options.Rounds; round++)
            {
                if (round == WarmUpRounds)
                {
                    verified.Clear();
                    acked.Clear();
                    latenciesMs.Clear();
                    cpu = default;
                }
                Sign(publishers, (int)(expected * 1.3 * (options.Phase + WarmUp).TotalSeconds / publishers.Length) + 1);
                double before = Self();
                (double perSecond, long checks) = Verify(publishers);
                cpu.Verify += Self() - before;
                cpu.Checks += checks;
                verified.Add(perSecond);
                expected = perSecond;
                before = Self();
                double gatewayBefore = Of(gateway);
                int sentBefore = publishers.Sum(static one => one.Sent);
                (double rate, double peak) = await IngestAsync(publishers, gateway, cancellationToken).ConfigureAwait(false);
                cpu.Gateway += Of(gateway) - gatewayBefore;
                cpu.Client += Self() - before;
                cpu.Frames += publishers.Sum(static one => one.Sent) - sentBefore;
                acked.Add(rate);
                rss = Math.Max(rss, peak);
            }
            foreach (MqttClient client in idle.Concat(publishers.Select(one => one.Client!)))
                await client.DisposeAsync().ConfigureAwait(false);
            latenciesMs.Sort();
            double verifyRate = Median(verified);
            double ackRate = Median(acked);
            double gatewayUs = cpu.Gateway * 1e6 / cpu.Frames;
            double clientUs = cpu.Client * 1e6 / cpu.Frames;
            double verifyUs = cpu.Verify * 1e6 / cpu.Checks;
            return new IngestBenchResult(Math.Round(ackRate), Math.Round(verifyRate), Math.Round(ackRate / verifyRate, 3),
                Math.Round(verifyUs / (gatewayUs + clientUs), 3), Math.Round(gatewayUs, 1), Math.Round(clientUs, 1), Math.Round(verifyUs, 1), Math.Round(Percentile(0.5), 2), Math.Round(Percentile(0.99), 2),
                Math.Round(rssConnected, 1), Math.Round(rss, 1), options.Connections, options.Window, options.ConnectedDevices, publishers[0].Frames[0].Length, Environment.ProcessorCount);
        }
        finally
        {
            foreach (SigningDevice device in publishers.Select(one => one.Device).Concat(silent))
                device.Dispose();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task RegisterAsync(string database, SigningDevice[] devices)
    {
        using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = database });
        DeviceTable table = new(log);
        foreach (SigningDevice[] part in devices.Chunk(200))
            await Task.WhenAll(part.Select(device => table.PutAsync(device.Registration).AsTask())).ConfigureAwait(false);
    }

    private async Task<MqttClient> ConnectAsync(SigningDevice device, int port, CancellationToken cancellationToken)
    {
        MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = port, ClientId = device.Id.ToString(), InFlightMax = options.Window, KeepAliveSeconds = 600 });
        MqttConnectResult result = await client.ConnectAsync(cancellationToken).ConfigureAwait(false);
        return result.IsConnected ? client : throw new InvalidOperationException($"The gateway refused a connection with code {result.Code}: {result.ReasonText}");
    }

    private void Sign(Publisher[] publishers, int framesEach) => Parallel.ForEach(publishers, publisher =>
    {
        // What the last round did not send is sent first: the sequence goes on.
        publisher.Frames.RemoveRange(0, publisher.Sent);
        publisher.Sent = 0;
        while (publisher.Frames.Count < framesEach)
            publisher.Frames.Add(publisher.Device.Next(options.Samples));
    });

    private (double PerSecond, long Checks) Verify(Publisher[] publishers)
    {
        int threads = Environment.ProcessorCount;
        long[] counts = new long[threads];
        long started = Stopwatch.GetTimestamp();
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(thread => new Thread(() =>
        {
            Publisher[] mine = [.. publishers.Where((_, number) => number % threads == thread)];
            Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
            for (int i = 0; Stopwatch.GetElapsedTime(started) < options.Phase; i++)
            {
                foreach (Publisher publisher in mine)
                {
                    ReadOnlySpan<byte> frame = publisher.Frames[i % publisher.Frames.Count];
                    SHA256.HashData(frame[..^FrameFormat.SignatureBytes], digest);
                    if (!publisher.Key.VerifyHash(digest, frame[^FrameFormat.SignatureBytes..], DSASignatureFormat.IeeeP1363FixedFieldConcatenation))
                        throw new InvalidOperationException("A frame of the benchmark does not verify.");
                    counts[thread]++;
                }
            }
        }))];
        foreach (Thread worker in workers)
            worker.Start();
        foreach (Thread worker in workers)
            worker.Join();
        return (counts.Sum() / Stopwatch.GetElapsedTime(started).TotalSeconds, counts.Sum());
    }

    private async Task<(double PerSecond, double RssMiB)> IngestAsync(Publisher[] publishers, Process gateway, CancellationToken cancellationToken)
    {
        long from = Stopwatch.GetTimestamp() + (long)(WarmUp.TotalSeconds * Stopwatch.Frequency);
        long to = from + (long)(options.Phase.TotalSeconds * Stopwatch.Frequency);
        Task<long>[] running = [.. publishers.Select(publisher => Task.Run(() => publisher.SendAsync(options.Window, from, to, cancellationToken), cancellationToken))];
        double peak = 0;
        Task all = Task.WhenAll(running);
        while (await Task.WhenAny(all, Task.Delay(200, cancellationToken)).ConfigureAwait(false) != all)
        {
            gateway.Refresh();
            peak = Math.Max(peak, gateway.WorkingSet64 / 1048576.0);
        }
        await all.ConfigureAwait(false);
        long acknowledged = 0;
        foreach (Task<long> one in running)
            acknowledged += await one.ConfigureAwait(false);
        foreach (Publisher publisher in publishers)
        {
            latenciesMs.AddRange(publisher.LatenciesMs);
            publisher.LatenciesMs.Clear();
        }
        return (acknowledged / options.Phase.TotalSeconds, peak);
    }

    private static double Self() => Environment.CpuUsage.TotalTime.TotalSeconds;

    private static double Of(Process process)
    {
        process.Refresh();
        return process.TotalProcessorTime.TotalSeconds;
    }

    private double Percentile(double part) => latenciesMs.Count == 0 ? 0 : latenciesMs[(int)Math.Min(latenciesMs.Count - 1, latenciesMs.Count * part)];

    private static double Median(List<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private sealed class Publisher(SigningDevice device)
    {
        private readonly byte[] topic = Encoding.UTF8.GetBytes(Topics.Frame(device.Id.ToString()));

        public SigningDevice Device => device;

        public ECDsa Key { get; } = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = device.PublicKey[..32], Y = device.PublicKey[32..] } });

        public MqttClient? Client { get; set; }

        public List<byte[]> Frames { get; } = [];

        public int Sent { get; set; }

        public List<double> LatenciesMs { get; } = [];

        /// <summary>Sends with a full window until <paramref name="to"/>; gives the acknowledgements between the two times.</summary>
        public async Task<long> SendAsync(int window, long from, long to, CancellationToken cancellationToken)
        {
            Queue<(ValueTask<MqttAnswer> Answer, long At)> open = new(window);
            long counted = 0;
            while (true)
            {
                long now = Stopwatch.GetTimestamp();
                bool more = now < to && Sent < Frames.Count;
                if (more && open.Count < window)
                {
                    open.Enqueue((Client!.PublishAsync(topic, Frames[Sent++], MqttQos.AtLeastOnce, false, cancellationToken), now));
                    continue;
                }
                if (open.Count == 0)
                    break;
                (ValueTask<MqttAnswer> answer, long at) = open.Dequeue();
                MqttAnswer result = await answer.ConfigureAwait(false);
                if (!result.IsSuccess)
                    throw new InvalidOperationException($"A frame was refused: {result.Reason}.");
                long done = Stopwatch.GetTimestamp();
                if (done < from || done >= to)
                    continue;
                counted++;
                LatenciesMs.Add(Stopwatch.GetElapsedTime(at, done).TotalMilliseconds);
            }
            return counted;
        }
    }
}

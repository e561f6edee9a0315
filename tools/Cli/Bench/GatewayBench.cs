using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Cli.Bench;

/// <summary>What to measure.</summary>
public sealed record GatewayBenchOptions
{
    /// <summary>The gateway's program, a DePIN.Gateway.dll or a native one; null: the one built along with this program.</summary>
    public string? Program { get; init; }

    /// <summary>How often the start is measured; the median counts.</summary>
    public int Starts { get; init; } = 5;

    /// <summary>How long a gateway is left alone before its resident set is read.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Devices that were cut off for a day.</summary>
    public int BacklogDevices { get; init; } = 50;

    /// <summary>Frames each of them kept: 24 hours at one a minute.</summary>
    public int BacklogFramesEach { get; init; } = 1_440;

    /// <summary>Unacknowledged frames of a device that replays.</summary>
    public int Window { get; init; } = 20;

    /// <summary>How often the page is loaded while devices send; the median counts.</summary>
    public int PageLoads { get; init; } = 21;

    /// <summary>For how long devices publish one frame a second each while written bytes are counted.</summary>
    public TimeSpan Steady { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long frames come at that rate before it is measured.</summary>
    public TimeSpan BurstUp { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>The figures; property names are the JSON keys. Each gateway is a process of its own with a chain; devices connect over TLS.</summary>
/// <param name="build">"native" (compiled ahead of time, as packages with --native have it) or "portable" (needs the runtime).</param>
/// <param name="idleRssMiB">Resident set of a gateway with no client, MiB.</param>
/// <param name="startMs">From starting the process on a store with frames to the PUBACK of the first new frame (plain TCP, so that no handshake of the client counts), ms; median.</param>
/// <param name="rss1000MiB">Resident set with 1,000 devices connected over TLS, each with one frame acknowledged, MiB.</param>
/// <param name="rss5000MiB">The same with 5,000.</param>
/// <param name="connectsPerSecond">TLS connections a second while the 5,000 came, clients on the same processors.</param>
/// <param name="backlogFramesPerSecond">Frames acknowledged a second while <paramref name="backlogDevices"/> devices replay a day, all of it.</param>
/// <param name="backlogVerifyPerSecond">P-256 checks a second of such frames on all processors in the same run: the limit.</param>
/// <param name="bytesWrittenPerFrame">What the gateway's process had written to disk (write_bytes of /proc/PID/io, the store's WAL and checkpoints included) per frame while <paramref name="backlogDevices"/> devices published one a second each.</param>
/// <param name="bytesWrittenPerBacklogFrame">The same while the day was replayed.</param>
/// <param name="pageLoadMs">From the request of the page of devices, on a new connection, to the first server-sent event with values as they are now, while 1,000 devices send a frame every 5 s each and 5,000 are known, ms; median. Without a browser's own work.</param>
/// <param name="pageLoadBytes">Of that page and event, with their headers left out.</param>
/// <param name="frameBytes">Size of a frame.</param>
/// <param name="backlogDevices">Devices that replayed, and published steadily.</param>
/// <param name="processors">Processors, shared by gateways, clients and kernel.</param>
#pragma warning disable IDE1006 // The JSON keys are the contract.
public sealed record GatewayBenchResult(
    string build, double idleRssMiB, double startMs, double rss1000MiB, double rss5000MiB, double connectsPerSecond, double backlogFramesPerSecond, double backlogVerifyPerSecond,
    double bytesWrittenPerFrame, double bytesWrittenPerBacklogFrame, double pageLoadMs, int pageLoadBytes, int frameBytes, int backlogDevices, int processors);
#pragma warning restore IDE1006

/// <summary>What a gateway needs of a small computer: memory, time to start, bytes written, and how fast a day of backlog is taken.</summary>
public sealed class GatewayBench(GatewayBenchOptions options)
{
    private const int Devices = 5_000;

    private const int Samples = 4;

    /// <summary>The gateway takes at most 1,000 connections of one address: devices come from several of 127.0.0.0/8.</summary>
    private const int PerAddress = 900;

    /// <summary>Frames of each device in the measurement of the limit.</summary>
    private const int ChecksEach = 400;

    /// <summary>TLS handshakes under way at once.</summary>
    private const int ConnectingMax = 64;

    /// <summary>Devices that send while the page is loaded, and how often each.</summary>
    private const int PageDevices = 1_000;

    private static readonly TimeSpan PageSendEvery = TimeSpan.FromSeconds(5);

    private readonly List<SigningDevice> devices = [];

    /// <summary>Runs it; about seven minutes.</summary>
    public async Task<GatewayBenchResult> RunAsync(CancellationToken cancel = default)
    {
        string folder = Directory.CreateTempSubdirectory("depin-bench-").FullName;
        try
        {
            string gatewayFolder = Directory.CreateDirectory(Path.Combine(folder, "gateway")).FullName;
            GatewayIdentity identity = LocalGateway.CreateIdentity(gatewayFolder);
            for (int i = 0; i < Devices; i++) devices.Add(new SigningDevice());
            await RegisterAsync(Path.Combine(gatewayFolder, "frames.db")).ConfigureAwait(false);
            await using LocalChain chain = await LocalChain.StartAsync(Directory.CreateDirectory(Path.Combine(folder, "chain")).FullName, [identity], cancel).ConfigureAwait(false);
            await using LocalGateway gateway = await LocalGateway.StartAsync(
                new LocalGatewayOptions(gatewayFolder, identity, chain.DeploymentFile, chain.Node.RpcUrl, Path.Combine(folder, "gateway.log"))
                {
                    BatchAgeMaxS = 30, PollIntervalMs = 2_000, // the gateway's own defaults
                    Program = options.Program,
                    Environment = new Dictionary<string, string> { ["DEPIN_MQTT_CLIENTS_MAX"] = (Devices + Devices / 4 + 100).ToString(CultureInfo.InvariantCulture) },
                }, cancel).ConfigureAwait(false);

            await PublishAsync(gateway, devices[0], cancel).ConfigureAwait(false); // a store with something in it
            List<double> starts = [];
            for (int i = 0; i < options.Starts; i++) starts.Add(await StartAsync(gateway, cancel).ConfigureAwait(false));
            starts.Sort();
            await Task.Delay(options.Idle, cancel).ConfigureAwait(false);
            double idle = Rss(gateway);

            (double rss1000, double rss5000, double connects) = await ConnectAllAsync(gateway, cancel).ConfigureAwait(false);
            (double backlog, double verify, double backlogBytes) = await ReplayAsync(gateway, cancel).ConfigureAwait(false);
            double bytes = await SteadyAsync(gateway, cancel).ConfigureAwait(false);
            (double pageLoad, int pageBytes) = await LoadPageAsync(gateway, cancel).ConfigureAwait(false);
            return new GatewayBenchResult(options.Program is { } program && !program.EndsWith(".dll", StringComparison.Ordinal) ? "native" : "portable", Round(idle), Math.Round(starts[starts.Count / 2]), Round(rss1000), Round(rss5000), Math.Round(connects), Math.Round(backlog), Math.Round(verify),
                Math.Round(bytes), Math.Round(backlogBytes), Round(pageLoad), pageBytes, devices[0].Frame(1, null, Samples).Length, options.BacklogDevices, Environment.ProcessorCount);
        }
        finally
        {
            foreach (SigningDevice device in devices) device.Dispose();
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task RegisterAsync(string database)
    {
        using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = database });
        DeviceTable table = new(log);
        foreach (SigningDevice[] part in devices.Chunk(200))
            await Task.WhenAll(part.Select(device => table.PutAsync(device.Registration).AsTask())).ConfigureAwait(false);
    }

    /// <summary>Milliseconds from the process to the first PUBACK.</summary>
    private async Task<double> StartAsync(LocalGateway gateway, CancellationToken cancel)
    {
        await gateway.KillAsync().ConfigureAwait(false);
        byte[] frame = devices[0].Next(Samples);
        long started = Stopwatch.GetTimestamp();
        Task launched = gateway.LaunchAsync(cancel);
        while (true)
        {
            await using MqttClient client = new(Options(gateway, 0, tls: null));
            try
            {
                if ((await client.ConnectAsync(cancel).ConfigureAwait(false)).IsConnected
                    && (await client.PublishAsync(Topics.Frame(devices[0].Id.ToString()), frame, MqttQos.AtLeastOnce, false, cancel).ConfigureAwait(false)).IsSuccess)
                {
                    double ms = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                    await launched.ConfigureAwait(false);
                    return ms;
                }
            }
            catch (Exception refused) when (refused is IOException or SocketException or TimeoutException)
            {
                if (Stopwatch.GetElapsedTime(started) > TimeSpan.FromMinutes(1)) throw;
            }

            await Task.Delay(5, cancel).ConfigureAwait(false);
        }
    }

    private async Task<(double Rss1000, double Rss5000, double ConnectsPerSecond)> ConnectAllAsync(LocalGateway gateway, CancellationToken cancel)
    {
        using X509Certificate2 authority = X509CertificateLoader.LoadCertificateFromFile(gateway.AuthorityFile);
        MqttTls tls = new() { TargetHost = "localhost", TrustedRoots = [authority] };
        List<MqttClient> clients = [];
        try
        {
            await ComeAsync(1_000).ConfigureAwait(false);
            await Task.Delay(options.Idle, cancel).ConfigureAwait(false);
            double rss1000 = Rss(gateway);
            long from = Stopwatch.GetTimestamp();
            await ComeAsync(Devices).ConfigureAwait(false);
            double connects = (Devices - 1_000) / Stopwatch.GetElapsedTime(from).TotalSeconds;
            await Task.Delay(options.Idle, cancel).ConfigureAwait(false);
            return (rss1000, Rss(gateway), connects);
        }
        finally
        {
            foreach (MqttClient client in clients) await client.DisposeAsync().ConfigureAwait(false);
        }

        async Task ComeAsync(int until)
        {
            int first = clients.Count;
            MqttClient[] fresh = [.. Enumerable.Range(first, until - first).Select(number => new MqttClient(Options(gateway, number, tls)))];
            clients.AddRange(fresh);
            await Parallel.ForEachAsync(Enumerable.Range(first, until - first), new ParallelOptions { MaxDegreeOfParallelism = ConnectingMax, CancellationToken = cancel }, async (number, token) =>
            {
                MqttClient client = clients[number];
                MqttConnectResult connected = await client.ConnectAsync(token).ConfigureAwait(false);
                if (!connected.IsConnected) throw new CliError(ExitCode.Failed, $"the gateway refused device {number} with code {connected.Code}: {connected.ReasonText}", "look for an error of the gateway above");
                await MustAsync(client, devices[number], token).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
    }

    private async Task<(double PerSecond, double VerifyPerSecond, double BytesPerFrame)> ReplayAsync(LocalGateway gateway, CancellationToken cancel)
    {
        byte[][][] day = new byte[options.BacklogDevices][][];
        Parallel.For(0, day.Length, number => day[number] = [.. Enumerable.Range(0, options.BacklogFramesEach).Select(_ => devices[number].Next(Samples))]);
        using X509Certificate2 authority = X509CertificateLoader.LoadCertificateFromFile(gateway.AuthorityFile);
        MqttTls tls = new() { TargetHost = "localhost", TrustedRoots = [authority] };
        long written = Written(gateway);
        long from = Stopwatch.GetTimestamp();
        await Task.WhenAll(day.Select((frames, number) => Task.Run(async () =>
        {
            await using MqttClient client = new(Options(gateway, number, tls) with { InFlightMax = options.Window });
            await client.ConnectAsync(cancel).ConfigureAwait(false);
            byte[] topic = Encoding.UTF8.GetBytes(Topics.Frame(devices[number].Id.ToString()));
            Queue<ValueTask<MqttAnswer>> open = new(options.Window);
            foreach (byte[] frame in frames)
            {
                if (open.Count == options.Window) Check(await open.Dequeue().ConfigureAwait(false));
                open.Enqueue(client.PublishAsync(topic, frame, MqttQos.AtLeastOnce, false, cancel));
            }

            while (open.TryDequeue(out ValueTask<MqttAnswer> answer)) Check(await answer.ConfigureAwait(false));
        }, cancel))).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(from).TotalSeconds;
        int count = day.Length * options.BacklogFramesEach;
        return (count / seconds, VerifyPerSecond(day), (Written(gateway) - written) / (double)count);
    }

    /// <summary>The same frames checked with cached keys on all processors, and nothing else.</summary>
    private double VerifyPerSecond(byte[][][] day)
    {
        long checks = 0;
        long from = Stopwatch.GetTimestamp();
        Parallel.For(0, day.Length, number =>
        {
            byte[] point = devices[number].PublicKey;
            using ECDsa key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = point[..32], Y = point[32..] } });
            Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
            foreach (byte[] frame in day[number].Take(ChecksEach))
            {
                SHA256.HashData(frame.AsSpan(..^FrameFormat.SignatureBytes), digest);
                if (!key.VerifyHash(digest, frame.AsSpan(^FrameFormat.SignatureBytes..), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)) throw new InvalidOperationException("A frame of the benchmark does not verify.");
                Interlocked.Increment(ref checks);
            }
        });
        return checks / Stopwatch.GetElapsedTime(from).TotalSeconds;
    }

    private async Task<double> SteadyAsync(LocalGateway gateway, CancellationToken cancel)
    {
        await Task.Delay(options.Idle, cancel).ConfigureAwait(false); // the replay's batches are written
        MqttClient[] clients = [.. Enumerable.Range(0, options.BacklogDevices).Select(number => new MqttClient(Options(gateway, number, tls: null)))];
        try
        {
            foreach (MqttClient client in clients) await client.ConnectAsync(cancel).ConfigureAwait(false);
            // The commits that may run ahead of store.commitIntervalMs are used up first: they say nothing of the long run.
            long until = Stopwatch.GetTimestamp() + (long)((options.BurstUp + options.Steady).TotalSeconds * Stopwatch.Frequency);
            long written = 0;
            long frames = 0;
            Task counting = Task.Run(async () =>
            {
                await Task.Delay(options.BurstUp, cancel).ConfigureAwait(false);
                written = Written(gateway);
                Interlocked.Exchange(ref frames, 0);
            }, cancel);
            await Task.WhenAll(clients.Select((client, number) => Task.Run(async () =>
            {
                await Task.Delay(TimeSpan.FromSeconds((double)number / clients.Length), cancel).ConfigureAwait(false); // each at its own moment of the second
                using PeriodicTimer second = new(TimeSpan.FromSeconds(1));
                while (Stopwatch.GetTimestamp() < until)
                {
                    await MustAsync(client, devices[number], cancel).ConfigureAwait(false);
                    Interlocked.Increment(ref frames);
                    await second.WaitForNextTickAsync(cancel).ConfigureAwait(false);
                }
            }, cancel)).Append(counting)).ConfigureAwait(false);
            return (Written(gateway) - written) / (double)frames;
        }
        finally
        {
            foreach (MqttClient client in clients) await client.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The page of devices until it is live, while devices send.</summary>
    private async Task<(double Ms, int Bytes)> LoadPageAsync(LocalGateway gateway, CancellationToken cancel)
    {
        MqttClient[] clients = [.. Enumerable.Range(0, PageDevices).Select(number => new MqttClient(Options(gateway, number, tls: null)))];
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            foreach (MqttClient client in clients) await client.ConnectAsync(cancel).ConfigureAwait(false);
            Task sending = Task.WhenAll(clients.Select((client, number) => Task.Run(async () =>
            {
                await Task.Delay(PageSendEvery * number / clients.Length, enough.Token).ConfigureAwait(false); // each at its own moment
                using PeriodicTimer turn = new(PageSendEvery);
                do await MustAsync(client, devices[number], enough.Token).ConfigureAwait(false);
                while (await turn.WaitForNextTickAsync(enough.Token).ConfigureAwait(false));
            }, enough.Token)));
            await Task.Delay(PageSendEvery, cancel).ConfigureAwait(false); // all have sent
            List<(double Ms, int Bytes)> loads = [];
            for (int i = 0; i < options.PageLoads; i++) loads.Add(await LoadOnceAsync(gateway.Api.Url, cancel).ConfigureAwait(false));
            await enough.CancelAsync().ConfigureAwait(false);
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (sending.Exception is { } fault) throw fault.InnerExceptions[0]; // a device failed, not the end
            loads.Sort();
            return loads[loads.Count / 2];
        }
        finally
        {
            foreach (MqttClient client in clients) await client.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async Task<(double Ms, int Bytes)> LoadOnceAsync(Uri url, CancellationToken cancel)
    {
        using HttpClient http = new() { BaseAddress = url };
        long from = Stopwatch.GetTimestamp();
        string page = await http.GetStringAsync("/devices", cancel).ConfigureAwait(false);
        // As the page's script does: it names where its rows' events come from.
        const string Mark = "data-events=\"";
        int at = page.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length;
        string events = WebUtility.HtmlDecode(page[at..page.IndexOf('"', at)]);
        using Stream live = await http.GetStreamAsync(events, cancel).ConfigureAwait(false);
        using StreamReader lines = new(live, Encoding.UTF8);
        const string Data = "data: ";
        string? line;
        do line = await lines.ReadLineAsync(cancel).ConfigureAwait(false) ?? throw new CliError(ExitCode.Failed, "the gateway ended the page's events", "look at the gateway's log");
        while (!line.StartsWith(Data, StringComparison.Ordinal));
        double ms = Stopwatch.GetElapsedTime(from).TotalMilliseconds;
        using JsonDocument now = JsonDocument.Parse(line[Data.Length..]);
        long late = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - now.RootElement.GetProperty("nowMs").GetInt64();
        if (late is < -1_000 or > 5_000) throw new CliError(ExitCode.Failed, $"the first event is {late} ms old", "run it again on a machine that does nothing else");
        return (ms, Encoding.UTF8.GetByteCount(page) + Encoding.UTF8.GetByteCount(line));
    }

    private async Task PublishAsync(LocalGateway gateway, SigningDevice device, CancellationToken cancel)
    {
        await using MqttClient client = new(Options(gateway, 0, tls: null));
        await client.ConnectAsync(cancel).ConfigureAwait(false);
        await MustAsync(client, device, cancel).ConfigureAwait(false);
    }

    private static async Task MustAsync(MqttClient client, SigningDevice device, CancellationToken cancel)
    {
        byte[] frame = device.Next(Samples);
        MqttAnswer answer = default;
        // A gateway that just started refuses with "later" until it knows that no peer has batches of it.
        for (int attempt = 0; attempt < 200; attempt++)
        {
            answer = await client.PublishAsync(Topics.Frame(device.Id.ToString()), frame, MqttQos.AtLeastOnce, false, cancel).ConfigureAwait(false);
            if (answer.IsSuccess) return;
            await Task.Delay(50, cancel).ConfigureAwait(false);
        }

        Check(answer);
    }

    private static void Check(MqttAnswer answer)
    {
        if (!answer.IsSuccess) throw new CliError(ExitCode.Failed, $"a frame was refused: {answer.Reason}", "run it again on a machine that does nothing else");
    }

    private MqttClientOptions Options(LocalGateway gateway, int number, MqttTls? tls)
    {
        int port = tls is null ? gateway.MqttPort : gateway.MqttTlsPort;
        return new MqttClientOptions
        {
            Host = "127.0.0.1", Port = port, ClientId = devices[number].Id.ToString(), KeepAliveSeconds = 600, Tls = tls, ConnectTimeout = TimeSpan.FromMinutes(1),
            Dial = async cancel =>
            {
                Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    socket.Bind(new IPEndPoint(new IPAddress([127, 0, 0, (byte)(1 + number / PerAddress)]), 0));
                    await socket.ConnectAsync(IPAddress.Loopback, port, cancel).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
    }

    private static double Rss(LocalGateway gateway)
    {
        using Process process = Process.GetProcessById(gateway.Process!.Id);
        return process.WorkingSet64 / 1048576.0;
    }

    /// <summary>Bytes that the process caused to be sent to the disk, proc(5).</summary>
    private static long Written(LocalGateway gateway)
    {
        const string Field = "write_bytes: ";
        string line = File.ReadLines($"/proc/{gateway.Process!.Id.ToString(CultureInfo.InvariantCulture)}/io").First(line => line.StartsWith(Field, StringComparison.Ordinal));
        return long.Parse(line.AsSpan(Field.Length), NumberStyles.None, CultureInfo.InvariantCulture);
    }

    private static double Round(double value) => Math.Round(value, 1);
}

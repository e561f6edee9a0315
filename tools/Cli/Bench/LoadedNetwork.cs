using System.Diagnostics;
using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Bench;

/// <summary>What a gateway's counters said at one time.</summary>
/// <param name="PeerBytes">Sent on its streams to all peers since its start.</param>
/// <param name="ProcessorS">Processor time of its process.</param>
/// <param name="RssMiB">Its resident set.</param>
internal sealed record GatewayCounters(long PeerBytes, double ProcessorS, double RssMiB);

/// <summary>A gateway under load: its devices, and what becomes of its batches.</summary>
internal sealed record LoadedGateway(LocalGateway Gateway, IReadOnlyList<PacedPublisher> Publishers, BatchWatch Watch, Task Watching)
{
    public long Sent => Publishers.Sum(static one => one.Sent);

    public long Acked => Publishers.Sum(static one => (long)one.Acked);
}

/// <summary>A chain and gateways as `up` starts them, with devices that are registered on that chain and publish at a rate. Everything ends with it.</summary>
internal sealed class LoadedNetwork : IAsyncDisposable
{
    /// <summary>Age at which batches are cut, s: every gateway checks every signature of every certificate, so more of them on one machine cut less often.</summary>
    public static int BatchAgeS(int gateways) => Math.Max(2, gateways / 2);

    private const int DevicesPerGateway = 2;

    /// <summary>Samples per frame; 4 makes 208 bytes.</summary>
    private const int Samples = 4;

    /// <summary>Gateways that start at the same time: each start compiles, and more only slow each other down.</summary>
    private const int StartsMax = 4;

    /// <summary>Accounts that register devices at the same time, of the ten that the development node funds.</summary>
    private const int Registrars = 8;

    private const int CounterTriesMax = 20;

    private static readonly TimeSpan JoinTimeout = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan JoinPoll = TimeSpan.FromMilliseconds(500);

    private readonly string folder = Directory.CreateTempSubdirectory("depin-bench-").FullName;
    private readonly List<SigningDevice> devices = [];
    private readonly List<LocalGateway> started = [];
    private readonly List<PacedPublisher> publishers = [];
    private readonly CancellationTokenSource ending = new();
    private LocalChain? chain;

    private LoadedNetwork()
    {
    }

    public IReadOnlyList<LoadedGateway> Gateways { get; private set; } = [];

    public long Acked => Gateways.Sum(static gateway => gateway.Acked);

    /// <summary>Frames acknowledged and in no certificate yet.</summary>
    public long Uncertified => Gateways.Sum(static gateway => gateway.Acked - gateway.Watch.CertifiedFrames);

    /// <summary>Of all devices together.</summary>
    public double FramesPerSecond
    {
        set
        {
            foreach (PacedPublisher publisher in publishers)
            {
                publisher.FramesPerSecond = value / publishers.Count;
            }
        }
    }

    public static async Task<LoadedNetwork> StartAsync(int gateways, CancellationToken cancel)
    {
        LoadedNetwork network = new();
        try
        {
            await network.LaunchAsync(gateways, cancel).ConfigureAwait(false);
            return network;
        }
        catch
        {
            await network.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Passes on what ended a device, a watch or a gateway.</summary>
    public void ThrowIfFailed()
    {
        foreach (LoadedGateway one in Gateways)
        {
            if (one.Gateway.Process!.HasExited)
            {
                throw one.Gateway.Process.Ended();
            }

            if (one.Watching.IsFaulted)
            {
                one.Watching.GetAwaiter().GetResult();
            }

            foreach (PacedPublisher publisher in one.Publishers)
            {
                publisher.ThrowIfFailed();
            }
        }
    }

    /// <summary>Waits so long, and fails when something of it does.</summary>
    public async Task RunForAsync(TimeSpan time, CancellationToken cancel)
    {
        ThrowIfFailed();
        await Task.Delay(time, cancel).ConfigureAwait(false);
        ThrowIfFailed();
    }

    public Task<GatewayCounters[]> CountAsync(CancellationToken cancel) => Task.WhenAll(Gateways.Select(one => CountAsync(one.Gateway, cancel)));

    /// <summary>The largest resident set now, MiB.</summary>
    public double LargestRssMiB() => Gateways.Max(static one => Usage(one.Gateway).RssMiB);

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        foreach (LoadedGateway one in Gateways)
        {
            await one.Watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(publishers.Select(static one => one.DisposeAsync().AsTask())).ConfigureAwait(false);
        await Task.WhenAll(started.Select(static one => one.DisposeAsync().AsTask())).ConfigureAwait(false);
        if (chain is not null)
        {
            await chain.DisposeAsync().ConfigureAwait(false);
        }

        foreach (SigningDevice device in devices)
        {
            device.Dispose();
        }

        ending.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private async Task LaunchAsync(int gateways, CancellationToken cancel)
    {
        string[] names = [.. Enumerable.Range(1, gateways).Select(static number => $"gateway-{number}")];
        GatewayIdentity[] identities = [.. names.Select(name => LocalGateway.CreateIdentity(Sub(name)))];
        chain = await LocalChain.StartAsync(Sub("chain"), identities, cancel).ConfigureAwait(false);
        for (int i = 0; i < gateways * DevicesPerGateway; i++)
        {
            devices.Add(new SigningDevice());
        }

        Task registering = RegisterAsync(chain, cancel);
        try
        {
            foreach (int[] part in Enumerable.Range(0, gateways).Chunk(StartsMax))
            {
                await StartGatewaysAsync([.. part.Select(i => new LocalGatewayOptions(Sub(names[i]), identities[i], chain.DeploymentFile, chain.Node.RpcUrl, Path.Combine(folder, "logs", names[i] + ".log"))
                {
                    Name = names[i], BatchAgeMaxS = BatchAgeS(gateways),
                })], cancel).ConfigureAwait(false);
            }
        }
        finally
        {
            await registering.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await registering.ConfigureAwait(false);
        await UntilTogetherAsync(cancel).ConfigureAwait(false);
        foreach ((LocalGateway gateway, SigningDevice[] own) in started.Zip(devices.Chunk(DevicesPerGateway)))
        {
            List<PacedPublisher> mine = [];
            foreach (SigningDevice device in own)
            {
                mine.Add(await PacedPublisher.StartAsync(device, gateway.MqttPort, Samples, cancel).ConfigureAwait(false));
                publishers.Add(mine[^1]);
            }

            BatchWatch watch = new(gateway);
            Gateways = [.. Gateways, new LoadedGateway(gateway, mine, watch, watch.RunAsync(ending.Token))];
        }
    }

    /// <summary>Those that did start are in the list whatever happens, so that they are put away.</summary>
    private async Task StartGatewaysAsync(LocalGatewayOptions[] options, CancellationToken cancel)
    {
        Task<LocalGateway>[] starting = [.. options.Select(one => LocalGateway.StartAsync(one, cancel))];
        try
        {
            await Task.WhenAll(starting).ConfigureAwait(false);
        }
        finally
        {
            started.AddRange(starting.Where(static one => one.IsCompletedSuccessfully).Select(static one => one.Result));
        }
    }

    /// <summary>As each device's owner would, with its own signature; anyone may send it, so several accounts do at the same time.</summary>
    private Task RegisterAsync(LocalChain on, CancellationToken cancel) => Task.WhenAll(Enumerable.Range(0, Registrars).Select(async number =>
    {
        using GatewaySigner account = on.Node.CreateSigner(number);
        TransactionSender sender = new(on.Client, account, TimeProvider.System);
        foreach (SigningDevice device in devices.Where((_, index) => index % Registrars == number))
        {
            byte[] message = DeviceClaim.Message(device.KeyKind, on.Deployment.ChainId, on.Deployment.DeviceRegistry, on.Owner);
            byte[] claim = new byte[Protocol.FrameFormat.SignatureBytes];
            device.Sign(message, 0, message.Length, claim, 0);
            await sender.SendAsync(on.Deployment.DeviceRegistry, DeviceClaim.EncodeRegister(device.KeyKind, device.PublicKey, claim, on.Owner), cancel).ConfigureAwait(false);
        }
    }));

    /// <summary>Every gateway knows every device and is connected with every other.</summary>
    private async Task UntilTogetherAsync(CancellationToken cancel)
    {
        long began = Stopwatch.GetTimestamp();
        foreach (LocalGateway gateway in started)
        {
            while (!await IsTogetherAsync(gateway, cancel).ConfigureAwait(false))
            {
                if (gateway.Process!.HasExited)
                {
                    throw gateway.Process.Ended();
                }

                if (Stopwatch.GetElapsedTime(began) > JoinTimeout)
                {
                    throw new CliError(ExitCode.Failed, $"{gateway.Name} did not find the {started.Count - 1} others and all devices within {JoinTimeout.TotalSeconds:0} s", "this machine is too small or too busy for so many gateways: name fewer with --gateways");
                }

                await Task.Delay(JoinPoll, cancel).ConfigureAwait(false);
            }
        }
    }

    private async Task<bool> IsTogetherAsync(LocalGateway gateway, CancellationToken cancel)
    {
        try
        {
            JsonElement status = await gateway.Api.GetAsync("/api/status", cancel).ConfigureAwait(false);
            if (status.GetProperty("devices").GetInt32() != devices.Count)
            {
                return false;
            }

            NetworkJson network = await GatewayNetwork.ReadAsync(gateway.Api, cancel).ConfigureAwait(false);
            return network.Active.Count == started.Count && network.Active.All(static member => member.Connected is not false);
        }
        catch (CliError error) when (error.ExitCode == ExitCode.Unreachable)
        {
            return false; // busy; asked again
        }
    }

    private static async Task<GatewayCounters> CountAsync(LocalGateway gateway, CancellationToken cancel)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                NetworkJson network = await GatewayNetwork.ReadAsync(gateway.Api, cancel).ConfigureAwait(false);
                if (network.Active.Count > 0)
                {
                    (double processor, double rss) = Usage(gateway);
                    return new GatewayCounters(network.Active.Sum(static member => member.BytesSent), processor, rss);
                }
            }
            catch (CliError error) when (error.ExitCode == ExitCode.Unreachable && tries < CounterTriesMax && !gateway.Process!.HasExited)
            {
                // busy; asked again
            }

            if (tries >= CounterTriesMax)
            {
                throw new CliError(ExitCode.Failed, $"{gateway.Name} does not follow the chain to its newest block", "this machine is too small or too busy for so many gateways: name fewer with --gateways");
            }

            await Task.Delay(BatchWatch.Interval, cancel).ConfigureAwait(false);
        }
    }

    private static (double ProcessorS, double RssMiB) Usage(LocalGateway gateway)
    {
        if (gateway.Process!.HasExited)
        {
            throw gateway.Process.Ended();
        }

        using Process process = Process.GetProcessById(gateway.Process.Id);
        return (process.TotalProcessorTime.TotalSeconds, process.WorkingSet64 / 1048576.0);
    }

    private string Sub(string name) => Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
}

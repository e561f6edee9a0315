using System.Text.Json.Nodes;
using DePIN.Cli.Gateway;
using DePIN.Cli.Gateway.Host;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;

namespace DePIN.Cli.Up;

/// <summary>What the registry records of a local gateway.</summary>
/// <param name="Address">Of the key that signs.</param>
/// <param name="TlsKeyHash">Of the key that other gateways pin.</param>
/// <param name="PeerPort">Where they connect.</param>
/// <param name="PeerHost">On this address: loopback, or one of a network namespace that a test made.</param>
public sealed record GatewayIdentity(Address Address, Hash32 TlsKeyHash, int PeerPort, string PeerHost = "127.0.0.1")
{
    public GatewayRegistry.Gateway Record => new(Address, TlsKeyHash, $"https://{PeerHost}:{PeerPort}");
}

/// <summary>What a local gateway is started with.</summary>
/// <param name="Folder">Its data folder; must exist, with the keys in it.</param>
/// <param name="Identity">What <see cref="LocalGateway.CreateIdentity"/> made there.</param>
/// <param name="DeploymentFile">The record that Deployment wrote.</param>
/// <param name="RpcUrl">The chain's endpoint.</param>
/// <param name="BatchAgeMaxS">A batch is closed at this age, seconds.</param>
public sealed record LocalGatewayOptions(string Folder, GatewayIdentity Identity, string DeploymentFile, Uri RpcUrl, string LogFile)
{
    public int BatchAgeMaxS { get; init; } = 2;

    public int BatchFramesMax { get; init; } = 4_096;

    /// <summary>The next gateway in an epoch's order anchors after this, seconds: within <see cref="LocalChain.EpochSeconds"/>.</summary>
    public int LeaderTimeoutS { get; init; } = 2;

    /// <summary>How often the chain is asked for news, ms.</summary>
    public int PollIntervalMs { get; init; } = 250;

    /// <summary>Blocks until an anchor counts as final. One on a chain that nobody else mines.</summary>
    public int Confirmations { get; init; } = 1;

    /// <summary>In messages and the process list.</summary>
    public string Name { get; init; } = "gateway";

    /// <summary>Where MQTT and the API listen.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>A command that the gateway is started through, such as one that puts it into a network namespace; empty: none.</summary>
    public IReadOnlyList<string> Through { get; init; } = [];

    /// <summary>More of the process's environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Other gateways' endpoints instead of the registry's, "0xaddress=https://host:port".</summary>
    public IReadOnlyList<string> PeerEndpoints { get; init; } = [];

    /// <summary>Template of the job of its provisioning page; null: it has none.</summary>
    public string? ProvisionTemplate { get; init; }

    /// <summary>Names for that page's boards (CSV); empty: none.</summary>
    public string ProvisionManifest { get; init; } = "";

    /// <summary>The gateway's program, a DePIN.Gateway.dll or a native one; null: the one built along with this program.</summary>
    public string? Program { get; init; }
}

/// <summary>
/// A real gateway process on loopback with ports of its own. Its keys are made and its port for peers is chosen before the first start, because the
/// registry must know them when it is deployed. Can be killed and started again on the same folder and ports.
/// </summary>
public sealed class LocalGateway : IAsyncDisposable
{
    private const string ConfigFile = "gateway.json";

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    private readonly LocalGatewayOptions options;

    private LocalGateway(LocalGatewayOptions options)
    {
        this.options = options;
        MqttPort = Programs.FreePort();
        MqttTlsPort = Programs.FreePort();
        ProvisionPort = Programs.FreePort();
        Api = new GatewayApi($"http://{options.Host}:{Programs.FreePort()}");
    }

    public string Name => options.Name;

    public GatewayIdentity Identity => options.Identity;

    public GatewayApi Api { get; }

    public int MqttPort { get; }

    public int MqttTlsPort { get; }

    /// <summary>Of its provisioning page, when it has one.</summary>
    public int ProvisionPort { get; }

    public ChildProcess? Process { get; private set; }

    /// <summary>The authority that signed the gateway's certificate, PEM: what boards are given to trust.</summary>
    public string AuthorityFile => Path.Combine(options.Folder, "ca.pem");

    /// <summary>Makes the gateway's keys in its folder and chooses its port.</summary>
    public static GatewayIdentity CreateIdentity(string folder)
    {
        using GatewaySigner key = PrivateFile.CreateKey(Path.Combine(folder, GatewayKey.FileName));
        return new GatewayIdentity(key.Address, PrivateFile.CreateTlsKey(Path.Combine(folder, PeerKey.FileName)), Programs.FreePort());
    }

    public static async Task<LocalGateway> StartAsync(LocalGatewayOptions options, CancellationToken cancel)
    {
        LocalGateway gateway = new(options);
        try
        {
            gateway.WriteSettings();
            await gateway.LaunchAsync(cancel).ConfigureAwait(false);
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts the process (again) and waits until its API answers.</summary>
    public async Task LaunchAsync(CancellationToken cancel)
    {
        Dictionary<string, string> environment = new() { [GatewayRun.FirstGeneration] = GatewayRun.FirstGenerationBytes };
        foreach ((string name, string value) in options.Environment) environment[name] = value;
        string program = options.Program ?? Programs.Gateway;
        string[] host = program.EndsWith(".dll", StringComparison.Ordinal) ? [ChildProcess.DotnetHost] : []; // a native one needs none
        Process = ChildProcess.Start(options.Name, [.. options.Through, .. host, program, "--config", Path.Combine(options.Folder, ConfigFile)], options.LogFile, onLine: null, environment);
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(StartTimeout);
        while (true)
        {
            if (Process.HasExited)
            {
                int code = await Process.WaitAsync(cancel).ConfigureAwait(false);
                throw new CliError(ExitCode.Failed, $"{options.Name} ended with {code}: {Process.Tail()}", $"its whole log is {options.LogFile}");
            }

            try
            {
                await Api.TryGetAsync("/api/status", patience.Token).ConfigureAwait(false);
                return;
            }
            catch (CliError error) when (error.ExitCode == ExitCode.Unreachable && !patience.IsCancellationRequested)
            {
                await Task.Delay(PollInterval, cancel).ConfigureAwait(false); // it is still starting
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                throw new CliError(ExitCode.Unreachable, $"{options.Name} did not answer at {Api.Url} within {StartTimeout.TotalSeconds:0} s: {Process.Tail()}", $"its whole log is {options.LogFile}");
            }
        }
    }

    /// <summary>kill -9, and nothing else.</summary>
    public async Task KillAsync()
    {
        await Process!.KillAsync().ConfigureAwait(false);
        await Process.DisposeAsync().ConfigureAwait(false);
        Process = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (Process is not null)
        {
            await Process.DisposeAsync().ConfigureAwait(false);
        }

        Api.Dispose();
    }

    private void WriteSettings()
    {
        JsonObject settings = new()
        {
            ["data"] = new JsonObject { ["folder"] = options.Folder },
            ["mqtt"] = new JsonObject { ["listen"] = $"{options.Host}:{MqttTlsPort}", ["listenPlain"] = $"{options.Host}:{MqttPort}", ["allowPlainRemote"] = true },
            ["batch"] = new JsonObject { ["ageMaxS"] = options.BatchAgeMaxS, ["framesMax"] = options.BatchFramesMax },
            ["chain"] = new JsonObject
            {
                ["rpcUrls"] = new JsonArray(options.RpcUrl.ToString()),
                ["deployment"] = options.DeploymentFile,
                ["pollIntervalMs"] = options.PollIntervalMs,
                ["confirmations"] = options.Confirmations,
            },
            ["anchor"] = new JsonObject { ["leaderTimeoutS"] = options.LeaderTimeoutS },
            ["peer"] = new JsonObject
            {
                ["listen"] = $"{options.Identity.PeerHost}:{options.Identity.PeerPort}", ["discovery"] = false,
                ["endpoints"] = new JsonArray([.. options.PeerEndpoints.Select(endpoint => JsonValue.Create(endpoint))]),
            },
            ["web"] = new JsonObject { ["listen"] = $"{options.Host}:{Api.Url.Port}", ["allowRemote"] = options.Host != "127.0.0.1" },
        };
        if (options.ProvisionTemplate is { } template)
        {
            settings["provision"] = new JsonObject { ["listen"] = $"{options.Host}:{ProvisionPort}", ["template"] = template, ["manifest"] = options.ProvisionManifest };
        }

        File.WriteAllText(Path.Combine(options.Folder, ConfigFile), settings.ToJsonString(new() { WriteIndented = true }));
    }
}

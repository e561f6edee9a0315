using System.Text.Json.Nodes;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Evidence;

namespace DePIN.Cli.Up;

/// <summary>What a local gateway is started with.</summary>
/// <param name="Folder">Its data folder; must exist.</param>
/// <param name="DeploymentFile">The record that Deployment wrote.</param>
/// <param name="RpcUrl">The chain's endpoint.</param>
/// <param name="BatchAgeMaxS">A batch is closed at this age, seconds.</param>
public sealed record LocalGatewayOptions(string Folder, string DeploymentFile, Uri RpcUrl, string LogFile)
{
    public int BatchAgeMaxS { get; init; } = 2;

    public int BatchFramesMax { get; init; } = 4_096;

    /// <summary>How often the chain is asked for news, ms.</summary>
    public int PollIntervalMs { get; init; } = 250;

    /// <summary>Blocks until an anchor counts as final. One on a chain that nobody else mines.</summary>
    public int Confirmations { get; init; } = 1;
}

/// <summary>
/// A real gateway process on loopback with ports of its own. The key is made before the first start, because the registry
/// must know its address when it is deployed. Can be killed and started again on the same folder and ports.
/// </summary>
public sealed class LocalGateway : IAsyncDisposable
{
    private const string KeyFile = "gateway.key";
    private const string ConfigFile = "gateway.json";

    /// <summary>As the gateway's README tells its operators: a first generation that does not grow with the processor's cache.</summary>
    private static readonly Dictionary<string, string> Environment = new() { ["DOTNET_GCgen0size"] = "0x200000" };

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    private readonly LocalGatewayOptions options;

    private LocalGateway(LocalGatewayOptions options)
    {
        this.options = options;
        MqttPort = Programs.FreePort();
        MqttTlsPort = Programs.FreePort();
        Api = new GatewayApi($"http://127.0.0.1:{Programs.FreePort()}");
    }

    public GatewayApi Api { get; }

    public int MqttPort { get; }

    public int MqttTlsPort { get; }

    public ChildProcess? Process { get; private set; }

    /// <summary>The authority that signed the gateway's certificate, PEM: what boards are given to trust.</summary>
    public string AuthorityFile => Path.Combine(options.Folder, "ca.pem");

    /// <summary>Makes the gateway's key in its folder and returns its address.</summary>
    public static Address CreateKey(string folder)
    {
        using GatewaySigner key = PrivateFile.CreateKey(Path.Combine(folder, KeyFile));
        return key.Address;
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
        Process = ChildProcess.StartDotnet("gateway", Programs.Gateway, ["--config", Path.Combine(options.Folder, ConfigFile)], options.LogFile, onLine: null, Environment);
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(StartTimeout);
        while (true)
        {
            if (Process.HasExited)
            {
                int code = await Process.WaitAsync(cancel).ConfigureAwait(false);
                throw new CliError(ExitCode.Failed, $"the gateway ended with {code}: {Process.Tail()}", $"its whole log is {options.LogFile}");
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
                throw new CliError(ExitCode.Unreachable, $"the gateway did not answer at {Api.Url} within {StartTimeout.TotalSeconds:0} s: {Process.Tail()}", $"its whole log is {options.LogFile}");
            }
        }
    }

    /// <summary>kill -9, and nothing else.</summary>
    public async Task KillAsync()
    {
        await Process!.KillAsync().ConfigureAwait(false);
        await Process.DisposeAsync().ConfigureAwait(false);
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
            ["mqtt"] = new JsonObject { ["listen"] = $"127.0.0.1:{MqttTlsPort}", ["listenPlain"] = $"127.0.0.1:{MqttPort}" },
            ["batch"] = new JsonObject { ["ageMaxS"] = options.BatchAgeMaxS, ["framesMax"] = options.BatchFramesMax },
            ["chain"] = new JsonObject
            {
                ["rpcUrls"] = new JsonArray(options.RpcUrl.ToString()),
                ["deployment"] = options.DeploymentFile,
                ["pollIntervalMs"] = options.PollIntervalMs,
                ["confirmations"] = options.Confirmations,
            },
            ["web"] = new JsonObject { ["listen"] = $"127.0.0.1:{Api.Url.Port}" },
        };
        File.WriteAllText(Path.Combine(options.Folder, ConfigFile), settings.ToJsonString(new() { WriteIndented = true }));
    }
}

using System.Text.Json;
using DePIN.Cli.Up;

namespace DePIN.Cli.Bench;

/// <summary>A technician's table: a chain, a gateway, and blank virtual boards with their serial ports, each a real process. For the bench and the tests.</summary>
public sealed class ProvisionFloor : IAsyncDisposable
{
    private static readonly Dictionary<string, string> BoardSettings = new() { ["interval-ms"] = "500", ["samples-per-frame"] = "2", ["sntp-server"] = "" };

    private readonly string _folder;
    private readonly List<LocalBoard> _boards = [];
    private int _made;

    private ProvisionFloor(string folder) => _folder = folder;

    public LocalChain Chain { get; private set; } = null!;

    public LocalGateway Gateway { get; private set; } = null!;

    public IReadOnlyList<LocalBoard> Boards => _boards;

    /// <summary>The job's template.</summary>
    public string Template => Path.Combine(_folder, "job.json");

    /// <summary>The account that owns the boards, and pays.</summary>
    public string KeyFile => Path.Combine(_folder, "chain", LocalChain.OwnerKeyFile);

    /// <summary>Of the gateway: keys, and what its page keeps.</summary>
    public string GatewayFolder => Path.Combine(_folder, "gateway");

    /// <param name="folder">Of everything; exists.</param>
    /// <param name="cancel">Ends the start.</param>
    /// <param name="gatewaySettings">More settings of the gateway, as its environment has them.</param>
    /// <param name="pageManifest">The gateway serves its page for this job too, with the names in this file; null: it does not.</param>
    public static async Task<ProvisionFloor> StartAsync(
        string folder, CancellationToken cancel, IReadOnlyDictionary<string, string>? gatewaySettings = null, string? pageManifest = null)
    {
        ProvisionFloor floor = new(folder);
        try
        {
            string gatewayFolder = Sub(folder, Path.GetFileName(floor.GatewayFolder));
            GatewayIdentity identity = LocalGateway.CreateIdentity(gatewayFolder);
            floor.Chain = await LocalChain.StartAsync(Sub(folder, "chain"), [identity], cancel).ConfigureAwait(false);
            floor.Gateway = await LocalGateway.StartAsync(
                new LocalGatewayOptions(gatewayFolder, identity, floor.Chain.DeploymentFile, floor.Chain.Node.RpcUrl, Path.Combine(folder, "gateway.log"))
                {
                    Environment = gatewaySettings ?? new Dictionary<string, string>(),
                    ProvisionTemplate = pageManifest is null ? null : floor.WritePageTemplate(), ProvisionManifest = pageManifest ?? "",
                }, cancel).ConfigureAwait(false);
            floor.WriteTemplate();
            return floor;
        }
        catch
        {
            await floor.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Plugs one more blank board in.</summary>
    /// <param name="more">More arguments of the virtual board.</param>
    public LocalBoard Plug(params string[] more)
    {
        _made++;
        return PlugAs($"bench-{_made}", more);
    }

    /// <summary>Plugs a board in by its name: the same name is the same board, with what its flash holds.</summary>
    public LocalBoard PlugAs(string name, params string[] more)
    {
        LocalBoard board = LocalBoard.Start(new BoardState(name, "model"), Sub(_folder, name), Path.Combine(_folder, name + ".log"), _boards.Count + 1, more);
        _boards.Add(board);
        return board;
    }

    /// <summary>Unplugs all boards.</summary>
    public async Task UnplugAsync()
    {
        await Task.WhenAll(_boards.Select(board => board.DisposeAsync().AsTask())).ConfigureAwait(false);
        _boards.Clear();
    }

    /// <summary>The gateway's page needs less: port, TLS and authority are the gateway's own.</summary>
    private string WritePageTemplate()
    {
        string path = Path.Combine(_folder, "page.json");
        File.WriteAllText(path, JsonSerializer.Serialize(new
        {
            name = "bench", owner = Chain.Owner.ToString(), settings = new Dictionary<string, string>(BoardSettings) { ["gateway-host"] = "127.0.0.1" }, confirmSeconds = 120,
        }));
        return path;
    }

    private void WriteTemplate()
    {
        File.WriteAllText(Template, JsonSerializer.Serialize(new
        {
            name = "bench",
            rpc = Chain.Node.RpcUrl.ToString(),
            deployment = Path.GetRelativePath(_folder, Chain.DeploymentFile),
            owner = Chain.Owner.ToString(),
            gatewayApi = Gateway.Api.Url.ToString(),
            authority = Path.GetRelativePath(_folder, Gateway.AuthorityFile),
            settings = new Dictionary<string, string>(BoardSettings)
            {
                ["gateway-host"] = "127.0.0.1", ["gateway-port"] = Gateway.MqttTlsPort.ToString(System.Globalization.CultureInfo.InvariantCulture), ["tls"] = "on",
            },
            confirmSeconds = 120,
        }));
    }

    public async ValueTask DisposeAsync()
    {
        await UnplugAsync().ConfigureAwait(false);
        if (Gateway is not null) await Gateway.DisposeAsync().ConfigureAwait(false);
        if (Chain is not null) await Chain.DisposeAsync().ConfigureAwait(false);
    }

    private static string Sub(string folder, string name) => Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
}

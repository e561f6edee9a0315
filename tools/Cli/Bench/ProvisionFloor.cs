using System.Text.Json;
using DePIN.Cli.Up;

namespace DePIN.Cli.Bench;

/// <summary>A technician's table: a chain, a gateway, and blank virtual boards with their serial ports, each a real process. For the bench and the tests.</summary>
public sealed class ProvisionFloor : IAsyncDisposable
{
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

    public static async Task<ProvisionFloor> StartAsync(string folder, CancellationToken cancel)
    {
        ProvisionFloor floor = new(folder);
        try
        {
            string gatewayFolder = Sub(folder, "gateway");
            GatewayIdentity identity = LocalGateway.CreateIdentity(gatewayFolder);
            floor.Chain = await LocalChain.StartAsync(Sub(folder, "chain"), [identity], cancel).ConfigureAwait(false);
            floor.Gateway = await LocalGateway.StartAsync(
                new LocalGatewayOptions(gatewayFolder, identity, floor.Chain.DeploymentFile, floor.Chain.Node.RpcUrl, Path.Combine(folder, "gateway.log")), cancel).ConfigureAwait(false);
            floor.WriteTemplate();
            return floor;
        }
        catch
        {
            await floor.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Plugs one more blank board in, with these further arguments of the virtual board.</summary>
    public LocalBoard Plug(params string[] more)
    {
        _made++;
        string name = $"bench-{_made}";
        LocalBoard board = LocalBoard.Start(new BoardState(name, "model"), Sub(_folder, name), Path.Combine(_folder, name + ".log"), _made, more);
        _boards.Add(board);
        return board;
    }

    /// <summary>Unplugs all boards.</summary>
    public async Task UnplugAsync()
    {
        await Task.WhenAll(_boards.Select(board => board.DisposeAsync().AsTask())).ConfigureAwait(false);
        _boards.Clear();
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
            settings = new Dictionary<string, string>
            {
                ["gateway-host"] = "127.0.0.1", ["gateway-port"] = Gateway.MqttTlsPort.ToString(System.Globalization.CultureInfo.InvariantCulture), ["tls"] = "on",
                ["interval-ms"] = "500", ["samples-per-frame"] = "2", ["sntp-server"] = "",
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

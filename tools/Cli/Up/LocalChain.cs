using System.Text.Json.Nodes;
using DePIN.Cli.Serial;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Provision;

namespace DePIN.Cli.Up;

/// <summary>
/// A real EVM node on loopback with our contracts on it, and the account that owns the boards. Keys are made for this run and lie
/// in its folder with mode 0600; the node funds their accounts out of nothing, which only a development node does.
/// </summary>
public sealed class LocalChain : IAsyncDisposable
{
    public const ulong EpochSeconds = 4;

    public const string OwnerKeyFile = "owner.key";

    /// <summary>1,000 ether, in wei.</summary>
    private const string Funds = "0x3635c9adc5dea00000";

    private readonly HttpClient http = JsonRpc.CreateHttpClient();
    private readonly GatewaySigner owner;
    private readonly TransactionSender sender;

    private LocalChain(AnvilNode node, GatewaySigner owner)
    {
        Node = node;
        this.owner = owner;
        Client = new EthereumClient(new JsonRpc(http, new JsonRpcSettings(node.RpcUrl), TimeProvider.System, new Random()));
        sender = new TransactionSender(Client, owner, TimeProvider.System);
    }

    public AnvilNode Node { get; }

    public EthereumClient Client { get; }

    public Address Owner => owner.Address;

    public DeploymentRecord Deployment { get; private set; } = null!;

    public string DeploymentFile { get; private set; } = "";

    /// <param name="folder">Where the owner's key, the chain's state and the deployment record go; must exist.</param>
    /// <param name="gateways">The first active set; their accounts are funded.</param>
    /// <param name="cancel">Ends it.</param>
    /// <param name="options">Of the node.</param>
    /// <param name="plan">First values of what governance may change.</param>
    public static async Task<LocalChain> StartAsync(string folder, IReadOnlyList<GatewayIdentity> gateways, CancellationToken cancel, AnvilOptions? options = null, NetworkPlan? plan = null)
    {
        AnvilNode node = await AnvilNode.StartAsync(options ?? new AnvilOptions { BlockTime = TimeSpan.FromSeconds(1) }, cancel).ConfigureAwait(false);
        LocalChain chain = new(node, PrivateFile.CreateKey(Path.Combine(folder, OwnerKeyFile)));
        try
        {
            foreach (Address account in gateways.Select(gateway => gateway.Address).Append(chain.Owner))
            {
                await chain.FundAsync(account, cancel).ConfigureAwait(false);
            }

            chain.Deployment = await Devnet.Deployment.DeployAsync(
                chain.Client, chain.owner, [.. gateways.Select(gateway => gateway.Record)], EpochSeconds, TimeProvider.System, plan, cancel).ConfigureAwait(false);
            chain.DeploymentFile = Path.Combine(folder, "deployment.json");
            await Devnet.Deployment.WriteAsync(chain.Deployment, chain.DeploymentFile, cancel).ConfigureAwait(false);
            return chain;
        }
        catch
        {
            await chain.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Gives an account ether out of nothing.</summary>
    public Task FundAsync(Address account, CancellationToken cancel = default) => Node.CallAsync("anvil_setBalance", new JsonArray(account.ToString(), Funds), cancel);

    /// <summary>Sends a call as the boards' owner and waits until it is mined.</summary>
    public Task SendAsync(Address to, byte[] call, CancellationToken cancel = default) => sender.SendAsync(to, call, cancel);

    /// <summary>Registers a board with its own signature over this chain, registry and owner.</summary>
    public async Task RegisterAsync(BoardIdentity board, ReadOnlyMemory<byte> claim, CancellationToken cancel)
    {
        byte[] call = DeviceClaim.EncodeRegister(board.KeyKind, board.PublicKey, claim.Span, Owner);
        await sender.SendAsync(Deployment.DeviceRegistry, call, cancel).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        owner.Dispose();
        http.Dispose();
        await Node.DisposeAsync().ConfigureAwait(false);
    }
}

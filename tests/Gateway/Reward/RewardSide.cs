using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Settings;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Reward;

/// <summary>The part of a gateway that computes rewards, on a real chain, with its own chain.db. Disposing and making it again is a restart.</summary>
internal sealed class RewardSide : IPeerTransport, IAsyncDisposable
{
    private static readonly TimeSpan LeaderTimeout = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _ended = new();
    private readonly HttpClient _http = JsonRpc.CreateHttpClient();
    private readonly ChainDatabase _database;
    private readonly ChainRegistry _registry;
    private readonly RewardStage _stage;
    private readonly RewardSide?[] _all;
    private readonly GatewaySigner _key;
    private Task _running = Task.CompletedTask;

    /// <param name="network">The chain.</param>
    /// <param name="index">Which gateway.</param>
    /// <param name="folder">Where its chain.db is.</param>
    /// <param name="all">Where the sides find each other; this one puts itself in.</param>
    /// <param name="endpoints">What rewards are read with; null: the node.</param>
    /// <param name="agree">How many of them must say the same.</param>
    public RewardSide(LocalNetwork network, AnvilNode node, int index, string folder, RewardSide?[] all, IReadOnlyList<Uri>? endpoints = null, int agree = 1)
    {
        _key = network.GatewayKeys[index];
        _all = all;
        _database = ChainDatabase.Open(folder);
        Network = new NetworkLog(_database);
        Log = new RewardLog(_database);
        Health = new HealthBoard(TimeProvider.System, NullLogger.Instance);
        DeploymentRecord record = network.Record;
        ChainAddresses at = new(record.ChainId, record.DeviceRegistry, record.GatewayRegistry, record.Ledger, record.EpochSeconds, record.DeployedAtBlock);
        ChainSettings settings = new() { PollIntervalMs = 50, EpochSeconds = (long)at.EpochSeconds, RpcUrls = [.. (endpoints ?? [node.RpcUrl]).Select(url => url.ToString())], RpcAgree = agree };
        EthereumClient client = Single(node.RpcUrl.ToString());
        RegistryLog log = new(_database);
        _registry = new ChainRegistry(settings, at.DeployedAtBlock, new ChainReader(client, at), log, new LedgerRange(log),
            _ => ValueTask.FromResult(true), Health, TimeProvider.System);
        _stage = new RewardStage(new RewardOptions(_key.Address, at, 1, TimeSpan.FromMilliseconds(50), LeaderTimeout, System.Numerics.BigInteger.Pow(10, 12), true),
            _key, client, AgreeingRewardChain.Over(Single(settings.RpcUrls[0]), Single, settings, Health, TimeProvider.System), _registry, Network, Log, this, () => false, Health, TimeProvider.System);
        all[index] = this;

        EthereumClient Single(string url)
        {
            JsonRpc rpc = new(_http, new JsonRpcSettings(new Uri(url)) { RoundsMax = 1 }, TimeProvider.System, new Random(1));
            ContractErrors.AddTo(rpc.Reverts);
            return new EthereumClient(rpc);
        }
    }

    public NetworkLog Network { get; }

    public RewardLog Log { get; }

    public HealthBoard Health { get; }

    public List<(Address Peer, string Reason)> Blamed { get; } = [];

    /// <summary>What it said of rewards last.</summary>
    public PartStatus? Part => Health.Find("reward");

    public RewardState State => _stage.State;

    string IPeerTransport.OwnTrouble => "";

    public void Run() => _running = Task.WhenAll(_registry.RunAsync(_ended.Token), _stage.RunAsync(_ended.Token));

    public void Hear(Address peer, PayoutMessage message) => _stage.Received(peer, message);

    public bool Send(Address peer, PeerMessage message)
    {
        RewardSide? to = _all.FirstOrDefault(one => one?._key.Address == peer);
        to?.Hear(_key.Address, (PayoutMessage)message);
        return to is not null;
    }

    void IPeerTransport.Follow(Membership network)
    {
    }

    public void Blame(Address peer, int points, string reason)
    {
        lock (Blamed) Blamed.Add((peer, reason));
    }

    public IReadOnlyList<PeerState> Peers() => [];

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        int index = Array.IndexOf(_all, this);
        if (index >= 0) _all[index] = null;
        _stage.Dispose();
        _registry.Dispose();
        _database.Dispose();
        _http.Dispose();
        _ended.Dispose();
    }
}

using System.Text.Json.Nodes;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Verify;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>Three endpoints before one real node, of which some lie, are silent or are gone: what a gateway believes that wants two to agree.</summary>
internal sealed class AgreeingChainReaderTests
{
    private TestNetwork _network = null!;
    private DoubtfulEndpoint[] _endpoints = [];
    private ChainDatabase _database = null!;
    private RegistryLog _log = null!;
    private ChainRegistry _registry = null!;
    private HealthBoard _health = null!;
    private readonly TestClock _clock = new();
    private readonly Dictionary<DeviceIdValue, RegisteredDevice> _fed = [];
    private readonly HttpClient _http = JsonRpc.CreateHttpClient();

    [SetUp]
    public async Task StartAsync()
    {
        _network = await TestNetwork.StartAsync();
        _endpoints = [new(_network.Node.RpcUrl), new(_network.Node.RpcUrl), new(_network.Node.RpcUrl)];
        foreach (DoubtfulEndpoint endpoint in _endpoints) await endpoint.StartAsync();
        _database = ChainDatabase.Open(_network.Folder);
        _log = new RegistryLog(_database);
        _health = new HealthBoard(_clock, NullLogger.Instance);
        Follow(agree: 2);
    }

    [TearDown]
    public async Task StopAsync()
    {
        _registry.Dispose();
        _database.Dispose();
        foreach (DoubtfulEndpoint endpoint in _endpoints) await endpoint.DisposeAsync();
        await _network.DisposeAsync();
        _fed.Clear();
    }

    [OneTimeTearDown]
    public void Close() => _http.Dispose();

    [Test]
    public async Task A_device_that_one_endpoint_makes_up_is_not_believed_and_the_endpoint_is_named()
    {
        TestDevice honest = new(1), madeUp = new(2);
        await _network.RegisterAsync(honest);
        JsonNode forged = await LogOfAsync(madeUp);
        _endpoints[0].Lie = (method, _, result) => method == "eth_getLogs" ? new JsonArray([.. ((JsonArray)result!).Select(log => log!.DeepClone()), forged.DeepClone()]) : result;

        await _registry.PollAsync(CancellationToken.None);

        Assert.That(_fed.Keys, Is.EquivalentTo(new[] { Id(honest) }));
        Assert.That(_health.Find(AgreeingChainReader.Part)!.State, Is.EqualTo(PartState.Degraded));
        Assert.That(_health.Find(AgreeingChainReader.Part)!.Reason, Does.Contain($":{_endpoints[0].Url().Port}"), "the liar");

        _endpoints[0].Lie = null;
        _clock.Advance(AgreeingChainReader.DissentShown);
        await _network.Node.MineAsync(1);
        await _registry.PollAsync(CancellationToken.None);
        Assert.That(_health.Find(AgreeingChainReader.Part)!.State, Is.EqualTo(PartState.Ok), "it has told the truth for an hour");
    }

    [Test]
    public async Task Who_believes_one_endpoint_believes_a_made_up_device() // what chain.rpcAgree is there for
    {
        Follow(agree: 1);
        TestDevice madeUp = new(2);
        JsonNode forged = await LogOfAsync(madeUp);
        _endpoints[0].Lie = (method, _, result) => method == "eth_getLogs" ? new JsonArray([.. ((JsonArray)result!).Select(log => log!.DeepClone()), forged.DeepClone()]) : result;
        await _registry.PollAsync(CancellationToken.None);
        Assert.That(_fed.Keys, Is.EquivalentTo(new[] { Id(madeUp) }));
    }

    [Test]
    public async Task A_revocation_that_one_endpoint_keeps_back_is_seen()
    {
        TestDevice device = new(1);
        await _network.RegisterAsync(device);
        await _network.RevokeAsync(device);
        _endpoints[0].Lie = (method, _, result) => method == "eth_getLogs"
            ? new JsonArray([.. ((JsonArray)result!).Where(log => log!["topics"]![0]!.GetValue<string>() != DeviceRegistry.DeviceRevokedEvent.Topic.ToString()).Select(log => log!.DeepClone())])
            : result;
        await _registry.PollAsync(CancellationToken.None);
        Assert.That(_fed[Id(device)].IsRevoked, Is.True);
    }

    [Test]
    public async Task Two_that_lie_differently_stop_the_reading_and_nothing_known_is_lost()
    {
        TestDevice known = new(1), later = new(2);
        await _network.RegisterAsync(known);
        await _registry.PollAsync(CancellationToken.None);
        await _network.RegisterAsync(later);
        _endpoints[0].Lie = (method, _, result) => method == "eth_getLogs" ? new JsonArray() : result;
        JsonNode forged = await LogOfAsync(new TestDevice(3));
        _endpoints[1].Lie = (method, _, result) => method == "eth_getLogs" ? new JsonArray(forged.DeepClone()) : result;

        Assert.That(async () => await _registry.PollAsync(CancellationToken.None),
            Throws.TypeOf<RpcAnswerException>().With.Message.Contains("say the same about the events").And.Message.Contains("chain.rpcUrls"));
        Assert.That(_log.Devices().Select(device => device.Id), Is.EqualTo(new[] { Id(known) }));

        _endpoints[1].Lie = null;
        await _registry.PollAsync(CancellationToken.None);
        Assert.That(_log.Device(Id(later)), Is.Not.Null);
    }

    [Test]
    public async Task Another_block_at_the_head_and_a_clock_in_the_future_of_one_endpoint_change_nothing()
    {
        await _network.Node.MineAsync(3);
        _endpoints[0].Lie = (method, _, result) =>
        {
            if (method != "eth_getBlockByNumber" || result is null) return result;
            JsonNode block = result.DeepClone();
            block["timestamp"] = "0xffffffff"; // 2106
            if (block["hash"] is not null) block["hash"] = "0x" + new string('7', 64);
            return block;
        };
        await _registry.PollAsync(CancellationToken.None);
        ChainSnapshot seen = _registry.Snapshot()!;
        Block head = (await _network.Client.GetBlockAsync(BlockTag.Latest))!;
        Assert.That(seen.Block, Is.EqualTo(head.Number));
        Assert.That(seen.TimeS, Is.LessThan(0xffffffff));
        Assert.That(_log.Last!.Value.Hash, Is.EqualTo(head.Hash));
    }

    [Test]
    public async Task A_silent_endpoint_is_left_behind_and_two_of_them_stop_the_reading()
    {
        TestDevice device = new(1);
        await _network.RegisterAsync(device);
        TaskCompletionSource never = new();
        _endpoints[0].Silence = never.Task;
        await _registry.PollAsync(CancellationToken.None);
        Assert.That(_fed.Keys, Is.EquivalentTo(new[] { Id(device) }));

        _endpoints[1].Silence = never.Task;
        Assert.That(async () => await _registry.PollAsync(CancellationToken.None), Throws.TypeOf<RpcUnreachableException>().With.Message.Contains("chain.rpcAgree").And.Message.Contains("did not answer"));
        never.SetResult();
        await _registry.PollAsync(CancellationToken.None);
    }

    [Test]
    public async Task An_endpoint_that_is_behind_does_not_pass_for_one_that_keeps_events_back()
    {
        await _registry.PollAsync(CancellationToken.None);
        Block before = (await _network.Client.GetBlockAsync(BlockTag.Latest))!;
        TestDevice device = new(1);
        await _network.RegisterAsync(device);
        _endpoints[0].Lie = (method, parameters, result) => method switch
        {
            "eth_getBlockByNumber" when parameters[0]!.GetValue<string>() is "latest" => Parse(before.Number),
            "eth_getBlockByNumber" when parameters[0]!.GetValue<string>() is { } number && number.StartsWith("0x", StringComparison.Ordinal) && Convert.ToUInt64(number, 16) > before.Number => null,
            "eth_getLogs" => new JsonArray(),
            _ => result,
        };
        await _registry.PollAsync(CancellationToken.None);
        Assert.That(_fed.Keys, Is.EquivalentTo(new[] { Id(device) }));
        Assert.That(_health.Find(AgreeingChainReader.Part)!.State, Is.EqualTo(PartState.Ok));

        JsonNode? Parse(ulong number) => _network.Node.CallAsync("eth_getBlockByNumber", ["0x" + number.ToString("x", System.Globalization.CultureInfo.InvariantCulture), false]).GetAwaiter().GetResult();
    }

    private void Follow(int agree)
    {
        _registry?.Dispose();
        ChainSettings settings = new() { RpcUrls = [.. _endpoints.Select(endpoint => endpoint.Url().ToString())], RpcAgree = agree, EpochSeconds = (long)TestNetwork.EpochSeconds };
        ChainAddresses at = new(_network.Deployment.ChainId, _network.Deployment.DeviceRegistry, _network.Deployment.GatewayRegistry, _network.Deployment.Ledger,
            _network.Deployment.EpochSeconds, _network.Deployment.DeployedAtBlock);
        IChainReader reader = AgreeingChainReader.Over(Client([.. settings.RpcUrls]), url => Client(url), settings, at, _health, _clock);
        _registry = new ChainRegistry(settings, at.DeployedAtBlock, reader, _log, new LedgerRange(_log), device =>
        {
            _fed[device.Id] = device;
            return new ValueTask<bool>(true);
        }, _health, _clock);
    }

    // A silent endpoint costs each call this time; long enough for an answer on a busy machine.
    private EthereumClient Client(params string[] urls) =>
        new(new JsonRpc(_http, new JsonRpcSettings([.. urls.Select(url => new Uri(url))]) { RoundsMax = 1, AttemptTimeout = TimeSpan.FromSeconds(2) }, TimeProvider.System, new Random(1)));

    /// <summary>The log of a registration that never happened, as a node would tell it.</summary>
    private async Task<JsonNode> LogOfAsync(TestDevice device)
    {
        // Made true on the chain first, read, and taken back: what is left is a log that no block has.
        string snapshot = await _network.Node.SnapshotAsync();
        await _network.RegisterAsync(device);
        JsonArray logs = (JsonArray)(await _network.Node.CallAsync("eth_getLogs", [new JsonObject
        {
            ["fromBlock"] = "latest", ["toBlock"] = "latest", ["address"] = _network.Deployment.DeviceRegistry.ToString(),
            ["topics"] = new JsonArray(DeviceRegistry.DeviceRegisteredEvent.Topic.ToString()),
        }]))!;
        await _network.Node.RevertAsync(snapshot);
        JsonNode log = logs.Single()!.DeepClone();
        Block head = (await _network.Client.GetBlockAsync(BlockTag.Latest))!;
        log["blockNumber"] = "0x" + head.Number.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
        log["blockHash"] = head.Hash.ToString();
        log["logIndex"] = "0x7";
        return log;
    }

    private static DeviceIdValue Id(TestDevice device) => new(device.Id);
}

using System.Text.Json;
using DePIN.Cli.Prove;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Chaos;
using DePIN.Evidence;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>Real gateway processes in network namespaces, a chain, and a device that publishes to each: what the tests of the network do harm to.</summary>
public sealed class GatewayNetwork : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<LocalGatewayOptions> _options = [];
    private CancellationTokenSource _enough = new();
    private Task _loading = Task.CompletedTask;

    private GatewayNetwork(ILinks links) => Links = links;

    public ILinks Links { get; }

    public LocalChain Chain { get; private set; } = null!;

    public List<LocalGateway> Gateways { get; } = [];

    public List<LoadingDevice> Devices { get; } = [];

    /// <param name="gateways">How many.</param>
    /// <param name="change">What is special about one; null nothing.</param>
    /// <param name="active">How many of them are the first active set; null all.</param>
    /// <param name="plan">First values of what governance may change; null as every network has them.</param>
    public static async Task<GatewayNetwork> StartAsync(int gateways, Func<int, LocalGatewayOptions, LocalGatewayOptions>? change = null, int? active = null, NetworkPlan? plan = null)
    {
        int members = active ?? gateways;
        ILinks links = await NamespaceLinks.TryCreateAsync(gateways) is { } namespaces ? namespaces : new ProxyLinks(gateways);
        GatewayNetwork network = new(links);
        try
        {
            List<GatewayIdentity> identities = [.. Enumerable.Range(0, gateways).Select(i => LocalGateway.CreateIdentity(network.Folder(i)) with { PeerHost = links.PeerHost(i) })];
            network.Chain = await LocalChain.StartAsync(network._folder.Sub("chain"), identities[..members], CancellationToken.None,
                new AnvilOptions { BlockTime = TimeSpan.FromSeconds(1), Host = links.ChainHost }, plan);
            (string, int)[] peers = [.. identities.Select(identity => (identity.Address.ToString(), identity.PeerPort))];
            for (int i = 0; i < gateways; i++)
            {
                LocalGatewayOptions options = new(network.Folder(i), identities[i], network.Chain.DeploymentFile, network.Chain.Node.RpcUrl, network.LogFile(i))
                {
                    Name = $"gateway-{i}", BatchAgeMaxS = 1, BatchFramesMax = 512, Host = links.Host(i), Through = links.Through(i), PeerEndpoints = links.Endpoints(i, peers),
                };
                network._options.Add(change?.Invoke(i, options) ?? options);
            }

            network.Gateways.AddRange(await Task.WhenAll(network._options.Select(options => LocalGateway.StartAsync(options, CancellationToken.None))));
            for (int i = 0; i < gateways; i++) await network.AddDeviceAsync(i);
            await network.UntilAsync(async () => (await Task.WhenAll(Enumerable.Range(0, members).Select(network.ConnectedAsync))).All(c => c == members - 1), "all gateways are connected");
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    public string Folder(int index) => _folder.Sub($"gateway-{index}");

    public string LogFile(int index) => Path.Combine(_folder.Path, $"gateway-{index}.log");

    /// <summary>A registered device that publishes to a gateway.</summary>
    public async Task<LoadingDevice> AddDeviceAsync(int gateway)
    {
        SampleDevice device = new();
        byte[] claim = device.Sign(DeviceClaim.Message(device.KeyKind, Chain.Deployment.ChainId, Chain.Deployment.DeviceRegistry, Chain.Owner));
        await Chain.RegisterAsync(new BoardIdentity(device.KeyKind, device.PublicKey, device.Text, 0, "", ""), claim, CancellationToken.None);
        LoadingDevice loading = new(device, () => Gateways[gateway].MqttPort, () => Links.Host(gateway), TimeSpan.FromMilliseconds(500));
        Devices.Add(loading);
        return loading;
    }

    /// <summary>Starts a stopped gateway anew with another identity for its peers.</summary>
    public async Task ReplaceAsync(int index, GatewayIdentity identity)
    {
        _options[index] = _options[index] with { Identity = identity };
        await Gateways[index].DisposeAsync();
        Gateways[index] = await LocalGateway.StartAsync(_options[index], CancellationToken.None);
    }

    /// <param name="devices">Which publish; none given: all.</param>
    public void StartLoad(params int[] devices)
    {
        _enough = new CancellationTokenSource();
        _loading = Task.WhenAll((devices.Length == 0 ? Devices : [.. devices.Select(i => Devices[i])]).Select(device => Task.Run(() => device.RunAsync(_enough.Token))));
    }

    /// <summary>Ends when everything made is acknowledged.</summary>
    public async Task StopLoadAsync()
    {
        await _enough.CancelAsync();
        await _loading;
    }

    public async Task<JsonElement> NetworkAsync(int index) => await Gateways[index].Api.GetAsync("/network", CancellationToken.None);

    /// <summary>Peers it is connected with; 0 when it does not answer.</summary>
    public async Task<int> ConnectedAsync(int index)
    {
        try
        {
            JsonElement network = await NetworkAsync(index);
            return network.GetProperty("active").EnumerateArray().Count(peer => peer.GetProperty("connected") is { ValueKind: JsonValueKind.True });
        }
        catch (CliError)
        {
            return 0;
        }
    }

    /// <summary>Evidence that a gateway keeps: kind and accused.</summary>
    public async Task<IReadOnlyList<(string Kind, string Gateway)>> EvidenceAsync(int index) =>
        [.. (await NetworkAsync(index)).GetProperty("evidence").EnumerateArray().Select(e => (e.GetProperty("kind").GetString()!, e.GetProperty("gateway").GetString()!))];

    public async Task<List<LedgerEntry>> AnchorsAsync()
    {
        LedgerReader ledger = new(Chain.Client, Chain.Deployment.Ledger);
        List<LedgerEntry> anchors = [];
        await foreach (LedgerEntry entry in ledger.ReadAnchorsAsync(Chain.Deployment.DeployedAtBlock, await Chain.Client.GetBlockNumberAsync())) anchors.Add(entry);
        return anchors;
    }

    /// <summary>More anchors than now.</summary>
    public async Task UntilAnchorsAsync(int more, string what)
    {
        int before = (await AnchorsAsync()).Count;
        await UntilAsync(async () => (await AnchorsAsync()).Count >= before + more, what);
    }

    /// <summary>Sends a call from a gateway's own account; for when the gateway sends nothing itself.</summary>
    public async Task SendAsAsync(int gateway, Address to, byte[] call)
    {
        string text = await File.ReadAllTextAsync(Path.Combine(Folder(gateway), "gateway.key"));
        using GatewaySigner own = new(Hash32.Parse("0x" + text.Trim().Replace("0x", "", StringComparison.Ordinal)).ToArray());
        await new TransactionSender(Chain.Client, own, TimeProvider.System).SendAsync(to, call);
    }

    /// <summary>Waits until everything that a device's gateway acknowledged is anchored.</summary>
    public Task UntilAnchoredAsync(IEnumerable<int>? gateways = null) => UntilAsync(async () =>
    {
        foreach (int i in gateways ?? Enumerable.Range(0, Gateways.Count))
        {
            if (Devices[i].Acknowledged == 0) continue;
            try
            {
                JsonElement frame = await Gateways[i].Api.GetAsync($"/api/devices/{Devices[i].Device.Text}/frames/{Devices[i].Acknowledged}", CancellationToken.None);
                if (frame.GetProperty("state").GetString() != "anchored") return false;
            }
            catch (CliError)
            {
                return false;
            }
        }

        return true;
    }, "every acknowledged frame is anchored");

    public async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        await Eventually.TrueAsync(condition, what, () => string.Join('\n', Enumerable.Range(0, _options.Count).Select(i => $"== gateway-{i}\n{State(i)}\n{LogTail(i)}")));

        string LogTail(int i) => File.Exists(LogFile(i)) ? string.Join('\n', File.ReadAllLines(LogFile(i)).TakeLast(12)) : "";

        string State(int i)
        {
            try
            {
                return i < Gateways.Count ? NetworkAsync(i).GetAwaiter().GetResult().ToString() : "";
            }
            catch (CliError error)
            {
                return error.Message;
            }
        }
    }

    /// <summary>
    /// Every acknowledged frame is stored once at its gateway and proven, evenly chosen ones also on chain; the ledger holds each frame once: as many as were
    /// acknowledged, in epochs that differ.
    /// </summary>
    public async Task AssertNothingLostNothingDoubledAsync(int provenOnChainEach = 5)
    {
        ChainVerifier verifier = new(Chain.Client, Chain.Deployment.DeployedAtBlock);
        long acknowledged = 0;
        for (int i = 0; i < Gateways.Count; i++)
        {
            long last = Devices[i].Acknowledged;
            acknowledged += last;
            long stride = Math.Max(1, last / provenOnChainEach), offlineStride = Math.Max(1, last / 50);
            for (long sequence = 1; sequence <= last; sequence++)
            {
                if (sequence % stride != 0 && sequence % offlineStride != 0) continue;
                byte[] answer = await Gateways[i].Api.GetBytesAsync(ProveCommand.PathOf(Devices[i].Device.Text, (ulong)sequence), "application/json", CancellationToken.None);
                Proof proof = ProofFile.Parse(answer, $"gateway-{i}");
                Assert.That(ProofVerifier.Check(proof).Passed, Is.True, $"proof of frame {sequence} from gateway {i}");
                if (sequence % stride == 0)
                    Assert.That((await verifier.CheckAsync(proof, CancellationToken.None)).Where(step => step.Outcome != ProofOutcome.Passed), Is.Empty, $"frame {sequence} of gateway {i} on chain");
            }
        }

        List<LedgerEntry> anchors = await AnchorsAsync();
        Assert.Multiple(() =>
        {
            Assert.That(anchors.Select(anchor => anchor.Header.Epoch), Is.Unique, "one anchor an epoch");
            Assert.That(anchors.Sum(anchor => (long)anchor.Header.Frames), Is.EqualTo(acknowledged), "every acknowledged frame is anchored exactly once");
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        try
        {
            foreach (LocalGateway gateway in Gateways) await gateway.DisposeAsync();
            if (Chain is not null) await Chain.DisposeAsync();
        }
        finally
        {
            await Links.DisposeAsync();
        }

        foreach (LoadingDevice device in Devices) device.Dispose();
        _folder.Dispose();
    }
}

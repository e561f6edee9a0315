using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Prove;
using DePIN.Cli.Serial;
using DePIN.Cli.Up;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Protocol;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Chaos;

/// <summary>A chain, a gateway process and loading devices that are registered on the chain: what the chaos tests do harm to.</summary>
public sealed class Network : IAsyncDisposable
{
    private const int ProvenOfflineEachMax = 1_000;

    private const int SettledBlocks = 5;

    private readonly TempFolder folder = new();

    public LocalChain Chain { get; private set; } = null!;

    public LocalGateway Gateway { get; private set; } = null!;

    public IReadOnlyList<LoadingDevice> Devices { get; private set; } = [];

    public static async Task<Network> StartAsync(int devices, AnvilOptions? anvil = null)
    {
        Network network = new();
        string gatewayFolder = network.folder.Sub("gateway");
        GatewayIdentity identity = LocalGateway.CreateIdentity(gatewayFolder);
        AnvilOptions options = (anvil ?? new AnvilOptions { BlockTime = TimeSpan.FromSeconds(1) }) with { StateFile = Path.Combine(network.folder.Path, "anvil.json") };
        network.Chain = await LocalChain.StartAsync(network.folder.Sub("chain"), [identity], CancellationToken.None, options);
        network.Gateway = await LocalGateway.StartAsync(
            new LocalGatewayOptions(gatewayFolder, identity, network.Chain.DeploymentFile, network.Chain.Node.RpcUrl, Path.Combine(network.folder.Path, "gateway.log")) { BatchAgeMaxS = 1, BatchFramesMax = 256 },
            CancellationToken.None);
        List<LoadingDevice> made = [];
        for (int i = 0; i < devices; i++)
        {
            SampleDevice device = new();
            byte[] claim = device.Sign(DeviceClaim.Message(device.KeyKind, network.Chain.Deployment.ChainId, network.Chain.Deployment.DeviceRegistry, network.Chain.Owner));
            await network.Chain.RegisterAsync(new BoardIdentity(device.KeyKind, device.PublicKey, device.Text, 0, "", ""), claim, CancellationToken.None);
            made.Add(new LoadingDevice(device, () => network.Gateway.MqttPort));
        }

        await network.Chain.Node.MineAsync(SettledBlocks); // no reorganisation of a test reaches the deployment or the registrations
        network.Devices = made;
        return network;
    }

    /// <summary>The gateway's data folder.</summary>
    public string GatewayFolder => folder.Sub("gateway");

    public string GatewayLog() => File.ReadAllText(Path.Combine(folder.Path, "gateway.log"));

    /// <summary>What the gateway says of its network, and its log: for the message of a wait that ended.</summary>
    public string Told() => $"\n{Gateway.Api.GetAsync("/network", CancellationToken.None).GetAwaiter().GetResult()}\n{Gateway.Api.GetHealthAsync(CancellationToken.None).GetAwaiter().GetResult()}\n{GatewayLog()}";

    /// <summary>What the gateway stored of a device, in the order of its pages.</summary>
    public async Task<List<ulong>> StoredSequencesAsync(LoadingDevice device)
    {
        List<ulong> sequences = [];
        for (ulong? from = 1; from is not null;)
        {
            JsonElement page = await Gateway.Api.GetAsync($"/api/devices/{device.Device.Text}/frames?from={from}&limit=1000", CancellationToken.None);
            sequences.AddRange(page.GetProperty("frames").EnumerateArray().Select(frame => frame.GetProperty("sequence").GetUInt64()));
            from = page.GetProperty("next") is { ValueKind: JsonValueKind.Number } next ? next.GetUInt64() : null;
        }

        return sequences;
    }

    /// <summary>stored, batched, certified or anchored.</summary>
    public async Task<string?> StateOfAsync(LoadingDevice device, long sequence) =>
        (await Gateway.Api.GetAsync($"/api/devices/{device.Device.Text}/frames/{sequence}", CancellationToken.None)).GetProperty("state").GetString();

    /// <summary>Waits until everything acknowledged is anchored.</summary>
    public Task UntilAnchoredAsync() => Eventually.TrueAsync(
        async () =>
        {
            foreach (LoadingDevice device in Devices)
            {
                if (await StateOfAsync(device, device.Acknowledged) != "anchored")
                {
                    return false;
                }
            }

            return true;
        },
        "every acknowledged frame is anchored",
        () => $"Gateway log:\n{string.Join('\n', GatewayLog().Split('\n').TakeLast(30))}");

    /// <summary>
    /// Every acknowledged frame is stored exactly once and nothing else is; the anchors on chain hold as many frames as are stored, in
    /// the batches that their proofs name, each once; evenly chosen proofs of each device hold offline and on chain.
    /// </summary>
    public async Task AssertNothingLostNothingDoubledAsync(int provenOnChainEach)
    {
        ChainVerifier verifier = new(Chain.Client, Chain.Deployment.DeployedAtBlock);
        long stored = 0;
        foreach (LoadingDevice device in Devices)
        {
            List<ulong> sequences = await StoredSequencesAsync(device);
            Assert.That(sequences, Is.EqualTo(Enumerable.Range(1, (int)device.Acknowledged).Select(number => (ulong)number)), "each acknowledged frame exactly once, in order");
            stored += sequences.Count;
            ulong stride = Math.Max(1, (ulong)sequences.Count / (ulong)provenOnChainEach);
            ulong offlineStride = Math.Max(1, (ulong)sequences.Count / ProvenOfflineEachMax);
            foreach (ulong sequence in sequences.Where(sequence => sequence % stride == 0 || sequence % offlineStride == 0))
            {
                Proof proof = ProofFile.Parse(await Gateway.Api.GetBytesAsync(ProveCommand.PathOf(device.Device.Text, sequence), "application/json", CancellationToken.None), "gateway");
                Assert.That(ProofVerifier.Check(proof).Passed, Is.True, $"proof of frame {sequence}");
                Assert.That(FrameParser.Sequence(proof.Frame.ToArray(), 0), Is.EqualTo(sequence));
                if (sequence % stride == 0)
                {
                    IReadOnlyList<ProofStep> onChain = await verifier.CheckAsync(proof, CancellationToken.None);
                    Assert.That(onChain.Where(step => step.Outcome != ProofOutcome.Passed), Is.Empty, $"frame {sequence} on chain");
                }
            }
        }

        List<LedgerEntry> anchors = await AnchorsAsync();
        Assert.Multiple(() =>
        {
            Assert.That(anchors.Select(anchor => anchor.Header.Epoch), Is.Unique, "one anchor an epoch");
            Assert.That(anchors.Sum(anchor => (long)anchor.Header.Frames), Is.EqualTo(stored), "every frame is anchored exactly once");
            Assert.That(anchors.Select(anchor => anchor.Header.Root), Is.Unique, "no anchor is made twice");
        });
    }

    public async Task<List<LedgerEntry>> AnchorsAsync()
    {
        LedgerReader ledger = new(Chain.Client, Chain.Deployment.Ledger);
        List<LedgerEntry> anchors = [];
        await foreach (LedgerEntry entry in ledger.ReadAnchorsAsync(Chain.Deployment.DeployedAtBlock, await Chain.Client.GetBlockNumberAsync()))
        {
            anchors.Add(entry);
        }

        return anchors;
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Chain.DisposeAsync();
        foreach (LoadingDevice device in Devices)
        {
            device.Dispose();
        }

        folder.Dispose();
    }
}

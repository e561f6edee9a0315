// A whole network of contracts on a local node, with the keys of its gateways at hand: what tests, demonstrations and
// measurements need to register a device, anchor frames and prove one.
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Devnet;

/// <summary>
/// Deployed contracts, their readers, and gateway keys derived from an index (so they are the same in every run and worth
/// nothing). It anchors by itself, without gateway processes. Not safe for concurrent use.
/// </summary>
public sealed class LocalNetwork : IDisposable
{
    /// <summary>More is not useful here and slow to sign with.</summary>
    public const int GatewaysMax = 64;

    private readonly AnvilNode _node;
    private readonly GatewaySigner _payer;
    private readonly Dictionary<Address, (ulong Number, Hash32 Hash)> _lastBatches = [];

    private LocalNetwork(AnvilNode node, GatewaySigner payer, GatewaySigner[] gateways, EthereumClient client, DeploymentRecord record)
    {
        _node = node;
        _payer = payer;
        GatewayKeys = gateways;
        Client = client;
        Record = record;
        Sender = new TransactionSender(client, payer, TimeProvider.System);
        Ledger = new LedgerReader(client, record.Ledger);
        Gateways = new GatewayRegistryReader(client, record.GatewayRegistry);
        Devices = new DeviceRegistryReader(client, record.DeviceRegistry);
        History = new LedgerHistory(record.DeployedAtBlock);
        Domain = new Eip712Domain(record.ChainId, record.Ledger);
        Active = new GatewaySet(gateways.Select(gateway => gateway.Address));
    }

    /// <summary>Where the contracts are.</summary>
    public DeploymentRecord Record { get; }

    /// <summary>The node's client.</summary>
    public EthereumClient Client { get; }

    /// <summary>Sends as the node's first funded account.</summary>
    public TransactionSender Sender { get; }

    /// <summary>Reads the Ledger.</summary>
    public LedgerReader Ledger { get; }

    /// <summary>Reads the GatewayRegistry.</summary>
    public GatewayRegistryReader Gateways { get; }

    /// <summary>Reads the DeviceRegistry.</summary>
    public DeviceRegistryReader Devices { get; }

    /// <summary>The ledger's anchors; <see cref="ProveAsync"/> brings it up to date.</summary>
    public LedgerHistory History { get; }

    /// <summary>The domain of what gateways sign.</summary>
    public Eip712Domain Domain { get; }

    /// <summary>The gateways' keys, in the order of the signer mask.</summary>
    public IReadOnlyList<GatewaySigner> GatewayKeys { get; }

    /// <summary>The active set of those keys.</summary>
    public GatewaySet Active { get; }

    /// <summary>Deploys a network on a node.</summary>
    /// <param name="node">Stays the caller's.</param>
    /// <param name="gateways">1 to <see cref="GatewaysMax"/>.</param>
    /// <param name="epochSeconds">Length of an epoch.</param>
    /// <param name="plan">First values of what governance may change.</param>
    /// <param name="ct">Ends the wait.</param>
    public static async Task<LocalNetwork> DeployAsync(AnvilNode node, int gateways = 1, ulong epochSeconds = 60, NetworkPlan? plan = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(gateways);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(gateways, GatewaysMax);
        GatewaySigner payer = node.CreateSigner();
        GatewaySigner[] keys = [.. Enumerable.Range(0, gateways).Select(CreateGatewayKey)];
        EthereumClient client = node.CreateClient();
        GatewayRegistry.Gateway[] first = [.. keys.Select((key, i) => new GatewayRegistry.Gateway(key.Address, Hash32.Zero, $"https://gateway-{i}.example"))];
        DeploymentRecord record = await Deployment.DeployAsync(client, payer, first, epochSeconds, TimeProvider.System, plan, ct).ConfigureAwait(false);
        return new LocalNetwork(node, payer, keys, client, record);
    }

    /// <summary>Key of gateway number <paramref name="index"/>: keccak256("DePIN Edge devnet gateway N").</summary>
    public static GatewaySigner CreateGatewayKey(int index) =>
        new(EthereumCrypto.Keccak256(System.Text.Encoding.ASCII.GetBytes($"DePIN Edge devnet gateway {index}")).ToArray());

    /// <summary>Registers a device for an owner with the device's own signature.</summary>
    public async Task<TransactionReceipt> RegisterAsync(IDeviceSigner device, Address owner, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        byte[] message = DeviceClaim.Message(device.KeyKind, Record.ChainId, Record.DeviceRegistry, owner);
        byte[] key = new byte[DeviceId.PublicKeyBytes];
        byte[] signature = new byte[FrameFormat.SignatureBytes];
        device.ReadPublicKey(key, 0);
        device.Sign(message, 0, message.Length, signature, 0);
        return await Sender.SendAsync(Record.DeviceRegistry, DeviceClaim.EncodeRegister(device.KeyKind, key, signature, owner), ct).ConfigureAwait(false);
    }

    /// <summary>Call data that anchors, signed by the first gateways: as many as a quorum needs, or as many as given.</summary>
    public byte[] EncodeAnchor(AnchorHeader anchor, int? signers = null)
    {
        ArgumentNullException.ThrowIfNull(anchor);
        Hash32 digest = anchor.Digest(Domain);
        int count = signers ?? Active.Quorum;
        byte[] signatures = new byte[count * EthereumSignature.CompactBytes];
        for (int i = 0; i < count; i++)
            GatewayKeys[i].Sign(digest).WriteCompact(signatures.AsSpan(i * EthereumSignature.CompactBytes));
        return DePIN.Contracts.Ledger.EncodeAnchor(anchor, (System.Numerics.BigInteger.One << count) - 1, signatures);
    }

    /// <summary>Moves the chain into the next epoch when this one has its anchor.</summary>
    public async Task<ulong> EnterFreeEpochAsync(CancellationToken ct = default)
    {
        Ledger.StateResult state = await Ledger.ReadStateAsync(default, ct).ConfigureAwait(false);
        if (state.Anchors == 0 || state.CurrentEpoch > state.LastEpoch)
            return state.CurrentEpoch;
        await _node.AdvanceAsync(TimeSpan.FromSeconds(Record.EpochSeconds), ct).ConfigureAwait(false);
        return (await Ledger.ReadStateAsync(default, ct).ConfigureAwait(false)).CurrentEpoch;
    }

    /// <summary>Puts frames into one batch of the first gateway, anchors it in a free epoch, and proves the first frame.</summary>
    /// <param name="frames">Signed frames of one device, at least one.</param>
    /// <param name="publicKey">The device's X ‖ Y.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <returns>The proof at the ledger's present size, and the receipt of the anchor's transaction.</returns>
    public async Task<(Proof Proof, TransactionReceipt Receipt)> ProveAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> frames, ReadOnlyMemory<byte> publicKey, CancellationToken ct = default)
    {
        Address gateway = GatewayKeys[0].Address;
        (ulong number, Hash32 previous) = _lastBatches.GetValueOrDefault(gateway);
        BatchBody body = BatchBody.Encode(frames);
        ulong nowMs = (ulong)TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        BatchHeader batch = body.ToHeader(gateway, number + 1, previous, nowMs, nowMs);
        ulong epoch = await EnterFreeEpochAsync(ct).ConfigureAwait(false);
        Ledger.StateResult state = await Ledger.ReadStateAsync(default, ct).ConfigureAwait(false);
        (AnchorHeader anchor, MerkleTree tree) = AnchorHeader.Build(epoch, state.LastHash, [batch]);
        TransactionReceipt receipt = await Sender.SendAsync(Record.Ledger, EncodeAnchor(anchor), ct).ConfigureAwait(false);
        _lastBatches[gateway] = (batch.Number, batch.Hash());

        await Ledger.FollowAsync(History, receipt.BlockNumber, ct).ConfigureAwait(false);
        Proof proof = new()
        {
            ChainId = Record.ChainId,
            Ledger = Record.Ledger,
            Frame = frames[0],
            PublicKey = publicKey,
            BatchPath = [.. body.BuildTree().Proof(0)],
            Batch = batch,
            AnchorPath = [.. tree.Proof(0)],
            Anchor = anchor,
            Ordinal = 0,
            LedgerSize = 0,
            LedgerPath = [],
        };
        Proof current = History.TryRefresh(proof)
            ?? throw new DevnetException($"The ledger does not have the anchor of block {receipt.BlockNumber}: the chain changed meanwhile.");
        return (current, receipt);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _payer.Dispose();
        foreach (GatewaySigner key in GatewayKeys)
            key.Dispose();
    }
}

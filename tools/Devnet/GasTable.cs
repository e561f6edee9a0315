// Measures what the contracts cost on a real node: the numbers in shared/Contracts/README.md and of 'depin bench gas'.
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Devnet;

/// <summary>Gas of whole transactions, each with its base 21,000 and its call data.</summary>
/// <param name="Anchor">Ledger.anchor by a quorum, mean of the steady state, by the number of gateways.</param>
/// <param name="PerSignature">What one signature more adds to an anchor.</param>
/// <param name="Prove">Ledger.verify of a frame of 208 bytes among 2^17 of its anchor, among 2^20 anchors.</param>
/// <param name="Register">DeviceRegistry.register, the owner's first device.</param>
/// <param name="RegisterBatchEach">DeviceRegistry.registerBatch of 1,000 devices, for each.</param>
/// <param name="Claim">Rewards.claim among 2^17 accounts, by an account that claimed before.</param>
/// <param name="PerFrameAt10000">An anchor of four gateways over 10,000 frames, for each.</param>
public sealed record GasFigures(
    IReadOnlyDictionary<int, ulong> Anchor,
    ulong PerSignature,
    ulong Prove,
    ulong Register,
    ulong RegisterBatchEach,
    ulong Claim,
    double PerFrameAt10000);

/// <summary>The gas figures of the contracts.</summary>
public static class GasTable
{
    /// <summary>Sizes of the set of gateways that are measured.</summary>
    public static readonly IReadOnlyList<int> Gateways = [4, 7, 10, 16, 31];

    // The ledger is put to 2^20 anchors, with every slot written, by the node's own hand; from there the next eight merge 0, 1, 0, 2, 0,
    // 1, 0 and 3 mountains. In the long run an anchor merges one: the mean of eight is one eighth of a merge below it.
    private const int LedgerHeight = 20;
    private const int MeasuredAnchors = 8;
    // A frame among 2^17: 2^16, the most of a batch, in each of two batches.
    private const int BatchPath = 16;
    private const int AnchorPath = 1;
    private const int AccountPath = 17;
    private const int BatchDevices = 1000;
    private const int FrameSamples = 4;
    // Ledger's storage: the packed state, whose lowest 40 bits count the anchors, then the peaks.
    private const int StateSlot = 0;
    private const int PeaksSlot = 1;

    /// <summary>Deploys a network for each size and measures.</summary>
    /// <param name="node">A node that mines at once (no block time); stays the caller's.</param>
    /// <param name="ct">Ends the measurement.</param>
    public static async Task<GasFigures> MeasureAsync(AnvilNode node, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(node);
        P256Signer device = CreateDevice();
        Dictionary<int, ulong> anchors = [];
        (ulong perSignature, ulong prove, ulong register, ulong batch, ulong claim) = (0, 0, 0, 0, 0);
        foreach (int count in Gateways)
        {
            using LocalNetwork network = await LocalNetwork.DeployAsync(node, count, epochSeconds: 1, ct: ct).ConfigureAwait(false);
            await FillAsync(node, network, Filler(LedgerHeight), ct).ConfigureAwait(false);
            anchors[count] = await MeasureAnchorsAsync(network, network.Active.Quorum, ct).ConfigureAwait(false);
            if (count != Gateways[0])
                continue;
            await FillAsync(node, network, Filler(LedgerHeight), ct).ConfigureAwait(false);
            perSignature = await MeasureAnchorsAsync(network, network.Active.Quorum + 1, ct).ConfigureAwait(false) - anchors[count];
            prove = await MeasureProveAsync(node, network, device, ct).ConfigureAwait(false);
            register = (await network.RegisterAsync(device, network.Sender.Account, ct).ConfigureAwait(false)).GasUsed;
            batch = await MeasureBatchAsync(network, ct).ConfigureAwait(false);
            claim = await MeasureClaimAsync(node, network, ct).ConfigureAwait(false);
        }
        return new GasFigures(anchors, perSignature, prove, register, batch, claim, Math.Round(anchors[Gateways[0]] / 10_000.0, 2));
    }

    /// <summary>Puts the ledger to 2^20 anchors whose one peak is <paramref name="root"/>.</summary>
    private static async Task FillAsync(AnvilNode node, LocalNetwork network, Hash32 root, CancellationToken ct)
    {
        for (int height = 0; height <= LedgerHeight; height++)
            await WriteAsync(node, network, PeaksSlot + height, (height == LedgerHeight ? root : Filler(height)).ToString(), ct).ConfigureAwait(false);
        string state = (await node.CallAsync("eth_getStorageAt", [network.Record.Ledger.ToString(), $"0x{StateSlot:x}", "latest"], ct)
            .ConfigureAwait(false))!.GetValue<string>();
        // 10 hex digits are 40 bits.
        await WriteAsync(node, network, StateSlot, state[..^10] + (1UL << LedgerHeight).ToString("x10", CultureInfo.InvariantCulture), ct).ConfigureAwait(false);
    }

    private static async Task WriteAsync(AnvilNode node, LocalNetwork network, int slot, string value, CancellationToken ct) =>
        await node.CallAsync("anvil_setStorageAt", [network.Record.Ledger.ToString(), $"0x{slot:x64}", value], ct).ConfigureAwait(false);

    private static async Task<ulong> MeasureAnchorsAsync(LocalNetwork network, int signers, CancellationToken ct)
    {
        ulong used = 0;
        for (int i = -1; i < MeasuredAnchors; i++)
        {
            // One before the eight makes the last epoch other than zero, as it is in life.
            ulong epoch = await network.EnterFreeEpochAsync(ct).ConfigureAwait(false);
            Ledger.StateResult state = await network.Ledger.ReadStateAsync(default, ct).ConfigureAwait(false);
            // All bytes of a root are other than zero, as nearly all are in life: call data costs by its bytes.
            AnchorHeader anchor = new(epoch, state.LastHash, Filler(i + 1), 12, 34_567);
            TransactionReceipt receipt = await network.Sender.SendAsync(network.Record.Ledger, network.EncodeAnchor(anchor, signers), ct).ConfigureAwait(false);
            if (i >= 0)
                used += receipt.GasUsed;
        }
        return used / MeasuredAnchors;
    }

    private static async Task<ulong> MeasureProveAsync(AnvilNode node, LocalNetwork network, P256Signer device, CancellationToken ct)
    {
        byte[] key = new byte[DeviceId.PublicKeyBytes];
        device.ReadPublicKey(key, 0);
        byte[] frame = BuildFrame(device, key);
        Hash32 leaf = EthereumCrypto.Keccak256(EthereumCrypto.Keccak256(frame).ToArray());
        Hash32[] batchPath = BuildPath(BatchPath);
        BatchHeader batch = new(
            network.GatewayKeys[0].Address, 1, Hash32.Zero, MerkleTree.Fold(leaf, batchPath), 1 << BatchPath, 4 << BatchPath, 1_800_000_000_000, 1_800_000_060_000, Filler(1));
        Hash32[] anchorPath = BuildPath(AnchorPath);
        AnchorHeader anchor = new(1, Hash32.Zero, MerkleTree.Fold(batch.Hash(), anchorPath), 2, 2UL << BatchPath);
        Hash32[] ledgerPath = BuildPath(LedgerHeight);
        await FillAsync(node, network, MerkleTree.Fold(anchor.Hash(), ledgerPath), ct).ConfigureAwait(false);
        Ledger.FrameProof proof = new(frame, new Hash32(key.AsSpan(0, 32)), new Hash32(key.AsSpan(32)), batchPath, batch, anchorPath, anchor, ledgerPath);
        return (await network.Sender.SendAsync(network.Record.Ledger, Ledger.EncodeVerify(proof), ct).ConfigureAwait(false)).GasUsed;
    }

    private static async Task<ulong> MeasureBatchAsync(LocalNetwork network, CancellationToken ct)
    {
        byte[] call = DeviceRegistry.EncodeRegisterBatch(Filler(1), BatchDevices, network.Sender.Account, 1, "https://example.org/devices.json");
        TransactionReceipt receipt = await network.Sender.SendAsync(network.Record.DeviceRegistry, call, ct).ConfigureAwait(false);
        return (receipt.GasUsed + BatchDevices - 1) / BatchDevices;
    }

    /// <summary>An account's second claim under a root that somebody else's claim put in force; tokens for others stay.</summary>
    private static async Task<ulong> MeasureClaimAsync(AnvilNode node, LocalNetwork network, CancellationToken ct)
    {
        Address rewards = (network.Record.Community ?? throw new DevnetException("The deployment has no rewards.")).Rewards;
        Address account = network.GatewayKeys[1].Address;
        Address other = network.GatewayKeys[2].Address;
        Hash32[] path = BuildPath(AccountPath);
        Hash32 previous = Hash32.Zero;
        ulong used = 0;
        for (int i = 1; i <= 2; i++)
        {
            await node.AdvanceAsync(TimeSpan.FromDays(1), ct).ConfigureAwait(false);
            BigInteger cumulative = BigInteger.Pow(10, 18) * 1_234 * i;
            (Hash32 leaf, Hash32 beside) = (LeafOf(account, cumulative), LeafOf(other, cumulative));
            path[0] = beside;
            ulong epoch = (await network.Ledger.ReadStateAsync(default, ct).ConfigureAwait(false)).CurrentEpoch - 1;
            Rewards.Payout payout = new(epoch, previous, MerkleTree.Fold(leaf, path), cumulative * 3);
            byte[] publish = Rewards.EncodePublish(payout, (BigInteger.One << network.Active.Quorum) - 1, Sign(network, rewards, payout));
            await network.Sender.SendAsync(rewards, publish, ct).ConfigureAwait(false);
            await node.AdvanceAsync(TimeSpan.FromDays(1), ct).ConfigureAwait(false);
            await network.Sender.SendAsync(rewards, Rewards.EncodeClaim(other, cumulative, [leaf, .. path[1..]]), ct).ConfigureAwait(false);
            used = (await network.Sender.SendAsync(rewards, Rewards.EncodeClaim(account, cumulative, path), ct).ConfigureAwait(false)).GasUsed;
            previous = payout.Root;
        }
        return used;
    }

    private static byte[] Sign(LocalNetwork network, Address rewards, Rewards.Payout payout)
    {
        byte[] words = new AbiEncoder()
            .Bytes32(Eip712Struct.TypeHash("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)"))
            .UInt(payout.Epoch).Bytes32(payout.Previous).Bytes32(payout.Root).UInt(payout.Total).ToArray();
        Hash32 digest = new Eip712Domain(network.Record.ChainId, rewards).Digest(EthereumCrypto.Keccak256(words));
        byte[] signatures = new byte[network.Active.Quorum * EthereumSignature.CompactBytes];
        for (int i = 0; i < network.Active.Quorum; i++)
            network.GatewayKeys[i].Sign(digest).WriteCompact(signatures.AsSpan(i * EthereumSignature.CompactBytes));
        return signatures;
    }

    private static Hash32 LeafOf(Address account, BigInteger cumulative) =>
        EthereumCrypto.Keccak256(EthereumCrypto.Keccak256(new AbiEncoder().Address(account).UInt(cumulative).ToArray()).ToArray());

    private static Hash32[] BuildPath(int length) => [.. Enumerable.Range(0, length).Select(i => Filler(100 + i))];

    /// <summary>A hash of nothing in particular: its bytes are other than zero.</summary>
    private static Hash32 Filler(int number) => EthereumCrypto.Keccak256([(byte)number]);

    private static byte[] BuildFrame(P256Signer device, byte[] key)
    {
        byte[] id = new byte[DeviceId.Bytes];
        DeviceId.FromPublicKey(key, 0, id, 0);
        FrameBuilder builder = new(id);
        builder.Begin(Profiles.Environment, clockSynchronised: true, bootCount: 1, sequence: 1, timeMs: 1_800_000_000_000, previous: null);
        for (int i = 0; i < FrameSamples; i++)
            builder.TryAdd(Channels.Temperature, -2, 0, (uint)(i * 1000), 2150 + i);
        builder.Sign(device);
        return builder.Buffer[..builder.Count];
    }

    private static P256Signer CreateDevice() => new(SHA256.HashData("DePIN Edge gas table device"u8));
}

// Measures what the contracts cost on a real node: the numbers in shared/Contracts/README.md and of 'depin bench gas'.
using System.Security.Cryptography;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Devnet;

/// <summary>Gas of one act.</summary>
/// <param name="Name">Short name: anchor, register, verify, …</param>
/// <param name="Gas">Gas of the whole transaction, with its base 21,000 and call data.</param>
/// <param name="What">What exactly was measured.</param>
public sealed record GasFigure(string Name, ulong Gas, string What);

/// <summary>The gas figures of the contracts.</summary>
public static class GasTable
{
    // 16 anchors touch every slot that the next 8 write, so those 8 are the steady state: no slot is written for its first time.
    private const int WarmUpAnchors = 16;
    private const int MeasuredAnchors = 8;

    // A frame of four samples among 1,024: the batch path has 10 elements.
    private const int FrameSamples = 4;
    private const int BatchFrames = 1024;

    /// <summary>Deploys two networks on a node (one gateway, four gateways) and measures.</summary>
    /// <param name="node">A node that mines at once (no block time); stays the caller's.</param>
    /// <param name="ct">Ends the measurement.</param>
    public static async Task<IReadOnlyList<GasFigure>> MeasureAsync(AnvilNode node, CancellationToken ct = default)
    {
        List<GasFigure> figures = [];
        P256Signer device = CreateDevice();
        byte[] key = new byte[DeviceId.PublicKeyBytes];
        device.ReadPublicKey(key, 0);

        using LocalNetwork one = await LocalNetwork.DeployAsync(node, gateways: 1, epochSeconds: 1, ct: ct).ConfigureAwait(false);
        ReadOnlyMemory<byte>[] frames = BuildFrames(device, key);
        (Proof proof, _) = await one.ProveAsync(frames, key, ct).ConfigureAwait(false);
        figures.AddRange(await MeasureAnchorsAsync(one, "", ct).ConfigureAwait(false));

        Block head = await one.Client.GetBlockAsync(BlockTag.Latest, ct).ConfigureAwait(false)
            ?? throw new DevnetException("The node has no latest block.");
        await one.Ledger.FollowAsync(one.History, head.Number, ct).ConfigureAwait(false);
        Proof current = one.History.TryRefresh(proof) ?? throw new DevnetException("The first anchor is gone.");
        figures.Add(await MeasureVerifyAsync(one, current, ct).ConfigureAwait(false));

        TransactionReceipt registered = await one.RegisterAsync(device, one.Sender.Account, ct).ConfigureAwait(false);
        figures.Add(new GasFigure("register", registered.GasUsed, "DeviceRegistry.register, the owner's first device"));

        using LocalNetwork four = await LocalNetwork.DeployAsync(node, gateways: 4, epochSeconds: 1, ct: ct).ConfigureAwait(false);
        figures.AddRange(await MeasureAnchorsAsync(four, "-of-4", ct).ConfigureAwait(false));
        return figures;
    }

    private static async Task<IReadOnlyList<GasFigure>> MeasureAnchorsAsync(LocalNetwork network, string suffix, CancellationToken ct)
    {
        List<ulong> used = [];
        for (int i = 0; i < WarmUpAnchors + MeasuredAnchors; i++)
        {
            ulong epoch = await network.EnterFreeEpochAsync(ct).ConfigureAwait(false);
            Ledger.StateResult state = await network.Ledger.ReadStateAsync(default, ct).ConfigureAwait(false);
            // All bytes of a root are other than zero, as nearly all are in life: call data costs by its bytes.
            AnchorHeader anchor = new(epoch, state.LastHash, EthereumCrypto.Keccak256([(byte)i]), 12, 34_567);
            TransactionReceipt receipt = await network.Sender.SendAsync(network.Record.Ledger, network.EncodeAnchor(anchor), ct).ConfigureAwait(false);
            if (i >= WarmUpAnchors)
                used.Add(receipt.GasUsed);
        }
        int quorum = network.Active.Quorum;
        string signed = $"{quorum} signature{(quorum == 1 ? "" : "s")} of {network.Active.Count}";
        return
        [
            new GasFigure("anchor" + suffix, (ulong)used.Average(gas => (double)gas), $"Ledger.anchor, {signed}, mean of {MeasuredAnchors} in the steady state"),
            new GasFigure("anchor" + suffix + "-least", used.Min(), $"the cheapest of them: nothing to merge"),
            new GasFigure("anchor" + suffix + "-most", used.Max(), $"the dearest of them: three mountains merged"),
        ];
    }

    private static async Task<GasFigure> MeasureVerifyAsync(LocalNetwork network, Proof proof, CancellationToken ct)
    {
        TransactionReceipt receipt = await network.Sender.SendAsync(
            network.Record.Ledger, Ledger.EncodeVerify(LedgerReader.ToFrameProof(proof)), ct).ConfigureAwait(false);
        int depth = proof.BatchPath.Length + proof.AnchorPath.Length + proof.LedgerPath.Length;
        return new GasFigure("verify", receipt.GasUsed, $"Ledger.verify as a transaction: a frame of {proof.Frame.Length} bytes, {depth} path elements");
    }

    private static ReadOnlyMemory<byte>[] BuildFrames(P256Signer device, byte[] key)
    {
        byte[] id = new byte[DeviceId.Bytes];
        DeviceId.FromPublicKey(key, 0, id, 0);
        FrameBuilder builder = new(id);
        builder.Begin(Profiles.Environment, clockSynchronised: true, bootCount: 1, sequence: 1, timeMs: 1_800_000_000_000, previous: null);
        for (int i = 0; i < FrameSamples; i++)
            builder.TryAdd(Channels.Temperature, -2, 0, (uint)(i * 1000), 2150 + i);
        builder.Sign(device);
        ReadOnlyMemory<byte>[] frames = new ReadOnlyMemory<byte>[BatchFrames];
        frames[0] = builder.Buffer[..builder.Count];
        // The others are only leaves beside it: their contents do not matter to the cost, so they are not signed.
        for (int i = 1; i < frames.Length; i++)
        {
            byte[] other = frames[0].ToArray();
            int sequence = i + 1; // the first frame's is 1
            other[FrameFormat.SequenceOffset + 6] = (byte)(sequence >> 8);
            other[FrameFormat.SequenceOffset + 7] = (byte)sequence;
            frames[i] = other;
        }
        return frames;
    }

    private static P256Signer CreateDevice() => new(SHA256.HashData("DePIN Edge gas table device"u8));
}

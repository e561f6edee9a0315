using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Evidence.Tests;

/// <summary>Seeded evidence for the tests: keys, frames that really verify, and a whole proof from several gateways and epochs.</summary>
internal static class SampleEvidence
{
    public const ulong ChainId = 31337;

    public static readonly Address Ledger = Address.Parse("0x5FbDB2315678afecb367f032d93F642f64180aa3");

    public static readonly Eip712Domain Domain = new(ChainId, Ledger);

    /// <summary>The key keccak256("gateway n"): the same in every run.</summary>
    public static GatewaySigner Gateway(int n) => new(PrivateKey(n).ToArray());

    public static Hash32 PrivateKey(int n) => HashOf(string.Create(CultureInfo.InvariantCulture, $"gateway {n}"));

    public static Hash32 HashOf(string text) => EthereumCrypto.Keccak256(System.Text.Encoding.UTF8.GetBytes(text));

    public static Hash32[] Leaves(int count, int seed = 1)
    {
        Random random = new(seed);
        byte[] bytes = new byte[Hash32.Bytes];
        Hash32[] leaves = new Hash32[count];
        for (int i = 0; i < count; i++)
        {
            random.NextBytes(bytes);
            leaves[i] = new Hash32(bytes);
        }
        return leaves;
    }

    public static BatchHeader Batch(int seed)
    {
        Hash32[] hashes = Leaves(3, seed);
        Random random = new(seed);
        return new BatchHeader(
            Gateway(seed % 4).Address, (ulong)random.NextInt64(2, long.MaxValue), hashes[0], hashes[1], (uint)random.Next(1, 65_537),
            (uint)random.Next(), (ulong)random.NextInt64(1, 1L << 40), (ulong)random.NextInt64(1L << 40, 1L << 52), hashes[2]);
    }

    public static AnchorHeader Anchor(int seed)
    {
        Hash32[] hashes = Leaves(2, seed);
        Random random = new(seed);
        uint batches = (uint)random.Next(1, 10_000);
        return new AnchorHeader((ulong)random.NextInt64(), hashes[0], hashes[1], batches, batches * (ulong)random.Next(1, 65_537));
    }

    /// <summary>A proof that holds: frame 3 of 7 in batch 2 of 3, in anchor 5 of 11.</summary>
    public static Proof Proof()
    {
        using SampleDevice device = new();
        BatchBody body = BatchBody.Encode(Enumerable.Range(1, 7).Select(n => (ReadOnlyMemory<byte>)device.Frame((ulong)n)));
        using GatewaySigner gateway = Gateway(1);
        BatchHeader batch = body.ToHeader(gateway.Address, 1, Hash32.Zero, 1_800_000_000_000, 1_800_000_060_000);
        BatchHeader[] batches = [batch, Batch(5), Batch(6)];
        (AnchorHeader anchor, MerkleTree anchorTree) = AnchorHeader.Build(30_000_000, HashOf("previous"), batches);
        MountainRange range = new();
        for (int i = 0; i < 11; i++) range.Append(i == 5 ? anchor.Hash() : HashOf($"anchor {i}"));
        return new Proof
        {
            ChainId = ChainId,
            Ledger = Ledger,
            Frame = body[3],
            PublicKey = device.PublicKey,
            BatchPath = [.. body.BuildTree().Proof(3)],
            Batch = batch,
            AnchorPath = [.. anchorTree.Proof(Array.IndexOf(batches, batch))],
            Anchor = anchor,
            Ordinal = 5,
            LedgerSize = 11,
            LedgerPath = [.. range.Proof(5)],
        };
    }
}

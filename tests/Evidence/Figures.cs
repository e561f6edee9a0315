using System.Diagnostics;
using System.Globalization;

namespace DePIN.Evidence.Tests;

/// <summary>Figures for shared/Evidence/README.md, run by hand and asserting nothing: timings are no tests.</summary>
[TestFixture]
[Category("ByHand"), Explicit("prints figures")]
public sealed class Figures
{
    private const int Rounds = 7;

    [Test]
    public void Print()
    {
        Hash32[] leaves = SampleEvidence.Leaves(10_000);
        byte[] frame = new byte[160];
        byte[] pair = new byte[64];
        using GatewaySigner signer = SampleEvidence.Gateway(1);
        Hash32 digest = leaves[0];
        EthereumSignature signature = signer.Sign(digest);
        Proof proof = SampleEvidence.Proof();
        byte[] json = proof.ToJson();
        Measure("Keccak-256 of 64 B", 20_000, () => EthereumCrypto.Keccak256(pair));
        Measure("pair hash", 20_000, () => EthereumCrypto.HashPair(leaves[0], leaves[1]));
        Measure("frame leaf, 160 B", 10_000, () => FrameLeaf.Hash(frame));
        Measure("tree of 10,000 leaves", 5, () => _ = new MerkleTree(leaves));
        Measure("root in place of 10,000", 5, () => MerkleTree.RootInPlace((Hash32[])leaves.Clone()));
        Measure("secp256k1 sign", 200, () => signer.Sign(digest));
        Measure("secp256k1 recover", 200, () => EthereumCrypto.TryRecover(digest, signature, out _));
        Measure("batch hash", 10_000, () => proof.Batch.Hash());
        Measure("proof read", 500, () => Proof.TryRead(json, out _));
        Measure("proof check", 200, () => ProofVerifier.Check(proof));
    }

    private static void Measure(string what, int count, Action act)
    {
        double best = double.MaxValue;
        long bytes = 0;
        for (int round = 0; round < Rounds; round++)
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < count; i++) act();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds / count);
            bytes = (GC.GetAllocatedBytesForCurrentThread() - allocated) / count;
        }
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-26} {best,10:0.00} us {bytes,8} B"));
    }
}

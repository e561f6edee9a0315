using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Evidence;

/// <summary>How a step of a check ended.</summary>
public enum ProofOutcome
{
    /// <summary>It holds.</summary>
    Passed,

    /// <summary>It does not.</summary>
    Failed,

    /// <summary>What it builds on failed, or is not in the proof.</summary>
    NotChecked,
}

/// <summary>One step of a check.</summary>
/// <param name="Name">One of <see cref="ProofVerifier"/>'s step names.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Detail">For a person: what holds, or what is wrong.</param>
public sealed record ProofStep(string Name, ProofOutcome Outcome, string Detail);

/// <summary>What a check found.</summary>
/// <param name="Steps">In order; always all of them.</param>
/// <param name="PeakHeight">Height at which the ledger must hold <paramref name="Peak"/>.</param>
/// <param name="Peak">What remains to be compared with the chain.</param>
public sealed record ProofReport(ImmutableArray<ProofStep> Steps, int PeakHeight, Hash32 Peak)
{
    /// <summary>True when every step passed. The ledger's word on the peak is still needed: see <see cref="Peak"/>.</summary>
    public bool Passed => Steps.All(static step => step.Outcome == ProofOutcome.Passed);

    /// <summary>
    /// True when all that is left open is whether the key is the device's: its id is the hash of its first key, so of a device that changed its key only the chain can say
    /// (Ledger.verify asks DeviceRegistry.isKeyOf).
    /// </summary>
    public bool NeedsKeyFromChain => Steps.All(static step => step.Outcome == ProofOutcome.Passed || (step.Name == ProofVerifier.DeviceStep && step.Outcome == ProofOutcome.NotChecked));
}

/// <summary>
/// Checks a proof without any server: the frame, its device's signature, and the three paths. What is left is one comparison with
/// the chain (does the ledger hold this peak?), which the contract callers make. Costs one P-256 verification and some forty
/// Keccak hashes; never throws for the proof's contents.
/// </summary>
public static class ProofVerifier
{
    /// <summary>The bytes are a well-formed frame with r, s in range and low s.</summary>
    public const string FrameStep = "frame";

    /// <summary>The frame's device id is that of the public key; not checked when it is another key's, which the device may have changed to.</summary>
    public const string DeviceStep = "device";

    /// <summary>The device signed the frame.</summary>
    public const string SignatureStep = "signature";

    /// <summary>The batch header is consistent in itself.</summary>
    public const string BatchStep = "batch";

    /// <summary>The frame is in the batch.</summary>
    public const string BatchPathStep = "batch path";

    /// <summary>The anchor is consistent in itself.</summary>
    public const string AnchorStep = "anchor";

    /// <summary>The batch is in the anchor.</summary>
    public const string AnchorPathStep = "anchor path";

    /// <summary>The path from the anchor has the length that its ordinal has in a ledger of this size.</summary>
    public const string LedgerPathStep = "ledger path";

    /// <summary>Checks everything that needs no chain.</summary>
    public static ProofReport Check(Proof proof)
    {
        ArgumentNullException.ThrowIfNull(proof);
        ImmutableArray<ProofStep>.Builder steps = ImmutableArray.CreateBuilder<ProofStep>(8);
        byte[] frame = proof.Frame.ToArray();
        byte[] key = proof.PublicKey.ToArray();

        FrameFault fault = FrameParser.Check(frame, 0, frame.Length);
        bool wellFormed = fault == FrameFault.None;
        steps.Add(wellFormed
            ? Pass(FrameStep, string.Create(CultureInfo.InvariantCulture, $"sequence {FrameParser.Sequence(frame, 0)}, {FrameParser.SampleCount(frame, 0)} samples"))
            : Fail(FrameStep, $"not a frame: {fault}"));

        if (wellFormed)
        {
            steps.Add(CheckDevice(frame, key));
            steps.Add(VerifyFrame(key, frame)
                ? Pass(SignatureStep, "the key signed this frame")
                : Fail(SignatureStep, "the key did not sign this frame"));
        }
        else
        {
            steps.Add(Skip(DeviceStep));
            steps.Add(Skip(SignatureStep));
        }

        BatchHeaderFault batchFault = proof.Batch.Check();
        steps.Add(batchFault == BatchHeaderFault.None
            ? Pass(BatchStep, string.Create(CultureInfo.InvariantCulture, $"batch {proof.Batch.Number} of {proof.Batch.Gateway}, {proof.Batch.Frames} frames"))
            : Fail(BatchStep, $"the header contradicts itself: {batchFault}"));
        steps.Add(CheckPath(
            BatchPathStep, "frame", "batch", FrameLeaf.Hash(frame), proof.BatchPath, proof.Batch.Root, proof.Batch.Frames));

        AnchorHeaderFault anchorFault = proof.Anchor.Check();
        steps.Add(anchorFault == AnchorHeaderFault.None
            ? Pass(AnchorStep, string.Create(CultureInfo.InvariantCulture, $"epoch {proof.Anchor.Epoch}, {proof.Anchor.Batches} batches"))
            : Fail(AnchorStep, $"the anchor contradicts itself: {anchorFault}"));
        steps.Add(CheckPath(
            AnchorPathStep, "batch", "anchor", proof.Batch.Hash(), proof.AnchorPath, proof.Anchor.Root, proof.Anchor.Batches));

        Hash32 peak = proof.Peak();
        int height = MountainRange.HeightOf((long)Math.Min(proof.Ordinal, long.MaxValue), (long)Math.Min(proof.LedgerSize, long.MaxValue));
        steps.Add(height == proof.LedgerPath.Length
            ? Pass(LedgerPathStep, string.Create(CultureInfo.InvariantCulture, $"leads to peak {height}, {peak}"))
            : Fail(LedgerPathStep, string.Create(CultureInfo.InvariantCulture,
                $"{proof.LedgerPath.Length} elements do not lead from anchor {proof.Ordinal} to a peak of a ledger of {proof.LedgerSize}")));
        return new ProofReport(steps.DrainToImmutable(), proof.LedgerPath.Length, peak);
    }

    /// <summary>Verifies a frame's P-256 signature. The frame must have passed <see cref="FrameParser.Check"/>, which judges range and low s.</summary>
    /// <param name="publicKey">X ‖ Y, 64 bytes; false when it is no point of the curve.</param>
    /// <param name="frame">The whole frame.</param>
    public static bool VerifyFrame(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> frame)
    {
        if (publicKey.Length != DeviceId.PublicKeyBytes || frame.Length < FrameFormat.FrameBytesMin) return false;
        try
        {
            using ECDsa key = ECDsa.Create(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = publicKey[..32].ToArray(), Y = publicKey[32..].ToArray() },
            });
            int signed = frame.Length - FrameFormat.SignatureBytes;
            return key.VerifyData(frame[..signed], frame[signed..], HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false; // not a point of the curve
        }
    }

    private static ProofStep CheckDevice(byte[] frame, byte[] key)
    {
        if (key.Length != DeviceId.PublicKeyBytes) return Fail(DeviceStep, $"a public key has {DeviceId.PublicKeyBytes} bytes");
        byte[] id = new byte[DeviceId.Bytes];
        DeviceId.FromPublicKey(key, 0, id, 0);
        string named = DeviceId.ToText(frame, FrameFormat.DeviceIdOffset);
        return frame.AsSpan(FrameFormat.DeviceIdOffset, DeviceId.Bytes).SequenceEqual(id)
            ? Pass(DeviceStep, named)
            : new ProofStep(DeviceStep, ProofOutcome.NotChecked, $"the frame names device {named}, the public key is the first one of {DeviceId.ToText(id, 0)}: only the chain can say whether {named} changed to this key");
    }

    private static ProofStep CheckPath(
        string step, string what, string where, Hash32 leaf, ImmutableArray<Hash32> path, Hash32 root, uint leaves)
    {
        // In a tree of n leaves in an array every leaf lies floor(log2 n) or ceil(log2 n) below the root.
        int depthMin = leaves == 0 ? 0 : BitOperations.Log2(leaves);
        int depthMax = leaves == 0 || BitOperations.IsPow2(leaves) ? depthMin : depthMin + 1;
        if (path.Length < depthMin || path.Length > depthMax)
            return Fail(step, string.Create(CultureInfo.InvariantCulture, $"{path.Length} elements cannot lead through a tree of {leaves} leaves"));
        return MerkleTree.Verify(root, leaf, path.AsSpan())
            ? Pass(step, $"the {what} is in the {where}")
            : Fail(step, $"the {what} is not in the {where}: the path does not lead to {root}");
    }

    private static ProofStep Pass(string name, string detail) => new(name, ProofOutcome.Passed, detail);

    private static ProofStep Fail(string name, string detail) => new(name, ProofOutcome.Failed, detail);

    private static ProofStep Skip(string name) => new(name, ProofOutcome.NotChecked, "not checked: there is no frame to check");
}

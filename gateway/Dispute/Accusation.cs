using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Protocol;

namespace DePIN.Gateway.Dispute;

/// <summary>
/// Evidence in the form that Disputes.sol takes. Made from what this gateway keeps; whether the contract agrees is asked before anything is paid for, except the
/// commitment.
/// </summary>
/// <param name="Kind">What was done.</param>
/// <param name="Accused">The gateway, or the device id.</param>
/// <param name="Subject">As in <see cref="DisputeRecord"/>.</param>
/// <param name="EvidenceHash">What the commitment binds.</param>
/// <param name="Text">For a person.</param>
/// <param name="Encode">Call data of the report with a salt.</param>
public sealed record Accusation(Offence Kind, Address Accused, Hash32 Subject, Hash32 EvidenceHash, string Text, Func<Hash32, byte[]> Encode)
{
    /// <summary>Evidence against a gateway; null when it proves nothing that the contract judges (a header that contradicts itself, say).</summary>
    public static Accusation? Of(Misconduct misconduct)
    {
        ArgumentNullException.ThrowIfNull(misconduct);
        switch (misconduct.Kind)
        {
            case EvidenceKind.BatchEquivocation:
            {
                (BatchHeader first, byte[] firstSignature) = Batch(misconduct.First);
                (BatchHeader second, byte[] secondSignature) = Batch(misconduct.Second);
                return new(Offence.TwoBatches, misconduct.Accused, Word(misconduct.Height), Pair(first.Hash(), second.Hash()), misconduct.Text,
                    salt => Disputes.EncodeReportBatches(new(first, firstSignature, second, secondSignature), salt));
            }

            case EvidenceKind.AnchorEquivocation:
            {
                (AnchorHeader first, byte[] firstSignature) = Anchor(misconduct.First);
                (AnchorHeader second, byte[] secondSignature) = Anchor(misconduct.Second);
                return new(Offence.TwoAnchors, misconduct.Accused, Word(misconduct.Height), Pair(first.Hash(), second.Hash()), misconduct.Text,
                    salt => Disputes.EncodeReportAnchors(new(first, firstSignature, second, secondSignature), salt));
            }

            case EvidenceKind.BadBatch when FrameInBatch.TryDecode(misconduct.Second, out byte[] frame, out Hash32[] path):
            {
                (BatchHeader batch, byte[] signature) = Batch(misconduct.First);
                Hash32 hash = batch.Hash();
                return new(Offence.BadFrame, misconduct.Accused, hash, FrameEvidence(hash, frame, misconduct.Accused), misconduct.Text,
                    salt => Disputes.EncodeReportFrame(new(frame, path, batch, signature), salt));
            }

            default:
                return null;
        }
    }

    /// <summary>A signed batch with the frame of a device that is not registered: what opens a case. Null when the frame is malformed, which is another offence.</summary>
    public static Accusation? Of(Suspicion suspicion)
    {
        ArgumentNullException.ThrowIfNull(suspicion);
        if (!FrameInBatch.TryDecode(suspicion.Frame, out byte[] frame, out Hash32[] path) || FrameParser.Check(frame, 0, frame.Length) != FrameFault.None) return null;
        (BatchHeader batch, byte[] signature, Address accused) = (suspicion.Header, suspicion.Author.Signature.ToCompactArray(), suspicion.Author.Gateway);
        Hash32 hash = batch.Hash();
        // abi.encode puts a bytes20 at the front of its word.
        Hash32 subject = EthereumCrypto.Keccak256([.. hash.ToArray(), .. suspicion.Device.ToArray(), .. new byte[Hash32.Bytes - Address.Bytes]]);
        return new(Offence.UnregisteredDevice, accused, subject, FrameEvidence(hash, frame, accused), $"signed batch {batch.Number} with a frame of device {suspicion.Device}, which is not registered",
            salt => Disputes.EncodeAccuse(new(frame, path, batch, signature), salt));
    }

    /// <summary>Two frames of a device under one sequence; null when they are one frame with two signatures, or no single key of the device signed both.</summary>
    /// <param name="first">The frame that was stored.</param>
    /// <param name="second">The other one.</param>
    /// <param name="keysOf">A device's keys, X ‖ Y.</param>
    public static Accusation? Of(byte[] first, byte[] second, Func<Address, IReadOnlyList<ReadOnlyMemory<byte>>> keysOf)
    {
        ArgumentNullException.ThrowIfNull(keysOf);
        if (FrameParser.Check(first, 0, first.Length) != FrameFault.None || FrameParser.Check(second, 0, second.Length) != FrameFault.None) return null;
        ((Address device, ulong sequence, _, _), FrameKey other) = (FrameSpans.Key(first), FrameSpans.Key(second));
        (byte[] a, byte[] b) = (SHA256.HashData(first.AsSpan(..^FrameFormat.SignatureBytes)), SHA256.HashData(second.AsSpan(..^FrameFormat.SignatureBytes)));
        if ((device, sequence) != (other.Device, other.Sequence) || a.AsSpan().SequenceEqual(b)) return null;
        foreach (ReadOnlyMemory<byte> key in keysOf(device))
        {
            if (!ProofVerifier.VerifyFrame(key.Span, first) || !ProofVerifier.VerifyFrame(key.Span, second)) continue;
            (Hash32 x, Hash32 y) = (new(key.Span[..Hash32.Bytes]), new(key.Span[Hash32.Bytes..]));
            return new(Offence.TwoFrames, device, Hash32.Zero, Pair(new Hash32(a), new Hash32(b)), $"signed two frames under sequence {sequence}",
                salt => Disputes.EncodeReportDevice(new(first, second, x, y), salt));
        }

        return null;
    }

    /// <summary>What is kept of it, before anything is sent.</summary>
    /// <param name="reporter">Whose account sends.</param>
    /// <param name="salt">32 bytes that nobody can guess.</param>
    /// <param name="nowMs">ms since the Unix epoch.</param>
    /// <param name="block">The newest block.</param>
    public DisputeRecord ToRecord(Address reporter, Hash32 salt, long nowMs, ulong block)
    {
        byte[] words = [.. new byte[Hash32.Bytes - Address.Bytes], .. reporter.ToArray(), .. EvidenceHash.ToArray(), .. salt.ToArray()];
        return new DisputeRecord(Kind, Accused, Subject, EthereumCrypto.Keccak256(words), Encode(salt), reporter, DisputeState.Open, nowMs, block, 0, 0, 0, Text);
    }

    private static (BatchHeader Header, byte[] Signature) Batch(byte[] signed) => (BatchHeader.Read(signed.AsSpan(0, BatchHeader.Bytes)), Signature(signed));

    private static (AnchorHeader Header, byte[] Signature) Anchor(byte[] signed) => (AnchorHeader.Read(signed.AsSpan(0, AnchorHeader.Bytes)), Signature(signed));

    private static byte[] Signature(byte[] signed) => signed[^EthereumSignature.CompactBytes..];

    private static Hash32 FrameEvidence(Hash32 batch, byte[] frame, Address signer) =>
        EthereumCrypto.Keccak256([.. batch.ToArray(), .. FrameLeaf.Hash(frame).ToArray(), .. new byte[Hash32.Bytes - Address.Bytes], .. signer.ToArray()]);

    private static Hash32 Pair(Hash32 first, Hash32 second) => EthereumCrypto.Keccak256([.. first.ToArray(), .. second.ToArray()]);

    private static Hash32 Word(ulong number)
    {
        Span<byte> word = stackalloc byte[Hash32.Bytes];
        word.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(word[(Hash32.Bytes - sizeof(ulong))..], number);
        return new Hash32(word);
    }
}

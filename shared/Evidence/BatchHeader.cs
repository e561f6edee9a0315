using System.Buffers.Binary;

namespace DePIN.Evidence;

/// <summary>What is wrong with a batch header by itself.</summary>
public enum BatchHeaderFault
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The gateway's address is zero.</summary>
    GatewayZero,

    /// <summary>Batches are numbered from 1.</summary>
    NumberZero,

    /// <summary>Batch 1 has no previous batch; every other has one.</summary>
    PreviousMismatch,

    /// <summary>A batch has 1 to 65,536 frames.</summary>
    FrameCountOutOfRange,

    /// <summary>The root or the body hash is zero.</summary>
    HashZero,

    /// <summary>The first frame was received after the last.</summary>
    TimesReversed,
}

/// <summary>
/// The header of a batch: who received which frames in which order, and what came before. Its hash is the EIP-712 struct hash
/// (no domain), its leaf in an anchor's tree; gateways attest the full EIP-712 digest. Canonical bytes, big-endian:
/// <code>
/// 0 gateway 20 | 20 number u64 | 28 previous 32 | 60 root 32 | 92 frames u32 | 96 samples u32
/// 100 first received u64 | 108 last received u64 (ms since the Unix epoch) | 116 body 32 (SHA-256 over the hashes of spans and body) | = 148
/// </code>
/// </summary>
/// <param name="Gateway">Address of the gateway that received the frames.</param>
/// <param name="Number">From 1, +1 per batch of this gateway.</param>
/// <param name="Previous">Hash of the gateway's previous batch; zero for number 1.</param>
/// <param name="Root">Merkle root over the frames' leaves, in order.</param>
/// <param name="Frames">Number of frames, 1 to 65,536.</param>
/// <param name="Samples">Number of readable samples in them (a sealed frame counts none).</param>
/// <param name="FirstReceivedMs">When the gateway received the first frame, ms since the Unix epoch.</param>
/// <param name="LastReceivedMs">When it received the last, ms since the Unix epoch.</param>
/// <param name="Body">What commits to the body and its spans (<see cref="BatchBody.Commitment"/>).</param>
public sealed record BatchHeader(
    Address Gateway,
    ulong Number,
    Hash32 Previous,
    Hash32 Root,
    uint Frames,
    uint Samples,
    ulong FirstReceivedMs,
    ulong LastReceivedMs,
    Hash32 Body)
{
    /// <summary>The EIP-712 type.</summary>
    public const string Type =
        "Batch(address gateway,uint64 number,bytes32 previous,bytes32 root,uint32 frames,uint32 samples,"
        + "uint64 firstReceivedMs,uint64 lastReceivedMs,bytes32 body)";

    /// <summary>Size of the canonical bytes.</summary>
    public const int Bytes = 148;

    /// <summary>keccak256 of <see cref="Type"/>.</summary>
    public static readonly Hash32 TypeHash = Eip712Struct.TypeHash(Type);

    /// <summary>The batch hash: EIP-712 struct hash, without the domain.</summary>
    public Hash32 Hash() => new Eip712Struct(TypeHash)
        .Address(Gateway).UInt(Number).Word(Previous).Word(Root).UInt(Frames).UInt(Samples)
        .UInt(FirstReceivedMs).UInt(LastReceivedMs).Word(Body).Hash();

    /// <summary>What a gateway signs to attest this batch.</summary>
    public Hash32 Digest(Eip712Domain domain) => domain.Digest(Hash());

    /// <summary>Judges the header by itself; whether the chain of batches and the body fit is the caller's to check.</summary>
    public BatchHeaderFault Check()
    {
        if (Gateway.IsZero) return BatchHeaderFault.GatewayZero;
        if (Number == 0) return BatchHeaderFault.NumberZero;
        if (Number == 1 != Previous.IsZero) return BatchHeaderFault.PreviousMismatch;
        if (Frames is 0 or > EvidenceLimits.BatchFramesMax) return BatchHeaderFault.FrameCountOutOfRange;
        if (Root.IsZero || Body.IsZero) return BatchHeaderFault.HashZero;
        return FirstReceivedMs > LastReceivedMs ? BatchHeaderFault.TimesReversed : BatchHeaderFault.None;
    }

    /// <param name="destination">At least 148 bytes; the first 148 are written.</param>
    public void Write(Span<byte> destination)
    {
        Gateway.CopyTo(destination);
        BinaryPrimitives.WriteUInt64BigEndian(destination[20..], Number);
        Previous.CopyTo(destination[28..]);
        Root.CopyTo(destination[60..]);
        BinaryPrimitives.WriteUInt32BigEndian(destination[92..], Frames);
        BinaryPrimitives.WriteUInt32BigEndian(destination[96..], Samples);
        BinaryPrimitives.WriteUInt64BigEndian(destination[100..], FirstReceivedMs);
        BinaryPrimitives.WriteUInt64BigEndian(destination[108..], LastReceivedMs);
        Body.CopyTo(destination[116..]);
    }

    /// <summary>A new array of 148 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        Write(bytes);
        return bytes;
    }

    /// <param name="source">Exactly 148 bytes; any contents are a header, <see cref="Check"/> judges them.</param>
    /// <exception cref="ArgumentException">Not 148 bytes.</exception>
    public static BatchHeader Read(ReadOnlySpan<byte> source)
    {
        if (source.Length != Bytes) throw new ArgumentException($"A batch header has {Bytes} bytes, not {source.Length}.", nameof(source));
        return new BatchHeader(
            new Address(source[..20]),
            BinaryPrimitives.ReadUInt64BigEndian(source[20..]),
            new Hash32(source.Slice(28, 32)),
            new Hash32(source.Slice(60, 32)),
            BinaryPrimitives.ReadUInt32BigEndian(source[92..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[96..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[100..]),
            BinaryPrimitives.ReadUInt64BigEndian(source[108..]),
            new Hash32(source.Slice(116, 32)));
    }
}

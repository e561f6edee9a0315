using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DePIN.Evidence;

/// <summary>What is wrong with the bytes of a batch body.</summary>
public enum BatchBodyFault
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>No frames.</summary>
    Empty,

    /// <summary>Longer than 65,536 frames of the greatest length.</summary>
    TooLong,

    /// <summary>More than 65,536 frames.</summary>
    TooManyFrames,

    /// <summary>A length that no frame has (144 to 1,168 bytes).</summary>
    FrameLengthOutOfRange,

    /// <summary>Ends inside a length or a frame.</summary>
    Truncated,
}

/// <summary>
/// The frames of a batch as gateways exchange and keep them: for each frame, u16 big-endian length | frame bytes, in order.
/// The header commits to it twice: SHA-256 of these bytes (fetch and compare) and the Merkle root over the frames (prove one).
/// Frames are slices of the one body array; nothing is copied or re-encoded. Judging the frames themselves is the caller's part.
/// </summary>
public sealed class BatchBody
{
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly int[] _offsets; // of each frame's first byte

    private BatchBody(ReadOnlyMemory<byte> bytes, int[] offsets)
    {
        _bytes = bytes;
        _offsets = offsets;
    }

    /// <summary>The encoded body.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>Number of frames, 1 to 65,536.</summary>
    public int Count => _offsets.Length;

    /// <summary>The bytes of a frame, header to signature.</summary>
    public ReadOnlyMemory<byte> this[int index]
    {
        get
        {
            int offset = _offsets[index];
            return _bytes.Slice(offset, BinaryPrimitives.ReadUInt16BigEndian(_bytes.Span[(offset - 2)..]));
        }
    }

    /// <summary>SHA-256 of the encoded body.</summary>
    public Hash32 Hash() => HashOf(_bytes.Span);

    /// <summary>SHA-256 of an encoded body.</summary>
    public static Hash32 HashOf(ReadOnlySpan<byte> body)
    {
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        SHA256.HashData(body, digest);
        return new Hash32(digest);
    }

    /// <summary>The leaves of the frames, in order.</summary>
    public Hash32[] Leaves()
    {
        Hash32[] leaves = GC.AllocateUninitializedArray<Hash32>(Count);
        for (int i = 0; i < leaves.Length; i++) leaves[i] = FrameLeaf.Hash(this[i].Span);
        return leaves;
    }

    /// <summary>The tree that proves each frame.</summary>
    public MerkleTree BuildTree() => new(Leaves());

    /// <summary>The Merkle root, without keeping the tree.</summary>
    public Hash32 Root() => MerkleTree.RootInPlace(Leaves());

    /// <summary>Writes one frame with its length: a body is these one after another.</summary>
    /// <exception cref="ArgumentException">Not the length of a frame.</exception>
    public static void Append(IBufferWriter<byte> writer, ReadOnlySpan<byte> frame)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (frame.Length is < EvidenceLimits.FrameBytesMin or > EvidenceLimits.FrameBytesMax)
            throw new ArgumentException($"A frame has {EvidenceLimits.FrameBytesMin} to {EvidenceLimits.FrameBytesMax} bytes.", nameof(frame));
        Span<byte> destination = writer.GetSpan(2 + frame.Length);
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)frame.Length);
        frame.CopyTo(destination[2..]);
        writer.Advance(2 + frame.Length);
    }

    /// <summary>Encodes frames.</summary>
    /// <exception cref="ArgumentException">No frames, too many, or one with a length that no frame has.</exception>
    public static BatchBody Encode(IEnumerable<ReadOnlyMemory<byte>> frames)
    {
        ArrayBufferWriter<byte> writer = new();
        foreach (ReadOnlyMemory<byte> frame in frames) Append(writer, frame.Span);
        BatchBodyFault fault = TryParse(writer.WrittenMemory, out BatchBody? body);
        return body ?? throw new ArgumentException($"These frames are no batch: {fault}.", nameof(frames));
    }

    /// <summary>Splits a body from a peer or a disk. Never throws for its contents.</summary>
    /// <param name="bytes">Kept, not copied: must not change afterwards.</param>
    /// <param name="body">Null unless the result is None.</param>
    public static BatchBodyFault TryParse(ReadOnlyMemory<byte> bytes, out BatchBody? body)
    {
        body = null;
        if (bytes.IsEmpty) return BatchBodyFault.Empty;
        if (bytes.Length > EvidenceLimits.BatchBodyBytesMax) return BatchBodyFault.TooLong;
        ReadOnlySpan<byte> span = bytes.Span;
        List<int> offsets = new(Math.Min(EvidenceLimits.BatchFramesMax, bytes.Length / (2 + EvidenceLimits.FrameBytesMin)));
        for (int at = 0; at < span.Length;)
        {
            if (offsets.Count == EvidenceLimits.BatchFramesMax) return BatchBodyFault.TooManyFrames;
            if (span.Length - at < 2) return BatchBodyFault.Truncated;
            int length = BinaryPrimitives.ReadUInt16BigEndian(span[at..]);
            if (length is < EvidenceLimits.FrameBytesMin or > EvidenceLimits.FrameBytesMax) return BatchBodyFault.FrameLengthOutOfRange;
            if (span.Length - at - 2 < length) return BatchBodyFault.Truncated;
            offsets.Add(at + 2);
            at += 2 + length;
        }
        body = new BatchBody(bytes, [.. offsets]);
        return BatchBodyFault.None;
    }
}

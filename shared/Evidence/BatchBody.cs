using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using DePIN.Protocol;

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

/// <summary>How a body contradicts its header.</summary>
public enum BatchMatch
{
    /// <summary>It does not.</summary>
    Matches = 0,

    /// <summary>Another number of frames.</summary>
    FrameCountDiffers,

    /// <summary>Another number of readable samples.</summary>
    SampleCountDiffers,

    /// <summary>Another SHA-256.</summary>
    BodyHashDiffers,

    /// <summary>Another Merkle root.</summary>
    RootDiffers,

    /// <summary>One (device, sequence) twice.</summary>
    FrameRepeated,
}

/// <summary>
/// The frames of a batch as gateways exchange and keep them: for each frame, u16 big-endian length | frame bytes, in order.
/// The header commits to it twice: by <see cref="Commitment"/> over these bytes and their <see cref="FrameSpans"/> (fetch and compare; see what is
/// in it without fetching) and by the Merkle root over the frames (prove one).
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
    public Hash32 FramesHash() => HashOf(_bytes.Span);

    /// <summary>SHA-256 of an encoded body.</summary>
    public static Hash32 HashOf(ReadOnlySpan<byte> body)
    {
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        SHA256.HashData(body, digest);
        return new Hash32(digest);
    }

    /// <summary>
    /// A header's <c>body</c>: SHA-256(SHA-256(spans) ‖ SHA-256(encoded body)). Who has the header can check the spans with 32 bytes more, and
    /// the body by itself.
    /// </summary>
    public static Hash32 Commitment(Hash32 spansHash, Hash32 framesHash)
    {
        Span<byte> both = stackalloc byte[2 * Hash32.Bytes];
        spansHash.CopyTo(both);
        framesHash.CopyTo(both[Hash32.Bytes..]);
        return HashOf(both);
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

    /// <summary>Readable samples in all frames: payload / 16 where the sealed flag is clear. Trusts that the frames are well formed.</summary>
    public uint SampleCount()
    {
        uint samples = 0;
        for (int i = 0; i < Count; i++)
        {
            ReadOnlySpan<byte> frame = this[i].Span;
            if ((frame[FrameFormat.FlagsOffset] & FrameFormat.FlagPayloadSealed) == 0)
                samples += (uint)(frame.Length - FrameFormat.FrameBytesMin) / FrameFormat.SampleBytes;
        }
        return samples;
    }

    /// <summary>The header of a batch with this body.</summary>
    /// <param name="gateway">Who received the frames.</param>
    /// <param name="number">From 1.</param>
    /// <param name="previous">Hash of the gateway's batch before; zero for number 1.</param>
    /// <param name="firstReceivedMs">When the first frame came, ms since the Unix epoch.</param>
    /// <param name="lastReceivedMs">When the last came.</param>
    /// <exception cref="InvalidOperationException">One (device, sequence) is in it twice.</exception>
    public BatchHeader ToHeader(Address gateway, ulong number, Hash32 previous, ulong firstReceivedMs, ulong lastReceivedMs)
    {
        FrameSpans spans = FrameSpans.Of(this) ?? throw new InvalidOperationException("A batch holds each (device, sequence) once.");
        return new BatchHeader(gateway, number, previous, Root(), (uint)Count, SampleCount(), firstReceivedMs, lastReceivedMs, Commitment(spans.Hash(), FramesHash()));
    }

    /// <summary>Whether this is the body that a header commits to; cheap differences first.</summary>
    public BatchMatch Compare(BatchHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        if (header.Frames != Count) return BatchMatch.FrameCountDiffers;
        if (FrameSpans.Of(this) is not { } spans) return BatchMatch.FrameRepeated;
        if (header.Body != Commitment(spans.Hash(), FramesHash())) return BatchMatch.BodyHashDiffers;
        if (header.Samples != SampleCount()) return BatchMatch.SampleCountDiffers;
        return header.Root != Root() ? BatchMatch.RootDiffers : BatchMatch.Matches;
    }

    /// <summary>Writes one frame with its length: a body is these one after another.</summary>
    /// <exception cref="ArgumentException">Not the length of a frame.</exception>
    public static void Append(IBufferWriter<byte> writer, ReadOnlySpan<byte> frame)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (frame.Length is < FrameFormat.FrameBytesMin or > FrameFormat.FrameBytesMax)
            throw new ArgumentException($"A frame has {FrameFormat.FrameBytesMin} to {FrameFormat.FrameBytesMax} bytes.", nameof(frame));
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
        List<int> offsets = new(Math.Min(EvidenceLimits.BatchFramesMax, bytes.Length / (2 + FrameFormat.FrameBytesMin)));
        for (int at = 0; at < span.Length;)
        {
            if (offsets.Count == EvidenceLimits.BatchFramesMax) return BatchBodyFault.TooManyFrames;
            if (span.Length - at < 2) return BatchBodyFault.Truncated;
            int length = BinaryPrimitives.ReadUInt16BigEndian(span[at..]);
            if (length is < FrameFormat.FrameBytesMin or > FrameFormat.FrameBytesMax) return BatchBodyFault.FrameLengthOutOfRange;
            if (span.Length - at - 2 < length) return BatchBodyFault.Truncated;
            offsets.Add(at + 2);
            at += 2 + length;
        }
        body = new BatchBody(bytes, [.. offsets]);
        return BatchBodyFault.None;
    }
}

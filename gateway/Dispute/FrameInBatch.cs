using System.Buffers.Binary;
using DePIN.Evidence;

namespace DePIN.Gateway.Dispute;

/// <summary>
/// A frame and its path to its batch's root, as the evidence of a bad batch keeps them: length u16 big-endian | frame | path, 32 bytes an element.
/// The frame need not be well formed; that may be what is wrong with it.
/// </summary>
public static class FrameInBatch
{
    /// <summary>More elements are no path (Disputes.PATH_MAX).</summary>
    public const int PathMax = 32;

    /// <summary>A new array.</summary>
    public static byte[] Encode(ReadOnlyMemory<byte> frame, IReadOnlyList<Hash32> path)
    {
        ArgumentNullException.ThrowIfNull(path);
        byte[] bytes = new byte[2 + frame.Length + Hash32.Bytes * path.Count];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, checked((ushort)frame.Length));
        frame.Span.CopyTo(bytes.AsSpan(2));
        for (int i = 0; i < path.Count; i++) path[i].CopyTo(bytes.AsSpan(2 + frame.Length + Hash32.Bytes * i));
        return bytes;
    }

    /// <summary>False when the bytes are not such a pair: evidence of a fault that is not one frame's.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out byte[] frame, out Hash32[] path)
    {
        (frame, path) = ([], []);
        if (bytes.Length < 2 || BinaryPrimitives.ReadUInt16BigEndian(bytes) is var length && bytes.Length < 2 + length) return false;
        ReadOnlySpan<byte> rest = bytes[(2 + length)..];
        if (rest.Length % Hash32.Bytes != 0 || rest.Length / Hash32.Bytes > PathMax) return false;
        frame = bytes[2..(2 + length)].ToArray();
        path = new Hash32[rest.Length / Hash32.Bytes];
        for (int i = 0; i < path.Length; i++) path[i] = new Hash32(rest.Slice(Hash32.Bytes * i, Hash32.Bytes));
        return true;
    }
}

using System.Buffers.Binary;
using System.Numerics;

namespace DePIN.Evidence;

/// <summary>
/// Writes Recursive Length Prefix (Ethereum yellow paper, appendix B), the encoding of transactions: byte strings and lists,
/// integers as big-endian bytes without leading zeros, zero as the empty string.
/// </summary>
public sealed class RlpWriter
{
    private readonly List<byte> _bytes = [];

    /// <summary>A byte string.</summary>
    public RlpWriter Bytes(ReadOnlySpan<byte> value)
    {
        if (value.Length == 1 && value[0] < 0x80)
        {
            _bytes.Add(value[0]);
            return this;
        }
        Prefix(0x80, value.Length);
        _bytes.AddRange(value);
        return this;
    }

    /// <summary>An unsigned integer.</summary>
    public RlpWriter UInt(ulong value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return Bytes(bytes.TrimStart((byte)0));
    }

    /// <summary>An unsigned integer of up to 256 bits.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or longer than 256 bits.</exception>
    public RlpWriter UInt(BigInteger value)
    {
        if (value.Sign < 0 || value.GetBitLength() > 256) throw new ArgumentOutOfRangeException(nameof(value), value, "An integer of 0 to 256 bits.");
        return value.IsZero ? Bytes([]) : Bytes(value.ToByteArray(isUnsigned: true, isBigEndian: true));
    }

    /// <summary>A list: what the action writes.</summary>
    public RlpWriter List(Action<RlpWriter> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        RlpWriter inner = new();
        items(inner);
        Prefix(0xc0, inner._bytes.Count);
        _bytes.AddRange(inner._bytes);
        return this;
    }

    /// <summary>What was written.</summary>
    public byte[] ToArray() => [.. _bytes];

    private void Prefix(byte kind, int length)
    {
        if (length <= 55)
        {
            _bytes.Add((byte)(kind + length));
            return;
        }
        Span<byte> size = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(size, length);
        ReadOnlySpan<byte> shortest = size.TrimStart((byte)0);
        _bytes.Add((byte)(kind + 55 + shortest.Length));
        _bytes.AddRange(shortest);
    }
}

/// <summary>
/// Reads RLP strictly: every value has exactly one accepted encoding (no long form where the short one fits, no leading zeros).
/// Hostile bytes give false, never an exception.
/// </summary>
public ref struct RlpReader
{
    private ReadOnlySpan<byte> _rest;

    /// <param name="bytes">Items one after another.</param>
    public RlpReader(ReadOnlySpan<byte> bytes) => _rest = bytes;

    /// <summary>True when nothing is left.</summary>
    public readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>Reads a byte string.</summary>
    public bool TryReadBytes(out ReadOnlySpan<byte> value) => TryRead(false, out value);

    /// <summary>Reads a list; its items are read from the reader given out.</summary>
    public bool TryReadList(out RlpReader items)
    {
        bool ok = TryRead(true, out ReadOnlySpan<byte> content);
        items = new RlpReader(content);
        return ok;
    }

    /// <summary>Reads an integer of up to 64 bits, without leading zeros.</summary>
    public bool TryReadUInt64(out ulong value)
    {
        value = 0;
        if (!TryReadInteger(8, out ReadOnlySpan<byte> bytes)) return false;
        foreach (byte b in bytes) value = value << 8 | b;
        return true;
    }

    /// <summary>Reads an integer of up to 256 bits, without leading zeros.</summary>
    public bool TryReadUInt256(out BigInteger value)
    {
        bool ok = TryReadInteger(32, out ReadOnlySpan<byte> bytes);
        value = new BigInteger(bytes, isUnsigned: true, isBigEndian: true);
        return ok;
    }

    private bool TryReadInteger(int bytesMax, out ReadOnlySpan<byte> bytes) =>
        TryRead(false, out bytes) && bytes.Length <= bytesMax && (bytes.IsEmpty || bytes[0] != 0);

    private bool TryRead(bool list, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (_rest.IsEmpty) return false;
        byte first = _rest[0];
        if (first < 0x80)
        {
            if (list) return false;
            content = _rest[..1];
            _rest = _rest[1..];
            return true;
        }
        if (first >= 0xc0 != list) return false;
        int code = first - (list ? 0xc0 : 0x80);
        int header = 1;
        long length = code;
        if (code > 55)
        {
            int sizeBytes = code - 55;
            if (sizeBytes > 4 || _rest.Length < 1 + sizeBytes || _rest[1] == 0) return false;
            length = 0;
            foreach (byte b in _rest.Slice(1, sizeBytes)) length = length << 8 | b;
            if (length <= 55) return false;
            header += sizeBytes;
        }
        if (length > _rest.Length - header) return false;
        content = _rest.Slice(header, (int)length);
        if (!list && length == 1 && content[0] < 0x80) return false;
        _rest = _rest[(header + (int)length)..];
        return true;
    }
}

using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace DePIN.Evidence;

/// <summary>
/// Thirty-two bytes: a Keccak-256 or SHA-256 digest, a Merkle node, an ABI word. A value type of four big-endian
/// words, so that arrays of nodes are contiguous and comparing is the byte order that Solidity's <c>&lt;</c> on bytes32 uses.
/// </summary>
public readonly struct Hash32 : IEquatable<Hash32>, IComparable<Hash32>
{
    /// <summary>Size in bytes.</summary>
    public const int Bytes = 32;

    private readonly ulong _a, _b, _c, _d;

    /// <param name="bytes">Exactly 32 bytes.</param>
    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public Hash32(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Bytes) throw new ArgumentException($"A hash has {Bytes} bytes, not {bytes.Length}.", nameof(bytes));
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    /// <summary>All bytes zero.</summary>
    public static Hash32 Zero => default;

    /// <summary>True when all bytes are zero.</summary>
    public bool IsZero => (_a | _b | _c | _d) == 0;

    /// <param name="destination">At least 32 bytes; the first 32 are written.</param>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    /// <summary>A new array of 32 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Reads 64 hex digits, with or without 0x, in either case.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Hash32 hash)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        bool ok = HexText.TryDecodeExact(text, bytes);
        hash = ok ? new Hash32(bytes) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not 64 hex digits.</exception>
    public static Hash32 Parse(string text) =>
        TryParse(text, out Hash32 hash) ? hash : throw new FormatException("A 32-byte value is 0x and 64 hex digits.");

    /// <summary>0x and 64 lower-case hex digits.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        CopyTo(bytes);
        return HexText.Encode(bytes);
    }

    /// <inheritdoc/>
    public bool Equals(Hash32 other) => _a == other._a && _b == other._b && _c == other._c && _d == other._d;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Hash32 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_a, _b, _c, _d);

    /// <summary>Byte order, as Solidity compares bytes32.</summary>
    public int CompareTo(Hash32 other)
    {
        int order = _a.CompareTo(other._a);
        if (order == 0) order = _b.CompareTo(other._b);
        if (order == 0) order = _c.CompareTo(other._c);
        return order == 0 ? _d.CompareTo(other._d) : order;
    }

    /// <inheritdoc cref="Equals(Hash32)"/>
    public static bool operator ==(Hash32 left, Hash32 right) => left.Equals(right);

    /// <inheritdoc cref="Equals(Hash32)"/>
    public static bool operator !=(Hash32 left, Hash32 right) => !left.Equals(right);

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <(Hash32 left, Hash32 right) => left.CompareTo(right) < 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >(Hash32 left, Hash32 right) => left.CompareTo(right) > 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <=(Hash32 left, Hash32 right) => left.CompareTo(right) <= 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >=(Hash32 left, Hash32 right) => left.CompareTo(right) >= 0;
}

using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace DePIN.Evidence;

/// <summary>
/// Twenty bytes: an Ethereum account or contract. Text is lower-case in JSON and EIP-55 for people; reading accepts
/// one case throughout, or mixed case with a correct EIP-55 checksum, so a mistyped digit of a checksummed address is refused.
/// </summary>
public readonly struct Address : IEquatable<Address>, IComparable<Address>
{
    /// <summary>Size in bytes.</summary>
    public const int Bytes = 20;

    private readonly ulong _a, _b;
    private readonly uint _c;

    /// <param name="bytes">Exactly 20 bytes.</param>
    /// <exception cref="ArgumentException">Not 20 bytes.</exception>
    public Address(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Bytes) throw new ArgumentException($"An address has {Bytes} bytes, not {bytes.Length}.", nameof(bytes));
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt32BigEndian(bytes[16..]);
    }

    /// <summary>All bytes zero.</summary>
    public static Address Zero => default;

    /// <summary>True when all bytes are zero.</summary>
    public bool IsZero => (_a | _b | _c) == 0;

    /// <param name="destination">At least 20 bytes; the first 20 are written.</param>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], _c);
    }

    /// <summary>A new array of 20 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Reads 40 hex digits, with or without 0x: all lower, all upper, or a correct EIP-55 mix.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Address address)
    {
        address = default;
        Span<byte> bytes = stackalloc byte[Bytes];
        if (!HexText.TryDecodeExact(text, bytes)) return false;
        Address parsed = new(bytes);
        ReadOnlySpan<char> digits = text.AsSpan(text.Length - 2 * Bytes);
        bool mixed = digits.IndexOfAnyInRange('a', 'f') >= 0 && digits.IndexOfAnyInRange('A', 'F') >= 0;
        if (mixed && !digits.SequenceEqual(parsed.ToChecksumString().AsSpan(2))) return false;
        address = parsed;
        return true;
    }

    /// <exception cref="FormatException">Not 40 hex digits, or the EIP-55 checksum is wrong.</exception>
    public static Address Parse(string text) => TryParse(text, out Address address)
        ? address
        : throw new FormatException("An address is 0x and 40 hex digits; in mixed case its EIP-55 checksum must be right.");

    /// <summary>0x and 40 lower-case hex digits.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        CopyTo(bytes);
        return HexText.Encode(bytes);
    }

    /// <summary>0x and 40 hex digits in EIP-55 mixed case: a digit is upper when its nibble of keccak256(lower text) is above 7.</summary>
    public string ToChecksumString()
    {
        Span<char> text = ToString().ToCharArray();
        Span<byte> ascii = stackalloc byte[2 * Bytes];
        for (int i = 0; i < ascii.Length; i++) ascii[i] = (byte)text[i + 2];
        Span<byte> hash = stackalloc byte[Hash32.Bytes];
        EthereumCrypto.Keccak256(ascii, hash);
        for (int i = 0; i < ascii.Length; i++)
        {
            int nibble = (i & 1) == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15;
            if (nibble > 7) text[i + 2] = char.ToUpperInvariant(text[i + 2]);
        }
        return new string(text);
    }

    /// <inheritdoc/>
    public bool Equals(Address other) => _a == other._a && _b == other._b && _c == other._c;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Address other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_a, _b, _c);

    /// <summary>Byte order, as Solidity compares addresses.</summary>
    public int CompareTo(Address other)
    {
        int order = _a.CompareTo(other._a);
        if (order == 0) order = _b.CompareTo(other._b);
        return order == 0 ? _c.CompareTo(other._c) : order;
    }

    /// <inheritdoc cref="Equals(Address)"/>
    public static bool operator ==(Address left, Address right) => left.Equals(right);

    /// <inheritdoc cref="Equals(Address)"/>
    public static bool operator !=(Address left, Address right) => !left.Equals(right);

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <(Address left, Address right) => left.CompareTo(right) < 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >(Address left, Address right) => left.CompareTo(right) > 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator <=(Address left, Address right) => left.CompareTo(right) <= 0;

    /// <inheritdoc cref="CompareTo"/>
    public static bool operator >=(Address left, Address right) => left.CompareTo(right) >= 0;
}

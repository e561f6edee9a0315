using System.Buffers.Binary;

namespace DePIN.Gateway.Verify;

/// <summary>
/// A device id as a value: 20 bytes, the last 20 of SHA-256(X ‖ Y) (DESIGN section 4).
/// A struct, so that a table look-up on the hot path allocates nothing. The default value is 20 zero bytes.
/// </summary>
public readonly struct DeviceIdValue : IEquatable<DeviceIdValue>, IComparable<DeviceIdValue>
{
    /// <summary>Length in bytes.</summary>
    public const int Bytes = 20;

    private readonly ulong first;
    private readonly ulong second;
    private readonly uint third;

    /// <param name="id">At least 20 bytes; the first 20 are taken.</param>
    public DeviceIdValue(ReadOnlySpan<byte> id)
    {
        first = BinaryPrimitives.ReadUInt64BigEndian(id);
        second = BinaryPrimitives.ReadUInt64BigEndian(id[8..]);
        third = BinaryPrimitives.ReadUInt32BigEndian(id[16..]);
    }

    /// <summary>Writes the 20 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, first);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], second);
        BinaryPrimitives.WriteUInt32BigEndian(destination[16..], third);
    }

    /// <summary>The 20 bytes as a new array.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Reads 40 hex digits of either case, with or without 0x.</summary>
    public static bool TryParse(string? text, out DeviceIdValue id)
    {
        id = default;
        ReadOnlySpan<char> digits = text;
        if (digits.StartsWith("0x", StringComparison.Ordinal))
            digits = digits[2..];
        Span<byte> bytes = stackalloc byte[Bytes];
        if (digits.Length != Bytes * 2 || Convert.FromHexString(digits, bytes, out _, out int written) != System.Buffers.OperationStatus.Done || written != Bytes)
            return false;
        id = new DeviceIdValue(bytes);
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(DeviceIdValue other) => first == other.first && second == other.second && third == other.third;

    /// <summary>In the order of the hex digits.</summary>
    public int CompareTo(DeviceIdValue other)
    {
        int order = first.CompareTo(other.first);
        if (order == 0) order = second.CompareTo(other.second);
        return order != 0 ? order : third.CompareTo(other.third);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DeviceIdValue other && Equals(other);

    // Already the tail of a SHA-256, but a stranger chooses what is looked up: HashCode.Combine is seeded per process.
    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(first, second, third);

    /// <summary>40 lower-case hex digits, as in topics and paths.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary>Same 20 bytes.</summary>
    public static bool operator ==(DeviceIdValue left, DeviceIdValue right) => left.Equals(right);

    /// <summary>Other bytes.</summary>
    public static bool operator !=(DeviceIdValue left, DeviceIdValue right) => !left.Equals(right);
}

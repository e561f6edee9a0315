using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace DePIN.Evidence;

/// <summary>What is wrong with ABI data.</summary>
public enum AbiFault
{
    /// <summary>Nothing so far.</summary>
    None = 0,

    /// <summary>Ends before an argument does.</summary>
    Truncated,

    /// <summary>An offset points outside the data.</summary>
    OffsetOutOfRange,

    /// <summary>A length is beyond the data or beyond the reader's bound.</summary>
    LengthOutOfRange,

    /// <summary>A value has bits that its type has not, or padding that is not zero.</summary>
    ValueOutOfRange,
}

/// <summary>
/// Reads Solidity ABI arguments: one call per argument, in order. The first fault sticks in <see cref="Fault"/>; later reads give
/// zero values, so a caller reads everything and then asks once. Never throws for the data's contents; every length is bounded
/// by the data and by the caller's maximum.
/// </summary>
public sealed class AbiDecoder
{
    private readonly ReadOnlyMemory<byte> _data; // offsets count from its start
    private int _head;

    /// <param name="data">Arguments, without selector.</param>
    public AbiDecoder(ReadOnlyMemory<byte> data) => _data = data;

    /// <summary>The first fault, or None.</summary>
    public AbiFault Fault { get; private set; }

    /// <summary>uint8 to uint64.</summary>
    /// <param name="bits">Width of the type.</param>
    public ulong UInt64(int bits = 64)
    {
        ReadOnlySpan<byte> word = Word();
        ulong value = BinaryPrimitives.ReadUInt64BigEndian(word[24..]);
        if (word[..24].ContainsAnyExcept((byte)0) || (bits < 64 && value >> bits != 0)) return Fail(AbiFault.ValueOutOfRange, 0UL);
        return value;
    }

    /// <summary>uint256.</summary>
    public BigInteger UInt256() => new(Word(), isUnsigned: true, isBigEndian: true);

    /// <summary>bool: 0 or 1.</summary>
    public bool Bool() => UInt64(1) == 1;

    /// <summary>address.</summary>
    public Address Address()
    {
        ReadOnlySpan<byte> word = Word();
        return word[..12].ContainsAnyExcept((byte)0) ? Fail(AbiFault.ValueOutOfRange, default(Address)) : new Address(word[12..]);
    }

    /// <summary>bytes32.</summary>
    public Hash32 Bytes32() => new(Word());

    /// <summary>bytes1 to bytes32.</summary>
    /// <param name="length">Bytes of the type.</param>
    public byte[] FixedBytes(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Hash32.Bytes);
        ReadOnlySpan<byte> word = Word();
        return word[length..].ContainsAnyExcept((byte)0) ? Fail(AbiFault.ValueOutOfRange, new byte[length]) : word[..length].ToArray();
    }

    /// <summary>bytes.</summary>
    /// <param name="bytesMax">Longest that is accepted.</param>
    public byte[] Bytes(int bytesMax)
    {
        int start = Offset();
        int length = Length(start, bytesMax, 1);
        if (Fault != AbiFault.None) return [];
        return _data.Span.Slice(start + Hash32.Bytes, length).ToArray();
    }

    /// <summary>string. The chain does not check that it is UTF-8 and anybody may put one there, so what is not is read as U+FFFD: a fault would stop whoever follows the contract.</summary>
    /// <param name="bytesMax">Longest that is accepted, in UTF-8 bytes.</param>
    public string String(int bytesMax) => Encoding.UTF8.GetString(Bytes(bytesMax));

    /// <summary>A tuple with a dynamic member: read from the decoder given. A static tuple is read member by member from this one.</summary>
    public T DynamicTuple<T>(Func<AbiDecoder, T> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        int start = Offset();
        AbiDecoder inner = new(Fault == AbiFault.None ? _data[start..] : default);
        T value = members(inner);
        if (inner.Fault != AbiFault.None) Fail(inner.Fault, 0);
        return value;
    }

    /// <summary>An array of dynamic length.</summary>
    /// <param name="countMax">Most elements that are accepted.</param>
    /// <param name="element">Reads one element from the decoder given.</param>
    public T[] Array<T>(int countMax, Func<AbiDecoder, T> element)
    {
        ArgumentNullException.ThrowIfNull(element);
        int start = Offset();
        // Every element has at least one word, so the data bounds the count before anything is allocated.
        int count = Length(start, countMax, Hash32.Bytes);
        if (Fault != AbiFault.None) return [];
        AbiDecoder inner = new(_data[(start + Hash32.Bytes)..]);
        T[] items = new T[count];
        for (int i = 0; i < count && inner.Fault == AbiFault.None; i++) items[i] = element(inner);
        return inner.Fault == AbiFault.None ? items : Fail(inner.Fault, System.Array.Empty<T>());
    }

    private ReadOnlySpan<byte> Word()
    {
        if (Fault != AbiFault.None) return ZeroWord;
        if (_data.Length - _head < Hash32.Bytes)
        {
            Fault = AbiFault.Truncated;
            return ZeroWord;
        }
        ReadOnlySpan<byte> word = _data.Span.Slice(_head, Hash32.Bytes);
        _head += Hash32.Bytes;
        return word;
    }

    private int Offset()
    {
        ReadOnlySpan<byte> word = Word();
        ulong offset = BinaryPrimitives.ReadUInt64BigEndian(word[24..]);
        if (Fault == AbiFault.None && (word[..24].ContainsAnyExcept((byte)0) || offset > (ulong)_data.Length))
            return Fail(AbiFault.OffsetOutOfRange, 0);
        return (int)offset;
    }

    private int Length(int start, int max, int elementBytes)
    {
        if (Fault != AbiFault.None) return 0;
        if (_data.Length - start < Hash32.Bytes) return Fail(AbiFault.Truncated, 0);
        ReadOnlySpan<byte> word = _data.Span.Slice(start, Hash32.Bytes);
        ulong length = BinaryPrimitives.ReadUInt64BigEndian(word[24..]);
        ulong room = (ulong)(_data.Length - start - Hash32.Bytes) / (ulong)elementBytes;
        if (word[..24].ContainsAnyExcept((byte)0) || length > (ulong)max || length > room) return Fail(AbiFault.LengthOutOfRange, 0);
        return (int)length;
    }

    private T Fail<T>(AbiFault fault, T value)
    {
        if (Fault == AbiFault.None) Fault = fault;
        return value;
    }

    private static ReadOnlySpan<byte> ZeroWord => new byte[Hash32.Bytes];
}

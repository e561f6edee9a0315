using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace DePIN.Evidence;

/// <summary>
/// Writes Solidity ABI arguments (ABI specification, "Formal Specification of the Encoding"): call one method per argument, in
/// order; dynamic ones go to the tail by themselves. A tuple or an array is written by an action on an encoder of its own.
/// <code>byte[] call = new AbiEncoder().Bytes20(id).UInt(5).Tuple(t => t.UInt(1).Bytes(data)).ToCall(Selector);</code>
/// </summary>
public sealed class AbiEncoder
{
    private readonly List<(byte[] Bytes, bool Dynamic)> _items = [];

    /// <summary>True when a dynamic argument was written: then a tuple of these is dynamic itself.</summary>
    public bool IsDynamic { get; private set; }

    /// <summary>The first four bytes of keccak256 of a signature such as <c>revoke(bytes20)</c>, as a big-endian number.</summary>
    public static uint SelectorOf(string signature) =>
        BinaryPrimitives.ReadUInt32BigEndian(EthereumCrypto.Keccak256(Encoding.ASCII.GetBytes(signature)).ToArray());

    /// <summary>uint8 to uint64.</summary>
    public AbiEncoder UInt(ulong value)
    {
        byte[] word = new byte[Hash32.Bytes];
        BinaryPrimitives.WriteUInt64BigEndian(word.AsSpan(24), value);
        return Static(word);
    }

    /// <summary>uint256.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or longer than 256 bits.</exception>
    public AbiEncoder UInt(BigInteger value)
    {
        if (value.Sign < 0 || value.GetBitLength() > 256) throw new ArgumentOutOfRangeException(nameof(value), value, "An integer of 0 to 256 bits.");
        byte[] word = new byte[Hash32.Bytes];
        byte[] shortest = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        shortest.CopyTo(word, Hash32.Bytes - shortest.Length);
        return Static(word);
    }

    /// <summary>bool.</summary>
    public AbiEncoder Bool(bool value) => UInt(value ? 1UL : 0UL);

    /// <summary>address.</summary>
    public AbiEncoder Address(Address value)
    {
        byte[] word = new byte[Hash32.Bytes];
        value.CopyTo(word.AsSpan(12));
        return Static(word);
    }

    /// <summary>bytes32.</summary>
    public AbiEncoder Bytes32(Hash32 value) => Static(value.ToArray());

    /// <summary>bytes20, such as a device id: left-aligned, unlike an address.</summary>
    public AbiEncoder Bytes20(ReadOnlySpan<byte> value)
    {
        if (value.Length != 20) throw new ArgumentException("A bytes20 has 20 bytes.", nameof(value));
        return FixedBytes(value);
    }

    /// <summary>bytes1 to bytes32: left-aligned.</summary>
    public AbiEncoder FixedBytes(ReadOnlySpan<byte> value)
    {
        if (value.Length is 0 or > Hash32.Bytes) throw new ArgumentException("A fixed bytes type has 1 to 32 bytes.", nameof(value));
        byte[] word = new byte[Hash32.Bytes];
        value.CopyTo(word);
        return Static(word);
    }

    /// <summary>bytes.</summary>
    public AbiEncoder Bytes(ReadOnlySpan<byte> value)
    {
        byte[] tail = new byte[Hash32.Bytes + (value.Length + 31) / 32 * 32];
        BinaryPrimitives.WriteInt32BigEndian(tail.AsSpan(28), value.Length);
        value.CopyTo(tail.AsSpan(Hash32.Bytes));
        return Dynamic(tail);
    }

    /// <summary>string, as UTF-8.</summary>
    public AbiEncoder String(string value) => Bytes(Encoding.UTF8.GetBytes(value));

    /// <summary>A tuple, a struct, or an array of fixed length: static when all its members are.</summary>
    public AbiEncoder Tuple(Action<AbiEncoder> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        AbiEncoder inner = new();
        members(inner);
        return inner.IsDynamic ? Dynamic(inner.ToArray()) : Static(inner.ToArray());
    }

    /// <summary>An array of dynamic length.</summary>
    /// <param name="items">Its elements.</param>
    /// <param name="element">Writes one element with exactly one call.</param>
    public AbiEncoder Array<T>(IReadOnlyCollection<T> items, Action<AbiEncoder, T> element)
    {
        ArgumentNullException.ThrowIfNull(items);
        ArgumentNullException.ThrowIfNull(element);
        AbiEncoder inner = new();
        foreach (T item in items) element(inner, item);
        if (inner._items.Count != items.Count) throw new ArgumentException("Each element is written with exactly one call.", nameof(element));
        byte[] elements = inner.ToArray();
        byte[] tail = new byte[Hash32.Bytes + elements.Length];
        BinaryPrimitives.WriteInt32BigEndian(tail.AsSpan(28), items.Count);
        elements.CopyTo(tail, Hash32.Bytes);
        return Dynamic(tail);
    }

    /// <summary>bytes32[].</summary>
    public AbiEncoder Bytes32Array(IReadOnlyCollection<Hash32> items) => Array(items, static (e, item) => e.Bytes32(item));

    /// <summary>address[].</summary>
    public AbiEncoder AddressArray(IReadOnlyCollection<Address> items) => Array(items, static (e, item) => e.Address(item));

    /// <summary>The arguments: heads, then tails.</summary>
    public byte[] ToArray() => Write(0);

    /// <summary>A call: selector, then the arguments.</summary>
    /// <param name="selector">As <see cref="SelectorOf"/> gives it.</param>
    public byte[] ToCall(uint selector)
    {
        byte[] call = Write(4);
        BinaryPrimitives.WriteUInt32BigEndian(call, selector);
        return call;
    }

    private byte[] Write(int start)
    {
        int heads = 0;
        int total = start;
        foreach ((byte[] bytes, bool dynamic) in _items)
        {
            heads += dynamic ? Hash32.Bytes : bytes.Length;
            total = checked(total + bytes.Length + (dynamic ? Hash32.Bytes : 0));
        }
        byte[] result = new byte[total];
        int head = start;
        int tail = start + heads;
        foreach ((byte[] bytes, bool dynamic) in _items)
        {
            if (dynamic)
            {
                BinaryPrimitives.WriteInt32BigEndian(result.AsSpan(head + 28), tail - start);
                head += Hash32.Bytes;
                bytes.CopyTo(result, tail);
                tail += bytes.Length;
            }
            else
            {
                bytes.CopyTo(result, head);
                head += bytes.Length;
            }
        }
        return result;
    }

    private AbiEncoder Static(byte[] bytes)
    {
        _items.Add((bytes, false));
        return this;
    }

    private AbiEncoder Dynamic(byte[] tail)
    {
        _items.Add((tail, true));
        IsDynamic = true;
        return this;
    }
}

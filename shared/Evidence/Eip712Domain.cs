using System.Buffers.Binary;

namespace DePIN.Evidence;

/// <summary>
/// The EIP-712 domain that every signature of a network is bound to: name "DePIN Edge", version "1", the chain and the
/// verifying contract (the Ledger for batches and anchors, the GatewayRegistry for changes of the active set). A signature
/// given on one network is worthless on any other.
/// </summary>
public sealed class Eip712Domain
{
    /// <summary>Domain name.</summary>
    public const string Name = "DePIN Edge";

    /// <summary>Domain version.</summary>
    public const string Version = "1";

    /// <param name="chainId">EIP-155 chain id.</param>
    /// <param name="verifyingContract">Contract that checks the signatures.</param>
    public Eip712Domain(ulong chainId, Address verifyingContract)
        : this(Name, Version, chainId, verifyingContract)
    {
    }

    /// <summary>A domain of another application, for known-answer tests and foreign contracts.</summary>
    public Eip712Domain(string name, string version, ulong chainId, Address verifyingContract)
    {
        ChainId = chainId;
        VerifyingContract = verifyingContract;
        Separator = new Eip712Struct("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
            .String(name).String(version).UInt(chainId).Address(verifyingContract).Hash();
    }

    /// <summary>EIP-155 chain id.</summary>
    public ulong ChainId { get; }

    /// <summary>Contract that checks the signatures.</summary>
    public Address VerifyingContract { get; }

    /// <summary>Struct hash of the domain.</summary>
    public Hash32 Separator { get; }

    /// <summary>keccak256(0x1901 ‖ separator ‖ struct hash): what is signed.</summary>
    public Hash32 Digest(Hash32 structHash)
    {
        Span<byte> message = stackalloc byte[2 + 2 * Hash32.Bytes];
        message[0] = 0x19;
        message[1] = 0x01;
        Separator.CopyTo(message[2..]);
        structHash.CopyTo(message[(2 + Hash32.Bytes)..]);
        return EthereumCrypto.Keccak256(message);
    }
}

/// <summary>
/// Encodes the members of one EIP-712 struct in the order of its type: one 32-byte word each, dynamic ones as their hash.
/// Call one method per member, then <see cref="Hash"/>.
/// </summary>
public sealed class Eip712Struct
{
    private const int WordsMax = 24;

    private readonly byte[] _words = new byte[WordsMax * Hash32.Bytes];
    private int _length;

    /// <param name="type">The canonical type, e.g. <c>Anchor(uint64 epoch,…)</c>, with referenced types appended as EIP-712 says.</param>
    public Eip712Struct(string type)
        : this(TypeHash(type))
    {
    }

    /// <param name="typeHash">keccak256 of the canonical type.</param>
    public Eip712Struct(Hash32 typeHash) => Word(typeHash);

    /// <summary>keccak256 of a canonical type.</summary>
    public static Hash32 TypeHash(string type) => EthereumCrypto.Keccak256(System.Text.Encoding.UTF8.GetBytes(type));

    /// <summary>An unsigned integer of at most 64 bits.</summary>
    public Eip712Struct UInt(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Next()[24..], value);
        return this;
    }

    /// <summary>An address.</summary>
    public Eip712Struct Address(Address value)
    {
        value.CopyTo(Next()[12..]);
        return this;
    }

    /// <summary>A bytes32, the hash of a nested struct, or of an array's encoded elements.</summary>
    public Eip712Struct Word(Hash32 value)
    {
        value.CopyTo(Next());
        return this;
    }

    /// <summary>A string: its keccak256.</summary>
    public Eip712Struct String(string value) => Word(EthereumCrypto.Keccak256(System.Text.Encoding.UTF8.GetBytes(value)));

    /// <summary>Bytes of any length: their keccak256.</summary>
    public Eip712Struct Data(ReadOnlySpan<byte> value) => Word(EthereumCrypto.Keccak256(value));

    /// <summary>The struct hash.</summary>
    public Hash32 Hash() => EthereumCrypto.Keccak256(_words.AsSpan(0, _length));

    private Span<byte> Next()
    {
        if (_length == _words.Length) throw new InvalidOperationException($"An EIP-712 struct here has at most {WordsMax - 1} members.");
        Span<byte> word = _words.AsSpan(_length, Hash32.Bytes);
        _length += Hash32.Bytes;
        return word;
    }
}

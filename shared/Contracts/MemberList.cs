using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Contracts;

/// <summary>
/// The claims behind one root of DeviceRegistry.registerBatch, as a file and between gateways. Big-endian:
/// <code>
/// 0    2  "DM"
/// 2    1  version, 1
/// 3    4  count, 1 to 65,536
/// 7  129  each claim: key kind | x (32) | y (32) | r (32) | s (32)
/// </code>
/// The order is that of the tree's leaves. No secret: each claim is good for one owner on one registry only. Immutable.
/// </summary>
public sealed class MemberList
{
    /// <summary>Claims in one list; a larger fleet is several batches.</summary>
    public const int CountMax = 65_536;

    /// <summary>Bytes before the first claim.</summary>
    public const int HeaderBytes = 7;

    /// <summary>Bytes of a claim.</summary>
    public const int ClaimBytes = 1 + DeviceId.PublicKeyBytes + FrameFormat.SignatureBytes;

    /// <summary>Bytes of the longest list, about 8.5 MB.</summary>
    public const int BytesMax = HeaderBytes + CountMax * ClaimBytes;

    /// <summary>What its file's name ends with.</summary>
    public const string FileSuffix = ".members";

    private const int Word = Hash32.Bytes;
    private const byte Version = 1;
    private const byte KeyKindMax = 3;

    /// <summary>Half of the group's order n of P-256 (FIPS 186-5); the registry takes no larger s.</summary>
    private static readonly byte[] HalfOrder = Convert.FromHexString("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8");

    private readonly ReadOnlyMemory<byte> _bytes;

    private MemberList(ReadOnlyMemory<byte> bytes)
    {
        _bytes = bytes;
        Count = (bytes.Length - HeaderBytes) / ClaimBytes;
        Root = MerkleTree.RootInPlace(Leaves());
    }

    /// <summary>How many claims.</summary>
    public int Count { get; }

    /// <summary>What registerBatch takes.</summary>
    public Hash32 Root { get; }

    /// <summary>The whole list as it is written.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>One claim.</summary>
    public DeviceRegistry.Claim this[int index]
    {
        get
        {
            ReadOnlySpan<byte> claim = Claim(index);
            return new DeviceRegistry.Claim(claim[0], At(claim, 0), At(claim, 1), At(claim, 2), At(claim, 3));

            static Hash32 At(ReadOnlySpan<byte> claim, int word) => new(claim.Slice(1 + word * Word, Word));
        }
    }

    /// <summary>Writes a list.</summary>
    /// <param name="claims">1 to <see cref="CountMax"/>: key kind, public key (64 bytes), signature (64 bytes).</param>
    public static MemberList Of(IReadOnlyList<(byte KeyKind, byte[] PublicKey, byte[] Signature)> claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        ArgumentOutOfRangeException.ThrowIfZero(claims.Count, nameof(claims));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(claims.Count, CountMax, nameof(claims));
        byte[] bytes = new byte[HeaderBytes + claims.Count * ClaimBytes];
        (bytes[0], bytes[1], bytes[2]) = ((byte)'D', (byte)'M', Version);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(3), (uint)claims.Count);
        for (int i = 0; i < claims.Count; i++)
        {
            (byte kind, byte[] key, byte[] signature) = claims[i];
            if (key.Length != DeviceId.PublicKeyBytes || signature.Length != FrameFormat.SignatureBytes) throw new ArgumentException("A key and a signature have 64 bytes each.", nameof(claims));
            Span<byte> claim = bytes.AsSpan(HeaderBytes + i * ClaimBytes, ClaimBytes);
            claim[0] = kind;
            key.CopyTo(claim[1..]);
            signature.CopyTo(claim[(1 + DeviceId.PublicKeyBytes)..]);
        }

        return new MemberList(bytes);
    }

    /// <summary>Reads a list; false with a reason for a person when the bytes are none. Says nothing of the claims' signatures.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out MemberList? list, out string problem)
    {
        list = null;
        ReadOnlySpan<byte> head = bytes.Span;
        if (bytes.Length < HeaderBytes || head[0] != 'D' || head[1] != 'M')
        {
            problem = "it is no list of a device batch";
            return false;
        }

        uint count = BinaryPrimitives.ReadUInt32BigEndian(head[3..]);
        problem = head[2] != Version ? $"it has version {head[2]}, this program knows {Version}"
            : count is 0 or > CountMax ? $"it says it has {count} claims; 1 to {CountMax} are possible"
            : bytes.Length != HeaderBytes + count * ClaimBytes ? $"it has {bytes.Length} bytes, {count} claims have {HeaderBytes + (long)count * ClaimBytes}"
            : "";
        if (problem.Length > 0) return false;
        list = new MemberList(bytes);
        return true;
    }

    /// <summary>X ‖ Y of a member.</summary>
    public ReadOnlyMemory<byte> PublicKey(int index) => _bytes.Slice(HeaderBytes + index * ClaimBytes + 1, DeviceId.PublicKeyBytes);

    /// <summary>Key kind of a member.</summary>
    public byte KeyKind(int index) => Claim(index)[0];

    /// <summary>Device id of a member, 20 bytes.</summary>
    public Address Device(int index)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(PublicKey(index).Span, hash);
        return new Address(hash[^Address.Bytes..]);
    }

    /// <summary>Place of a device in the list; -1 when it is not there.</summary>
    public int IndexOf(Address device)
    {
        for (int i = 0; i < Count; i++)
            if (Device(i) == device) return i;
        return -1;
    }

    /// <summary>The tree over all claims; its proofs are what registerMember takes. Hashes the whole list.</summary>
    public MerkleTree BuildTree() => new(Leaves());

    /// <summary>Whether the registry would take a member: a known key kind, and the device's own signature, low s, over the claim of this owner.</summary>
    public bool IsSigned(int index, ulong chainId, Address registry, Address owner)
    {
        ReadOnlySpan<byte> claim = Claim(index);
        ReadOnlySpan<byte> signature = claim[(1 + DeviceId.PublicKeyBytes)..];
        if (claim[0] is 0 or > KeyKindMax || signature[Word..].SequenceCompareTo(HalfOrder) > 0) return false;
        try
        {
            using ECDsa key = ECDsa.Create(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = claim.Slice(1, Word).ToArray(), Y = claim.Slice(1 + Word, Word).ToArray() },
            });
            return key.VerifyData(DeviceClaim.Message(claim[0], chainId, registry, owner), signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false; // not a point of the curve
        }
    }

    private ReadOnlySpan<byte> Claim(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return _bytes.Span.Slice(HeaderBytes + index * ClaimBytes, ClaimBytes);
    }

    /// <summary>keccak256(keccak256(abi.encode(keyKind, x, y, r, s))) of each.</summary>
    private Hash32[] Leaves()
    {
        Hash32[] leaves = new Hash32[Count];
        Span<byte> words = stackalloc byte[5 * Word];
        words.Clear();
        for (int i = 0; i < Count; i++)
        {
            Claim(i).CopyTo(words[(Word - 1)..]);
            leaves[i] = FrameLeaf.Hash(words);
        }

        return leaves;
    }
}

using System.Security.Cryptography;
using Org.BouncyCastle.Asn1.X9;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.EC;
using Org.BouncyCastle.Crypto.Signers;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Math.EC;
using Org.BouncyCastle.Math.EC.Multiplier;
using ECPoint = Org.BouncyCastle.Math.EC.ECPoint;

namespace DePIN.Evidence;

/// <summary>
/// Keccak-256 (<see cref="Keccak"/>) and ECDSA on secp256k1, the two primitives of Ethereum that .NET lacks; the only file that touches
/// BouncyCastle. CustomNamedCurves and not SecNamedCurves: the latter allocates megabytes per operation. Thread safe. BouncyCastle's
/// integers are not constant time: these keys sign public headers on the gateway's own machine, where an attacker who can time single
/// signatures already runs beside the key.
/// </summary>
public static class EthereumCrypto
{
    /// <summary>Size of a private key in bytes.</summary>
    public const int PrivateKeyBytes = 32;

    /// <summary>Size of a public key X ‖ Y in bytes, without the 0x04 of SEC 1.</summary>
    public const int PublicKeyBytes = 64;

    private static readonly X9ECParameters Curve = CustomNamedCurves.GetByName("secp256k1");
    private static readonly BigInteger HalfOrder = Curve.N.ShiftRight(1);

    /// <summary>Keccak-256 with Ethereum's original padding (not SHA3-256).</summary>
    /// <param name="data">Any number of bytes.</param>
    public static Hash32 Keccak256(ReadOnlySpan<byte> data)
    {
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        Keccak.Hash(data, digest);
        return new Hash32(digest);
    }

    /// <inheritdoc cref="Keccak256(ReadOnlySpan{byte})"/>
    /// <param name="data">Any number of bytes.</param>
    /// <param name="digest">At least 32 bytes; the first 32 are written. May overlap <paramref name="data"/>.</param>
    public static void Keccak256(ReadOnlySpan<byte> data, Span<byte> digest) => Keccak.Hash(data, digest);

    /// <summary>keccak256(min ‖ max): the commutative pair hash of OpenZeppelin's MerkleProof.</summary>
    public static Hash32 HashPair(in Hash32 left, in Hash32 right)
    {
        Span<byte> pair = stackalloc byte[2 * Hash32.Bytes];
        bool ordered = left <= right;
        left.CopyTo(pair[(ordered ? 0 : Hash32.Bytes)..]);
        right.CopyTo(pair[(ordered ? Hash32.Bytes : 0)..]);
        Keccak.Hash(pair, pair);
        return new Hash32(pair[..Hash32.Bytes]);
    }

    /// <summary>True for a private key in [1, n-1].</summary>
    public static bool IsPrivateKey(ReadOnlySpan<byte> privateKey)
    {
        if (privateKey.Length != PrivateKeyBytes) return false;
        BigInteger d = Number(privateKey);
        return d.SignValue > 0 && d.CompareTo(Curve.N) < 0;
    }

    /// <summary>Writes X ‖ Y of d·G.</summary>
    /// <exception cref="ArgumentException">The private key is not in [1, n-1], or the destination is not 64 bytes.</exception>
    public static void PublicKey(ReadOnlySpan<byte> privateKey, Span<byte> publicKey)
    {
        if (publicKey.Length != PublicKeyBytes) throw new ArgumentException($"A public key has {PublicKeyBytes} bytes.", nameof(publicKey));
        ECPoint point = new FixedPointCombMultiplier().Multiply(Curve.G, PrivateNumber(privateKey)).Normalize();
        point.GetEncoded(false).AsSpan(1).CopyTo(publicKey);
    }

    /// <summary>The last 20 bytes of keccak256(X ‖ Y).</summary>
    public static Address AddressOf(ReadOnlySpan<byte> publicKey)
    {
        if (publicKey.Length != PublicKeyBytes) throw new ArgumentException($"A public key has {PublicKeyBytes} bytes.", nameof(publicKey));
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        Keccak256(publicKey, digest);
        return new Address(digest[12..]);
    }

    /// <summary>Signs a digest: RFC 6979 nonce (HMAC-SHA256), low s (EIP-2). The same key and digest always give the same signature.</summary>
    /// <exception cref="ArgumentException">The private key is not in [1, n-1].</exception>
    public static EthereumSignature Sign(ReadOnlySpan<byte> privateKey, Hash32 digest)
    {
        BigInteger d = PrivateNumber(privateKey);
        byte[] message = digest.ToArray();
        HMacDsaKCalculator nonce = new(new Sha256Digest());
        nonce.Init(Curve.N, d, message);
        BigInteger e = new(1, message);
        while (true)
        {
            BigInteger k = nonce.NextK();
            ECPoint point = new FixedPointCombMultiplier().Multiply(Curve.G, k).Normalize();
            BigInteger x = point.AffineXCoord.ToBigInteger();
            // x >= n would need recovery ids 2 and 3, which EIP-2098 cannot carry; its chance is 2^-127.
            if (x.SignValue == 0 || x.CompareTo(Curve.N) >= 0) continue;
            BigInteger s = k.ModInverse(Curve.N).Multiply(e.Add(d.Multiply(x))).Mod(Curve.N);
            if (s.SignValue == 0) continue;
            bool odd = point.AffineYCoord.TestBitZero();
            if (s.CompareTo(HalfOrder) > 0)
            {
                s = Curve.N.Subtract(s);
                odd = !odd;
            }
            return new EthereumSignature(Word(x), Word(s), odd ? (byte)1 : (byte)0);
        }
    }

    /// <summary>The address whose key made this signature over this digest. A high s (EIP-2) is refused like any other bad signature.</summary>
    /// <returns>False when r or s is out of range, s is high, r is no x-coordinate, or the point is at infinity.</returns>
    public static bool TryRecover(Hash32 digest, in EthereumSignature signature, out Address address)
    {
        address = default;
        if (signature.YParity > 1) return false;
        BigInteger r = Number(signature.R);
        BigInteger s = Number(signature.S);
        if (r.SignValue == 0 || r.CompareTo(Curve.N) >= 0 || s.SignValue == 0 || s.CompareTo(HalfOrder) > 0) return false;

        byte[] compressed = new byte[1 + Hash32.Bytes];
        compressed[0] = (byte)(2 + signature.YParity);
        signature.R.CopyTo(compressed.AsSpan(1));
        ECPoint point;
        try
        {
            point = Curve.Curve.DecodePoint(compressed);
        }
        catch (ArgumentException)
        {
            return false; // no point of the curve has this x
        }

        BigInteger inverse = r.ModInverse(Curve.N);
        BigInteger u1 = Curve.N.Subtract(Number(digest).Mod(Curve.N)).Multiply(inverse).Mod(Curve.N);
        BigInteger u2 = s.Multiply(inverse).Mod(Curve.N);
        ECPoint key = ECAlgorithms.SumOfTwoMultiplies(Curve.G, u1, point, u2).Normalize();
        if (key.IsInfinity) return false;
        address = AddressOf(key.GetEncoded(false).AsSpan(1));
        return true;
    }

    /// <summary>
    /// Makes an Ethereum signature of the r ‖ s that a key module gives (PKCS#11 v2.40, section 2.3.1): with low s (EIP-2), and the parity
    /// with which it recovers to <paramref name="signer"/>.
    /// </summary>
    /// <param name="rs">64 bytes, big-endian.</param>
    /// <param name="digest">What was signed.</param>
    /// <param name="signer">The module's account.</param>
    /// <param name="signature">Valid where the result is true.</param>
    /// <returns>False when it is not that account's signature over the digest.</returns>
    public static bool TryComplete(ReadOnlySpan<byte> rs, Hash32 digest, Address signer, out EthereumSignature signature)
    {
        foreach (EthereumSignature candidate in Candidates(rs))
        {
            signature = candidate;
            if (TryRecover(digest, candidate, out Address found) && found == signer) return true;
        }

        signature = default;
        return false;
    }

    /// <summary>
    /// The account of a key that only signs: the one that both signatures recover to. Two digests are needed because r ‖ s lacks the parity,
    /// so one signature fits two keys.
    /// </summary>
    /// <returns>False when they have none in common: no key on secp256k1, or not one key.</returns>
    public static bool TryFindSigner(ReadOnlySpan<byte> rsFirst, Hash32 first, ReadOnlySpan<byte> rsSecond, Hash32 second, out Address signer)
    {
        foreach (EthereumSignature candidate in Candidates(rsFirst))
        {
            if (TryRecover(first, candidate, out signer) && TryComplete(rsSecond, second, signer, out _)) return true;
        }

        signer = default;
        return false;
    }

    private static EthereumSignature[] Candidates(ReadOnlySpan<byte> rs)
    {
        if (rs.Length != EthereumSignature.CompactBytes) return [];
        Hash32 r = new(rs[..Hash32.Bytes]), s = new(rs[Hash32.Bytes..]);
        BigInteger number = Number(s);
        if (number.CompareTo(HalfOrder) > 0 && number.CompareTo(Curve.N) < 0) s = Word(Curve.N.Subtract(number));
        return [new EthereumSignature(r, s, 0), new EthereumSignature(r, s, 1)];
    }

    private static BigInteger PrivateNumber(ReadOnlySpan<byte> privateKey)
    {
        if (!IsPrivateKey(privateKey)) throw new ArgumentException("A secp256k1 private key is 32 bytes in [1, n-1].", nameof(privateKey));
        return Number(privateKey);
    }

    private static BigInteger Number(ReadOnlySpan<byte> bytes)
    {
        byte[] copy = bytes.ToArray();
        BigInteger number = new(1, copy);
        CryptographicOperations.ZeroMemory(copy);
        return number;
    }

    private static BigInteger Number(Hash32 word) => new(1, word.ToArray());

    private static Hash32 Word(BigInteger number)
    {
        byte[] shortest = number.ToByteArrayUnsigned();
        Span<byte> word = stackalloc byte[Hash32.Bytes];
        word.Clear();
        shortest.CopyTo(word[(Hash32.Bytes - shortest.Length)..]);
        return new Hash32(word);
    }
}

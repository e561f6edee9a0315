// P-256 with BigInteger, written from the curve's definition and sharing nothing with the code under test, and .NET's own ECDsa.

using System.Numerics;
using System.Security.Cryptography;

namespace DePIN.Protocol.Tests;

internal static class P256Reference
{
    public static readonly BigInteger P = BigInteger.Pow(2, 256) - BigInteger.Pow(2, 224) + BigInteger.Pow(2, 192) + BigInteger.Pow(2, 96) - 1;

    public static readonly BigInteger N = Number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

    public static readonly (BigInteger X, BigInteger Y) G = (
        Number("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        Number("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"));

    public static BigInteger Number(string hex) => Number(Convert.FromHexString(hex));

    public static BigInteger Number(ReadOnlySpan<byte> bigEndian) => new(bigEndian, isUnsigned: true, isBigEndian: true);

    public static byte[] Bytes32(BigInteger value)
    {
        byte[] bytes = new byte[32];
        byte[] number = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        number.CopyTo(bytes, 32 - number.Length);
        return bytes;
    }

    public static BigInteger Mod(BigInteger value, BigInteger modulus)
    {
        BigInteger rest = value % modulus;
        return rest.Sign < 0 ? rest + modulus : rest;
    }

    public static BigInteger Inverse(BigInteger value, BigInteger modulus) => BigInteger.ModPow(value, modulus - 2, modulus);

    public static (BigInteger X, BigInteger Y)? Add((BigInteger X, BigInteger Y)? left, (BigInteger X, BigInteger Y)? right)
    {
        if (left is not { } a)
        {
            return right;
        }

        if (right is not { } b)
        {
            return left;
        }

        BigInteger slope;
        if (a.X == b.X)
        {
            if (Mod(a.Y + b.Y, P).IsZero)
            {
                return null;
            }

            slope = Mod(((3 * a.X * a.X) - 3) * Inverse(2 * a.Y % P, P), P);
        }
        else
        {
            slope = Mod((b.Y - a.Y) * Inverse(Mod(b.X - a.X, P), P), P);
        }

        BigInteger x = Mod((slope * slope) - a.X - b.X, P);
        return (x, Mod((slope * (a.X - x)) - a.Y, P));
    }

    public static (BigInteger X, BigInteger Y)? Multiply(BigInteger k)
    {
        k = Mod(k, N);
        (BigInteger X, BigInteger Y)? sum = null;
        (BigInteger X, BigInteger Y)? power = G;
        for (; !k.IsZero; k >>= 1)
        {
            if (!k.IsEven)
            {
                sum = Add(sum, power);
            }

            power = Add(power, power);
        }

        return sum;
    }

    /// <summary>X || Y of a private key, by .NET.</summary>
    public static byte[] PublicKey(BigInteger privateKey)
    {
        using ECDsa key = ImportPrivate(Bytes32(privateKey));
        ECPoint q = key.ExportParameters(false).Q;
        return [.. q.X!, .. q.Y!];
    }

    public static ECDsa Import(byte[] publicKey) => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint { X = publicKey[..32], Y = publicKey[32..64] },
    });

    public static ECDsa ImportPrivate(byte[] privateKey) => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        D = privateKey,
    });
}

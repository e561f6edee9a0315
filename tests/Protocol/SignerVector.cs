// shared/vectors/signer.json: keys and digests with the one signature RFC 6979 and low s allow, for the virtual board and real ones.
// Written from an RFC 6979 made of BigInteger and .NET's HMAC, not from the signer under test.

using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json;

namespace DePIN.Protocol.Tests;

internal sealed record SignerVector(string PrivateKey, string PublicKey, string DeviceId, string Digest, string Signature)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { WriteIndented = true, NewLine = "\n" };

    private static string FilePath => Repository.FilePath("shared", "vectors", "signer.json");

    public static SignerVector[] Read() => JsonSerializer.Deserialize<SignerVector[]>(File.ReadAllText(FilePath), Options)!;

    public static void Write(SignerVector[] vectors) => File.WriteAllText(FilePath, JsonSerializer.Serialize(vectors, Options) + "\n");

    public static SignerVector Make(BigInteger key, byte[] digest)
    {
        byte[] publicKey = P256Reference.PublicKey(key);
        return new(
            Convert.ToHexStringLower(P256Reference.Bytes32(key)),
            Convert.ToHexStringLower(publicKey),
            Convert.ToHexStringLower(SHA256.HashData(publicKey)[12..]),
            Convert.ToHexStringLower(digest),
            Convert.ToHexStringLower(Sign(key, digest)));
    }

    // RFC 6979 section 3.2, then FIPS 186-5 section 6.4.1 and the low s.
    private static byte[] Sign(BigInteger key, byte[] digest)
    {
        BigInteger n = P256Reference.N;
        BigInteger z = P256Reference.Mod(P256Reference.Number(digest), n);
        byte[] seed = [.. P256Reference.Bytes32(key), .. P256Reference.Bytes32(z)];
        byte[] v = new byte[32];
        Array.Fill(v, (byte)1);
        byte[] k = HMACSHA256.HashData(new byte[32], (byte[])[.. v, 0, .. seed]);
        v = HMACSHA256.HashData(k, v);
        k = HMACSHA256.HashData(k, (byte[])[.. v, 1, .. seed]);
        v = HMACSHA256.HashData(k, v);
        while (true)
        {
            v = HMACSHA256.HashData(k, v);
            BigInteger nonce = P256Reference.Number(v);
            if (!nonce.IsZero && nonce < n)
            {
                BigInteger r = P256Reference.Mod(P256Reference.Multiply(nonce)!.Value.X, n);
                BigInteger s = P256Reference.Mod(P256Reference.Inverse(nonce, n) * (z + (r * key)), n);
                if (!r.IsZero && !s.IsZero)
                {
                    return [.. P256Reference.Bytes32(r), .. P256Reference.Bytes32(BigInteger.Min(s, n - s))];
                }
            }

            k = HMACSHA256.HashData(k, (byte[])[.. v, 0]);
            v = HMACSHA256.HashData(k, v);
        }
    }
}

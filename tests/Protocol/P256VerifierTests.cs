// Verification against published vectors, .NET's ECDsa, and signatures chosen so that points meet themselves and their negatives.

using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace DePIN.Protocol.Tests;

public sealed class P256VerifierTests
{
    private static readonly BigInteger N = P256Reference.N;

    // RFC 6979, appendix A.2.5, curve P-256, SHA-256.
    [TestCase("sample", "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8")]
    [TestCase("test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367", "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083")]
    public void The_vectors_of_RFC_6979_verify(string message, string r, string s)
    {
        byte[] key = Convert.FromHexString("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
        byte[] signature = [.. Convert.FromHexString(r), .. Convert.FromHexString(s)];
        byte[] bytes = Encoding.ASCII.GetBytes(message);
        P256Verifier verifier = new();
        Assert.Multiple(() =>
        {
            Assert.That(verifier.IsPublicKey(key, 0), Is.True);
            Assert.That(verifier.Verify(key, 0, bytes, 0, bytes.Length, signature, 0), Is.True);
            Assert.That(verifier.Verify(key, 0, bytes, 1, bytes.Length - 1, signature, 0), Is.False);
        });
    }

    [Test]
    public void It_says_what_ECDsa_says_about_two_thousand_random_and_changed_signatures()
    {
        SeededRandom random = new(21);
        P256Verifier verifier = new();
        int good = 0;
        for (int i = 0; i < 2_000; i++)
        {
            byte[] privateKey = P256Signer.CreatePrivateKey(random);
            byte[] key = P256Reference.PublicKey(P256Reference.Number(privateKey));
            byte[] digest = random.Bytes(32);
            byte[] signature = new byte[64];
            new P256Signer(privateKey).SignDigest(digest, 0, signature, 0);
            switch (random.Below(6))
            {
                case 0:
                    Flip(random, digest);
                    break;
                case 1:
                    Flip(random, signature);
                    break;
                case 2:
                    P256Reference.Bytes32(N - P256Reference.Number(signature.AsSpan(32))).CopyTo(signature, 32);
                    break;
                case 3:
                    key = P256Reference.PublicKey(P256Reference.Number(P256Signer.CreatePrivateKey(random)));
                    break;
                default:
                    break;
            }

            using ECDsa reference = P256Reference.Import(key);
            bool expected = reference.VerifyHash(digest, signature);
            good += expected ? 1 : 0;
            Assert.That(verifier.VerifyDigest(key, 0, digest, 0, signature, 0), Is.EqualTo(expected), $"case {i}");
        }

        Assert.That(good, Is.InRange(800, 1_200));
    }

    [Test]
    public void Signatures_that_make_points_meet_are_judged_as_by_the_definition()
    {
        // u1 and u2 are chosen: R = u1 G + u2 Q, r = R.x, s = r / u2, z = u1 s. Small and near-n factors and keys make every kind of meeting.
        BigInteger[] numbers = [1, 2, 3, 4, 5, 6, 7, N - 1, N - 2, N - 3, N - 4, N - 5, (N - 1) / 2, (N + 1) / 2, N / 3];
        P256Verifier verifier = new();
        int infinities = 0;
        int checkedCases = 0;
        foreach (BigInteger d in new BigInteger[] { 1, 2, 3, N - 1, N - 2, (N + 1) / 2, 12345 })
        {
            byte[] key = P256Reference.PublicKey(d);
            foreach (BigInteger u1 in numbers.Prepend(0))
            {
                foreach (BigInteger u2 in numbers)
                {
                    BigInteger k = P256Reference.Mod(u1 + (u2 * d), N);
                    byte[] x = k.IsZero ? P256Reference.Bytes32(5) : P256Reference.PublicKey(k)[..32];
                    BigInteger r = P256Reference.Mod(P256Reference.Number(x), N);
                    BigInteger s = P256Reference.Mod(r * P256Reference.Inverse(u2, N), N);
                    byte[] digest = P256Reference.Bytes32(P256Reference.Mod(u1 * s, N));
                    byte[] signature = [.. P256Reference.Bytes32(r), .. P256Reference.Bytes32(s)];
                    Assert.That(verifier.VerifyDigest(key, 0, digest, 0, signature, 0), Is.EqualTo(!k.IsZero), () => $"d {d:x} u1 {u1:x} u2 {u2:x}");
                    infinities += k.IsZero ? 1 : 0;
                    checkedCases++;
                }
            }
        }

        Assert.That((checkedCases, infinities), Is.EqualTo((7 * 16 * 15, infinities)));
        Assert.That(infinities, Is.GreaterThan(20));
    }

    [Test]
    public void A_digest_above_n_counts_modulo_n()
    {
        byte[] digest = [.. Enumerable.Repeat((byte)0xFF, 32)];
        P256Signer signer = new(P256Reference.Bytes32(7));
        byte[] signature = new byte[64];
        signer.SignDigest(digest, 0, signature, 0);
        byte[] reduced = P256Reference.Bytes32(P256Reference.Number(digest) - N);
        byte[] key = P256Reference.PublicKey(7);
        Assert.Multiple(() =>
        {
            Assert.That(new P256Verifier().VerifyDigest(key, 0, digest, 0, signature, 0), Is.True);
            Assert.That(new P256Verifier().VerifyDigest(key, 0, reduced, 0, signature, 0), Is.True);
        });
    }

    [Test]
    public void An_x_above_n_is_r_modulo_n()
    {
        // The point with the smallest x at or above n that is on the curve: r is x - n, a few (as Wycheproof's "r too large" group). Its
        // discrete logarithm is unknown, so the key is made from it: Q = (R - u1 G) / u2 with u1 = 1, u2 = 1.
        BigInteger p = P256Reference.P;
        BigInteger b = P256Reference.Number("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");
        BigInteger x = N;
        BigInteger y;
        do
        {
            x++;
            BigInteger right = P256Reference.Mod(BigInteger.ModPow(x, 3, p) - (3 * x) + b, p);
            y = BigInteger.ModPow(right, (p + 1) / 4, p);
            if (P256Reference.Mod((y * y) - right, p).IsZero)
            {
                break;
            }
        }
        while (true);

        (BigInteger X, BigInteger Y) q = P256Reference.Add((x, y), (P256Reference.G.X, p - P256Reference.G.Y))!.Value;
        byte[] key = [.. P256Reference.Bytes32(q.X), .. P256Reference.Bytes32(q.Y)];
        byte[] number = P256Reference.Bytes32(x - N); // r = s = z
        byte[] tooLarge = P256Reference.Bytes32(x);
        P256Verifier verifier = new();
        Assert.Multiple(() =>
        {
            Assert.That(verifier.VerifyDigest(key, 0, number, 0, [.. number, .. number], 0), Is.True);
            Assert.That(verifier.VerifyDigest(key, 0, number, 0, [.. tooLarge, .. number], 0), Is.False, "r itself is below n");
        });
    }

    [Test]
    public void Numbers_out_of_range_and_points_off_the_curve_are_refused()
    {
        byte[] key = P256Reference.PublicKey(9);
        byte[] digest = new byte[32];
        byte[] good = new byte[64];
        new P256Signer(P256Reference.Bytes32(9)).SignDigest(digest, 0, good, 0);
        P256Verifier verifier = new();
        byte[][] bad = [new byte[32], P256Reference.Bytes32(N), [.. Enumerable.Repeat((byte)0xFF, 32)], P256Reference.Bytes32(P256Reference.P)];
        Assert.Multiple(() =>
        {
            Assert.That(verifier.VerifyDigest(key, 0, digest, 0, good, 0), Is.True);
            foreach (byte[] number in bad)
            {
                Assert.That(verifier.VerifyDigest(key, 0, digest, 0, [.. number, .. good[32..]], 0), Is.False);
                Assert.That(verifier.VerifyDigest(key, 0, digest, 0, [.. good[..32], .. number], 0), Is.False);
            }

            Assert.That(verifier.IsPublicKey(new byte[64], 0), Is.False);
            Assert.That(verifier.IsPublicKey([.. key[..63], (byte)(key[63] ^ 1)], 0), Is.False);
            Assert.That(verifier.IsPublicKey([.. P256Reference.Bytes32(P256Reference.P), .. key[32..]], 0), Is.False);
            Assert.That(verifier.IsPublicKey([.. Enumerable.Repeat((byte)0xFF, 64)], 0), Is.False);
            // x and x + p are one coordinate, and only one of them is a key: x = 5 has a point.
            BigInteger y = RootFor(5);
            Assert.That(verifier.IsPublicKey([.. P256Reference.Bytes32(5), .. P256Reference.Bytes32(y)], 0), Is.True);
            Assert.That(verifier.IsPublicKey([.. P256Reference.Bytes32(5 + P256Reference.P), .. P256Reference.Bytes32(y)], 0), Is.False);
            Assert.That(verifier.VerifyDigest([.. key[..63], (byte)(key[63] ^ 1)], 0, digest, 0, good, 0), Is.False);
            Assert.That(verifier.VerifyDigest(key, 0, digest, 0, good, 0), Is.True, "what was refused leaves nothing behind");
        });
    }

    private static BigInteger RootFor(BigInteger x)
    {
        BigInteger p = P256Reference.P;
        BigInteger right = P256Reference.Mod(BigInteger.Pow(x, 3) - (3 * x) + P256Reference.Number("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"), p);
        BigInteger y = BigInteger.ModPow(right, (p + 1) / 4, p);
        Assert.That(P256Reference.Mod(y * y, p), Is.EqualTo(right), "x has no point");
        return y;
    }

    private static void Flip(SeededRandom random, byte[] bytes) => bytes[random.Below(bytes.Length)] ^= (byte)(1 << random.Below(8));
}

// The managed signer against RFC 6979's own vectors, .NET's ECDsa and the curve's definition.

using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace DePIN.Protocol.Tests;

public sealed class P256SignerTests
{
    private static readonly BigInteger N = P256Reference.N;

    // RFC 6979, appendix A.2.5.
    private const string RfcKey = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";

    [Test]
    public void The_public_key_of_rfc_6979_is_derived()
    {
        Assert.That(Convert.ToHexStringLower(PublicKey(Convert.FromHexString(RfcKey))), Is.EqualTo(
            "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
            + "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"));
    }

    [TestCase("sample", "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716", "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")]
    [TestCase("test", "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367", "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083")]
    public void The_signatures_of_rfc_6979_are_made_with_a_low_s(string message, string r, string s)
    {
        byte[] signature = Sign(new P256Signer(Convert.FromHexString(RfcKey)), Encoding.ASCII.GetBytes(message));
        BigInteger low = BigInteger.Min(P256Reference.Number(s), N - P256Reference.Number(s));
        Assert.That(Convert.ToHexStringLower(signature), Is.EqualTo(r + Convert.ToHexStringLower(P256Reference.Bytes32(low))));
    }

    [Test]
    public void Dotnet_verifies_the_signatures_and_agrees_on_the_public_keys_of_5000_random_keys_and_messages()
    {
        SeededRandom random = new(6979);
        for (int i = 0; i < 5_000; i++)
        {
            byte[] privateKey = P256Signer.CreatePrivateKey(random);
            byte[] message = random.Bytes(random.Below(300));
            P256Signer signer = new(privateKey);
            byte[] publicKey = PublicKey(signer);
            byte[] signature = Sign(signer, message);
            using ECDsa ours = P256Reference.Import(publicKey);
            using ECDsa theirs = P256Reference.ImportPrivate(privateKey);
            ECParameters expected = theirs.ExportParameters(false);
            Assert.Multiple(() =>
            {
                Assert.That(publicKey, Is.EqualTo((byte[])[.. expected.Q.X!, .. expected.Q.Y!]), () => $"key {i}");
                Assert.That(ours.VerifyData(message, signature, HashAlgorithmName.SHA256), Is.True, () => $"signature {i}");
                Assert.That(P256Order.IsHigh(signature, 32), Is.False, () => $"low s {i}");
            });
        }
    }

    [Test]
    public void Edge_keys_give_the_right_public_key_and_a_signature_that_verifies()
    {
        foreach (BigInteger key in EdgeNumbers())
        {
            byte[] privateKey = P256Reference.Bytes32(key);
            P256Signer signer = new(privateKey);
            byte[] publicKey = PublicKey(signer);
            Assert.That(publicKey, Is.EqualTo(P256Reference.PublicKey(key)), () => $"key {key:x}");
            byte[] signature = Sign(signer, privateKey);
            using ECDsa verifier = P256Reference.Import(publicKey);
            Assert.That(verifier.VerifyData(privateKey, signature, HashAlgorithmName.SHA256), Is.True, () => $"key {key:x}");
        }
    }

    [Test]
    public void Edge_digests_give_signatures_that_verify()
    {
        BigInteger top = (BigInteger.One << 256) - 1;
        BigInteger[] digests = [0, 1, N - 1, N, N + 1, P256Reference.P, top, top - 1, BigInteger.One << 255];
        P256Signer signer = new(Convert.FromHexString(RfcKey));
        using ECDsa verifier = P256Reference.Import(PublicKey(signer));
        foreach (BigInteger value in digests)
        {
            byte[] digest = P256Reference.Bytes32(value);
            byte[] signature = new byte[64];
            signer.SignDigest(digest, 0, signature, 0);
            Assert.Multiple(() =>
            {
                Assert.That(verifier.VerifyHash(digest, signature), Is.True, () => $"digest {value:x}");
                Assert.That(P256Order.IsHigh(signature, 32), Is.False);
            });
        }
    }

    [Test]
    public void Keys_picked_to_add_a_point_to_itself_still_give_the_right_public_key()
    {
        // The last addition of the comb adds e = the sum of +-2^(44 t). It doubles when k = 2 e, for which another recoding is used.
        int retried = 0;
        for (int signs = 0; signs < 64; signs++)
        {
            BigInteger e = 0;
            for (int tooth = 0; tooth < 6; tooth++)
            {
                BigInteger power = BigInteger.One << (44 * tooth);
                e += (signs >> tooth & 1) == 1 ? power : -power;
            }

            for (int block = 0; block < 4; block++)
            {
                BigInteger key = P256Reference.Mod((e << (11 * block)) * 2, N);
                P256Signer signer = new(P256Reference.Bytes32(key));
                Assert.That(PublicKey(signer), Is.EqualTo(P256Reference.PublicKey(key)), () => $"key {key:x}");
                if (signer.PointOperations != 53)
                {
                    retried++;
                }
            }
        }

        Assert.That(retried, Is.Positive, "no key reached the exception: the test does not test it");
        TestContext.Out.WriteLine($"{retried} of 256 keys needed another recoding");
    }

    [Test]
    public void The_number_of_point_operations_does_not_depend_on_key_or_digest()
    {
        SeededRandom random = new(53);
        IEnumerable<BigInteger> keys = EdgeNumbers().Concat(Enumerable.Range(0, 100).Select(_ => P256Reference.Number(P256Signer.CreatePrivateKey(random))));
        foreach (BigInteger key in keys)
        {
            P256Signer signer = new(P256Reference.Bytes32(key));
            PublicKey(signer);
            int forKey = signer.PointOperations;
            Sign(signer, random.Bytes(40));
            Assert.Multiple(() =>
            {
                Assert.That(forKey, Is.EqualTo(53), () => $"key {key:x}");
                Assert.That(signer.PointOperations, Is.EqualTo(53));
            });
        }
    }

    [Test]
    public void A_signature_is_the_same_every_time_and_from_either_entry()
    {
        P256Signer signer = new(Convert.FromHexString(RfcKey));
        byte[] message = [1, 2, 3];
        byte[] first = Sign(signer, message);
        byte[] second = new byte[70];
        signer.SignDigest(SHA256.HashData(message), 0, second, 6);
        Assert.Multiple(() =>
        {
            Assert.That(second[6..], Is.EqualTo(first));
            Assert.That(Sign(new P256Signer(Convert.FromHexString(RfcKey)), message), Is.EqualTo(first));
        });
    }

    [Test]
    public void A_key_out_of_range_is_refused()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => new P256Signer(new byte[32]), Throws.ArgumentException);
            Assert.That(() => new P256Signer(P256Reference.Bytes32(N)), Throws.ArgumentException);
            Assert.That(() => new P256Signer(P256Reference.Bytes32((BigInteger.One << 256) - 1)), Throws.ArgumentException);
            Assert.That(() => new P256Signer(new byte[31]), Throws.ArgumentException);
            Assert.That(() => new P256Signer(null!), Throws.ArgumentException);
        });
    }

    [Test]
    public void A_draw_out_of_range_is_drawn_again_and_a_dead_source_is_an_error()
    {
        byte[] good = P256Reference.Bytes32(5);
        Assert.Multiple(() =>
        {
            Assert.That(P256Signer.CreatePrivateKey(new Draws(new byte[32], P256Reference.Bytes32(N), good)), Is.EqualTo(good));
            Assert.That(() => P256Signer.CreatePrivateKey(new Draws(new byte[32])), Throws.InvalidOperationException);
        });
    }

    internal static IEnumerable<BigInteger> EdgeNumbers()
    {
        for (int i = 1; i <= 20; i++)
        {
            yield return i;
            yield return N - i;
        }

        yield return N / 2;
        yield return (N / 2) + 1;
        for (int bit = 4; bit < 256; bit += 3)
        {
            // One bit, a run of ones below it, and a run of ones above it.
            BigInteger power = BigInteger.One << bit;
            yield return power;
            yield return P256Reference.Mod(power - 1, N);
            yield return P256Reference.Mod((BigInteger.One << 256) - power, N);
        }
    }

    private static byte[] PublicKey(byte[] privateKey) => PublicKey(new P256Signer(privateKey));

    private static byte[] PublicKey(P256Signer signer)
    {
        byte[] publicKey = new byte[64];
        signer.ReadPublicKey(publicKey, 0);
        return publicKey;
    }

    private static byte[] Sign(P256Signer signer, byte[] message)
    {
        byte[] signature = new byte[64];
        signer.Sign(message, 0, message.Length, signature, 0);
        return signature;
    }

    // Gives the draws in turn, and the last one for ever.
    private sealed class Draws(params byte[][] draws) : IRandomSource
    {
        private int _next;

        public void Fill(byte[] buffer, int offset, int count)
        {
            draws[Math.Min(_next, draws.Length - 1)].AsSpan(0, count).CopyTo(buffer.AsSpan(offset));
            _next++;
        }
    }
}

// The managed SHA-256 against NIST's examples and .NET.

using System.Security.Cryptography;
using System.Text;

namespace DePIN.Protocol.Tests;

public sealed class Sha256Tests
{
    // FIPS 180-4 example computations and NIST's SHA-2 additional vectors.
    [TestCase("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [TestCase("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [TestCase("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    [TestCase("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1")]
    public void The_vectors_of_nist_hold(string message, string digest)
    {
        Assert.That(Hash(Encoding.ASCII.GetBytes(message)), Is.EqualTo(digest));
    }

    [Test]
    public void A_million_letters_a_have_the_digest_of_nist()
    {
        byte[] message = new byte[1_000_000];
        Array.Fill(message, (byte)'a');
        Assert.That(Hash(message), Is.EqualTo("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
    }

    [Test]
    public void Every_length_up_to_300_agrees_with_dotnet()
    {
        SeededRandom random = new(256);
        for (int length = 0; length <= 300; length++)
        {
            for (int i = 0; i < 10; i++)
            {
                byte[] message = random.Bytes(length);
                Assert.That(Hash(message), Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(message))), () => $"{length} bytes");
            }
        }
    }

    [Test]
    public void Pieces_of_any_size_give_the_digest_of_the_whole()
    {
        SeededRandom random = new(257);
        Sha256 hash = new();
        for (int i = 0; i < 500; i++)
        {
            byte[] message = random.Bytes(random.Below(1_000));
            for (int at = 0; at < message.Length;)
            {
                int count = Math.Min(random.Below(150), message.Length - at);
                hash.Update(message, at, count);
                at += count;
            }

            byte[] digest = new byte[32];
            hash.Finish(digest, 0);
            Assert.That(digest, Is.EqualTo(SHA256.HashData(message)), () => $"message {i}");
        }
    }

    private static string Hash(byte[] message)
    {
        byte[] digest = new byte[Sha256.DigestBytes + 1];
        Sha256.Hash(message, 0, message.Length, digest, 1);
        return Convert.ToHexStringLower(digest.AsSpan(1));
    }
}

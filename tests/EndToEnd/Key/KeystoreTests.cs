using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using DePIN.Cli.Key;
using DePIN.Evidence;

namespace DePIN.EndToEnd.Tests.Key;

/// <summary>Keystores against the published vectors, changed byte by byte, and with work that would take the machine.</summary>
public sealed class KeystoreTests
{
    // Web3 Secret Storage Definition, Test Vectors (ethereum.org, "Web3 Secret Storage").
    private const string VectorSecret = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    private const string VectorPbkdf2 = """
        {"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
         "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
         "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
         "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}
        """;

    private const string VectorScrypt = """
        {"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
         "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt",
         "kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
         "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}
        """;

    private const int CheapCost = 1 << 10;

    [TestCase(VectorPbkdf2)]
    [TestCase(VectorScrypt)]
    public void A_published_keystore_opens_to_its_key(string json)
    {
        using GatewaySigner key = Keystore.Open(Encoding.UTF8.GetBytes(json), "testpassword"u8);
        byte[] secret = new byte[32];
        key.CopyPrivateKey(secret);
        Assert.That(Convert.ToHexStringLower(secret), Is.EqualTo(VectorSecret));
    }

    // RFC 7914 section 12.
    [TestCase("", "", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906")]
    [TestCase("password", "NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640")]
    public void Scrypt_is_that_of_the_RFC(string passphrase, string salt, int n, int r, int p, string expected) =>
        Assert.That(Convert.ToHexStringLower(Scrypt.Derive(Encoding.UTF8.GetBytes(passphrase), Encoding.UTF8.GetBytes(salt), n, r, p, 64)), Is.EqualTo(expected));

    [TestCase(2, 1, 1)]
    [TestCase(256, 3, 2)]
    [TestCase(4096, 8, 1)]
    public void Scrypt_agrees_with_another_implementation(int n, int r, int p) => Assert.That(
        Scrypt.Derive("pass"u8, "salt"u8, n, r, p, 32), Is.EqualTo(Org.BouncyCastle.Crypto.Generators.SCrypt.Generate("pass"u8.ToArray(), "salt"u8.ToArray(), n, r, p, 32)));

    [Test]
    public void A_sealed_key_opens_again_with_its_passphrase_and_no_other()
    {
        (GatewaySigner key, byte[] json) = Seal("correct horse Ä"u8);
        using (key)
        {
            using GatewaySigner again = Keystore.Open(json, "correct horse Ä"u8);
            Assert.Multiple(() =>
            {
                Assert.That(again.Address, Is.EqualTo(key.Address));
                Assert.That(Keystore.AddressOf(json), Is.EqualTo(key.Address));
                foreach (string wrong in (string[])["correct horse A", "correct horse Ä ", "", "Correct horse Ä"])
                {
                    Assert.That(Assert.Throws<KeystoreException>(() => Keystore.Open(json, Encoding.UTF8.GetBytes(wrong)))!.Code, Is.EqualTo("key.wrong-passphrase"));
                }
            });
        }
    }

    [Test]
    public void What_is_written_has_the_default_work_and_the_fields_of_the_definition()
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        using GatewaySigner key = GatewaySigner.Create(random);
        byte[] secret = new byte[32];
        key.CopyPrivateKey(secret);
        string text = Encoding.UTF8.GetString(Keystore.Seal(key, "x"u8, random));
        JsonNode json = JsonNode.Parse(text)!;
        JsonNode work = json["crypto"]!["kdfparams"]!;
        Assert.Multiple(() =>
        {
            Assert.That((int)json["version"]!, Is.EqualTo(3));
            Assert.That(((int)work["n"]!, (int)work["r"]!, (int)work["p"]!, (int)work["dklen"]!), Is.EqualTo((262144, 8, 1, 32)));
            Assert.That((string)json["crypto"]!["cipher"]!, Is.EqualTo("aes-128-ctr"));
            Assert.That((string)json["address"]!, Does.Match("^[0-9a-f]{40}$"));
            Assert.That((string)json["id"]!, Does.Match("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"));
            Assert.That(text, Does.Not.Contain(Convert.ToHexStringLower(secret)));
        });
    }

    [Test]
    public void Two_keystores_of_one_key_share_neither_salt_nor_cipher()
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        using GatewaySigner key = GatewaySigner.Create(random);
        JsonNode one = JsonNode.Parse(Keystore.Seal(key, "x"u8, random, CheapCost))!["crypto"]!, two = JsonNode.Parse(Keystore.Seal(key, "x"u8, random, CheapCost))!["crypto"]!;
        Assert.Multiple(() =>
        {
            Assert.That((string)one["ciphertext"]!, Is.Not.EqualTo((string)two["ciphertext"]!));
            Assert.That((string)one["kdfparams"]!["salt"]!, Is.Not.EqualTo((string)two["kdfparams"]!["salt"]!));
        });
    }

    [Test]
    public void Whatever_is_changed_in_a_file_the_key_never_opens_to_another()
    {
        (GatewaySigner key, byte[] json) = Seal("x"u8);
        using (key)
        {
            Random random = new(11);
            int refused = 0;
            for (int times = 0; times < 600; times++)
            {
                byte[] changed = [.. json];
                int at = random.Next(changed.Length);
                changed[at] = (byte)"0123456789abcdef{}\",: \0"[random.Next(23)];
                if (changed.AsSpan().SequenceEqual(json))
                {
                    continue;
                }

                try
                {
                    using GatewaySigner opened = Keystore.Open(changed, "x"u8);
                    Assert.That(opened.Address, Is.EqualTo(key.Address), $"byte {at} changed");
                }
                catch (KeystoreException)
                {
                    refused++;
                }
            }

            Assert.That(refused, Is.GreaterThan(300));
        }
    }

    [TestCase("n", 1L << 30, "key.too-much-work")]
    [TestCase("n", 1L << 40, "key.too-much-work")]
    [TestCase("n", 1000L, "key.too-much-work")]
    [TestCase("n", 0L, "key.too-much-work")]
    [TestCase("n", -2L, "key.too-much-work")]
    [TestCase("r", 1L << 40, "key.too-much-work")]
    [TestCase("r", 0L, "key.too-much-work")]
    [TestCase("p", 1L << 40, "key.too-much-work")]
    [TestCase("p", long.MaxValue, "key.too-much-work")]
    [TestCase("dklen", 1L << 30, "key.no-keystore")]
    public void Work_without_bound_is_refused_before_it_is_begun(string field, long value, string code)
    {
        JsonNode json = JsonNode.Parse(VectorScrypt)!;
        json["crypto"]!["kdfparams"]![field] = value;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(Assert.Throws<KeystoreException>(() => Keystore.Open(Encoding.UTF8.GetBytes(json.ToJsonString()), "testpassword"u8))!.Code, Is.EqualTo(code));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(10_000_000));
    }

    [Test]
    public void Pbkdf2_rounds_are_bounded_too()
    {
        JsonNode json = JsonNode.Parse(VectorPbkdf2)!;
        json["crypto"]!["kdfparams"]!["c"] = int.MaxValue;
        Assert.That(Assert.Throws<KeystoreException>(() => Keystore.Open(Encoding.UTF8.GetBytes(json.ToJsonString()), "testpassword"u8))!.Code, Is.EqualTo("key.too-much-work"));
    }

    [TestCase("")]
    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("""{"version":1}""")]
    [TestCase("""{"version":3,"crypto":{"cipher":"aes-128-cbc"}}""")]
    [TestCase("""{"version":3,"version":3}""")]
    public void What_is_no_keystore_is_none(string json) =>
        Assert.That(Assert.Throws<KeystoreException>(() => Keystore.Open(Encoding.UTF8.GetBytes(json), "x"u8))!.Code, Is.EqualTo("key.no-keystore"));

    [Test]
    public void A_file_that_names_another_address_than_its_keys_is_refused()
    {
        (GatewaySigner key, byte[] text) = Seal("x"u8);
        using (key)
        {
            JsonNode json = JsonNode.Parse(text)!;
            json["address"] = new string('1', 40);
            Assert.That(Assert.Throws<KeystoreException>(() => Keystore.Open(Encoding.UTF8.GetBytes(json.ToJsonString()), "x"u8))!.Message, Does.Contain("not that of"));
        }
    }

    private static (GatewaySigner Key, byte[] Json) Seal(ReadOnlySpan<byte> passphrase)
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        GatewaySigner key = GatewaySigner.Create(random);
        return (key, Keystore.Seal(key, passphrase, random, CheapCost));
    }
}

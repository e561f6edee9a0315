using System.Security.Cryptography;
using System.Text;
using Org.BouncyCastle.Crypto.Digests;

namespace DePIN.Evidence.Tests;

/// <summary>Keccak-256, secp256k1, addresses and compact signatures against published answers, and the rules they must keep.</summary>
[TestFixture]
public sealed class EthereumCryptoTests
{
    // Keccak team's test vectors (ShortMsgKAT) and Ethereum's own constants.
    [TestCase("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")]
    [TestCase("616263", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")]
    [TestCase("cc", "eead6dbfc7340a56caedc044696a168870549a6a7f6f56961e84a54bd9970b8a")]
    [TestCase("80", "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")] // root of the empty trie
    public void Keccak_gives_the_published_digests(string data, string digest) =>
        Assert.That(EthereumCrypto.Keccak256(Convert.FromHexString(data)), Is.EqualTo(Hash32.Parse(digest)));

    [Test]
    public void Keccak_is_the_reference_implementation_s_at_every_length()
    {
        KeccakDigest reference = new(256);
        byte[] expected = new byte[Hash32.Bytes];
        byte[] found = new byte[Hash32.Bytes];
        Random random = new(1);
        byte[] data = new byte[20_000];
        // Every length around seven blocks of 136 bytes; then lengths and contents at random.
        for (int i = 0; i < 3_000; i++)
        {
            int length = i <= 1_000 ? i : random.Next(data.Length);
            random.NextBytes(data.AsSpan(0, length));
            reference.BlockUpdate(data, 0, length);
            reference.DoFinal(expected, 0);
            EthereumCrypto.Keccak256(data.AsSpan(0, length), found);
            Assert.That(found, Is.EqualTo(expected), $"{length} bytes");
            Assert.That(EthereumCrypto.Keccak256(data.AsSpan(0, length)), Is.EqualTo(new Hash32(expected)), $"{length} bytes");
        }
    }

    [Test]
    public void A_pair_is_hashed_as_its_64_bytes_in_ascending_order()
    {
        Hash32[] leaves = SampleEvidence.Leaves(200);
        for (int i = 1; i < leaves.Length; i++)
        {
            Hash32 low = leaves[i] < leaves[i - 1] ? leaves[i] : leaves[i - 1];
            Hash32 high = low == leaves[i] ? leaves[i - 1] : leaves[i];
            Assert.That(EthereumCrypto.HashPair(leaves[i - 1], leaves[i]), Is.EqualTo(EthereumCrypto.Keccak256([.. low.ToArray(), .. high.ToArray()])));
        }
    }

    [Test]
    public void Keccak_may_write_over_its_input()
    {
        byte[] data = new byte[300];
        new Random(2).NextBytes(data);
        foreach (int length in (int[])[32, 64, 136, 300])
        {
            byte[] overlapping = data.AsSpan(0, length).ToArray();
            EthereumCrypto.Keccak256(overlapping, overlapping);
            Assert.That(new Hash32(overlapping.AsSpan(0, Hash32.Bytes)), Is.EqualTo(EthereumCrypto.Keccak256(data.AsSpan(0, length))));
        }
    }

    [Test]
    public void Keccak_runs_on_many_threads_at_once()
    {
        Hash32[] leaves = SampleEvidence.Leaves(2_000);
        Hash32[] expected = [.. leaves.Select(leaf => EthereumCrypto.HashPair(leaf, leaf))];
        Hash32[] found = new Hash32[leaves.Length];
        Parallel.For(0, leaves.Length, i => found[i] = EthereumCrypto.HashPair(leaves[i], leaves[i]));
        Assert.That(found, Is.EqualTo(expected));
    }

    [Test]
    public void Keccak_of_a_pair_allocates_nothing()
    {
        Hash32[] leaves = SampleEvidence.Leaves(2);
        EthereumCrypto.HashPair(leaves[0], leaves[1]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) leaves[0] = EthereumCrypto.HashPair(leaves[0], leaves[1]);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100 * 32));
    }

    [Test]
    public void A_pair_hash_does_not_depend_on_the_order()
    {
        Hash32[] leaves = SampleEvidence.Leaves(50);
        for (int i = 1; i < leaves.Length; i++)
        {
            Hash32 hash = EthereumCrypto.HashPair(leaves[i - 1], leaves[i]);
            Assert.That(EthereumCrypto.HashPair(leaves[i], leaves[i - 1]), Is.EqualTo(hash));
            (Hash32 low, Hash32 high) = leaves[i - 1] < leaves[i] ? (leaves[i - 1], leaves[i]) : (leaves[i], leaves[i - 1]);
            Assert.That(EthereumCrypto.Keccak256([.. low.ToArray(), .. high.ToArray()]), Is.EqualTo(hash));
        }
    }

    // EIP-55, "Test Cases".
    [TestCase("0x52908400098527886E0F7030069857D2E4169EE7")]
    [TestCase("0x8617E340B3D01FA5F11F306F4090FD50E238070D")]
    [TestCase("0xde709f2102306220921060314715629080e2fb77")]
    [TestCase("0x27b1fdb04752bbc536007a920d24acb045561c26")]
    [TestCase("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    [TestCase("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")]
    [TestCase("0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB")]
    [TestCase("0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb")]
    public void An_address_is_written_as_EIP_55_says(string text)
    {
        Address address = Address.Parse(text);
        Assert.That(address.ToChecksumString(), Is.EqualTo(text));
        Assert.That(address.ToString(), Is.EqualTo(text.ToLowerInvariant()));
        Assert.That(Address.Parse(text.ToLowerInvariant()[2..]), Is.EqualTo(address));
    }

    [TestCase("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD")] // last digit in the wrong case
    [TestCase("0x5aeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    [TestCase("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedff")]
    [TestCase("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAg ")]
    [TestCase("")]
    [TestCase(null)]
    public void A_mistyped_address_is_refused(string? text) => Assert.That(Address.TryParse(text, out _), Is.False);

    // EIP-2098, "Example Implementation In Python": key, then digest of the personal message.
    [TestCase("Hello World",
        "0x68a020a209d3d56c46f38cc50a33f704f4a9a10a59377f8dd762ac66910e9b90" + "7e865ad05c4035ab5792787d4a0297a43617ae897930a6fe4d822b8faea52064")]
    [TestCase("It's a small(er) world",
        "0x9328da16089fcba9bececa81663203989f2df5fe1faa6291a45381c81bd17f76" + "939c6d6b623b42da56557e5e734a43dc83345ddfadec52cbe24d0cc64f550793")]
    public void A_signature_has_the_compact_form_of_EIP_2098(string message, string compact)
    {
        using GatewaySigner signer = new(Convert.FromHexString("1234567890123456789012345678901234567890123456789012345678901234"));
        Hash32 digest = EthereumCrypto.Keccak256(Encoding.UTF8.GetBytes($"\x19" + $"Ethereum Signed Message:\n{message.Length}{message}"));
        EthereumSignature signature = signer.Sign(digest);
        Assert.That(signature.ToString(), Is.EqualTo(compact));
        EthereumSignature parsed = EthereumSignature.FromCompact(Convert.FromHexString(compact[2..]));
        Assert.That(parsed, Is.EqualTo(signature));
        Assert.That(EthereumCrypto.TryRecover(digest, parsed, out Address address), Is.True);
        Assert.That(address, Is.EqualTo(signer.Address));
    }

    [Test]
    public void A_signature_recovers_to_its_signer_and_to_nobody_when_anything_changes()
    {
        for (int i = 0; i < 60; i++)
        {
            using GatewaySigner signer = SampleEvidence.Gateway(i);
            Hash32 digest = SampleEvidence.HashOf($"digest {i}");
            EthereumSignature signature = signer.Sign(digest);
            Assert.That(signature.S.ToArray()[0], Is.LessThan(0x80), "low s");
            Attestation attestation = new(signer.Address, signature);
            Assert.That(attestation.IsOver(digest), Is.True);
            Assert.That(attestation.IsOver(SampleEvidence.HashOf("another")), Is.False);
            byte[] bytes = attestation.ToArray();
            bytes[Address.Bytes + i] ^= 1;
            Assert.That(Attestation.Read(bytes).IsOver(digest), Is.False);
        }
    }

    [Test]
    public void A_high_s_a_zero_and_an_order_are_refused()
    {
        using GatewaySigner signer = SampleEvidence.Gateway(1);
        Hash32 digest = SampleEvidence.HashOf("x");
        EthereumSignature good = signer.Sign(digest);
        Hash32 order = Hash32.Parse("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        Hash32 halfAndOne = Hash32.Parse("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1");
        Assert.Multiple(() =>
        {
            Assert.That(EthereumCrypto.TryRecover(digest, good with { S = halfAndOne }, out _), Is.False);
            Assert.That(EthereumCrypto.TryRecover(digest, good with { S = Hash32.Zero }, out _), Is.False);
            Assert.That(EthereumCrypto.TryRecover(digest, good with { R = Hash32.Zero }, out _), Is.False);
            Assert.That(EthereumCrypto.TryRecover(digest, good with { R = order }, out _), Is.False);
            Assert.That(EthereumCrypto.TryRecover(digest, good with { YParity = 2 }, out _), Is.False);
            Assert.That(EthereumCrypto.TryRecover(digest, good with { YParity = (byte)(1 - good.YParity) }, out Address other) && other == signer.Address, Is.False);
        });
    }

    [Test]
    public void Random_bytes_as_a_signature_never_throw()
    {
        Random random = new(9);
        byte[] bytes = new byte[EthereumSignature.CompactBytes];
        for (int i = 0; i < 400; i++)
        {
            random.NextBytes(bytes);
            if (i % 4 == 0) bytes.AsSpan(0, 31).Fill((byte)(i % 8 == 0 ? 0 : 0xff));
            EthereumCrypto.TryRecover(SampleEvidence.HashOf("x"), EthereumSignature.FromCompact(bytes), out _);
        }
    }

    [TestCase("0000000000000000000000000000000000000000000000000000000000000000")]
    [TestCase("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")]
    [TestCase("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")]
    [TestCase("01")]
    public void A_private_key_outside_the_group_is_refused(string key) =>
        Assert.That(() => new GatewaySigner(Convert.FromHexString(key)), Throws.ArgumentException);

    [Test]
    public void The_well_known_development_key_has_its_well_known_address()
    {
        using GatewaySigner signer = new(Convert.FromHexString("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"));
        Assert.That(signer.Address.ToChecksumString(), Is.EqualTo("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    }

    [Test]
    public void A_disposed_key_signs_nothing_and_its_text_never_shows_it()
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        GatewaySigner signer = GatewaySigner.Create(random);
        byte[] key = new byte[32];
        signer.CopyPrivateKey(key);
        Assert.That(signer.ToString(), Is.EqualTo(signer.Address.ToChecksumString()));
        signer.Dispose();
        Assert.That(() => signer.Sign(Hash32.Zero), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => signer.CopyPrivateKey(key), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(signer.ToString(), Does.Not.Contain(Convert.ToHexStringLower(key)));
    }

    [Test]
    public void A_hash_orders_as_its_bytes_do_and_reads_what_it_writes()
    {
        Hash32[] hashes = SampleEvidence.Leaves(200);
        Array.Sort(hashes);
        for (int i = 1; i < hashes.Length; i++)
            Assert.That(hashes[i - 1].ToArray().AsSpan().SequenceCompareTo(hashes[i].ToArray()), Is.LessThan(0));
        Assert.That(Hash32.Parse(hashes[0].ToString().ToUpperInvariant().Replace("0X", "0x", StringComparison.Ordinal)), Is.EqualTo(hashes[0]));
        Assert.That(Hash32.TryParse(hashes[0].ToString() + "00", out _), Is.False);
        Assert.That(Hash32.TryParse("0x" + new string('g', 64), out _), Is.False);
    }
}

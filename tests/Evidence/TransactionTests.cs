using System.Numerics;
using System.Text;

namespace DePIN.Evidence.Tests;

/// <summary>RLP and EIP-1559 transactions. That viem makes the same bytes, <see cref="PeerTests"/> shows.</summary>
[TestFixture]
public sealed class TransactionTests
{
    // Ethereum wiki, "RLP: Examples", and ethereum/tests RLPTests/rlptest.json.
    [Test]
    public void Values_are_encoded_as_published()
    {
        string lorem = "Lorem ipsum dolor sit amet, consectetur adipisicing elit";
        Assert.Multiple(() =>
        {
            Assert.That(Hex(w => w.Bytes("dog"u8)), Is.EqualTo("83646f67"));
            Assert.That(Hex(w => w.Bytes([])), Is.EqualTo("80"));
            Assert.That(Hex(w => w.Bytes([0x00])), Is.EqualTo("00"));
            Assert.That(Hex(w => w.Bytes([0x7f])), Is.EqualTo("7f"));
            Assert.That(Hex(w => w.Bytes([0x80])), Is.EqualTo("8180"));
            Assert.That(Hex(w => w.UInt(0)), Is.EqualTo("80"));
            Assert.That(Hex(w => w.UInt(15)), Is.EqualTo("0f"));
            Assert.That(Hex(w => w.UInt(1024)), Is.EqualTo("820400"));
            Assert.That(Hex(w => w.UInt(BigInteger.One << 255)), Is.EqualTo("a080" + new string('0', 62)));
            Assert.That(Hex(w => w.List(l => l.Bytes("cat"u8).Bytes("dog"u8))), Is.EqualTo("c88363617483646f67"));
            Assert.That(Hex(w => w.List(_ => { })), Is.EqualTo("c0"));
            Assert.That(Hex(w => w.List(a => a.List(_ => { }).List(b => b.List(_ => { })).List(c => c.List(_ => { }).List(d => d.List(_ => { }))))),
                Is.EqualTo("c7c0c1c0c3c0c1c0"));
            Assert.That(Hex(w => w.Bytes(Encoding.ASCII.GetBytes(lorem))), Is.EqualTo("b838" + Convert.ToHexStringLower(Encoding.ASCII.GetBytes(lorem))));
            Assert.That(Hex(w => w.Bytes(new byte[1024])), Does.StartWith("b90400"));
            Assert.That(() => new RlpWriter().UInt(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new RlpWriter().UInt(BigInteger.One << 256), Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void What_is_written_is_read_back()
    {
        Random random = new(3);
        for (int i = 0; i < 500; i++)
        {
            byte[] data = new byte[random.Next(300)];
            random.NextBytes(data);
            ulong small = (ulong)random.NextInt64() >> random.Next(64);
            BigInteger big = new(data.AsSpan(0, Math.Min(32, data.Length)), isUnsigned: true, isBigEndian: true);
            RlpReader reader = new(new RlpWriter().List(l => l.Bytes(data).UInt(small).List(n => n.UInt(big))).ToArray());
            Assert.That(reader.TryReadList(out RlpReader list) && reader.AtEnd, Is.True);
            Assert.That(list.TryReadBytes(out ReadOnlySpan<byte> bytes) && bytes.SequenceEqual(data), Is.True);
            Assert.That(list.TryReadUInt64(out ulong number) && number == small, Is.True);
            Assert.That(list.TryReadList(out RlpReader nested) && list.AtEnd, Is.True);
            Assert.That(nested.TryReadUInt256(out BigInteger value) && value == big && nested.AtEnd, Is.True);
        }
    }

    // ethereum/tests RLPTests/invalidRLPTest.json, in kind.
    [TestCase("8100")] // a byte below 0x80 in the long form
    [TestCase("817f")]
    [TestCase("b800")] // long form of a short string
    [TestCase("b90001ff")] // leading zero in the length
    [TestCase("b8")]
    [TestCase("83646f")] // ends early
    [TestCase("bfffffffffffffffff")]
    [TestCase("bb7fffffff")]
    [TestCase("c0")] // a list is no string
    [TestCase("")]
    public void Another_encoding_of_a_string_is_refused(string hex)
    {
        RlpReader reader = new(Convert.FromHexString(hex));
        Assert.That(reader.TryReadBytes(out _), Is.False);
    }

    [TestCase("f800")]
    [TestCase("f90001c0")]
    [TestCase("c1")]
    [TestCase("80")]
    [TestCase("fbffffffff")]
    public void Another_encoding_of_a_list_is_refused(string hex)
    {
        RlpReader reader = new(Convert.FromHexString(hex));
        Assert.That(reader.TryReadList(out _), Is.False);
    }

    [TestCase("00")]
    [TestCase("820001")]
    [TestCase("89010000000000000000")]
    public void An_integer_with_leading_zeros_or_too_many_bits_is_refused(string hex)
    {
        RlpReader reader = new(Convert.FromHexString(hex));
        Assert.That(reader.TryReadUInt64(out _), Is.False);
    }

    [Test]
    public void A_transaction_decodes_to_its_fields_and_recovers_to_its_sender()
    {
        using GatewaySigner signer = SampleEvidence.Gateway(2);
        Transaction transaction = new(31337, 7, 1_000_000_000, 30_000_000_000, 100_000, SampleEvidence.Ledger, 0, new byte[] { 1, 2, 3, 4 });
        SignedTransaction signed = transaction.Sign(signer);
        Assert.That(signed.Raw[0], Is.EqualTo(2));
        Assert.That(signed.Hash, Is.EqualTo(EthereumCrypto.Keccak256(signed.Raw)));
        RlpReader outer = new(signed.Raw.AsSpan(1));
        Assert.That(outer.TryReadList(out RlpReader fields) && outer.AtEnd, Is.True);
        ulong[] numbers = new ulong[5];
        foreach (ref ulong number in numbers.AsSpan()) Assert.That(fields.TryReadUInt64(out number), Is.True);
        Assert.That(numbers, Is.EqualTo(new ulong[] { 31337, 7, 1_000_000_000, 30_000_000_000, 100_000 }));
        Assert.That(fields.TryReadBytes(out ReadOnlySpan<byte> to) && new Address(to) == SampleEvidence.Ledger, Is.True);
        Assert.That(fields.TryReadUInt64(out ulong value) && value == 0, Is.True);
        Assert.That(fields.TryReadBytes(out ReadOnlySpan<byte> data) && data.SequenceEqual(new byte[] { 1, 2, 3, 4 }), Is.True);
        Assert.That(fields.TryReadList(out RlpReader access) && access.AtEnd, Is.True);
        Assert.That(fields.TryReadUInt64(out ulong parity) && fields.TryReadUInt256(out BigInteger r) && fields.TryReadUInt256(out BigInteger s) && fields.AtEnd
            && EthereumCrypto.TryRecover(transaction.SigningDigest(), new EthereumSignature(Word(r), Word(s), (byte)parity), out Address from)
            && from == signer.Address, Is.True);
    }

    private static Hash32 Word(BigInteger value) => new(new AbiEncoder().UInt(value).ToArray());

    private static string Hex(Action<RlpWriter> write)
    {
        RlpWriter writer = new();
        write(writer);
        return Convert.ToHexStringLower(writer.ToArray());
    }
}

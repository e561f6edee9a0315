using System.Numerics;

namespace DePIN.Evidence.Tests;

/// <summary>ABI: the specification's examples, round trips, and hostile data that only ever gives a fault.</summary>
[TestFixture]
public sealed class AbiTests
{
    // Solidity documentation, "Contract ABI Specification: Examples".
    [Test]
    public void The_examples_of_the_specification_are_encoded_as_published()
    {
        Assert.That(AbiEncoder.SelectorOf("baz(uint32,bool)"), Is.EqualTo(0xcdcd77c0));
        Assert.That(Convert.ToHexStringLower(new AbiEncoder().UInt(69).Bool(true).ToCall(0xcdcd77c0)), Is.EqualTo(
            "cdcd77c0" + "0000000000000000000000000000000000000000000000000000000000000045" + "0000000000000000000000000000000000000000000000000000000000000001"));
        byte[] sam = new AbiEncoder().Bytes("dave"u8).Bool(true).Array([1, 2, 3], static (e, n) => e.UInt((ulong)n)).ToCall(AbiEncoder.SelectorOf("sam(bytes,bool,uint256[])"));
        Assert.That(Convert.ToHexStringLower(sam), Is.EqualTo(
            "a5643bf2"
            + "0000000000000000000000000000000000000000000000000000000000000060" + "0000000000000000000000000000000000000000000000000000000000000001"
            + "00000000000000000000000000000000000000000000000000000000000000a0" + "0000000000000000000000000000000000000000000000000000000000000004"
            + "6461766500000000000000000000000000000000000000000000000000000000" + "0000000000000000000000000000000000000000000000000000000000000003"
            + "0000000000000000000000000000000000000000000000000000000000000001" + "0000000000000000000000000000000000000000000000000000000000000002"
            + "0000000000000000000000000000000000000000000000000000000000000003"));
    }

    [Test]
    public void What_is_written_is_read_back()
    {
        Hash32[] path = SampleEvidence.Leaves(3);
        byte[] id = SampleEvidence.Ledger.ToArray();
        AbiDecoder decoder = new(new AbiEncoder().UInt(ulong.MaxValue).UInt((BigInteger.One << 256) - 1).Bool(true).Address(SampleEvidence.Ledger)
            .Bytes32(path[0]).Bytes20(id).Bytes([1, 2, 3]).String("é").Bytes32Array(path)
            .Tuple(t => t.UInt(1).Bytes([9])).Tuple(t => t.UInt(2).UInt(3))
            .Array(["a", "bc"], static (e, s) => e.Tuple(t => t.String(s).UInt((ulong)s.Length))).ToArray());
        Assert.That(decoder.UInt64(), Is.EqualTo(ulong.MaxValue));
        Assert.That(decoder.UInt256(), Is.EqualTo((BigInteger.One << 256) - 1));
        Assert.That(decoder.Bool(), Is.True);
        Assert.That(decoder.Address(), Is.EqualTo(SampleEvidence.Ledger));
        Assert.That(decoder.Bytes32(), Is.EqualTo(path[0]));
        Assert.That(decoder.FixedBytes(20), Is.EqualTo(id));
        Assert.That(decoder.Bytes(3), Is.EqualTo(new byte[] { 1, 2, 3 }));
        Assert.That(decoder.String(2), Is.EqualTo("é"));
        Assert.That(decoder.Array(3, static d => d.Bytes32()), Is.EqualTo(path));
        Assert.That(decoder.DynamicTuple(static d => (d.UInt64(), d.Bytes(1)[0])), Is.EqualTo((1UL, (byte)9)));
        Assert.That((decoder.UInt64(), decoder.UInt64()), Is.EqualTo((2UL, 3UL)));
        Assert.That(decoder.Array(2, static d => d.DynamicTuple(static t => (t.String(9), t.UInt64()))), Is.EqualTo(new[] { ("a", 1UL), ("bc", 2UL) }));
        Assert.That(decoder.Fault, Is.EqualTo(AbiFault.None));
    }

    [Test]
    public void The_first_fault_is_named_and_later_reads_give_zero()
    {
        byte[] word = new byte[32];
        word.AsSpan().Fill(0xff);
        Assert.Multiple(() =>
        {
            Assert.That(FaultOf(new byte[31], static d => d.UInt64()), Is.EqualTo(AbiFault.Truncated));
            Assert.That(FaultOf(word, static d => d.UInt64()), Is.EqualTo(AbiFault.ValueOutOfRange));
            Assert.That(FaultOf(word, static d => d.Address()), Is.EqualTo(AbiFault.ValueOutOfRange));
            Assert.That(FaultOf(word, static d => d.FixedBytes(20)), Is.EqualTo(AbiFault.ValueOutOfRange));
            Assert.That(FaultOf(new AbiEncoder().UInt(2).ToArray(), static d => d.Bool()), Is.EqualTo(AbiFault.ValueOutOfRange));
            Assert.That(FaultOf(new AbiEncoder().UInt(256).ToArray(), static d => d.UInt64(8)), Is.EqualTo(AbiFault.ValueOutOfRange));
            Assert.That(FaultOf(word, static d => d.Bytes(10)), Is.EqualTo(AbiFault.OffsetOutOfRange));
            Assert.That(FaultOf(new AbiEncoder().UInt(32).ToArray(), static d => d.Bytes(10)), Is.EqualTo(AbiFault.Truncated));
            Assert.That(FaultOf(new AbiEncoder().Bytes(new byte[11]).ToArray(), static d => d.Bytes(10)), Is.EqualTo(AbiFault.LengthOutOfRange));
            Assert.That(FaultOf(new AbiEncoder().UInt(32).UInt(33).UInt(0).ToArray(), static d => d.Bytes(100)), Is.EqualTo(AbiFault.LengthOutOfRange));
            Assert.That(FaultOf(new AbiEncoder().UInt(32).UInt(1UL << 60).ToArray(), static d => d.Array(int.MaxValue, static e => e.UInt64())), Is.EqualTo(AbiFault.LengthOutOfRange));
            Assert.That(new AbiDecoder(new AbiEncoder().Bytes([0xff, (byte)'a']).ToArray()).String(10), Is.EqualTo("\uFFFDa"), "what is no UTF-8 stops nobody");
        });
        AbiDecoder decoder = new(word);
        decoder.UInt64();
        decoder.Bytes32();
        Assert.That(decoder.UInt64(), Is.Zero);
        Assert.That(decoder.Bytes(5), Is.Empty);
        Assert.That(decoder.Fault, Is.EqualTo(AbiFault.ValueOutOfRange));
    }

    [Test]
    public void Mutated_data_gives_a_fault_or_values_and_never_throws()
    {
        byte[] good = new AbiEncoder().UInt(5).Bytes(new byte[40]).Bytes32Array(SampleEvidence.Leaves(3))
            .Array(["a", "bc"], static (e, s) => e.Tuple(t => t.String(s).UInt(1))).ToArray();
        Random random = new(17);
        for (int i = 0; i < 50_000; i++)
        {
            AbiDecoder decoder = new(Mutation.Of(good, random));
            decoder.UInt64();
            decoder.Bytes(100);
            decoder.Array(10, static d => d.Bytes32());
            decoder.Array(10, static d => d.DynamicTuple(static t => (t.String(9), t.UInt64())));
        }
    }

    private static AbiFault FaultOf<T>(byte[] data, Func<AbiDecoder, T> read)
    {
        AbiDecoder decoder = new(data);
        read(decoder);
        return decoder.Fault;
    }
}

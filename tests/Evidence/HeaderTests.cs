using System.Numerics;

namespace DePIN.Evidence.Tests;

/// <summary>EIP-712 against its official example; headers, active sets and quorums.</summary>
[TestFixture]
public sealed class HeaderTests
{
    // EIP-712, test/Example.js: the "Ether Mail" example.
    [Test]
    public void The_example_of_EIP_712_has_its_published_hashes()
    {
        const string person = "Person(string name,address wallet)";
        const string mail = "Mail(Person from,Person to,string contents)" + person;
        Eip712Domain domain = new("Ether Mail", "1", 1, Address.Parse("0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"));
        Hash32 from = new Eip712Struct(person).String("Cow").Address(Address.Parse("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")).Hash();
        Hash32 to = new Eip712Struct(person).String("Bob").Address(Address.Parse("0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB")).Hash();
        Hash32 hash = new Eip712Struct(mail).Word(from).Word(to).String("Hello, Bob!").Hash();
        Assert.Multiple(() =>
        {
            Assert.That(Eip712Struct.TypeHash(mail), Is.EqualTo(Hash32.Parse("a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2")));
            Assert.That(hash, Is.EqualTo(Hash32.Parse("c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e")));
            Assert.That(domain.Separator, Is.EqualTo(Hash32.Parse("f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")));
            Assert.That(domain.Digest(hash), Is.EqualTo(Hash32.Parse("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")));
        });
        using GatewaySigner cow = new(EthereumCrypto.Keccak256("cow"u8).ToArray());
        Assert.That(cow.Address, Is.EqualTo(Address.Parse("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")));
    }

    [Test]
    public void A_header_reads_what_it_writes()
    {
        for (int seed = 1; seed < 50; seed++)
        {
            BatchHeader batch = SampleEvidence.Batch(seed);
            Assert.That(BatchHeader.Read(batch.ToArray()), Is.EqualTo(batch));
            Assert.That(batch.Check(), Is.EqualTo(BatchHeaderFault.None));
            AnchorHeader anchor = SampleEvidence.Anchor(seed);
            Assert.That(AnchorHeader.Read(anchor.ToArray()), Is.EqualTo(anchor));
            Assert.That(anchor.Check(), Is.EqualTo(AnchorHeaderFault.None));
        }
    }

    [Test]
    public void Every_byte_of_a_header_changes_its_hash()
    {
        byte[] bytes = SampleEvidence.Batch(1).ToArray();
        HashSet<Hash32> seen = [BatchHeader.Read(bytes).Hash()];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 0x10;
            Assert.That(seen.Add(BatchHeader.Read(bytes).Hash()), Is.True, $"byte {i}");
            bytes[i] ^= 0x10;
        }
        bytes = SampleEvidence.Anchor(1).ToArray();
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 0x10;
            Assert.That(seen.Add(AnchorHeader.Read(bytes).Hash()), Is.True, $"byte {i}");
            bytes[i] ^= 0x10;
        }
    }

    [Test]
    public void A_header_that_contradicts_itself_is_named()
    {
        BatchHeader good = SampleEvidence.Batch(1);
        AnchorHeader anchor = SampleEvidence.Anchor(1);
        Assert.Multiple(() =>
        {
            Assert.That((good with { Gateway = default }).Check(), Is.EqualTo(BatchHeaderFault.GatewayZero));
            Assert.That((good with { Number = 0 }).Check(), Is.EqualTo(BatchHeaderFault.NumberZero));
            Assert.That((good with { Number = 1 }).Check(), Is.EqualTo(BatchHeaderFault.PreviousMismatch));
            Assert.That((good with { Previous = default }).Check(), Is.EqualTo(BatchHeaderFault.PreviousMismatch));
            Assert.That((good with { Number = 1, Previous = default }).Check(), Is.EqualTo(BatchHeaderFault.None));
            Assert.That((good with { Frames = 0 }).Check(), Is.EqualTo(BatchHeaderFault.FrameCountOutOfRange));
            Assert.That((good with { Frames = 65_537 }).Check(), Is.EqualTo(BatchHeaderFault.FrameCountOutOfRange));
            Assert.That((good with { Root = default }).Check(), Is.EqualTo(BatchHeaderFault.HashZero));
            Assert.That((good with { Body = default }).Check(), Is.EqualTo(BatchHeaderFault.HashZero));
            Assert.That((good with { FirstReceivedMs = good.LastReceivedMs + 1 }).Check(), Is.EqualTo(BatchHeaderFault.TimesReversed));
            Assert.That((anchor with { Root = default }).Check(), Is.EqualTo(AnchorHeaderFault.RootZero));
            Assert.That((anchor with { Batches = 0 }).Check(), Is.EqualTo(AnchorHeaderFault.BatchesZero));
            Assert.That((anchor with { Frames = anchor.Batches - 1 }).Check(), Is.EqualTo(AnchorHeaderFault.FrameCountOutOfRange));
            Assert.That((anchor with { Frames = (ulong)anchor.Batches * 65_536 + 1 }).Check(), Is.EqualTo(AnchorHeaderFault.FrameCountOutOfRange));
        });
    }

    [Test]
    public void An_anchor_does_not_depend_on_the_order_of_its_batches()
    {
        BatchHeader[] batches = [.. Enumerable.Range(1, 20).Select(SampleEvidence.Batch)];
        (AnchorHeader anchor, MerkleTree tree) = AnchorHeader.Build(5, Hash32.Zero, batches);
        BatchHeader[] shuffled = [.. batches];
        new Random(1).Shuffle(shuffled);
        Assert.That(AnchorHeader.Build(5, Hash32.Zero, shuffled).Anchor, Is.EqualTo(anchor));
        Assert.That(anchor.Frames, Is.EqualTo((ulong)batches.Sum(batch => batch.Frames)));
        for (int i = 0; i < batches.Length; i++) Assert.That(MerkleTree.Verify(anchor.Root, batches[i].Hash(), tree.Proof(i)), Is.True);
        Assert.That(() => AnchorHeader.Build(5, Hash32.Zero, new[] { batches[0], batches[0] }), Throws.ArgumentException);
        Assert.That(() => AnchorHeader.Build(5, Hash32.Zero, []), Throws.ArgumentException);
    }

    [TestCase(1, 1)]
    [TestCase(2, 2)]
    [TestCase(3, 3)]
    [TestCase(4, 3)]
    [TestCase(5, 4)]
    [TestCase(7, 5)]
    [TestCase(100, 67)]
    public void A_quorum_is_two_thirds_and_one(int gateways, int quorum) => Assert.That(Set(gateways).Quorum, Is.EqualTo(quorum));

    [Test]
    public void Attestations_are_packed_by_index_and_no_more_than_a_quorum()
    {
        GatewaySet set = Set(5);
        Hash32 digest = SampleEvidence.HashOf("digest");
        Attestation[] attestations = [.. new[] { 4, 0, 3, 2, 1 }.Select(n => Attest(n, digest))];
        (BigInteger signers, byte[] signatures) = set.Pack(attestations);
        Assert.That(signers, Is.EqualTo(new BigInteger(0b01111)));
        for (int i = 0; i < 4; i++)
            Assert.That(signatures.AsSpan(64 * i, 64).SequenceEqual(Attest(i, digest).Signature.ToCompactArray()), Is.True);
        Assert.That(signatures, Has.Length.EqualTo(4 * 64));
        Assert.That(set.Pack(attestations[..4]).Signers, Is.EqualTo(new BigInteger(0b11101)));
        Assert.That(() => set.Pack(attestations[..3]), Throws.ArgumentException);
        Assert.That(() => set.Pack([.. attestations[..3], attestations[0]]), Throws.ArgumentException);
        Assert.That(() => set.Pack([.. attestations, Attest(9, digest)]), Throws.ArgumentException);
    }

    [Test]
    public void Leaders_change_with_the_epoch_and_are_the_same_everywhere()
    {
        GatewaySet set = Set(7);
        GatewaySet reversed = new(set.Signers.ToArray().Reverse());
        HashSet<Address> first = [];
        for (ulong epoch = 0; epoch < 200; epoch++)
        {
            Address[] leaders = set.LeadersOf(epoch);
            Assert.That(leaders, Is.EquivalentTo(set.Signers.ToArray()));
            Assert.That(reversed.LeadersOf(epoch), Is.EqualTo(leaders));
            first.Add(leaders[0]);
        }
        Assert.That(first, Has.Count.EqualTo(7), "everyone leads some epoch");
    }

    [Test]
    public void A_set_without_gateways_or_with_one_twice_is_the_callers_mistake()
    {
        Assert.That(() => new GatewaySet([]), Throws.ArgumentException);
        Assert.That(() => new GatewaySet([SampleEvidence.Ledger, SampleEvidence.Ledger]), Throws.ArgumentException);
        Assert.That(() => new GatewaySet([Address.Zero]), Throws.ArgumentException);
    }

    internal static GatewaySet Set(int count) => new(Enumerable.Range(0, count).Select(n =>
    {
        using GatewaySigner signer = SampleEvidence.Gateway(n);
        return signer.Address;
    }));

    internal static Attestation Attest(int gateway, Hash32 digest)
    {
        using GatewaySigner signer = SampleEvidence.Gateway(gateway);
        return Attestation.Sign(signer, digest);
    }
}

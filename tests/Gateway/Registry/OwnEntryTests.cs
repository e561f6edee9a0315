using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Registry;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>Which ledger entries are our own forgotten anchors: the pure decision, and its marks in a real chain.db.</summary>
internal sealed class OwnEntryTests
{
    private static readonly Address Self = new(Enumerable.Repeat((byte)7, 20).ToArray());
    private static readonly Address Other = new(Enumerable.Repeat((byte)8, 20).ToArray());

    [Test]
    public void An_entry_over_the_next_batches_is_ours()
    {
        BatchHeader[] batches = Batches(Self, 5);
        AnchorHeader entry = Entry(3, Hash32.Zero, batches[..3]);
        Assert.That(OwnEntryRules.Judge(entry, batches, isComplete: false), Is.EqualTo(EntryOrigin.Ours));
        Assert.That(OwnEntryRules.Judge(entry, batches[..3], isComplete: false), Is.EqualTo(EntryOrigin.Ours));
    }

    [Test]
    public void Anything_else_is_not()
    {
        BatchHeader[] batches = Batches(Self, 5);
        AnchorHeader entry = Entry(3, Hash32.Zero, batches[..3]);
        Assert.Multiple(() =>
        {
            Assert.That(OwnEntryRules.Judge(Entry(3, Hash32.Zero, Batches(Other, 3)), batches, false), Is.EqualTo(EntryOrigin.NotOurs), "another gateway's");
            Assert.That(OwnEntryRules.Judge(entry, batches[1..], false), Is.EqualTo(EntryOrigin.NotOurs), "it begins with a batch that an entry before has");
            Assert.That(OwnEntryRules.Judge(Entry(3, Hash32.Zero, [batches[0], batches[2]]), batches, false), Is.EqualTo(EntryOrigin.NotOurs), "a batch is left out");
            Assert.That(OwnEntryRules.Judge(entry with { Frames = entry.Frames + 1 }, batches, false), Is.EqualTo(EntryOrigin.NotOurs), "other frames");
            Assert.That(OwnEntryRules.Judge(entry with { Batches = 0 }, batches, false), Is.EqualTo(EntryOrigin.NotOurs));
            Assert.That(OwnEntryRules.Judge(entry with { Batches = uint.MaxValue }, batches, false), Is.EqualTo(EntryOrigin.NotOurs), "more than an anchor of ours has");
        });
    }

    [Test]
    public void An_entry_over_more_batches_than_are_certified_is_decided_when_all_are()
    {
        BatchHeader[] batches = Batches(Self, 5);
        AnchorHeader entry = Entry(3, Hash32.Zero, batches);
        Assert.That(OwnEntryRules.Judge(entry, batches[..4], isComplete: false), Is.EqualTo(EntryOrigin.Undecided));
        Assert.That(OwnEntryRules.Judge(entry, batches[..4], isComplete: true), Is.EqualTo(EntryOrigin.NotOurs));
        Assert.That(OwnEntryRules.Judge(entry, [], isComplete: true), Is.EqualTo(EntryOrigin.NotOurs));
    }

    [Test]
    public void Forgotten_anchors_are_recognised_as_certificates_come_back_and_again_after_a_reorganisation()
    {
        string folder = Directory.CreateTempSubdirectory("depin-").FullName;
        using (ChainDatabase database = ChainDatabase.Open(folder))
        {
            RegistryLog log = new(database);
            CertificateLog certificates = new(database);
            BatchHeader[] batches = Batches(Self, 6);
            AnchorHeader first = Entry(1, Hash32.Zero, batches[..2]);
            AnchorHeader foreign = Entry(2, first.Hash(), Batches(Other, 1));
            AnchorHeader second = Entry(3, foreign.Hash(), batches[2..5]);
            OwnEntries own = new(log, certificates, batchesAtStart: 6);
            own.Match();
            Assert.That(own.AreMatchedUpTo(Hash32.Zero), Is.True, "an empty ledger has nothing of ours");
            Append(log, 0, first);
            Append(log, 1, foreign);
            Append(log, 2, second);
            for (int certified = 0; certified < 6; certified++)
            {
                own.Match();
                Assert.That(own.AreMatchedUpTo(second.Hash()), Is.EqualTo(certified == 5), $"{certified} batches are certified again");
                certificates.Save(batches[certified], []);
            }

            own.Match();
            Assert.That(Ordinals(certificates), Is.EqualTo(new ulong?[] { 0, 0, 2, 2, 2, null }));
            Assert.That(own.Recognised, Is.EqualTo(2));

            log.TakeBack(101);
            own.Match();
            Assert.That(Ordinals(certificates), Is.EqualTo(new ulong?[] { 0, 0, null, null, null, null }));
            Assert.That(own.AreMatchedUpTo(foreign.Hash()), Is.True);
            Append(log, 2, second);
            Assert.That(own.AreMatchedUpTo(second.Hash()), Is.False);
            own.Match();
            Assert.That(own.AreMatchedUpTo(second.Hash()), Is.True);
            Assert.That(Ordinals(certificates), Is.EqualTo(new ulong?[] { 0, 0, 2, 2, 2, null }));

            own = new(log, certificates, batchesAtStart: 6);
            Assert.That(own.AreMatchedUpTo(second.Hash()), Is.False, "a start looks first");
            own.Match();
            Assert.That(own.AreMatchedUpTo(second.Hash()), Is.True);
            Assert.That(own.Recognised, Is.Zero, "the marks are durable");
        }

        Directory.Delete(folder, recursive: true);
    }

    private static BatchHeader[] Batches(Address gateway, int count)
    {
        List<BatchHeader> batches = [];
        for (ulong number = 1; number <= (ulong)count; number++)
        {
            Hash32 made = EthereumCrypto.Keccak256(BitConverter.GetBytes(number));
            batches.Add(new BatchHeader(gateway, number, batches.Count == 0 ? Hash32.Zero : batches[^1].Hash(), made, 2, 4, 1000, 2000, made));
        }

        return [.. batches];
    }

    private static AnchorHeader Entry(ulong epoch, Hash32 previous, BatchHeader[] batches) => AnchorHeader.Build(epoch, previous, [.. batches]).Anchor;

    private static void Append(RegistryLog log, ulong ordinal, AnchorHeader header)
    {
        ulong block = 100 + ordinal;
        Hash32 hash = EthereumCrypto.Keccak256(BitConverter.GetBytes(block));
        log.Apply([new LedgerAppended(block, 0, ordinal, header, hash)], new BlockMark(block, hash, block));
    }

    private static ulong?[] Ordinals(CertificateLog log) => [.. Enumerable.Range(1, 6).Select(n => log.Find((ulong)n)!.Ordinal)];
}

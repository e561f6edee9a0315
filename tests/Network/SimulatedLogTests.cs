using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Simulator;

namespace DePIN.Network.Tests;

/// <summary>The simulated log answers as chain.db does: the same random writes on both, every answer compared, and again after both were opened anew.</summary>
internal sealed class SimulatedLogTests
{
    private const int Authors = 3;
    private const int Numbers = 6;
    private const int Devices = 3;
    private const int Sequences = 12;

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("simulated-log").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Both_logs_give_the_same_answers([Range(1, 12)] int seed)
    {
        Prng random = new((ulong)seed);
        List<object> journal = [];
        SimulatedLog simulated = new((persist, apply) => Both(persist, apply), journal);
        ChainDatabase database = ChainDatabase.Open(_folder);
        NetworkLog real = new(database);
        List<(AnchorHeader Anchor, List<BatchSummary> Contents)> entries = [];
        try
        {
            for (int step = 0; step < 150; step++)
            {
                string what = Write(random, simulated, real, entries);
                Compare(simulated, real, $"seed {seed} step {step}: {what}");
                if (random.Below(40) != 0) continue;
                database.Dispose();
                database = ChainDatabase.Open(_folder);
                real = new NetworkLog(database);
                simulated = new SimulatedLog((persist, apply) => Both(persist, apply), journal);
                Compare(simulated, real, $"seed {seed} step {step}: opened anew");
            }
        }
        finally
        {
            database.Dispose();
        }
    }

    private static void Both(Action persist, Action apply)
    {
        persist();
        apply();
    }

    private static string Write(Prng random, SimulatedLog simulated, NetworkLog real, List<(AnchorHeader Anchor, List<BatchSummary> Contents)> entries)
    {
        switch (random.Below(7))
        {
            case 0 or 1:
                BatchSummary certified = Batch(random);
                IReadOnlyList<Attestation> attestations = Attestations(random);
                return Do($"certificate {certified.Id}", log => log.SaveCertificate(certified, attestations));
            case 2:
                BatchSummary voted = Batch(random);
                IReadOnlyList<Attestation> two = Attestations(random);
                return Do($"vote {voted.Id}", log => log.SaveVote(voted, two));
            case 3 or 4:
                // What the chain takes: pending or unknown batches without a frame that is anchored or in it twice.
                SpanSet taken = new();
                List<BatchSummary> contents = [];
                IEnumerable<BatchSummary> candidates = random.Below(2) == 0 ? real.Pending(100).Select(r => r.Summary) : [Batch(random), Batch(random)];
                foreach (BatchSummary batch in candidates.DistinctBy(b => b.Id).OrderBy(b => b.Id))
                {
                    if (real.IsAnchored(batch.Spans) || taken.Overlaps(batch.Spans) || real.Find(batch.Id) is { State: BatchState.Anchored }) continue;
                    taken.Add(batch.Spans);
                    contents.Add(batch);
                }

                if (contents.Count == 0) return "nothing";
                (AnchorHeader anchor, _) = AnchorHeader.Build((ulong)entries.Count + 1, entries.Count == 0 ? Hash32.Zero : entries[^1].Anchor.Hash(), [.. contents.Select(b => b.Header)]);
                ulong ordinal = real.KnownEntries;
                entries.Add((anchor, contents));
                return Do($"entry {ordinal}", log => log.SaveEntry(ordinal, anchor, contents));
            case 5:
                ulong from = (ulong)random.Below((int)real.KnownEntries + 1);
                entries.RemoveRange((int)from, entries.Count - (int)from);
                return Do($"take back from {from}", log => log.TakeBack(from));
            default:
                AnchorHeader header = new((ulong)random.Range(1, 5), Hash(random.Below(2)), Hash(random.Below(3) + 10), 1, 1);
                AnchorVote vote = new(header, [new AnchorLeaf(new BatchId(Author(0), 1), Hash(7))], Attestations(random)[0], IsOwn: random.Below(2) == 0);
                return Do($"anchor vote {header.Epoch}", log => log.SaveVote(vote));
        }

        string Do(string text, Action<INetworkLog> write)
        {
            Exception? here = Attempt(() => write(simulated)), there = Attempt(() => write(real));
            Assert.That(here?.GetType(), Is.EqualTo(there?.GetType()), text);
            return text;
        }
    }

    private static Exception? Attempt(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (InvalidOperationException refused)
        {
            return refused;
        }
    }

    private static void Compare(INetworkLog left, INetworkLog right, string when)
    {
        Assert.That(left.KnownEntries, Is.EqualTo(right.KnownEntries), when);
        Assert.That(left.Counts(), Is.EqualTo(right.Counts()), when);
        Assert.That(left.Authors(), Is.EqualTo(right.Authors()), when);
        Assert.That(Texts(left.Pending(5)), Is.EqualTo(Texts(right.Pending(5))), when);
        for (int a = 0; a < Authors; a++)
        {
            Assert.That(left.HighestNumber(Author(a)), Is.EqualTo(right.HighestNumber(Author(a))), when);
            Assert.That(left.VoidNumbers(Author(a)), Is.EqualTo(right.VoidNumbers(Author(a))), when);
            Assert.That(Texts(left.PendingOf(Author(a), 3)), Is.EqualTo(Texts(right.PendingOf(Author(a), 3))), when);
            for (ulong n = 1; n <= Numbers; n++)
            {
                BatchRecord?[] both = [left.Find(new BatchId(Author(a), n)), right.Find(new BatchId(Author(a), n))];
                Assert.That(left.Replaced(new BatchId(Author(a), n)), Is.EqualTo(right.Replaced(new BatchId(Author(a), n))), $"{when}: {a}:{n} replaced");
                Assert.That(both[0] is null ? "" : Text(both[0]!), Is.EqualTo(both[1] is null ? "" : Text(both[1]!)), $"{when}: {a}:{n}");
            }
        }

        for (int d = 0; d < Devices; d++)
            for (ulong s = 1; s <= Sequences; s++)
                Assert.That(left.IsAnchored(FrameSpans.From([new Evidence.FrameKey(Device(d), s)])!), Is.EqualTo(right.IsAnchored(FrameSpans.From([new Evidence.FrameKey(Device(d), s)])!)), $"{when}: frame {d}:{s}");
        for (ulong o = 0; o < left.KnownEntries; o++)
        {
            Assert.That(left.EntryHash(o), Is.EqualTo(right.EntryHash(o)), when);
            Assert.That(Texts(left.BatchesIn(o)), Is.EqualTo(Texts(right.BatchesIn(o))), when);
        }

        for (ulong e = 0; e < 6; e++) Assert.That(left.VoteIn(e)?.Header, Is.EqualTo(right.VoteIn(e)?.Header), when);
        for (int h = 0; h < 2; h++) Assert.That(left.VotesOn(Hash(h)).Select(v => v.Header), Is.EqualTo(right.VotesOn(Hash(h)).Select(v => v.Header)), when);
    }

    private static string Texts(IEnumerable<BatchRecord> records) => string.Join('|', records.Select(Text));

    private static string Text(BatchRecord r) => $"{r.Summary.Id} {r.Summary.Hash} {r.State} {r.Ordinal} {string.Join(' ', r.Attestations.Select(a => a.Signature.R))}";

    private static BatchSummary Batch(Prng random)
    {
        int first = random.Range(1, Sequences), device = random.Below(Devices);
        Body body = new([.. Enumerable.Range(first, Math.Min(random.Range(1, 3), Sequences - first + 1)).Select(s => new Frame(Device(device), (ulong)s, 1, true))]);
        ulong number = (ulong)random.Range(1, Numbers);
        return body.ToBatch(Author(random.Below(Authors)), number, number == 1 ? Hash32.Zero : Hash(3), 1, 2);
    }

    private static Attestation[] Attestations(Prng random) =>
        [.. Enumerable.Range(0, random.Range(1, 3)).Select(i => new Attestation(Author(i), new EthereumSignature(Hash(random.Below(200)), Hash(1), 0)))];

    private static Address Author(int i) => new(Enumerable.Repeat((byte)(i + 1), Address.Bytes).ToArray());

    private static Address Device(int i) => new(Enumerable.Repeat((byte)(i + 101), Address.Bytes).ToArray());

    private static Hash32 Hash(int i) => new(Enumerable.Repeat((byte)i, Hash32.Bytes).ToArray());
}

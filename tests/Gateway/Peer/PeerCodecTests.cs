using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>Messages as bytes: every one comes back the same, and no bytes make the reader throw or allocate beyond reason.</summary>
internal sealed class PeerCodecTests
{
    [Test]
    public void Every_message_comes_back_the_same()
    {
        foreach (PeerMessage message in Samples())
        {
            byte[] bytes = PeerCodec.Write(message);
            PeerMessage? read = PeerCodec.TryRead(bytes);
            Assert.That(read, Is.TypeOf(message.GetType()));
            Assert.That(PeerCodec.Write(read!), Is.EqualTo(bytes));
            Assert.That(PeerCodec.TryRead([.. bytes, 0]), Is.Null, "trailing bytes are refused");
            for (int length = 0; length < bytes.Length; length++)
                Assert.That(PeerCodec.TryRead(bytes.AsSpan(0, length)), Is.Null, $"{message.GetType().Name} cut at {length}");
        }

        Assert.That(Samples().Select(m => m.GetType()).Distinct().Count(), Is.EqualTo(typeof(PeerMessage).Assembly.GetTypes().Count(t => t.IsSubclassOf(typeof(PeerMessage)))), "no message is forgotten");
    }

    [Test]
    public void Two_hundred_thousand_mutations_never_throw_and_never_allocate_beyond_their_bytes()
    {
        byte[][] seeds = [.. Samples().Select(PeerCodec.Write)];
        Random random = new(42);
        long worst = 0;
        for (int i = 0; i < 200_000; i++)
        {
            byte[] bytes = [.. seeds[random.Next(seeds.Length)]];
            for (int n = random.Next(1, 5); n > 0; n--)
            {
                int at = random.Next(bytes.Length);
                switch (random.Next(4))
                {
                    case 0: bytes[at] = (byte)random.Next(256); break;
                    case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                    case 2: for (int k = at; k < Math.Min(at + 4, bytes.Length); k++) bytes[k] = 0xff; break;
                    default: bytes = random.Next(2) == 0 && bytes.Length > 1 ? bytes[..random.Next(1, bytes.Length)] : [.. bytes, .. bytes[at..]]; break;
                }
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            PeerMessage? read = PeerCodec.TryRead(bytes);
            worst = Math.Max(worst, GC.GetAllocatedBytesForCurrentThread() - before - 40L * bytes.Length);
            if (read is not null) PeerCodec.Write(read);
        }

        Assert.That(worst, Is.LessThan(64 * 1024), "bytes allocated beyond forty for each byte that came");
    }

    private static List<PeerMessage> Samples()
    {
        using SampleDevice device = new();
        BatchBody body = BatchBody.Encode([device.NextFrame(), device.NextFrame()]);
        using System.Security.Cryptography.RandomNumberGenerator random = System.Security.Cryptography.RandomNumberGenerator.Create();
        using GatewaySigner signer = GatewaySigner.Create(random), second = GatewaySigner.Create(random);
        BatchSummary batch = new(body.ToHeader(signer.Address, 1, Hash32.Zero, 1, 2), body.FramesHash(), FrameSpans.Of(body)!);
        Attestation mine = Attestation.Sign(signer, batch.Hash), theirs = Attestation.Sign(second, batch.Hash);
        Attestation[] both = mine.Gateway < theirs.Gateway ? [mine, theirs] : [theirs, mine];
        CertifiedBatch certified = new(batch, both);
        AnchorHeader anchor = AnchorHeader.Read([.. Enumerable.Range(1, AnchorHeader.Bytes).Select(i => (byte)i)]);
        BatchRun run = new(signer.Address, 1, 9);
        return
        [
            new StatusMessage(1, [run, run with { First = 2 }], 3, 4, 5), new OfferMessage(batch, mine), new AttestedMessage(1, mine), new RefusedMessage(1, Refusal.Disk),
            new CertificatesMessage([certified, certified]), new GetBatchesMessage(run), new GetMineMessage(7), new YoursMessage([certified]),
            new ProposalMessage(anchor, [new AnchorLeaf(batch.Id, batch.Hash)], both), new VoteMessage(anchor, mine), new AnchorRefusedMessage(1, batch.Hash, Refusal.NotNow), new GetProposalMessage(1, batch.Hash),
            new GetEntryMessage(1, batch.Hash, 2), new EntryMessage(1, batch.Hash, 2, 3, [certified]),
            new MisconductMessage(new Misconduct(EvidenceKind.BatchEquivocation, signer.Address, 1, [1, 2], [3], "twice")),
            new PayoutMessage(new DePIN.Contracts.Rewards.Payout(9, batch.Hash, batch.FramesHash, System.Numerics.BigInteger.Pow(2, 200) + 7), mine),
            new GetBodyMessage(batch.FramesHash, 5), new BodyPartMessage(batch.FramesHash, 5, 9, true, new byte[] { 1, 2, 3 }),
        ];
    }
}

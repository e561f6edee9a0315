using DePIN.Evidence;
using DePIN.Gateway.Peer;
using CoreNode = DePIN.Gateway.Tests.Peer.CoreNetwork.Node;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>The protocol between gateways, one situation at a time, on real databases.</summary>
internal sealed class NetworkCoreTests
{
    [Test]
    public void Batches_are_certified_by_all_and_anchored_once([Values(1, 2, 4, 7)] int gateways)
    {
        using CoreNetwork network = new(gateways);
        foreach (CoreNode node in network.Nodes)
        {
            node.Cut(node.Index, 1, 5);
            node.Cut(node.Index, 6, 9);
        }

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 2 * gateways, "every batch is anchored");
        network.Run(10);

        network.AssertOneLedger();
        foreach (CoreNode node in network.Nodes)
        {
            Assert.That(node.Log.Counts(), Is.EqualTo((0L, 0L)));
            Assert.That(network.Nodes.Where(n => n != node).All(n => n.Keeps(node.Own[1])), Is.True, "attesters keep the body");
            Assert.That(node.Blamed, Is.Empty);
            Assert.That(node.Core.State().Waits, Is.Empty);
        }
    }

    [Test]
    public void A_fault_at_any_write_is_a_pause([ValueSource(typeof(FaultyNetworkLog), nameof(FaultyNetworkLog.Steps))] string step, [Values] bool persisted, [Values] bool restarts, [Values(0, 1)] int which)
    {
        using CoreNetwork network = new(4);
        CoreNode victim = network.Nodes[which];
        victim.RestartsOnFault = restarts;
        victim.Faults.Arm(step, after: persisted);
        foreach (CoreNode node in network.Nodes) node.Cut(node.Index, 1, 5);
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 4, "every batch is anchored");
        if (step == "TakeBack")
        {
            network.Run(5);
            network.Ledger.Clear(); // a reorganisation
            network.Until(() => network.Ledger.Sum(a => a.Batches) == 4, "every batch is anchored again");
        }

        if (step == "SaveMisconduct")
        {
            CoreNode thief = network.Nodes[3];
            foreach (CoreNode to in network.Nodes.Take(3))
            {
                BatchSummary batch = thief.Make(2, thief.Own[1].Hash, 30 + to.Index, 1, 3);
                network.Send(thief, to.Signer.Address, new OfferMessage(batch, Attestation.Sign(thief.Signer, batch.Header.Digest(CoreNetwork.Domain))));
                BatchSummary other = thief.Make(2, thief.Own[1].Hash, 40 + to.Index, 1, 3);
                network.Send(thief, to.Signer.Address, new OfferMessage(other, Attestation.Sign(thief.Signer, other.Header.Digest(CoreNetwork.Domain))));
            }
        }

        network.Run(30);
        Assert.That(victim.Faults.IsArmed, Is.False, "the fault happened");
        network.AssertOneLedger();
    }

    [Test]
    public void The_next_in_order_anchors_when_the_leader_is_away([Values(1, 2)] int away)
    {
        using CoreNetwork network = new(7);
        network.Run(2);
        network.NextEpoch(); // in the epoch of its start a gateway signs no anchor
        network.Run(2);
        CoreNode[] leaders = [.. Enumerable.Range(0, away).Select(network.Leader)];
        foreach (CoreNode leader in leaders) leader.Stop();
        ulong epoch = network.Epoch;
        CoreNode author = network.Nodes.First(n => n.IsUp);
        author.Cut(1, 1, 5);

        network.Until(() => network.Ledger.Count == 1, "anchored");

        Assert.That(network.Ledger[0].Epoch, Is.EqualTo(epoch), "in the same epoch");
        foreach (CoreNode leader in leaders) leader.Start();
        network.Run(20);
        network.AssertOneLedger();
    }

    [Test]
    public void A_leader_killed_between_proposing_and_submitting_leaves_an_anchor_that_others_finish()
    {
        using CoreNetwork network = new(4);
        network.Run(2);
        network.NextEpoch(); // in the epoch of its start a gateway signs no anchor
        CoreNode leader = network.Leader();
        network.Nodes[0].Cut(1, 1, 5);
        network.Run(5, submits: false);
        Assert.That(leader.Core.ToSubmit(), Is.Not.Null);
        Hash32 proposed = leader.Core.ToSubmit()!.Header.Hash();
        leader.Stop();

        network.Until(() => network.Ledger.Count == 1, "anchored");

        Assert.That(network.Ledger[0].Hash(), Is.EqualTo(proposed));
        leader.Restart();
        network.Run(10);
        network.AssertOneLedger();
    }

    [Test]
    public void A_gateway_that_lost_its_records_and_sees_an_old_block_does_not_sign_a_second_anchor()
    {
        using CoreNetwork network = new(4);
        network.Run(2);
        network.NextEpoch();
        CoreNode leader = network.Leader();
        CoreNode[] others = [.. network.Nodes.Where(n => n != leader)];
        others[0].Cut(1, 1, 5);
        network.Run(5, submits: false);
        Assert.That(leader.Core.ToSubmit(), Is.Not.Null, "it signed");
        others[1].Cut(2, 1, 5); // what it would propose now is another anchor

        leader.BehindS = CoreNetwork.EpochSeconds; // its endpoint still is in the epoch before
        leader.LoseDisk();
        network.Run(2, submits: false);
        leader.BehindS = 0;
        network.Run(20, submits: false);

        Assert.That(network.Nodes.SelectMany(n => n.Log.Misconducts(10)), Is.Empty, "the peers told which epoch it is");
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 2, "both are anchored");
        network.AssertOneLedger();
    }

    [Test]
    public void Without_a_quorum_nothing_is_anchored_and_with_one_again_everything()
    {
        using CoreNetwork network = new(4);
        network.Run(2);
        network.Passes = (a, b) => a.Index / 2 == b.Index / 2;
        foreach (CoreNode node in network.Nodes) node.Cut(node.Index, 1, 5);
        network.Run(300);
        Assert.That(network.Ledger, Is.Empty);
        Assert.That(network.Nodes[0].Core.State().Waits, Does.Contain("batch 1 has 2 of 3 attestations"));

        network.Passes = (_, _) => true;

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 4, "every batch is anchored");
        network.AssertOneLedger();
    }

    [Test]
    public void A_frame_heard_by_two_gateways_is_anchored_once_and_the_rest_is_cut_again()
    {
        using CoreNetwork network = new(4);
        CoreNode a = network.Nodes[0], b = network.Nodes[1];
        a.Cut(1, 1, 5);
        b.Cut(1, 5, 9); // frame 5 went to both
        network.Until(() => network.Ledger.Count == 1, "anchored");
        network.Run(10);
        (CoreNode first, CoreNode second) = a.StateOf(a.Id(1)) == BatchState.Anchored ? (a, b) : (b, a);

        Assert.That(network.Nodes.Select(n => n.StateOf(second.Id(1))), Is.All.EqualTo(BatchState.Void), "all agree");
        Assert.That(second.Recuts, Is.EqualTo(new[] { 1UL }));
        second.Cut(1, second == b ? 6UL : 1UL, second == b ? 9UL : 4UL);
        network.Until(() => network.Ledger.Count == 2, "what is left is anchored");
        Assert.That(network.Ledger.Sum(x => (long)x.Frames), Is.EqualTo(9));
        network.AssertOneLedger();
        Assert.That(first.Recuts, Is.Empty);
    }

    [Test]
    public void Two_batches_under_one_number_are_evidence_everywhere()
    {
        using CoreNetwork network = new(4);
        network.Run(2);
        CoreNode thief = network.Nodes[3];
        for (int i = 0; i < 3; i++)
        {
            BatchSummary batch = thief.Make(1, Hash32.Zero, 10 + (i == 0 ? 0 : 1), 1, 3);
            network.Send(thief, network.Nodes[i].Signer.Address, new OfferMessage(batch, Attestation.Sign(thief.Signer, batch.Header.Digest(CoreNetwork.Domain))));
        }

        BatchSummary other = thief.Make(1, Hash32.Zero, 11, 1, 3);
        network.Deliver();
        network.Send(thief, network.Nodes[0].Signer.Address, new OfferMessage(other, Attestation.Sign(thief.Signer, other.Header.Digest(CoreNetwork.Domain))));
        network.Deliver();

        foreach (CoreNode node in network.Nodes)
            Assert.That(node.Log.Misconducts(10).Select(m => (m.Kind, m.Accused, m.Height)), Is.EqualTo(new[] { (EvidenceKind.BatchEquivocation, thief.Signer.Address, 1UL) }));
        Assert.That(network.Nodes[0].Blamed, Has.Some.Contains("two batches"));
    }

    [Test]
    public void Two_anchors_in_one_epoch_are_evidence_and_at_most_one_is_taken()
    {
        using CoreNetwork network = new(4);
        network.Nodes[0].Cut(1, 1, 5);
        network.Nodes[1].Cut(2, 1, 5);
        network.Until(() => network.Nodes.All(n => n.Log.Counts().Pending > 0 || n.Log.KnownEntries > 0), "certified");
        network.NextEpoch();
        CoreNode thief = network.Leader();
        BatchRecord[] batches = [.. thief.Log.Pending(10)];
        if (batches.Length < 2) Assert.Inconclusive("the first epoch anchored them before the test could act");
        List<AnchorHeader> made = [];
        foreach ((BatchRecord batch, int i) in batches.Select((b, i) => (b, i)))
        {
            BatchHeader[] one = [batch.Summary.Header];
            AnchorHeader anchor = AnchorHeader.Build(network.Epoch, network.Ledger.Count == 0 ? Hash32.Zero : network.Ledger[^1].Hash(), one).Anchor;
            made.Add(anchor);
            foreach (CoreNode to in network.Nodes.Where(n => n != thief && n.Index % 2 == i))
                network.Send(thief, to.Signer.Address, new ProposalMessage(anchor, [new AnchorLeaf(batch.Summary.Id, batch.Summary.Hash)], [Attestation.Sign(thief.Signer, anchor.Digest(CoreNetwork.Domain))]));
        }

        network.Deliver();
        thief.Stop();
        network.Run(60);

        Assert.That(network.Nodes.Where(n => n != thief).SelectMany(n => n.Log.Misconducts(10)).Select(m => m.Kind), Has.Some.EqualTo(EvidenceKind.AnchorEquivocation));
        Assert.That(network.Ledger.Count(made.Contains), Is.LessThanOrEqualTo(1));
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 2, "both are anchored in the end");
        network.AssertOneLedger();
    }

    [Test]
    public void A_batch_with_a_bad_frame_is_refused_by_all_and_its_author_accused()
    {
        using CoreNetwork network = new(4);
        CoreNode liar = network.Nodes[2];
        liar.BadBodies.Add(liar.Cut(1, 1, 5).Hash);
        network.Nodes[0].Cut(2, 1, 5);
        network.Until(() => network.Ledger.Count == 1, "the honest one's batch is anchored");
        network.Run(60);

        Assert.That(liar.StateOf(liar.Id(1)), Is.EqualTo(BatchState.Voted), "no certificate");
        foreach (CoreNode node in network.Nodes.Where(n => n != liar))
            Assert.That(node.Log.Misconducts(10).Select(m => (m.Kind, m.Accused)), Is.EqualTo(new[] { (EvidenceKind.BadBatch, liar.Signer.Address) }));
        Assert.That(liar.Core.State().Offer!.Refusals.Select(r => r.Reason), Is.All.EqualTo(Refusal.BadFrame));
    }

    [Test]
    public void A_withheld_body_gets_no_attestation()
    {
        using CoreNetwork network = new(4);
        network.Nodes[1].WithholdsBodies = true;
        network.Nodes[1].Cut(1, 1, 5);
        network.Run(120);
        Assert.That(network.Ledger, Is.Empty);

        network.Nodes[1].WithholdsBodies = false;

        network.Until(() => network.Ledger.Count == 1, "given after all");
        network.AssertOneLedger();
    }

    [Test]
    public void A_gateway_that_lost_its_disk_gets_its_batches_back_before_it_signs()
    {
        using CoreNetwork network = new(4);
        CoreNode victim = network.Nodes[1];
        for (int i = 0; i < 5; i++)
        {
            victim.Cut(1, (ulong)(i * 10 + 1), (ulong)(i * 10 + 5));
            network.Run(30);
        }

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 5, "anchored");
        network.Passes = (a, b) => a != victim && b != victim;
        victim.Cut(1, 60, 65);
        network.Run(20); // offered to nobody: lost with the disk, and nobody can know
        victim.LoseDisk();
        Assert.That(victim.Core.IsRestoring, Is.True);
        network.Run(60);
        Assert.That(victim.Core.IsRestoring, Is.True, "nobody answers: no frame may be taken, nothing signed");
        network.Passes = (_, _) => true;
        victim.Restart();

        network.Until(() => victim.Own.Count == 5 && !victim.Core.IsRestoring, "the batches are back");
        victim.Cut(1, 70, 75);
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 6, "the next one is anchored");
        network.AssertOneLedger();
        Assert.That(network.Nodes.SelectMany(n => n.Log.Misconducts(10)), Is.Empty, "no number was signed twice");
    }

    [Test]
    public void Own_batches_that_the_first_peer_to_answer_never_had_come_back_from_the_others()
    {
        using CoreNetwork network = new(5);
        (CoreNode victim, CoreNode late) = (network.Nodes[1], network.Nodes[4]);
        CutWithout(network, victim, late);
        network.Passes = (a, b) => (a != victim && b != victim) || a == late || b == late;
        victim.LoseDisk();
        network.Until(() => victim.Own.ContainsKey(4), "the late one gave what it has");
        Assert.That(victim.Own.Keys, Is.EqualTo(new[] { 4UL }), "and no more");
        network.Passes = (_, _) => true;

        network.Until(() => victim.Own.Count == 4 && !victim.Core.IsRestoring, "the holes are filled by the others");
        late.FollowsChain = true;
        victim.Cut(1, 70, 75);
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 5, "it goes on");
        network.AssertOneLedger();
        Assert.That(network.Nodes.SelectMany(n => n.Log.Misconducts(10)), Is.Empty, "no number was signed twice");
    }

    [Test]
    public void An_anchored_own_batch_whose_body_nobody_has_does_not_hold_the_others_up()
    {
        using CoreNetwork network = new(4);
        CoreNode victim = network.Nodes[1];
        for (int i = 0; i < 3; i++)
        {
            victim.Cut(1, (ulong)(i * 10 + 1), (ulong)(i * 10 + 5));
            network.Run(30);
        }

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 3, "anchored");
        foreach (CoreNode node in network.Nodes) node.Forget(victim.Own[2]);
        victim.LoseDisk();

        network.Until(() => victim.Own.Count == 2 && !victim.Core.IsRestoring, "what there is came back");
        Assert.That(victim.Own.Keys, Is.EqualTo(new[] { 1UL, 3UL }), "batch 2 is proven by the ledger, its frames are nowhere");
        victim.Cut(1, 70, 75);
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 4, "it goes on");
    }

    /// <summary>Three batches are anchored while one gateway is cut off; it only learns the fourth.</summary>
    private static void CutWithout(CoreNetwork network, CoreNode author, CoreNode late)
    {
        network.Passes = (a, b) => a != late && b != late;
        for (int i = 0; i < 3; i++)
        {
            author.Cut(1, (ulong)(i * 10 + 1), (ulong)(i * 10 + 5));
            network.Run(30);
        }

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 3, "three are anchored");
        late.FollowsChain = false;
        author.Cut(1, 40, 45);
        network.Until(() => author.StateOf(author.Id(4)) == BatchState.Certified, "the fourth is certified");
        network.Passes = (_, _) => true;
        network.Until(() => late.StateOf(author.Id(4)) is not null, "the late one has it");
        Assert.That(late.StateOf(author.Id(2)), Is.Null);
    }

    [Test]
    public void A_newcomer_learns_the_ledger_from_peers_and_takes_part()
    {
        using CoreNetwork network = new(5, active: 4);
        CoreNode newcomer = network.Nodes[4];
        newcomer.Stop();
        for (int i = 0; i < 6; i++)
        {
            foreach (CoreNode node in network.Nodes.Take(4)) node.Cut(node.Index, (ulong)(i * 10 + 1), (ulong)(i * 10 + 3));
            network.Run(90);
        }

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 24, "anchored");
        network.SetActive(Enumerable.Range(0, 5));
        newcomer.Start();
        newcomer.Cut(9, 1, 5);

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 25, "the newcomer's batch is anchored");
        network.Run(10);
        network.AssertOneLedger();
        for (int i = 0; i < 2; i++) network.Nodes[i].Stop();
        network.SetActive(Enumerable.Range(2, 3));
        network.Nodes[2].Cut(2, 900, 905);
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 26, "three with the newcomer are a quorum");
    }

    [Test]
    public void A_reorganisation_takes_back_and_everything_is_anchored_again()
    {
        using CoreNetwork network = new(4);
        for (int i = 0; i < 4; i++)
        {
            network.Nodes[i].Cut(i, 1, 5);
            network.Run(70);
        }

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 4, "anchored");
        network.Ledger.RemoveRange(1, network.Ledger.Count - 1);

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 4, "anchored again");
        network.Run(10);
        network.AssertOneLedger();
    }

    [Test]
    public void Above_sixteen_gateways_a_committee_attests()
    {
        using CoreNetwork network = new(20);
        foreach (CoreNode node in network.Nodes.Take(3)) node.Cut(node.Index, 1, 5);
        network.Until(() => network.Ledger.Sum(a => a.Batches) == 3, "anchored");
        network.Run(10);
        network.AssertOneLedger();
        int keepers = network.Nodes.Count(n => n.Keeps(network.Nodes[0].Own[1]));
        Assert.That(keepers, Is.InRange(10, 15), "the committee but not the network keeps the body");
    }

    [Test]
    public void A_change_of_the_network_renews_certificates_that_no_longer_hold()
    {
        using CoreNetwork network = new(7, active: 4);
        foreach (CoreNode extra in network.Nodes.Skip(4)) extra.Stop();
        network.Run(2);
        CoreNode author = network.Nodes[0];
        foreach (CoreNode node in network.Nodes.Take(4)) node.FollowsChain = true;
        author.Cut(1, 1, 5);
        network.Run(1, submits: false);
        network.SetActive(Enumerable.Range(0, 7)); // quorum 5: the certificate has at most 4
        foreach (CoreNode extra in network.Nodes.Skip(4)) extra.Start();

        network.Until(() => network.Ledger.Sum(a => a.Batches) == 1, "anchored under the new network");
        network.Run(10);
        network.AssertOneLedger();
    }

    [Test]
    public void Garbage_is_blamed_and_changes_nothing()
    {
        using CoreNetwork network = new(4);
        network.Run(2);
        CoreNode bad = network.Nodes[3], good = network.Nodes[0];
        BatchSummary sound = bad.Make(1, Hash32.Zero, 1, 1, 3);
        Attestation signature = Attestation.Sign(bad.Signer, sound.Header.Digest(CoreNetwork.Domain)), forged = new(network.Nodes[1].Signer.Address, signature.Signature);
        AnchorHeader anchor = new(network.Epoch, Hash32.Zero, sound.Hash, 1, 3);
        PeerMessage[] garbage =
        [
            new OfferMessage(sound with { FramesHash = Hash32.Zero }, signature),
            new OfferMessage(sound, forged),
            new OfferMessage(network.Nodes[1].Make(1, Hash32.Zero, 1, 1, 3), signature),
            new CertificatesMessage([new CertifiedBatch(sound, [.. new[] { signature, forged }.OrderBy(a => a.Gateway)])]),
            new ProposalMessage(anchor with { Batches = 2, Frames = 6 }, [new AnchorLeaf(sound.Id, sound.Hash)], [Attestation.Sign(bad.Signer, anchor.Digest(CoreNetwork.Domain))]),
            new VoteMessage(anchor, signature),
            new MisconductMessage(new Misconduct(EvidenceKind.BatchEquivocation, good.Signer.Address, 1, [], [], "made up")),
            new YoursMessage([new CertifiedBatch(sound, [signature])]),
            new EntryMessage(0, Hash32.Zero, 0, 1, [new CertifiedBatch(sound, [signature])]),
            new AttestedMessage(1, signature),
            new GetMineMessage(ulong.MaxValue), new GetBatchesMessage(new BatchRun(good.Signer.Address, 0, ulong.MaxValue)), new GetEntryMessage(ulong.MaxValue, Hash32.Zero, 0),
            new StatusMessage(ulong.MaxValue, [new BatchRun(good.Signer.Address, 1, ulong.MaxValue), new BatchRun(bad.Signer.Address, 0, ulong.MaxValue)], ulong.MaxValue, 0, 0),
        ];
        foreach (PeerMessage message in garbage)
        {
            network.Send(bad, good.Signer.Address, message);
            network.Deliver();
        }

        Assert.That(good.Blamed, Has.Count.GreaterThanOrEqualTo(7));
        Assert.That(good.Log.Misconducts(10).Where(m => m.Accused == good.Signer.Address), Is.Empty);
        good.Cut(2, 1, 5);
        network.Until(() => network.Ledger.Sum(a => a.Batches) >= 1, "work goes on");
        network.AssertOneLedger();
    }
}

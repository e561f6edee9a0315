using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Update;

/// <summary>A fleet of 200 scripted nodes through stages, under a clock that the test moves, on a real database.</summary>
internal sealed class RolloutTests
{
    [Test]
    public void Two_hundred_nodes_go_through_the_stages_in_the_order_of_the_hash()
    {
        using Fleet fleet = new(200);
        fleet.Minute();
        Rollout started = fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan());
        DeviceIdValue[] order = [.. fleet.Nodes.Keys.OrderBy(d => RolloutCore.Rank(started.Id, d), Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)))];
        List<int> sizes = [];
        foreach (int size in (int[])[3, 20, 100, 200])
        {
            fleet.MinutesUntil(() => fleet.Members.Count == size, $"{size} members");
            sizes.Add(fleet.Members.Count);
            Assert.That(fleet.Members.Select(m => m.Device), Is.EquivalentTo(order[..size]), $"the first {size} of the order");
            Assert.That(fleet.Offers, Is.LessThanOrEqualTo(size), "nobody else is offered anything");
            int minutes = fleet.MinutesUntil(() => fleet.Newest.Stage == sizes.Count || fleet.Newest.State == RolloutState.Complete, "the next stage");
            Assert.That(minutes, Is.GreaterThanOrEqualTo(10), "the soak of 600 s counts from the confirmations");
        }

        Assert.That(fleet.Newest.State, Is.EqualTo(RolloutState.Complete));
        Assert.That(fleet.Nodes.Values.Select(n => n.Running), Is.All.EqualTo(2u));
        Assert.That(fleet.Offers, Is.Zero, "what runs is not offered");
        Assert.That(fleet.Nodes.Values.Max(n => n.Manifests), Is.LessThanOrEqualTo(2), "an offer is published once, and its end");

        ScriptedNode late = fleet.Add();
        fleet.MinutesUntil(() => late.Running == 2, "a device that comes when all is done is updated too");
    }

    [Test]
    public void Failures_beyond_the_limit_halt_it_and_withdraw_every_offer()
    {
        using Fleet fleet = new(200);
        foreach (ScriptedNode node in fleet.Nodes.Values) node.GoesBack = true;
        fleet.Minute();
        Rollout rollout = fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("10,100%", failed: "2"));
        fleet.MinutesUntil(() => fleet.Newest.State == RolloutState.Halted, "the halt");
        Assert.That(fleet.Newest.Reason, Does.Contain("of 10 devices failed, 2 may"));
        Assert.That(fleet.Offers, Is.Zero);
        Assert.That(fleet.Members, Has.Count.EqualTo(10), "190 devices never heard of it");
        Assert.That(fleet.Health.Find("update")!.State, Is.EqualTo(PartState.Degraded));
        fleet.Minutes(30);
        Assert.That(fleet.Count(MemberState.Failed), Is.EqualTo(10), "nodes that are idle again have failed all the same");
        Assert.That(fleet.Newest.State, Is.EqualTo(RolloutState.Halted), "time mends nothing");

        Assert.That(() => fleet.Stage.Command(rollout.Id, "pause"), Throws.TypeOf<UpdateRefusedException>());
        fleet.Stage.Command(rollout.Id, "resume");
        Assert.That(fleet.Newest.Forgiven, Is.EqualTo(10));
        fleet.Minutes(5);
        Assert.That(fleet.Newest.State, Is.EqualTo(RolloutState.Running), "what a person has seen does not halt it again");

        fleet.Stage.Command(rollout.Id, "abort");
        Assert.That(fleet.Newest.State, Is.EqualTo(RolloutState.Aborted));
        Assert.That(() => fleet.Stage.Command(rollout.Id, "resume"), Throws.TypeOf<UpdateRefusedException>());
    }

    [Test]
    public void A_node_that_dies_of_it_counts_as_failed_after_its_time()
    {
        using Fleet fleet = new(20);
        foreach (ScriptedNode node in fleet.Nodes.Values) node.Dies = true;
        fleet.Minute();
        fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("1,100%", failed: "0"));
        int minutes = fleet.MinutesUntil(() => fleet.Newest.State == RolloutState.Halted, "the halt");
        Assert.That(minutes, Is.InRange(60, 66), "lostS");
        Assert.That(fleet.Members.Single().Reason, Does.Contain("not heard"));
        Assert.That(fleet.Nodes.Values.Count(n => n.IsAway), Is.EqualTo(1), "one node was lost, not twenty");
    }

    [Test]
    public void A_pause_offers_nothing_new_and_an_abort_takes_every_offer_back()
    {
        using Fleet fleet = new(200);
        fleet.Minute();
        Rollout rollout = fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("50,100%"));
        fleet.Stage.Command(rollout.Id, "pause");
        fleet.MinutesUntil(() => fleet.Count(MemberState.Confirmed) == 50, "those who have it on offer go on");
        fleet.Minutes(60);
        Assert.That(fleet.Members, Has.Count.EqualTo(50));
        fleet.Stage.Command(rollout.Id, "resume");
        fleet.MinutesUntil(() => fleet.Offers > 100, "the next stage");
        fleet.Stage.Command(rollout.Id, "abort");
        Assert.That(fleet.Offers, Is.Zero);
        fleet.Minutes(60);
        Assert.That(fleet.Nodes.Values.Count(n => n.Running == 2), Is.EqualTo(50));
    }

    [Test]
    public void Killed_at_any_minute_it_goes_on_as_if_nothing_had_been()
    {
        using Fleet calm = new(200), killed = new(200);
        Random random = new(7);
        int kills = 0;
        calm.Minute();
        killed.Minute();
        calm.Stage.Start(calm.Operators.Pack(2).Content, Fleet.Plan());
        Rollout rollout = killed.Stage.Start(killed.Operators.Pack(2).Content, Fleet.Plan());
        int minutes = calm.MinutesUntil(() => calm.Newest.State == RolloutState.Complete, "the end");
        int disturbed = killed.MinutesUntil(
            () =>
            {
                if (random.Next(3) == 0)
                {
                    killed.Kill();
                    kills++;
                }

                return killed.Newest.State == RolloutState.Complete;
            },
            "the end");
        Assert.That(kills, Is.GreaterThan(10));
        Assert.That(disturbed, Is.InRange(minutes - 2, minutes + 2), "no stage is skipped, no soak begun again");
        Assert.That(killed.Newest.Id, Is.EqualTo(rollout.Id));
        Assert.That(killed.Nodes.Values.Select(n => n.Running), Is.All.EqualTo(2u));
    }

    [Test]
    public void A_turn_that_fails_unwritten_offers_nothing_and_is_made_up_for()
    {
        using Fleet fleet = new(30);
        fleet.Minute();
        fleet.Log.Fails = true;
        Assert.That(() => fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("3,100%")), Throws.TypeOf<IOException>());
        Assert.That(fleet.Offers, Is.Zero, "what is not written is not offered");
        Assert.That(fleet.Stage.Read((core, _) => core.Rollouts), Is.Empty);
        fleet.Log.Fails = false;
        fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("3,100%", soakS: 0));
        Assert.That(fleet.Offers, Is.EqualTo(3));

        fleet.Log.Fails = true;
        fleet.Minutes(5);
        Assert.That(fleet.Health.Find("update")!.State, Is.EqualTo(PartState.Degraded));
        Assert.That(fleet.Count(MemberState.Confirmed), Is.Zero, "what nodes say meanwhile waits");
        fleet.Log.Fails = false;
        fleet.MinutesUntil(() => fleet.Newest.State == RolloutState.Complete, "the end");
    }

    [Test]
    public void A_turn_that_fails_written_counts_once()
    {
        using Fleet fleet = new(30);
        fleet.Minute();
        (fleet.Log.Fails, fleet.Log.ButPersists) = (true, true);
        Assert.That(() => fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("3,100%", soakS: 0)), Throws.TypeOf<IOException>());
        fleet.Log.Fails = false;
        Assert.That(() => fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("3,100%")), Throws.TypeOf<UpdateRefusedException>().With.Message.Contains("is running"), "it was written");
        Assert.That(fleet.Offers, Is.EqualTo(3));
        for (int i = 0; i < 20; i++)
        {
            fleet.Log.Fails = i % 2 == 0;
            fleet.Minute();
        }

        fleet.Log.Fails = false;
        fleet.MinutesUntil(() => fleet.Newest.State == RolloutState.Complete, "the end");
        Assert.That(fleet.Members, Has.Count.EqualTo(30));
    }

    [Test]
    public void Another_board_is_left_out_and_listed_and_so_is_who_finds_out_itself()
    {
        using Fleet fleet = new(40);
        ScriptedNode[] nodes = [.. fleet.Nodes.Values];
        nodes[0].Board = "esp32-c3-devkitm-1";
        nodes[1].Board = ""; // an older node that does not tell it
        nodes[2].Running = 9;
        fleet.Minute();
        fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("100%", confirmed: "100%", soakS: 0));
        Assert.That(nodes[1].Offer, Is.Not.Null);
        nodes[1].Say(UpdateStates.Refused, UpdateErrors.WrongBoard);
        nodes[1].IsAway = true;
        fleet.MinutesUntil(() => fleet.Newest.State == RolloutState.Complete, "the end: who cannot take it holds nobody up");
        Assert.That(nodes[0].Manifests + nodes[2].Manifests, Is.Zero);
        string[] listed = fleet.Stage.Read((core, _) => core.LeftOut(core.Rollouts[0]).Select(l => $"{l.Device} {l.Reason}").ToArray());
        Assert.That(listed, Does.Contain($"{nodes[0].Id} board esp32-c3-devkitm-1").And.Contain($"{nodes[1].Id} wrong-board").And.Contain($"{nodes[2].Id} runs release 9"));

        Rollout other = fleet.Stage.Start(fleet.Operators.Pack(2, board: "esp32-c3-devkitm-1").Content, Fleet.Plan("100%"));
        Assert.That(nodes[0].Offer!.Board, Is.EqualTo("esp32-c3-devkitm-1"), "each board has a roll-out of its own");
        Assert.That(other.State, Is.EqualTo(RolloutState.Running));
    }

    [Test]
    public void A_liar_counts_for_itself_alone()
    {
        using Fleet fleet = new(100);
        fleet.Minute();
        fleet.Stage.Start(fleet.Operators.Pack(2).Content, Fleet.Plan("10,100%", confirmed: "100%", soakS: 0));
        ScriptedNode[] members = [.. fleet.Members.Select(m => fleet.Nodes[m.Device])];
        foreach (ScriptedNode node in fleet.Nodes.Values) node.IsAway = true;
        // An outsider that confirms what it was not offered adds nothing to the stage.
        ScriptedNode outsider = fleet.Nodes.Values.First(n => !members.Contains(n));
        outsider.Say(UpdateStates.Confirmed, running: 2, offered: 2);
        // Confirmed while another release runs; failed under another manifest's name: said, and without effect.
        members[0].Say(UpdateStates.Confirmed, running: 1);
        members[1].OfferHash = new byte[32];
        members[1].Say(UpdateStates.RolledBack, UpdateErrors.NotHealthy);
        // States and errors of no version.
        members[2].Say(200, 201);
        fleet.Stage.Turn();
        Assert.That(fleet.Count(MemberState.Confirmed), Is.Zero);
        Assert.That(fleet.Count(MemberState.Failed), Is.Zero);
        Assert.That(fleet.Newest.Stage, Is.Zero);

        // One that confirms and takes it back has failed.
        members[3].Say(UpdateStates.Confirmed, running: 2);
        fleet.Stage.Turn();
        members[3].Say(UpdateStates.Idle, running: 1);
        fleet.Stage.Turn();
        Assert.That(fleet.Members.Single(m => m.Device == members[3].Id).State, Is.EqualTo(MemberState.Failed));
        Assert.That(fleet.Newest.State, Is.EqualTo(RolloutState.Halted), "5% of 10 is none");
    }

    [Test]
    public void Words_of_strangers_and_no_words_at_all_are_counted_and_kept_out()
    {
        using Fleet fleet = new(3);
        byte[] state = new byte[UpdateState.BytesMax];
        int count = UpdateState.Write(1, 0, null, UpdateStates.Idle, 0, 0, 0, "1", state, 0);
        fleet.Stage.State(new byte[20], state.AsSpan(0, count));
        Random random = new(3);
        for (int i = 0; i < 1_000; i++)
        {
            byte[] noise = new byte[random.Next(200)];
            random.NextBytes(noise);
            fleet.Stage.State(fleet.Nodes.Keys.First().ToArray(), noise);
        }

        fleet.Stage.Turn();
        Assert.That(fleet.Metrics.Refused(UpdateRefusal.UnknownDevice), Is.EqualTo(1));
        Assert.That(fleet.Metrics.Refused(UpdateRefusal.Malformed), Is.GreaterThan(990));
        Assert.That(fleet.Stage.Read((core, _) => core.Reports.Count), Is.LessThanOrEqualTo(1));
    }

    [Test]
    public void Releases_only_grow()
    {
        using Fleet fleet = new(3);
        fleet.Minute();
        Rollout first = fleet.Stage.Start(fleet.Operators.Pack(5).Content, Fleet.Plan("100%"));
        Assert.That(() => fleet.Stage.Start(fleet.Operators.Pack(6).Content, Fleet.Plan()), Throws.TypeOf<UpdateRefusedException>().With.Message.Contains("abort"));
        fleet.Stage.Command(first.Id, "abort");
        Assert.That(() => fleet.Stage.Start(fleet.Operators.Pack(4).Content, Fleet.Plan()), Throws.TypeOf<UpdateRefusedException>().With.Message.Contains("release 6 or higher"));
        Assert.That(() => fleet.Stage.Start(fleet.Operators.Pack(5, seed: 2).Content, Fleet.Plan()), Throws.TypeOf<UpdateRefusedException>().With.Message.Contains("another package"));
        Assert.That(fleet.Stage.Start(fleet.Operators.Pack(6).Content, Fleet.Plan()).State, Is.EqualTo(RolloutState.Running));
    }

    [Test]
    public void A_clock_that_goes_back_does_not_make_a_soak_longer()
    {
        using Fleet fleet = new(3);
        RolloutCore core = new(new RolloutContent([], [], []));
        DeviceReport Said(byte state, uint running) => new(fleet.Nodes.Keys.First(), 5_000_000, running, 2, 0, state, 0, 0, 0, "1", "");
        core.Report(Said(UpdateStates.Idle, 1));
        core.Start(fleet.Operators.Pack(2), Fleet.Plan("1,100%", soakS: 100), "0000000000000001", 5_000_000, out _);
        core.Step(5_000_000);
        core.Report(Said(UpdateStates.Confirmed, 2));
        core.Step(5_000_000);
        core.Step(1_000_000); // the time service corrected it
        core.Step(1_000_000 + 99_000);
        Assert.That(core.Rollouts[0].Stage, Is.Zero);
        core.Step(1_000_000 + 100_000);
        Assert.That(core.Rollouts[0].Stage, Is.EqualTo(1));
    }

    [TestCase("3,10%,50%,100%", "")]
    [TestCase("", "neither a number")]
    [TestCase("0", "neither a number")]
    [TestCase("101%", "neither a number")]
    [TestCase("5,3", "stages grow")]
    [TestCase("10%,5", "numbers come first")]
    [TestCase("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16")]
    public void Stages_are_read_strictly(string text, string fault)
    {
        Assert.That(RolloutPlan.ParseStages(text, out string said), fault.Length == 0 ? Is.Not.Null : Is.Null);
        Assert.That(said, Does.Contain(fault));
    }
}

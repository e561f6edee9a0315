using System.Numerics;
using System.Text.Json.Nodes;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Registry;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Reward;

/// <summary>Four gateways' reward stages on a real chain: one transaction for all, restarts, one that computes something else, a wrong root on the chain, an endpoint that lies.</summary>
[TestFixture]
public sealed class RewardStageTests
{
    private const int Gateways = 4;
    private const string EscrowS = "escrow";
    private static readonly TimeSpan Epoch = TimeSpan.FromSeconds(60);

    private readonly RewardSide?[] _sides = new RewardSide?[Gateways];
    private readonly List<(AnchorHeader Header, BatchSummary Batch)> _anchors = [];
    private TempFolder _folder = null!;
    private AnvilNode _node = null!;
    private LocalNetwork _network = null!;
    private SampleDevice _device = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _anchors.Clear();
        _node = await AnvilNode.StartAsync(new AnvilOptions { FirstTimestamp = 1_800_000_005 });
        int escrowS = TestContext.CurrentContext.Test.Properties.Get(EscrowS) as int? ?? 1;
        _network = await LocalNetwork.DeployAsync(_node, Gateways, plan: NetworkPlan.Default.With(Parameter.EscrowSeconds, escrowS));
        foreach (GatewaySigner key in _network.GatewayKeys) await _node.CallAsync("anvil_setBalance", new JsonArray(key.Address.ToString(), "0xde0b6b3a7640000"));
        _device = new SampleDevice();
        await _network.RegisterAsync(_device, _network.Sender.Account);
    }

    [TearDown]
    public async Task StopAsync()
    {
        foreach (RewardSide side in _sides.OfType<RewardSide>().ToList()) await side.DisposeAsync();
        _device.Dispose();
        _network.Dispose();
        await _node.DisposeAsync();
        _folder.Dispose();
    }

    [Test]
    public async Task A_quorum_publishes_each_payout_with_one_transaction_and_goes_on_after_a_restart()
    {
        await AnchorAsync(2);
        await AnchorAsync(3);
        for (int i = 0; i < 3; i++) Start(i);
        await Eventually.TrueAsync(() => _sides.Take(3).All(side => side!.Part?.Reason == "nothing was earned yet"), "all have read the chain", Words);
        await _node.AdvanceAsync(2 * Epoch);
        Rewards.PayoutPublishedEvent first = (await UntilPublishedAsync(1))[0];
        await Eventually.TrueAsync(() => _sides.Take(3).All(side => side!.Part is { State: PartState.Ok } part && part.Reason.Contains("is on the chain", StringComparison.Ordinal)), "all see it", Words);
        foreach (RewardSide? side in _sides.Take(3)) Assert.That(side!.Log.All().Select(one => one.Payout.Root), Is.EqualTo(new[] { first.Root }));

        // One loses what it computed, one keeps it, one starts with an empty disk.
        for (int i = 0; i < 3; i++) await _sides[i]!.DisposeAsync();
        using (ChainDatabase damaged = ChainDatabase.Open(_folder.Sub("gateway-0")))
            damaged.Write(c => Sql.Execute(c, "UPDATE meta SET value = replace(value, '\"sum\":\"', '\"sum\":\"1') WHERE key LIKE 'reward.%'"));
        for (int i = 0; i < 2; i++) Start(i, learns: false);
        Directory.Delete(_folder.Sub("gateway-2"), recursive: true);
        await AnchorAsync(5);
        Start(2);
        await _node.AdvanceAsync(3 * Epoch);
        List<Rewards.PayoutPublishedEvent> both = await UntilPublishedAsync(2);
        Assert.That(both[1].Previous, Is.EqualTo(first.Root));
        Assert.That(both[1].Total, Is.GreaterThan(first.Total));
        await Eventually.TrueAsync(() => _sides.Take(3).All(side => side!.Log.All().Count == 2 && side.Part?.State == PartState.Ok), "all have both", Words);
        foreach (RewardSide? side in _sides.Take(3)) Assert.That(side!.Log.All().Select(one => one.Sums.Root()), Is.EqualTo(new[] { both[1].Root, first.Root }));
        Assert.That(await PublishedAsync(), Has.Count.EqualTo(2), "nobody published a second time");
        Assert.That(_sides.Take(3).SelectMany(side => side!.Blamed), Is.Empty);
    }

    [Test]
    public async Task A_gateway_that_computes_another_root_does_not_sign_says_so_and_is_outvoted()
    {
        using MetricsExporter metrics = new();
        await AnchorAsync(2);
        await AnchorAsync(3);
        Start(3, lies: true);
        Start(0);
        await _node.AdvanceAsync(2 * Epoch);
        await Eventually.TrueAsync(() => _sides[0]!.Part is { State: PartState.Degraded } part && part.Reason.Contains(_network.GatewayKeys[3].Address.ToChecksumString(), StringComparison.Ordinal), "the other root is named", Words);
        Assert.That(await PublishedAsync(), Is.Empty, "two of four, who disagree, publish nothing");
        Assert.That(metrics.Write(), Does.Match("depin_reward_disagreements(\\{[^}]*\\})? [12]"));

        Start(1);
        Start(2);
        Rewards.PayoutPublishedEvent published = (await UntilPublishedAsync(1))[0];
        Assert.That(_sides[0]!.Log.All()[0].Payout.Root, Is.EqualTo(published.Root), "the three agree");
        await Eventually.TrueAsync(() => _sides[3]!.Part is { State: PartState.Degraded } part && part.Reason.Contains("not what this gateway computes", StringComparison.Ordinal), "who is outvoted says so", Words);
        Assert.That(_sides[3]!.Log.All().Select(one => one.Payout.Root), Has.None.EqualTo(published.Root), "it never signed the root of the others");
    }

    [Test]
    [Property(EscrowS, 3_600)]
    public async Task A_wrong_root_that_a_quorum_published_is_replaced_by_one_that_computes_another()
    {
        await AnchorAsync(2);
        await AnchorAsync(3);
        await _node.AdvanceAsync(2 * Epoch);
        Rewards.Payout wrong = await PublishWrongAsync();
        for (int i = 0; i < 2; i++) Start(i);
        await Eventually.TrueAsync(() => _sides.Take(2).All(side => side!.Part is { State: PartState.Degraded } part
            && part.Reason.Contains("not what this gateway computes", StringComparison.Ordinal) && part.Reason.Contains("2 of 3 signatures", StringComparison.Ordinal)), "two know better, and are no quorum", Words);
        Assert.That(_sides[0]!.State.Agrees, Is.False);
        Assert.That(await PublishedAsync(), Has.Count.EqualTo(1), "two of four replace nothing");

        Start(2);
        Rewards.PayoutPublishedEvent right = (await UntilPublishedAsync(2))[1];
        Assert.That((right.Epoch, right.Previous), Is.EqualTo((wrong.Epoch, wrong.Previous)), "it is for the same epochs");
        Assert.That(right.Root, Is.Not.EqualTo(wrong.Root));
        Assert.That(right.Total, Is.LessThan(wrong.Total), "what the wrong one took in more is not owed");
        await Eventually.TrueAsync(() => _sides.Take(3).All(side => side!.Part is { State: PartState.Ok } && side.State is { Agrees: true, Published.Count: 1 }), "all see it, and one root", Words);
        foreach (RewardSide? side in _sides.Take(3)) Assert.That(side!.Log.All().Select(one => one.Payout.Root), Is.EqualTo(new[] { right.Root }));

        await _node.AdvanceAsync(TimeSpan.FromHours(1));
        await AnchorAsync(4);
        await _node.AdvanceAsync(2 * Epoch);
        List<Rewards.PayoutPublishedEvent> all = await UntilPublishedAsync(3);
        Assert.That(all[2].Previous, Is.EqualTo(right.Root), "the next one follows the right one, which came in force");
        Assert.That(all, Has.Count.EqualTo(3), "and nothing was published twice");
    }

    [Test]
    [Property(EscrowS, 3_600)]
    public async Task A_wrong_root_whose_escrow_is_over_is_told_and_left_and_the_next_one_is_right_again()
    {
        await AnchorAsync(2);
        await AnchorAsync(3);
        await _node.AdvanceAsync(2 * Epoch);
        Rewards.Payout wrong = await PublishWrongAsync();
        await _node.AdvanceAsync(TimeSpan.FromHours(1) + Epoch);
        for (int i = 0; i < 3; i++) Start(i);
        await Eventually.TrueAsync(() => _sides.Take(3).All(side => side!.Part is { State: PartState.Degraded } part && part.Reason.Contains("not what this gateway computes", StringComparison.Ordinal)), "all say so", Words);
        foreach (int frames in new[] { 4, 5, 6 }) await AnchorAsync(frames);
        await _node.AdvanceAsync(2 * Epoch);
        List<Rewards.PayoutPublishedEvent> all = await UntilPublishedAsync(2);
        Assert.That(all[1].Previous, Is.EqualTo(wrong.Root), "it was not replaced");
        await Eventually.TrueAsync(() => _sides.Take(3).All(side => side!.Part?.State == PartState.Ok && side.Log.All()[0].Payout.Root == all[1].Root), "the next one is what all compute", Words);
    }

    [TestCase(1)]
    [TestCase(2)]
    public async Task One_endpoint_that_lies_makes_a_gateway_sign_a_wrong_root_only_where_it_alone_is_believed(int agree)
    {
        await AnchorAsync(2);
        await AnchorAsync(3);
        await using DoubtfulEndpoint liar = new(_node.RpcUrl), honest = new(_node.RpcUrl), other = new(_node.RpcUrl);
        foreach (DoubtfulEndpoint endpoint in new[] { liar, honest, other }) await endpoint.StartAsync();
        // Says that a gateway sent the anchors, which is paid for it then.
        liar.Lie = (method, _, result) =>
        {
            if (method == "eth_getTransactionByHash") result!["from"] = _network.GatewayKeys[3].Address.ToString();
            return result;
        };
        Start(0, endpoints: [liar.Url(), honest.Url(), other.Url()], agree: agree);
        Start(1);
        await _node.AdvanceAsync(2 * Epoch);
        await Eventually.TrueAsync(() => _sides.Take(2).All(side => side!.Log.All().Count == 1), "both have signed", Words);
        Hash32 fooled = _sides[0]!.Log.All()[0].Payout.Root, right = _sides[1]!.Log.All()[0].Payout.Root;
        if (agree == 1)
        {
            Assert.That(fooled, Is.Not.EqualTo(right), "the lie is one");
            return;
        }

        Assert.That(fooled, Is.EqualTo(right));
        Assert.That(_sides[0]!.Health.Find(AgreeingRewardChain.Part), Is.Not.Null);
        Assert.That(_sides[0]!.Health.Find(AgreeingRewardChain.Part)!.State, Is.EqualTo(PartState.Degraded));
        Assert.That(_sides[0]!.Health.Find(AgreeingRewardChain.Part)!.Reason, Does.Contain($":{liar.Url().Port}").And.Contain("transaction"), "the liar");

        // Now two lie, each in its own way: one withholds events, one gives them with another transaction.
        honest.Lie = (method, _, result) => method == "eth_getLogs" ? new JsonArray() : result;
        liar.Lie = (method, _, result) =>
        {
            if (method == "eth_getLogs")
                foreach (JsonNode? log in (JsonArray)result!) log!["transactionHash"] = "0x" + new string('1', 64);
            return result;
        };
        await AnchorAsync(4);
        await Eventually.TrueAsync(() => _sides[0]!.Part is { State: PartState.Degraded } part && part.Reason.Contains("say the same about the events", StringComparison.Ordinal), "nothing is computed without two that agree", Words);
    }

    [Test]
    public void A_peer_speaks_for_itself_only_and_with_its_own_signature()
    {
        List<(Address Peer, string Reason)> blamed = [];
        PayoutVotes votes = new((peer, reason) => blamed.Add((peer, reason)));
        Eip712Domain domain = new(31_337, _network.Record.Community!.Rewards);
        Rewards.Payout payout = new(7, Hash32.Zero, EthereumCrypto.Keccak256([1]), 5), other = payout with { Total = 6 };
        Attestation Sign(int gateway, Rewards.Payout what) => Attestation.Sign(_network.GatewayKeys[gateway], RewardPayout.Digest(what, domain));
        Address At(int gateway) => _network.GatewayKeys[gateway].Address;

        votes.Received(At(0), new PayoutMessage(payout, Sign(0, payout)));
        votes.Received(At(1), new PayoutMessage(payout, Sign(0, payout))); // another's signature
        votes.Received(At(2), new PayoutMessage(payout, Sign(2, other))); // over another payout
        votes.Received(At(3), new PayoutMessage(other, Sign(3, other)));
        Assert.That(votes.For(payout, domain, _network.Active).Select(vote => vote.Gateway), Is.EqualTo(new[] { At(0) }));
        Assert.That(votes.Against(payout, _network.Active), Is.EqualTo(new[] { At(3) }));
        votes.For(payout, domain, _network.Active);
        Assert.That(blamed.Select(one => one.Peer), Is.EqualTo(new[] { At(1), At(2) }), "each once");
        votes.Received(At(3), new PayoutMessage(payout, Sign(3, payout)));
        Assert.That(votes.For(payout, domain, _network.Active), Has.Count.EqualTo(2), "the last word counts");
        Assert.That(votes.Against(payout, _network.Active), Is.Empty);
    }

    [Test]
    public void The_newest_payouts_are_kept_and_no_more()
    {
        using ChainDatabase database = ChainDatabase.Open(_folder.Sub("log"));
        RewardLog log = new(database);
        for (ulong epoch = 95; epoch < 110; epoch++)
        {
            RewardSums sums = new([KeyValuePair.Create(_network.Active.Signers[0], (BigInteger)epoch << 100), KeyValuePair.Create(_network.Active.Signers[1], BigInteger.One)]);
            log.Save(new ComputedPayout(new Rewards.Payout(epoch, Hash32.Zero, sums.Root(), sums.Total), sums));
        }

        IReadOnlyList<ComputedPayout> kept = log.All();
        Assert.That(kept.Select(one => one.Payout.Epoch), Is.EqualTo(Enumerable.Range(0, RewardLog.PayoutsMax).Select(i => 109UL - (ulong)i)));
        Assert.That(kept.Select(one => one.Sums.Root()), Is.EqualTo(kept.Select(one => one.Payout.Root)));
    }

    /// <summary>A batch of the device's next frames, anchored in an epoch of its own; running gateways learn of it as repair would tell them.</summary>
    private async Task AnchorAsync(int frames)
    {
        await _node.AdvanceAsync(Epoch);
        byte[][] signed = [.. Enumerable.Range(0, frames).Select(_ => _device.NextFrame())];
        (Proof proof, _) = await _network.ProveAsync([.. signed.Select(frame => (ReadOnlyMemory<byte>)frame)], _device.PublicKey);
        _anchors.Add((proof.Anchor, new BatchSummary(proof.Batch, EthereumCrypto.Keccak256(signed[0]), FrameSpans.From(signed.Select(frame => FrameSpans.Key(frame)))!)));
        foreach (RewardSide side in _sides.OfType<RewardSide>()) Learn(side, lies: false);
    }

    /// <summary>Three of four sign a root that nobody computes, with more in it than was earned.</summary>
    private async Task<Rewards.Payout> PublishWrongAsync()
    {
        Address rewards = _network.Record.Community!.Rewards;
        Block head = (await _network.Client.GetBlockAsync(BlockTag.Latest))!;
        ulong epoch = (await _network.Ledger.ReadEpochsAsync()).EpochAt(head.Timestamp) - 1;
        RewardSums sums = new([KeyValuePair.Create(_network.Sender.Account, 10 * BigInteger.Pow(10, 18))]);
        Rewards.Payout wrong = new(epoch, Hash32.Zero, sums.Root(), sums.Total);
        Hash32 digest = RewardPayout.Digest(wrong, new Eip712Domain(_network.Record.ChainId, rewards));
        (BigInteger signers, byte[] signatures) = _network.Active.Pack(_network.GatewayKeys.Take(3).Select(key => Attestation.Sign(key, digest)));
        await _network.Sender.SendAsync(rewards, Rewards.EncodePublish(wrong, signers, signatures));
        return wrong;
    }

    private void Start(int index, bool learns = true, bool lies = false, IReadOnlyList<Uri>? endpoints = null, int agree = 1)
    {
        RewardSide side = new(_network, _node, index, _folder.Sub($"gateway-{index}"), _sides, endpoints, agree);
        if (learns) Learn(side, lies);
        side.Run();
    }

    /// <summary>Puts the anchors' batches into its records; a lie is a batch with other frames than its header commits to.</summary>
    private void Learn(RewardSide side, bool lies)
    {
        for (ulong ordinal = side.Network.KnownEntries; ordinal < (ulong)_anchors.Count; ordinal++)
        {
            (AnchorHeader header, BatchSummary batch) = _anchors[(int)ordinal];
            side.Network.SaveEntry(ordinal, header, [lies ? batch with { Spans = FrameSpans.From([new FrameKey(Address.Zero, ordinal + 1)])! } : batch]);
        }
    }

    private async Task<List<Rewards.PayoutPublishedEvent>> UntilPublishedAsync(int count)
    {
        List<Rewards.PayoutPublishedEvent> all = [];
        await Eventually.TrueAsync(async () => (all = await PublishedAsync()).Count >= count, $"{count} roots are published", Words);
        return all;
    }

    private async Task<List<Rewards.PayoutPublishedEvent>> PublishedAsync()
    {
        List<Rewards.PayoutPublishedEvent> all = [];
        LogFilter filter = new([_network.Record.Community!.Rewards], [[Rewards.PayoutPublishedEvent.Topic]], 0, await _network.Client.GetBlockNumberAsync());
        await foreach (EventLog log in _network.Client.GetLogsAsync(filter))
            if (Rewards.PayoutPublishedEvent.TryDecode(log.Topics, log.Data, out Rewards.PayoutPublishedEvent? one)) all.Add(one);
        return all;
    }

    private string Words() => string.Join('\n', _sides.Select((side, i) => $"{i}: {string.Join("; ", (side?.Health.Parts ?? []).Select(part => $"{part.Name} {part.State} {part.Reason}"))}"));
}

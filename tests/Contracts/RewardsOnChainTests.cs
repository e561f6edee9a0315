using System.Globalization;
using System.Numerics;
using System.Text.Json;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Contracts.Tests;

/// <summary>What is computed from a chain's events is what the Rewards contract takes, pays and bounds.</summary>
public sealed class RewardsOnChainTests
{
    private static readonly TimeSpan Epoch = TimeSpan.FromSeconds(60);

    private readonly List<IReadOnlyList<FrameSpans>> _contents = [];
    private AnvilNode _node = null!;
    private LocalNetwork _network = null!;
    private RewardHistory _history = null!;
    private RewardCalculator _calculator = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _contents.Clear();
        // Five seconds into an epoch: what is sent in it is mined in it.
        _node = await AnvilNode.StartAsync(new AnvilOptions { FirstTimestamp = 1_800_000_005 }).ConfigureAwait(false);
        _network = await LocalNetwork.DeployAsync(_node, gateways: 4, plan: NetworkPlan.Default.With(Parameter.EscrowSeconds, 1)).ConfigureAwait(false);
        _history = new RewardHistory(new RewardChain(_network.Client), RewardContracts.Of(_network.Record)!, _network.Record.DeployedAtBlock);
        _calculator = new RewardCalculator(_history, (anchor, _) => Task.FromResult(_contents[(int)anchor.Entry.Ordinal]));
    }

    [TearDown]
    public async Task StopAsync()
    {
        _network?.Dispose();
        if (_node is not null) await _node.DisposeAsync().ConfigureAwait(false);
    }

    [Test]
    public void The_digest_that_gateways_sign_is_that_of_the_vectors()
    {
        using JsonDocument vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.VectorsFolder, "rewards.json")));
        JsonElement vector = vectors.RootElement.GetProperty("payout");
        string Text(string name) => vector.GetProperty(name).GetString()!;
        Rewards.Payout payout = new(ulong.Parse(Text("epoch"), CultureInfo.InvariantCulture), Hash32.Parse(Text("previous")), Hash32.Parse(Text("root")), BigInteger.Parse(Text("total"), CultureInfo.InvariantCulture));
        Eip712Domain domain = new(ulong.Parse(Text("chainId"), CultureInfo.InvariantCulture), Address.Parse(Text("verifyingContract")));
        Assert.That(RewardPayout.Digest(payout, domain).ToString(), Is.EqualTo(Text("digest")));
    }

    [Test]
    public async Task Two_payouts_are_taken_and_every_account_claims_what_it_earned()
    {
        using SampleDevice first = new(), second = new();
        Address alice = Someone(1), bob = Someone(2);
        await _network.RegisterAsync(first, alice).ConfigureAwait(false);
        await _network.RegisterAsync(second, bob).ConfigureAwait(false);
        await AnchorAsync(first, 2).ConfigureAwait(false); // the very first anchor: its epoch pays nothing
        await AnchorAsync(first, 3).ConfigureAwait(false);
        await AnchorAsync(second, 1).ConfigureAwait(false);

        RewardSums sums = new();
        sums = await PublishAsync(sums).ConfigureAwait(false);
        Assert.That(sums.Of(alice), Is.GreaterThan(BigInteger.Zero));
        await ClaimAllAsync(sums).ConfigureAwait(false);

        await AnchorAsync(second, 5).ConfigureAwait(false);
        RewardSums later = await PublishAsync(sums).ConfigureAwait(false);
        Assert.That(later.Of(bob), Is.GreaterThan(sums.Of(bob)));
        await ClaimAllAsync(later).ConfigureAwait(false);
        foreach (GatewaySigner gateway in _network.GatewayKeys.Take(3))
            Assert.That(later.Of(gateway.Address), Is.GreaterThan(BigInteger.Zero), "who signed the anchors is paid; nobody staked, so the signer itself");
        Assert.That(later.Of(_network.GatewayKeys[3].Address), Is.EqualTo(BigInteger.Zero), "who did not sign is not");
    }

    [Test]
    public async Task A_payout_is_taken_although_the_emission_was_lowered_meanwhile()
    {
        using SampleDevice device = new();
        await _network.RegisterAsync(device, Someone(1)).ConfigureAwait(false);
        for (int i = 0; i < 3; i++) await AnchorAsync(device, 1).ConfigureAwait(false);
        await GovernAsync(_network.Record.Community!.Parameters, Parameters.EncodeSet((byte)Parameter.EmissionPerDay, BigInteger.Pow(10, 18))).ConfigureAwait(false);
        await AnchorAsync(device, 1).ConfigureAwait(false);
        RewardSums sums = await PublishAsync(new RewardSums()).ConfigureAwait(false);
        Assert.That(sums.Total, Is.LessThanOrEqualTo(4 * RewardRule.Emission(BigInteger.Pow(10, 18), 60)));
    }

    [Test]
    public async Task A_doubtful_frame_counts_half_and_a_profile_what_governance_says_at_the_epochs_end()
    {
        using SampleDevice good = new(), doubtful = new();
        Address alice = Someone(1), bob = Someone(2);
        await _network.RegisterAsync(good, alice).ConfigureAwait(false);
        await _network.RegisterAsync(doubtful, bob).ConfigureAwait(false);
        await AnchorAsync(good, 1).ConfigureAwait(false);
        await AnchorAsync([good.NextFrame(), good.NextFrame(), doubtful.NextFrame(quality: 1), doubtful.NextFrame(quality: 1)], good.PublicKey).ConfigureAwait(false);
        RewardSums sums = await PublishAsync(new RewardSums()).ConfigureAwait(false);
        Assert.That(sums.Of(bob), Is.GreaterThan(BigInteger.Zero).And.EqualTo(sums.Of(alice) / 2));

        await GovernAsync(_network.Record.Community!.Parameters, Parameters.EncodeSetProfileWeight(Profiles.Environment, 0)).ConfigureAwait(false);
        await AnchorAsync([good.NextFrame(), doubtful.NextFrame(profile: Profiles.Energy, quality: 1)], good.PublicKey).ConfigureAwait(false);
        RewardSums later = await PublishAsync(sums).ConfigureAwait(false);
        Assert.That(later.Of(alice), Is.EqualTo(sums.Of(alice)), "its profile is worth nothing now");
        Assert.That(later.Of(bob), Is.GreaterThan(sums.Of(bob)));
    }

    [Test]
    public async Task A_device_revoked_before_the_epoch_began_earns_nothing_and_the_owner_at_its_end_earns_all()
    {
        using SampleDevice kept = new(), revoked = new();
        Address owner = _network.Sender.Account, buyer = Someone(5);
        await _network.RegisterAsync(kept, owner).ConfigureAwait(false);
        await _network.RegisterAsync(revoked, owner).ConfigureAwait(false);
        await AnchorAsync(kept, 1).ConfigureAwait(false);
        await AnchorAsync(revoked, 1).ConfigureAwait(false);
        await PublishAsync(new RewardSums()).ConfigureAwait(false);
        ulong before = _history.Payouts[^1].Payout.Epoch;
        await _network.Sender.SendAsync(_network.Record.DeviceRegistry, DeviceRegistry.EncodeRevoke(revoked.Id)).ConfigureAwait(false);
        await AnchorAsync(revoked, 4).ConfigureAwait(false);
        await AnchorAsync(kept, 1).ConfigureAwait(false);
        await _network.Sender.SendAsync(_network.Record.DeviceRegistry, DeviceRegistry.EncodeTransferFrom(owner, buyer, DeviceRegistryReader.TokenOf(kept.Id))).ConfigureAwait(false);
        await _node.AdvanceAsync(Epoch).ConfigureAwait(false);
        await _history.FollowAsync(await _network.Client.GetBlockNumberAsync().ConfigureAwait(false)).ConfigureAwait(false);
        foreach (RewardedAnchor anchor in _history.Anchors.Where(anchor => anchor.Epoch > before))
        {
            (List<RewardedDevice> devices, _) = await _history.WorkAsync(anchor.Epoch, [(anchor, _contents[(int)anchor.Entry.Ordinal])]).ConfigureAwait(false);
            if (anchor.Entry.Ordinal == 2) Assert.That(devices, Is.Empty, "revoked before");
            else Assert.That(devices.Select(device => device.Owner), Is.EqualTo(new[] { buyer }), "sold within the epoch, after the anchor");
        }
    }

    private Task AnchorAsync(SampleDevice device, int frames) => AnchorAsync([.. Enumerable.Range(0, frames).Select(_ => device.NextFrame())], device.PublicKey);

    private async Task AnchorAsync(byte[][] signed, byte[] key)
    {
        await _node.AdvanceAsync(Epoch).ConfigureAwait(false);
        await _network.ProveAsync([.. signed.Select(frame => (ReadOnlyMemory<byte>)frame)], key).ConfigureAwait(false);
        _contents.Add([FrameSpans.From(signed.Select(frame => FrameSpans.Key(frame)))!]);
    }

    /// <summary>Computes the next payout, signs it with three of four, publishes it and waits out its escrow.</summary>
    private async Task<RewardSums> PublishAsync(RewardSums before)
    {
        await _node.AdvanceAsync(2 * Epoch).ConfigureAwait(false);
        Assert.That(await _history.FollowAsync(await _network.Client.GetBlockNumberAsync().ConfigureAwait(false)).ConfigureAwait(false), Is.True);
        (Rewards.Payout Payout, RewardSums Sums)? next = await _calculator.NextAsync(before, _history.Payouts.LastOrDefault()).ConfigureAwait(false);
        Assert.That(next, Is.Not.Null);
        (Rewards.Payout payout, RewardSums sums) = next!.Value;
        Address rewards = _network.Record.Community!.Rewards;
        Hash32 digest = RewardPayout.Digest(payout, new Eip712Domain(_network.Record.ChainId, rewards));
        (BigInteger signers, byte[] signatures) = _network.Active.Pack(_network.GatewayKeys.Take(3).Select(key => Attestation.Sign(key, digest)));
        await _network.Sender.SendAsync(rewards, Rewards.EncodePublish(payout, signers, signatures)).ConfigureAwait(false);
        await _node.AdvanceAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
        await _history.FollowAsync(await _network.Client.GetBlockNumberAsync().ConfigureAwait(false)).ConfigureAwait(false);
        Assert.That(_history.Payouts[^1].Payout, Is.EqualTo(payout));
        return sums;
    }

    private async Task ClaimAllAsync(RewardSums sums)
    {
        CommunityContracts community = _network.Record.Community!;
        foreach ((Address account, BigInteger cumulative) in sums.Accounts)
        {
            BigInteger first = await BalanceAsync(account).ConfigureAwait(false), paid = await ContractCall.ReadAsync<BigInteger>(
                _network.Client, community.Rewards, "claimed()", Rewards.EncodeClaimed(account), Rewards.TryDecodeClaimed, default, default).ConfigureAwait(false);
            if (cumulative == paid) continue;
            await _network.Sender.SendAsync(community.Rewards, Rewards.EncodeClaim(account, cumulative, sums.PathOf(account)!)).ConfigureAwait(false);
            Assert.That(await BalanceAsync(account).ConfigureAwait(false) - first, Is.EqualTo(cumulative - paid));
        }

        Task<BigInteger> BalanceAsync(Address account) => ContractCall.ReadAsync<BigInteger>(
            _network.Client, community.Token, "balanceOf()", NetworkToken.EncodeBalanceOf(account), NetworkToken.TryDecodeBalanceOf, default, default);
    }

    /// <summary>As if a vote had decided: the node lets the timelock send.</summary>
    private async Task GovernAsync(Address to, byte[] call)
    {
        Address timelock = _network.Record.Community!.Timelock;
        await _node.CallAsync("anvil_setBalance", [timelock.ToString(), "0xde0b6b3a7640000"]).ConfigureAwait(false);
        await _node.SendAsAsync(timelock, to, call).ConfigureAwait(false);
    }

    private static Address Someone(byte number) => new([.. new byte[19], number]);
}

using System.Numerics;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Anchor;

namespace DePIN.Gateway.Tests.Dispute;

/// <summary>Accusations of an unregistered device before the real contract on a real node: opened, answered and upheld by gateways alone.</summary>
internal sealed class CaseTests
{
    private static readonly BigInteger Bond = 10 * BigInteger.Pow(10, 18); // as every network begins

    private TestNetwork _network = null!;
    private GatewaySigner _reporter = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _network = await TestNetwork.StartAsync();
        _reporter = _network.Node.CreateSigner(4);
    }

    [TearDown]
    public async Task StopAsync()
    {
        _reporter.Dispose();
        await _network.DisposeAsync();
    }

    [Test]
    public async Task A_gateway_that_signed_for_a_stranger_is_accused_and_the_case_upheld_by_itself()
    {
        await GiveTokensAsync(_reporter.Address, Bond);
        using DisputeSide side = new(_network, _reporter);
        await side.TurnAsync();
        side.Suspect(_network, new TestDevice(1));
        for (int i = 0; i < 8 && side.Cases.All(9).Count == 0; i++) await side.TurnAsync();
        CaseRecord opened = side.Cases.All(9).Single();
        Assert.That((opened.Accused, opened.Reporter, opened.Device, opened.State), Is.EqualTo((_network.Gateway.Address, _reporter.Address, new Address(new TestDevice(1).Id), CaseState.Open)));
        Assert.That(await BalanceAsync(_reporter.Address), Is.EqualTo(BigInteger.Zero), "the bond is put down");
        Assert.That(side.Only.Kind, Is.EqualTo(Offence.UnregisteredDevice));
        Assert.That((await side.CloseAsync()).State, Is.EqualTo(DisputeState.Judged), "the accusation itself is done");
        Assert.That(side.Only.Reporter, Is.EqualTo((Address?)_reporter.Address));
        ulong nonce = await NonceAsync(_reporter);
        await side.TurnAsync();
        Assert.That(await NonceAsync(_reporter), Is.EqualTo(nonce), "nothing before the deadline");

        await _network.Node.AdvanceAsync(TimeSpan.FromDays(1) + TimeSpan.FromSeconds(2)); // ResponseSeconds
        for (int i = 0; i < 6 && side.Cases.All(9).Single().State == CaseState.Open; i++) await side.TurnAsync();
        Assert.That(side.Cases.All(9).Single().State, Is.EqualTo(CaseState.Upheld));
        Assert.That(await BalanceAsync(_reporter.Address), Is.GreaterThanOrEqualTo(Bond), "the bond came back");
        Assert.That(await NonceAsync(_reporter), Is.EqualTo(nonce + 1));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task A_false_accusation_is_answered_by_the_accused_alone_who_gets_the_bond(bool restarts)
    {
        TestDevice member = new(1);
        MemberList list = _network.ListOf([new TestDevice(7), member, new TestDevice(8)]);
        await _network.RegisterBatchAsync(list);
        await GiveTokensAsync(_reporter.Address, Bond);
        await AccuseAsync(member);
        Assert.That(await BalanceAsync(_reporter.Address), Is.EqualTo(BigInteger.Zero));
        BigInteger before = await BalanceAsync(_network.Gateway.Address);
        ulong nonce = await NonceAsync(_network.Gateway);

        DisputeSide accused = new(_network, _network.Gateway);
        try
        {
            await accused.TurnAsync();
            Assert.That(accused.Cases.All(9).Single().State, Is.EqualTo(CaseState.Open), "without the list there is no answer");
            Assert.That(await NonceAsync(_network.Gateway), Is.EqualTo(nonce));
            Directory.CreateDirectory(Path.Combine(accused.Folder, "members"));
            await File.WriteAllBytesAsync(Path.Combine(accused.Folder, "members", "fleet.members"), list.Bytes.ToArray());
            for (int i = 0; i < 8 && accused.Cases.All(9).Single().State == CaseState.Open; i++)
            {
                await accused.TurnAsync();
                if (!restarts) continue;
                string folder = accused.Folder;
                accused.Dispose();
                accused = new DisputeSide(_network, _network.Gateway, folder: folder); // a crash after any step is a pause
            }

            Assert.That(accused.Cases.All(9).Single().State, Is.EqualTo(CaseState.Refuted));
            Assert.That(await BalanceAsync(_network.Gateway.Address), Is.EqualTo(before + Bond));
            Assert.That(await NonceAsync(_network.Gateway), Is.EqualTo(nonce + 2), "registerMember and refute, once each");
            Assert.That((await new DeviceRegistryReader(_network.Client, _network.Deployment.DeviceRegistry).ReadDeviceAsync(member.Id))!.RegisteredAt, Is.Not.Zero);
            await accused.TurnAsync();
            Assert.That(accused.Health.Find("dispute")!.State, Is.EqualTo(PartState.Ok));
        }
        finally
        {
            accused.Dispose();
        }
    }

    [Test]
    public async Task Without_the_bond_it_is_told_and_nothing_is_sent()
    {
        await GiveTokensAsync(_reporter.Address, Bond - 1);
        using DisputeSide side = new(_network, _reporter);
        await side.TurnAsync();
        side.Suspect(_network, new TestDevice(1));
        for (int i = 0; i < 4; i++) await side.TurnAsync();
        PartStatus told = side.Health.Find("dispute")!;
        Assert.That((told.State, told.Reason.Contains("the bond is 10 tokens", StringComparison.Ordinal)), Is.EqualTo((PartState.Degraded, true)), told.ToString());
        Assert.That(await NonceAsync(_reporter), Is.Zero);
        await GiveTokensAsync(_reporter.Address, 1);
        for (int i = 0; i < 8 && side.Cases.All(9).Count == 0; i++) await side.TurnAsync();
        Assert.That(side.Cases.All(9), Has.Count.EqualTo(1), "with it the case is opened");
    }

    [Test]
    public async Task Nobody_is_accused_of_a_device_that_may_be_in_a_list_that_is_not_here()
    {
        TestDevice member = new(1);
        MemberList list = _network.ListOf([member]);
        await _network.RegisterBatchAsync(list);
        await GiveTokensAsync(_reporter.Address, Bond);
        using DisputeSide side = new(_network, _reporter);
        await side.TurnAsync();
        side.Suspect(_network, member);
        for (int i = 0; i < 3; i++) await side.TurnAsync();
        Assert.That(side.Log.All(9), Is.Empty);
        Assert.That(side.Health.Find("dispute")!.Reason, Does.Contain("lists are not here"));
        await File.WriteAllBytesAsync(Path.Combine(side.Folder, "members", "fleet.members"), list.Bytes.ToArray());
        for (int i = 0; i < 3; i++) await side.TurnAsync();
        Assert.That((side.Suspicions.All().Count, side.Log.All(9).Count), Is.EqualTo((0, 0)), "the list clears it");
        Assert.That(side.Health.Find("dispute")!.State, Is.EqualTo(PartState.Ok));
        Assert.That(await NonceAsync(_reporter), Is.Zero);
    }

    [Test]
    public async Task Who_is_registered_by_now_is_no_offence_and_accuse_off_accuses_nobody()
    {
        TestDevice late = new(1);
        await GiveTokensAsync(_reporter.Address, Bond);
        using DisputeSide side = new(_network, _reporter, accuse: false);
        await side.TurnAsync();
        side.Suspect(_network, late);
        for (int i = 0; i < 3; i++) await side.TurnAsync();
        Assert.That(side.Health.Find("dispute")!.Reason, Does.Contain("dispute.accuse is off"));
        await _network.RegisterAsync(late);
        await side.TurnAsync();
        Assert.That((side.Suspicions.All().Count, side.Log.All(9).Count), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task A_members_bad_frame_is_reported_after_it_got_its_token()
    {
        TestDevice member = new(1);
        MemberList list = _network.ListOf([member]);
        await _network.RegisterBatchAsync(list);
        using DisputeSide side = new(_network, _reporter);
        Directory.CreateDirectory(Path.Combine(side.Folder, "members"));
        await File.WriteAllBytesAsync(Path.Combine(side.Folder, "members", "fleet.members"), list.Bytes.ToArray());
        side.Evidence.SaveMisconduct(Offences.BadFrame(_network.Gateway, _network.Domain, member, frame => [.. frame[..^1], (byte)(frame[^1] ^ 1)]));
        for (int i = 0; i < 8 && (side.Log.All(1).Count == 0 || !side.Only.IsClosed); i++)
        {
            await side.TurnAsync();
            side.Clock.Advance(TimeSpan.FromSeconds(40));
        }

        Assert.That((side.Only.State, side.Only.Reporter), Is.EqualTo((DisputeState.Judged, (Address?)_reporter.Address)), side.Only.Text);
        Assert.That(await NonceAsync(_reporter), Is.EqualTo(3), "commitment, token, report");
    }

    [Test]
    public void What_is_due_follows_from_chain_list_clock_and_turn()
    {
        CaseRecord seen = new(Hash32.Zero, new Address(new byte[20]), new Address(new byte[20]), new Address(new byte[20]), 100, 1, CaseState.Open, 1_000, CaseAction.Wait, 0, 0, 0, "");
        CaseView open = new(true, false, false), registered = open with { IsRegistered = true };
        Assert.That(Due(seen, open), Is.EqualTo(CaseAction.Wait), "nothing is known of it");
        Assert.That(Due(seen, open, member: true), Is.EqualTo(CaseAction.Register));
        Assert.That(Due(seen, registered), Is.EqualTo(CaseAction.Refute));
        Assert.That(Due(seen, registered, turn: 5_000), Is.EqualTo(CaseAction.Wait), "others first");
        Assert.That(Due(seen, registered, turn: 5_000, now: 6_000), Is.EqualTo(CaseAction.Refute), "who let their time pass");
        Assert.That(Due(seen, open, time: 100), Is.EqualTo(CaseAction.Wait), "the last second is the accused's");
        Assert.That(Due(seen, open, time: 101), Is.EqualTo(CaseAction.Uphold));
        Assert.That(Due(seen, open, time: 103, turn: 4_000), Is.EqualTo(CaseAction.Wait));
        Assert.That(Due(seen, open, time: 104, turn: 4_000), Is.EqualTo(CaseAction.Uphold));
        Assert.That(Due(seen, open, member: true, time: 101), Is.EqualTo(CaseAction.Register), "late is better than wrong");
        CaseRecord sent = seen with { Sent = CaseAction.Register, SentMs = 1_000, Attempts = 1 };
        Assert.That(Due(sent, open, member: true), Is.EqualTo(CaseAction.Wait), "it is under way");
        Assert.That(Due(sent, open, member: true, now: 16_000), Is.EqualTo(CaseAction.Register), "or lost");
        Assert.That(Due(sent, registered), Is.EqualTo(CaseAction.Refute), "the next step does not wait");
        Assert.That(Due(seen, new CaseView(false, false, true)), Is.EqualTo(CaseAction.Wait), "a reorganisation may bring it back");
        Assert.That(Due(seen, new CaseView(false, true, true)), Is.EqualTo(CaseAction.Close));
        Assert.That(Due(seen with { Refusals = DisputeCore.RefusalsMax }, registered), Is.EqualTo(CaseAction.GiveUp));
        Assert.That(Due(seen with { State = CaseState.Refuted }, registered), Is.EqualTo(CaseAction.Wait));

        static CaseAction Due(CaseRecord record, CaseView view, bool member = false, ulong time = 50, long now = 1_000, long turn = 0) => CaseCore.Decide(record, view, member, time, now, turn, turn);
    }

    /// <summary>By hand, as somebody outside of the network would.</summary>
    private async Task AccuseAsync(TestDevice device)
    {
        Accusation accusation = Accusation.Of(Offences.Stranger(_network.Gateway, _network.Domain, device))!;
        DisputeRecord record = accusation.ToRecord(_reporter.Address, Hash32.Zero, 0, 0);
        TransactionSender sender = new(_network.Client, _reporter, TimeProvider.System);
        Address disputes = _network.Deployment.Community!.Disputes;
        await sender.SendAsync(_network.Deployment.Community.Token, NetworkToken.EncodeApprove(disputes, Bond));
        await sender.SendAsync(disputes, Disputes.EncodeCommit(record.Commitment));
        await sender.SendAsync(disputes, record.Report);
    }

    /// <summary>The first supply is the gateway's.</summary>
    private Task GiveTokensAsync(Address to, BigInteger amount) =>
        new TransactionSender(_network.Client, _network.Gateway, TimeProvider.System).SendAsync(_network.Deployment.Community!.Token, NetworkToken.EncodeTransfer(to, amount));

    private Task<BigInteger> BalanceAsync(Address account) => ContractCall.ReadAsync<BigInteger>(
        _network.Client, _network.Deployment.Community!.Token, "balanceOf()", NetworkToken.EncodeBalanceOf(account), NetworkToken.TryDecodeBalanceOf, default, default);

    private Task<ulong> NonceAsync(GatewaySigner of) => _network.Client.GetTransactionCountAsync(of.Address);
}

using DePIN.Evidence;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Tests.Anchor;

namespace DePIN.Gateway.Tests.Dispute;

/// <summary>Evidence brought before the real Disputes contract on a real node, through crashes, faults and rivals.</summary>
internal sealed class DisputeStageTests
{
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

    [TestCase("twoBatches", Offence.TwoBatches)]
    [TestCase("twoAnchors", Offence.TwoAnchors)]
    [TestCase("badFrame", Offence.BadFrame)]
    [TestCase("malformedFrame", Offence.BadFrame)]
    public async Task A_gateways_offence_is_committed_to_reported_and_judged(string how, Offence kind)
    {
        TestDevice device = new(1);
        await _network.RegisterAsync(device);
        using DisputeSide side = new(_network, _reporter);
        side.Evidence.SaveMisconduct(how switch
        {
            "twoBatches" => Offences.TwoBatches(_network.Gateway, _network.Domain),
            "twoAnchors" => Offences.TwoAnchors(_network.Gateway, _network.Domain),
            _ => Offences.BadFrame(_network.Gateway, _network.Domain, device, frame => Spoilt(frame, how == "badFrame" ? ^1 : 0)),
        });

        await side.TurnAsync();
        Assert.That(side.Only.State, Is.EqualTo(DisputeState.Committed), side.Only.Text);
        await side.TurnAsync();
        Assert.That(side.Only.State, Is.EqualTo(DisputeState.Reported), side.Only.Text);
        DisputeRecord closed = await side.CloseAsync();
        Assert.That((closed.Kind, closed.State, closed.Accused, closed.Reporter), Is.EqualTo((kind, DisputeState.Judged, _network.Gateway.Address, (Address?)_reporter.Address)));
        Assert.That(await NonceAsync(), Is.EqualTo(2), "a commitment and a report");
        await side.TurnAsync();
        Assert.That(await NonceAsync(), Is.EqualTo(2), "and nothing more");
        Assert.That(side.Health.Find("dispute")!.State, Is.EqualTo(PartState.Ok));
        Assert.That(await StakeAsync(), Has.Property("JailedUntil").GreaterThan(0ul), "the offender is jailed");
    }

    [Test]
    public async Task A_device_that_signed_two_frames_under_one_sequence_is_suspended()
    {
        TestDevice device = new(1), twin = new(1);
        await _network.RegisterAsync(device);
        using DisputeSide side = new(_network, _reporter);
        await side.TurnAsync(); // the device is known
        byte[] first = device.NextFrame();
        twin.NextFrame();
        byte[] again = new TestDevice(1).NextFrame();
        Assert.That(again, Is.EqualTo(first), "the same frame is no offence");
        await side.SaveTwiceAsync(first, again);
        await side.TurnAsync();
        Assert.That(side.Log.All(9), Is.Empty);

        DePIN.Protocol.FrameBuilder builder = new(device.Id);
        builder.Begin(1, true, 1, 1, 1_700_000_009_000, null);
        builder.TryAdd(DePIN.Protocol.Channels.Temperature, -2, 0, 0, 1);
        builder.Sign(device.Signer);
        await side.SaveTwiceAsync(first, builder.Buffer[..builder.Count]);
        await side.TurnAsync();
        DisputeRecord closed = await side.CloseAsync();
        Assert.That((closed.Kind, closed.State, closed.Accused, closed.Reporter), Is.EqualTo((Offence.TwoFrames, DisputeState.Judged, new Address(device.Id), (Address?)_reporter.Address)), closed.Text);
        Assert.That((await new Contracts.DeviceRegistryReader(_network.Client, _network.Deployment.DeviceRegistry).ReadDeviceAsync(device.Id))!.RevokedAt, Is.Not.Zero);
    }

    [Test]
    public async Task A_crash_between_commitment_and_report_is_a_pause()
    {
        string folder;
        Hash32 commitment;
        using (DisputeSide side = new(_network, _reporter))
        {
            folder = side.Folder;
            side.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
            await side.TurnAsync();
            Assert.That(side.Only.State, Is.EqualTo(DisputeState.Committed));
            commitment = side.Only.Commitment;
        }

        using DisputeSide again = new(_network, _reporter, folder: folder);
        Assert.That(again.Only.Commitment, Is.EqualTo(commitment), "the salt is not made anew");
        Assert.That((await again.CloseAsync()).State, Is.EqualTo(DisputeState.Judged));
        Assert.That(await NonceAsync(), Is.EqualTo(2));
    }

    [TestCase("Save", false)]
    [TestCase("Save", true)]
    [TestCase("Send", false)]
    [TestCase("Send", true)]
    [TestCase("Update", false)]
    [TestCase("Update", true)]
    public async Task A_fault_before_or_after_any_step_is_a_pause(string step, bool persisted)
    {
        Faults faults = new();
        using DisputeSide side = new(_network, _reporter, faults: faults);
        side.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
        faults.Arm(step, persisted);
        Assert.ThrowsAsync<IOException>(side.TurnAsync);
        Assert.That(faults.IsArmed, Is.False, "the fault happened");
        side.Clock.Advance(TimeSpan.FromSeconds(20));
        await side.TurnAsync();
        Assert.That((await side.CloseAsync()).State, Is.EqualTo(DisputeState.Judged));
        Assert.That(await NonceAsync(), Is.EqualTo(2), "nothing was paid for twice");
    }

    [Test]
    public async Task Who_comes_second_sends_nothing_more()
    {
        using GatewaySigner rival = _network.Node.CreateSigner(5);
        using DisputeSide first = new(_network, _reporter), second = new(_network, rival);
        foreach (DisputeSide side in new[] { first, second }) side.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
        await first.TurnAsync();
        await second.TurnAsync();
        Assert.That((await first.CloseAsync()).State, Is.EqualTo(DisputeState.Judged));
        DisputeRecord lost = await second.CloseAsync();
        Assert.That((lost.State, lost.Reporter), Is.EqualTo((DisputeState.Judged, (Address?)_reporter.Address)));
        Assert.That(await _network.Client.GetTransactionCountAsync(rival.Address), Is.EqualTo(1), "its commitment alone");
        for (int i = 0; i < 3; i++) await second.TurnAsync();
        Assert.That(await _network.Client.GetTransactionCountAsync(rival.Address), Is.EqualTo(1));

        using GatewaySigner late = _network.Node.CreateSigner(6);
        using DisputeSide third = new(_network, late);
        third.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
        await third.TurnAsync();
        Assert.That((await third.CloseAsync()).State, Is.EqualTo(DisputeState.Judged), "judged before it knew");
        Assert.That(await _network.Client.GetTransactionCountAsync(late.Address), Is.Zero);
    }

    [Test]
    public async Task A_reorganisation_that_takes_the_report_back_is_reported_again()
    {
        using DisputeSide side = new(_network, _reporter);
        await _network.Node.MineAsync(5);
        side.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
        await side.TurnAsync();
        await side.TurnAsync();
        Assert.That(side.Only.State, Is.EqualTo(DisputeState.Reported));
        await _network.Node.ReorganiseAsync(2);
        await _network.DropPoolAsync();
        side.Clock.Advance(TimeSpan.FromSeconds(40));
        for (int i = 0; i < 4; i++) await side.TurnAsync();
        side.Clock.Advance(TimeSpan.FromSeconds(80));
        Assert.That((await side.CloseAsync()).State, Is.EqualTo(DisputeState.Judged));
    }

    [Test]
    public async Task What_the_contract_does_not_judge_is_given_up_after_bounded_tries()
    {
        TestDevice device = new(1);
        await _network.RegisterAsync(device);
        using DisputeSide side = new(_network, _reporter);
        side.Evidence.SaveMisconduct(Offences.BadFrame(_network.Gateway, _network.Domain, device, frame => frame)); // a sound frame, after all
        for (int i = 0; i < 12; i++)
        {
            await side.TurnAsync();
            side.Clock.Advance(TimeSpan.FromMinutes(20));
        }

        Assert.That(side.Only.State, Is.EqualTo(DisputeState.Refused));
        Assert.That(side.Only.Text, Does.StartWith("holds a bad frame; the contract says: ").And.Contain("Disputes_NoOffence"));
        Assert.That(await NonceAsync(), Is.EqualTo(1), "the commitment was all it cost");
        Assert.That(await StakeAsync(), Has.Property("JailedUntil").EqualTo(0ul));
    }

    [Test]
    public async Task Without_funds_it_is_told_and_evidence_waits()
    {
        using DisputeSide side = new(_network, _reporter);
        await _network.SetBalanceAsync(_reporter.Address, 0);
        side.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
        await side.TurnAsync();
        PartStatus told = side.Health.Find("dispute")!;
        Assert.That((told.State, told.NextStep.Contains(_reporter.Address.ToChecksumString(), StringComparison.Ordinal)), Is.EqualTo((PartState.Degraded, true)), told.ToString());
        await _network.SetBalanceAsync(_reporter.Address, System.Numerics.BigInteger.Pow(10, 18));
        side.Clock.Advance(TimeSpan.FromSeconds(20));
        await side.TurnAsync();
        Assert.That((await side.CloseAsync()).State, Is.EqualTo(DisputeState.Judged));
    }

    [Test]
    public async Task Nobody_reports_himself()
    {
        using DisputeSide side = new(_network, _network.Gateway);
        side.Evidence.SaveMisconduct(Offences.TwoBatches(_network.Gateway, _network.Domain));
        await side.TurnAsync();
        Assert.That(side.Log.All(9), Is.Empty);
    }

    private Task<ulong> NonceAsync() => _network.Client.GetTransactionCountAsync(_reporter.Address);

    private async Task<Contracts.GatewayRegistry.Stake> StakeAsync() =>
        Contracts.GatewayRegistry.TryDecodeStakeOf(await _network.Client.CallAsync(new CallRequest(_network.Deployment.GatewayRegistry, Contracts.GatewayRegistry.EncodeStakeOf(_network.Gateway.Address))), out Contracts.GatewayRegistry.Stake? stake)
            ? stake : throw new InvalidOperationException("stakeOf()");

    private static byte[] Spoilt(byte[] frame, Index at)
    {
        byte[] spoilt = [.. frame];
        spoilt[at] ^= 1;
        return spoilt;
    }
}

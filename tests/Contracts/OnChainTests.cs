using System.Collections.Immutable;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Tests.Harness;

namespace DePIN.Contracts.Tests;

/// <summary>The contracts and their callers on a real node: with the P-256 precompile (osaka) and without (prague).</summary>
[TestFixture("osaka")]
[TestFixture("prague")]
public sealed class OnChainTests(string hardfork)
{
    private AnvilNode _node = null!;
    private LocalNetwork _network = null!;
    private SampleDevice _device = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _node = await AnvilNode.StartAsync(new AnvilOptions { Hardfork = hardfork }).ConfigureAwait(false);
        _network = await LocalNetwork.DeployAsync(_node, gateways: 4).ConfigureAwait(false);
        _device = new SampleDevice();
    }

    [TearDown]
    public async Task StopAsync()
    {
        _device?.Dispose();
        _network?.Dispose();
        if (_node is not null)
            await _node.DisposeAsync().ConfigureAwait(false);
    }

    [Test]
    public async Task A_device_registers_by_its_own_signature_and_its_owner_revokes_it()
    {
        Address owner = _network.Sender.Account;
        await _network.RegisterAsync(_device, owner).ConfigureAwait(false);
        DeviceRegistry.Device? registered = await _network.Devices.ReadDeviceAsync(_device.Id).ConfigureAwait(false);
        Assert.That(registered, Is.Not.Null);
        Assert.Multiple(() =>
        {
            Assert.That(registered!.X.ToArray(), Is.EqualTo(_device.PublicKey[..32]));
            Assert.That(registered.Y.ToArray(), Is.EqualTo(_device.PublicKey[32..]));
            Assert.That(registered.KeyKind, Is.EqualTo(_device.KeyKind));
            Assert.That(registered.RevokedAt, Is.Zero);
        });
        Assert.That(await _network.Devices.ReadOwnerAsync(_device.Id).ConfigureAwait(false), Is.EqualTo(owner));

        TransactionReceipt revoked = await _network.Sender.SendAsync(_network.Record.DeviceRegistry, DeviceRegistry.EncodeRevoke(_device.Id)).ConfigureAwait(false);
        Assert.That((await _network.Devices.ReadDeviceAsync(_device.Id).ConfigureAwait(false))!.RevokedAt, Is.Not.Zero);

        List<DeviceEvent> events = await ToListAsync(_network.Devices.ReadEventsAsync(0, revoked.BlockNumber)).ConfigureAwait(false);
        Assert.That(events.Select(e => (e.Registered is not null, e.Revoked is not null)), Is.EqualTo(new[] { (false, false), (true, false), (false, true) }), "the token's transfer, the registration, the revocation");
        Assert.That(events, Has.All.Matches<DeviceEvent>(e => e.Device.AsSpan().SequenceEqual(_device.Id)));

        await ExpectRevertAsync(() => _network.RegisterAsync(_device, owner), DeviceRegistry.Errors.AlreadyRegistered, "DeviceRegistry_AlreadyRegistered").ConfigureAwait(false);
    }

    [Test]
    public async Task A_claim_for_one_owner_registers_for_no_other()
    {
        Address owner = _network.GatewayKeys[0].Address;
        byte[] message = DeviceClaim.Message(_device.KeyKind, _network.Record.ChainId, _network.Record.DeviceRegistry, owner);
        byte[] signature = new byte[64];
        _device.Sign(message, 0, message.Length, signature, 0);
        byte[] stolen = DeviceClaim.EncodeRegister(_device.KeyKind, _device.PublicKey, signature, _network.Sender.Account);
        await ExpectRevertAsync(() => _network.Sender.SendAsync(_network.Record.DeviceRegistry, stolen), DeviceRegistry.Errors.BadSignature, "DeviceRegistry_BadSignature").ConfigureAwait(false);
        await _network.Sender.SendAsync(_network.Record.DeviceRegistry, DeviceClaim.EncodeRegister(_device.KeyKind, _device.PublicKey, signature, owner)).ConfigureAwait(false);
        Assert.That(await _network.Devices.ReadOwnerAsync(_device.Id).ConfigureAwait(false), Is.EqualTo(owner));
    }

    [Test]
    public async Task The_registry_gives_the_set_that_was_deployed()
    {
        GatewaySet active = await _network.Gateways.ReadActiveAsync().ConfigureAwait(false);
        Assert.That(active.Signers.ToArray(), Is.EqualTo(_network.Active.Signers.ToArray()));
        GatewayRegistry.Gateway[] gateways = await _network.Gateways.ReadGatewaysAsync().ConfigureAwait(false);
        Assert.That(gateways.Select(gateway => gateway.Endpoint), Has.All.StartsWith("https://gateway-"));
        Assert.That(await _network.Gateways.ReadVersionAsync().ConfigureAwait(false), Is.EqualTo(1));
        Assert.That((await _network.Gateways.ReadActiveAtAsync(1).ConfigureAwait(false)).Count, Is.EqualTo(4));
        Assert.That(await _network.Ledger.ReadRegistryAsync().ConfigureAwait(false), Is.EqualTo(_network.Record.GatewayRegistry));
        Assert.That(await _network.Ledger.ReadEpochSecondsAsync().ConfigureAwait(false), Is.EqualTo(_network.Record.EpochSeconds));
    }

    [Test]
    public async Task Three_of_four_anchor_and_what_they_sign_is_what_evidence_signs()
    {
        (Proof proof, TransactionReceipt receipt) = await _network.ProveAsync([_device.NextFrame()], _device.PublicKey).ConfigureAwait(false);
        LedgerEntry? entry = _network.Ledger.FindAnchor(receipt);
        Ledger.StateResult state = await _network.Ledger.ReadStateAsync().ConfigureAwait(false);
        Assert.Multiple(() =>
        {
            Assert.That(entry!.Hash, Is.EqualTo(proof.Anchor.Hash()));
            Assert.That(entry!.Header, Is.EqualTo(proof.Anchor));
            Assert.That(state.Anchors, Is.EqualTo(1));
            Assert.That(state.LastHash, Is.EqualTo(proof.Anchor.Hash()));
            Assert.That(state.LastEpoch, Is.EqualTo(proof.Anchor.Epoch));
        });
    }

    [Test]
    public async Task A_quorum_of_one_anchors()
    {
        using LocalNetwork one = await LocalNetwork.DeployAsync(_node).ConfigureAwait(false);
        (Proof proof, _) = await one.ProveAsync([_device.NextFrame()], _device.PublicKey).ConfigureAwait(false);
        Assert.That((await one.Ledger.VerifyAsync(proof).ConfigureAwait(false)).Refusal, Is.Null);
    }

    [Test]
    public async Task A_wrong_anchor_is_refused_by_name()
    {
        await _network.ProveAsync([_device.NextFrame()], _device.PublicKey).ConfigureAwait(false);
        ulong epoch = await _network.EnterFreeEpochAsync().ConfigureAwait(false);
        Hash32 head = (await _network.Ledger.ReadStateAsync().ConfigureAwait(false)).LastHash;
        AnchorHeader good = new(epoch, head, EthereumCrypto.Keccak256("root"u8), 1, 1);

        await ExpectAnchorRevertAsync(good with { Epoch = epoch + 1000 }, null, Ledger.Errors.EpochInFuture, "Ledger_EpochInFuture").ConfigureAwait(false);
        await ExpectAnchorRevertAsync(good with { Epoch = 1 }, null, Ledger.Errors.EpochTaken, "Ledger_EpochTaken").ConfigureAwait(false);
        await ExpectAnchorRevertAsync(good with { Previous = Hash32.Zero }, null, Ledger.Errors.WrongPrevious, "Ledger_WrongPrevious").ConfigureAwait(false);
        await ExpectAnchorRevertAsync(good, 2, Ledger.Errors.QuorumTooFewSigners, "Quorum_TooFewSigners").ConfigureAwait(false);
        byte[] tampered = _network.EncodeAnchor(good);
        tampered[^1] ^= 1;
        await ExpectRevertAsync(() => _network.Sender.SendAsync(_network.Record.Ledger, tampered), Ledger.Errors.QuorumBadSignature, "Quorum_BadSignature").ConfigureAwait(false);

        await _network.Sender.SendAsync(_network.Record.Ledger, _network.EncodeAnchor(good)).ConfigureAwait(false);
        await ExpectAnchorRevertAsync(good, null, Ledger.Errors.EpochTaken, "Ledger_EpochTaken").ConfigureAwait(false);
    }

    [Test]
    public async Task The_ledger_confirms_a_proof_and_refuses_each_tampered_one_by_name()
    {
        await _network.ProveAsync([_device.NextFrame()], _device.PublicKey).ConfigureAwait(false);
        byte[][] frames = [_device.NextFrame(), _device.NextFrame(), _device.NextFrame()];
        (Proof proof, _) = await _network.ProveAsync([.. frames.Select(frame => (ReadOnlyMemory<byte>)frame)], _device.PublicKey).ConfigureAwait(false);
        ProofVerdict verdict = await _network.Ledger.VerifyAsync(proof).ConfigureAwait(false);
        Assert.Multiple(() =>
        {
            Assert.That(ProofVerifier.Check(proof).Passed, Is.True);
            Assert.That(verdict.Refusal, Is.Null);
            Assert.That(verdict.Device, Is.EqualTo(_device.Id));
            Assert.That(verdict.Sequence, Is.EqualTo(2));
        });

        using SampleDevice stranger = new();
        byte[] changed = [.. frames[0]];
        changed[90] ^= 1;
        ImmutableArray<Hash32> stray = [EthereumCrypto.Keccak256("stray"u8)];
        (Proof Proof, uint Selector)[] tampered =
        [
            (proof with { Frame = changed }, Ledger.Errors.NotInBatch),
            (proof with { Frame = SampleDevice.WithHighS(frames[0]) }, Ledger.Errors.MalformedFrame),
            (proof with { Frame = frames[0].AsMemory(0, frames[0].Length - 1) }, Ledger.Errors.MalformedFrame),
            (proof with { Frame = frames[1] }, Ledger.Errors.NotInBatch),
            (proof with { PublicKey = stranger.PublicKey }, Ledger.Errors.WrongKey),
            (proof with { BatchPath = stray }, Ledger.Errors.NotInBatch),
            (proof with { Batch = proof.Batch with { Number = 9 } }, Ledger.Errors.NotInAnchor),
            (proof with { Batch = proof.Batch with { Gateway = Address.Zero } }, Ledger.Errors.NotInAnchor),
            (proof with { AnchorPath = stray }, Ledger.Errors.NotInAnchor),
            (proof with { Anchor = proof.Anchor with { Frames = 4 } }, Ledger.Errors.NotInLedger),
            (proof with { LedgerPath = stray }, Ledger.Errors.NotInLedger),
            (proof with { LedgerPath = [] }, Ledger.Errors.NotInLedger),
        ];
        foreach ((Proof wrong, uint selector) in tampered)
        {
            Revert? refusal = (await _network.Ledger.VerifyAsync(wrong).ConfigureAwait(false)).Refusal;
            Assert.That(refusal?.Selector, Is.EqualTo(selector), refusal?.Text);
            Assert.That(refusal!.Name, Does.StartWith("Ledger_"));
        }
    }

    [Test]
    public async Task A_forged_frame_under_honest_paths_is_refused_for_its_signature()
    {
        byte[] forged = _device.NextFrame();
        forged[FrameTemperature] ^= 1;
        (Proof proof, _) = await _network.ProveAsync([forged], _device.PublicKey).ConfigureAwait(false);
        ProofVerdict verdict = await _network.Ledger.VerifyAsync(proof).ConfigureAwait(false);
        Assert.That(verdict.Refusal?.Selector, Is.EqualTo(Ledger.Errors.BadDeviceSignature), verdict.Refusal?.Text);
    }

    [Test]
    public async Task Old_proofs_are_refreshed_as_the_ledger_grows_and_peaks_are_those_of_the_range()
    {
        List<Proof> proofs = [];
        for (int i = 0; i < 7; i++)
            proofs.Add((await _network.ProveAsync([_device.NextFrame()], _device.PublicKey).ConfigureAwait(false)).Proof);
        Assert.That((await _network.Ledger.VerifyAsync(proofs[0]).ConfigureAwait(false)).Refusal?.Selector, Is.EqualTo(Ledger.Errors.NotInLedger), "its mountain was merged");
        for (int i = 0; i < proofs.Count; i++)
        {
            Proof current = _network.History.TryRefresh(proofs[i])!;
            ProofVerdict verdict = await _network.Ledger.VerifyAsync(current).ConfigureAwait(false);
            Assert.That(verdict.Refusal, Is.Null, verdict.Refusal?.Text);
            Assert.That(verdict.Sequence, Is.EqualTo(i + 1));
            Assert.That(await _network.Ledger.ReadPeakAsync(current.LedgerPath.Length).ConfigureAwait(false), Is.EqualTo(current.Peak()));
        }
    }

    private const int FrameTemperature = 80 + 15;

    private Task ExpectAnchorRevertAsync(AnchorHeader anchor, int? signers, uint selector, string name) =>
        ExpectRevertAsync(() => _network.Sender.SendAsync(_network.Record.Ledger, _network.EncodeAnchor(anchor, signers)), selector, name);

    private static async Task ExpectRevertAsync(Func<Task> act, uint selector, string name)
    {
        try
        {
            await act().ConfigureAwait(false);
        }
        catch (ExecutionRevertedException refused)
        {
            Assert.That((refused.Revert.Selector, refused.Revert.Name), Is.EqualTo((selector, name)), refused.Message);
            return;
        }
        Assert.Fail($"{name} was expected, but it succeeded.");
    }

    private static async Task<List<T>> ToListAsync<T>(IAsyncEnumerable<T> items)
    {
        List<T> list = [];
        await foreach (T item in items.ConfigureAwait(false))
            list.Add(item);
        return list;
    }
}

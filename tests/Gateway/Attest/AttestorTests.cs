using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Anchor;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Attest;

/// <summary>What the attestor signs, what it refuses, and that a number is signed once.</summary>
internal sealed class AttestorTests
{
    private readonly GatewaySigner _signer = new(Enumerable.Repeat((byte)7, 32).ToArray());
    private readonly GatewaySigner _peer = new(Enumerable.Repeat((byte)8, 32).ToArray());
    private readonly Eip712Domain _domain = new(1, new Address(new byte[20].Select((_, i) => (byte)(i + 1)).ToArray()));
    private readonly TestClock _clock = new();
    private string _folder = "";
    private ChainDatabase _database = null!;
    private Batches _batches = null!;

    [SetUp]
    public void Open()
    {
        _folder = Directory.CreateTempSubdirectory("depin-").FullName;
        _database = ChainDatabase.Open(_folder);
        _batches = new Batches(_signer.Address);
    }

    [TearDown]
    public void Close()
    {
        _database.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [OneTimeTearDown]
    public void Forget()
    {
        _signer.Dispose();
        _peer.Dispose();
    }

    [Test]
    public async Task Batches_are_certified_in_order_by_a_set_of_one()
    {
        (Attestor attestor, CertificateLog log, _) = Make(new GatewaySet([_signer.Address]));
        _batches.Add(3);
        _batches.Add(1);
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.True);
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.True);
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.False);
        Assert.That(log.LastNumber, Is.EqualTo(2UL));
        Certificate certificate = new(log.Find(2)!.Header, log.Find(2)!.Attestations);
        Assert.That(certificate.Check(_domain, new GatewaySet([_signer.Address])), Is.EqualTo(CertificateFault.None));
    }

    [Test]
    public async Task A_batch_that_is_not_its_frames_is_never_signed()
    {
        (Attestor attestor, CertificateLog log, HealthBoard health) = Make(new GatewaySet([_signer.Address]));
        _batches.Add(2);
        _batches.Headers[0] = _batches.Headers[0] with { Root = Hash32.Parse("0x" + new string('1', 64)) };
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.False);
        Assert.That(log.LastNumber, Is.Zero);
        Assert.That(health.Find("attest")!.State, Is.EqualTo(PartState.Failed));
        Assert.That(health.Find("attest")!.NextStep, Does.Contain("backup"));
    }

    [Test]
    public async Task A_store_that_was_restored_to_an_older_state_does_not_make_the_gateway_equivocate()
    {
        (Attestor attestor, CertificateLog log, HealthBoard health) = Make(new GatewaySet([_signer.Address]));
        _batches.Add(1);
        await attestor.StepAsync(CancellationToken.None);
        _batches = new Batches(_signer.Address, seed: 50);
        _batches.Add(1);
        _batches.Add(1);
        (attestor, log, health) = Make(new GatewaySet([_signer.Address]));
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.False, "batch 2 does not follow the batch 1 that was signed");
        Assert.That(health.Find("attest")!.Reason, Does.Contain("does not name the batch before it"));
        Assert.That(() => log.Save(_batches.Headers[0], []), Throws.InvalidOperationException, "and the log refuses a second batch 1");
    }

    [Test]
    public async Task A_quorum_needs_sound_attestations_of_active_peers()
    {
        using GatewaySigner stranger = new(Enumerable.Repeat((byte)9, 32).ToArray());
        GatewaySet set = new([_signer.Address, _peer.Address]);
        _batches.Add(1);
        Hash32 digest = _batches.Headers[0].Digest(_domain);
        Attestation good = Attestation.Sign(_peer, digest);
        (Attestor attestor, CertificateLog log, _) = Make(set, Attestation.Sign(stranger, digest), Attestation.Sign(_peer, Hash32.Zero), new Attestation(_peer.Address, Attestation.Sign(stranger, digest).Signature));
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.False);
        Assert.That(log.LastNumber, Is.Zero);
        (attestor, log, _) = Make(set, good, good);
        Assert.That(await attestor.StepAsync(CancellationToken.None), Is.True);
        Assert.That(log.Find(1)!.Attestations, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_certificate_is_saved_or_not_and_never_half([Values] bool persisted)
    {
        Faults faults = new();
        CertificateLog log = new(_database);
        _batches.Add(1);
        Attestor attestor = new(_signer, _domain, _batches, new FaultyCertificates(log, faults), () => new GatewaySet([_signer.Address]), new NoPeers(), new HealthBoard(_clock, NullLogger.Instance), _clock);
        faults.Arm("Save", persisted);
        Assert.That(async () => await attestor.StepAsync(CancellationToken.None), Throws.TypeOf<IOException>());
        Assert.That(log.LastNumber, Is.EqualTo(persisted ? 1UL : 0UL));
        await attestor.StepAsync(CancellationToken.None);
        Assert.That(log.LastNumber, Is.EqualTo(1UL));
    }

    private (Attestor, CertificateLog, HealthBoard) Make(GatewaySet set, params Attestation[] fromPeers)
    {
        CertificateLog log = new(_database);
        HealthBoard health = new(_clock, NullLogger.Instance);
        return (new Attestor(_signer, _domain, _batches, log, () => set, new Peers(fromPeers), health, _clock), log, health);
    }

    private sealed class Batches(Address gateway, int seed = 1) : IBatchSource
    {
        private readonly List<BatchBody> _bodies = [];

        public List<BatchHeader> Headers { get; } = [];

        public void Add(int frames)
        {
            TestDevice device = new(seed + Headers.Count);
            BatchBody body = BatchBody.Encode(Enumerable.Range(0, frames).Select(_ => (ReadOnlyMemory<byte>)device.NextFrame()).ToList());
            _bodies.Add(body);
            Headers.Add(new BatchHeader(gateway, (ulong)Headers.Count + 1, Headers.Count == 0 ? Hash32.Zero : Headers[^1].Hash(), body.Root(), (uint)frames, (uint)(2 * frames), 1, 2, body.Hash()));
        }

        public BatchHeader? Batch(ulong number) => number <= (ulong)Headers.Count ? Headers[(int)number - 1] : null;

        public BatchHeader FromFrames(ulong number) => Headers[(int)number - 1] with
        {
            Root = _bodies[(int)number - 1].Root(), Frames = (uint)_bodies[(int)number - 1].Count, Body = _bodies[(int)number - 1].Hash(),
        };
    }

    private sealed class Peers(Attestation[] give) : IPeers
    {
        public Task<IReadOnlyList<Attestation>> AttestAsync(BatchHeader batch, CancellationToken stopping) => Task.FromResult<IReadOnlyList<Attestation>>(give);

        public Task<IReadOnlyList<Attestation>> AttestAsync(AnchorHeader anchor, IReadOnlyList<ulong> batchNumbers, CancellationToken stopping) => Task.FromResult<IReadOnlyList<Attestation>>(give);
    }

    private sealed class FaultyCertificates(ICertificateLog inner, Faults faults) : ICertificateLog
    {
        public ulong LastNumber => inner.LastNumber;

        public OwnCertificate? Find(ulong number) => inner.Find(number);

        public void Save(BatchHeader header, IReadOnlyList<Attestation> attestations) => faults.Around("Save", () => { inner.Save(header, attestations); return 0; });
    }
}

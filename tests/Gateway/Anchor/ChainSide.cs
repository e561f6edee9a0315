using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Verify;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Anchor;

/// <summary>The chain side of one gateway on a test network, driven step by step. Disposing and making it again is a restart.</summary>
internal sealed class ChainSide : IDisposable
{
    public static readonly BigInteger FeeCap = BigInteger.Parse("100000000000");

    public ChainSide(TestNetwork network, TestClock? clock = null, Faults? faults = null, ulong batchesAtStart = 0)
    {
        Network = network;
        Clock = clock ?? new TestClock();
        Database = ChainDatabase.Open(network.Folder);
        Certificates = new CertificateLog(Database);
        Anchors = new AnchorLog(Database);
        RegistryLog = new RegistryLog(Database);
        Ledger = new LedgerRange(RegistryLog);
        Own = new OwnEntries(RegistryLog, Certificates, batchesAtStart);
        Health = new HealthBoard(Clock, NullLogger.Instance);
        JsonRpc rpc = new(Http, new JsonRpcSettings(network.Node.RpcUrl) { RoundsMax = 1 }, TimeProvider.System, new Random(1));
        Contracts.ContractErrors.AddTo(rpc.Reverts);
        EthereumClient client = new(rpc);
        ChainAddresses at = new(network.Deployment.ChainId, network.Deployment.DeviceRegistry, network.Deployment.GatewayRegistry, network.Deployment.Ledger,
            network.Deployment.EpochSeconds, network.Deployment.DeployedAtBlock);
        Reader = new ChainReader(client, at);
        Registry = new ChainRegistry(new ChainSettings { LogRangeBlocks = 7 }, at.DeployedAtBlock, Reader, RegistryLog, Ledger, Own, Feed, Health, Clock);
        Rules = new AnchorRules(network.Gateway.Address, network.Domain, at.EpochSeconds, 100, FeeCap, 1_000_000_000, 60_000, 250, 30);
        Anchorer = new Anchorer(Rules, network.Gateway, faults is null ? Anchors : new FaultyAnchorLog(Anchors, faults), RegistryLog, Registry, Own,
            new FaultyChain(new AnchorChain(client, at.Ledger), faults ?? new Faults()), new NoPeers(), Health, Clock, TimeSpan.FromMilliseconds(50));
    }

    public HttpClient Http { get; } = JsonRpc.CreateHttpClient();
    public TestNetwork Network { get; }
    public TestClock Clock { get; }
    public ChainDatabase Database { get; }
    public CertificateLog Certificates { get; }
    public AnchorLog Anchors { get; }
    public RegistryLog RegistryLog { get; }
    public LedgerRange Ledger { get; }
    public OwnEntries Own { get; }
    public HealthBoard Health { get; }
    public ChainReader Reader { get; }
    public ChainRegistry Registry { get; }
    public AnchorRules Rules { get; }
    public Anchorer Anchorer { get; }
    public Dictionary<DeviceIdValue, RegisteredDevice> Fed { get; } = [];

    /// <summary>A certificate over made-up frames: anchoring does not look at them.</summary>
    public BatchHeader Certify()
    {
        ulong number = Certificates.LastNumber + 1;
        Hash32 previous = number == 1 ? Hash32.Zero : Certificates.Find(number - 1)!.Hash;
        Hash32 made = EthereumCrypto.Keccak256(BitConverter.GetBytes(number));
        BatchHeader header = new(Network.Gateway.Address, number, previous, made, 2, 4, 1000, 2000, made);
        Certificates.Save(header, [Attestation.Sign(Network.Gateway, header.Digest(Network.Domain))]);
        return header;
    }

    /// <summary>Reads the chain, then acts.</summary>
    public async Task<bool> StepAsync()
    {
        await Registry.PollAsync(CancellationToken.None);
        return await Anchorer.TurnAsync(CancellationToken.None);
    }

    /// <summary>Steps until nothing is pending; each step is a poll and a turn, the chain makes blocks by itself.</summary>
    public async Task AnchorAllAsync(int stepsMax = 12)
    {
        for (int i = 0; i < stepsMax; i++)
        {
            await StepAsync();
            await Registry.PollAsync(CancellationToken.None);
            if (Certificates.PendingCount == 0) return;
        }

        Assert.Fail($"{Certificates.PendingCount} certificates are still pending: {Health.Find("anchor")}, {Health.Find("registry")}");
    }

    public Task<ulong> NonceAsync() => Network.Client.GetTransactionCountAsync(Network.Gateway.Address);

    /// <summary>The ledger as the chain has it: each certificate's batch hash is under at most one entry, and the log agrees.</summary>
    public void AssertEachCertificateOnce(int entries, ulong certificates)
    {
        IReadOnlyList<LedgerEntry> ledger = RegistryLog.Ledger(0, 1000);
        Assert.That(ledger, Has.Count.EqualTo(entries));
        Assert.That(ledger.Select(e => e.Header.Epoch), Is.Unique);
        Assert.That(ledger.Sum(e => e.Header.Batches), Is.EqualTo((long)certificates), "a certificate is on the ledger twice, or not at all");
        Assert.That(Certificates.PendingCount, Is.Zero);
    }

    public void Dispose()
    {
        Registry.Dispose();
        Database.Dispose();
        Http.Dispose();
    }

    private ValueTask<bool> Feed(RegisteredDevice device)
    {
        Fed[device.Id] = device;
        return new ValueTask<bool>(true);
    }
}

/// <summary>Where the next fault happens: before the step ("failed, not persisted") or after it ("failed, but persisted").</summary>
internal sealed class Faults
{
    private string? _step;
    private bool _after;

    public void Arm(string step, bool after) => (_step, _after) = (step, after);

    public bool IsArmed => _step is not null;

    public T Around<T>(string step, Func<T> work)
    {
        if (_step != step) return work();
        bool after = _after;
        _step = null;
        if (after) work();
        throw new IOException($"{step} failed{(after ? ", but persisted" : ", not persisted")}");
    }

    public async Task<T> AroundAsync<T>(string step, Func<Task<T>> work)
    {
        if (_step != step) return await work();
        bool after = _after;
        _step = null;
        if (after) await work();
        throw new IOException($"{step} failed{(after ? ", but persisted" : ", not persisted")}");
    }
}

internal sealed class FaultyAnchorLog(IAnchorLog inner, Faults faults) : IAnchorLog
{
    public ulong? LastSignedEpoch => inner.LastSignedEpoch;

    public SignedAnchor? OnTopOf(Hash32 previous) => inner.OnTopOf(previous);

    public IReadOnlyList<OwnCertificate> Pending(int limit) => inner.Pending(limit);

    public IReadOnlyList<ulong> NumbersIn(ulong epoch) => inner.NumbersIn(epoch);

    public void SaveAnchor(AnchorHeader header, IReadOnlyList<Attestation> attestations, IReadOnlyList<ulong> numbers, long nowMs) =>
        faults.Around(nameof(SaveAnchor), () => { inner.SaveAnchor(header, attestations, numbers, nowMs); return 0; });

    public void SaveAttestations(ulong epoch, IReadOnlyList<Attestation> attestations) =>
        faults.Around(nameof(SaveAttestations), () => { inner.SaveAttestations(epoch, attestations); return 0; });

    public void SaveAttempt(ulong epoch, AnchorAttempt attempt) =>
        faults.Around(nameof(SaveAttempt), () => { inner.SaveAttempt(epoch, attempt); return 0; });

    public void MarkSent(Hash32 attempt, long nowMs) =>
        faults.Around(nameof(MarkSent), () => { inner.MarkSent(attempt, nowMs); return 0; });
}

internal sealed class FaultyChain(IAnchorChain inner, Faults faults) : IAnchorChain
{
    public Task<AccountView?> ViewAsync(Address account, ulong block, CancellationToken stopping) => inner.ViewAsync(account, block, stopping);

    public Task<ulong> EstimateAsync(Address from, byte[] call, CancellationToken stopping) => inner.EstimateAsync(from, call, stopping);

    public Task<SendResult> SendAsync(byte[] raw, CancellationToken stopping) => faults.AroundAsync("Send", () => inner.SendAsync(raw, stopping));
}

using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Verify;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Anchor;

/// <summary>The chain side of one gateway on a test network, driven step by step. Disposing and making it again is a restart.</summary>
internal sealed class ChainSide : INetworkHost, IDisposable
{
    public static readonly BigInteger FeeCap = BigInteger.Parse("100000000000");

    private readonly NetworkCore _core;

    public ChainSide(TestNetwork network, TestClock? clock = null, Faults? faults = null)
    {
        Network = network;
        Clock = clock ?? new TestClock();
        Database = ChainDatabase.Open(network.Folder);
        Log = new NetworkLog(Database);
        Anchors = new AnchorLog(Database);
        RegistryLog = new RegistryLog(Database);
        Ledger = new LedgerRange(RegistryLog);
        Health = new HealthBoard(Clock, NullLogger.Instance);
        JsonRpc rpc = new(Http, new JsonRpcSettings(network.Node.RpcUrl) { RoundsMax = 1 }, TimeProvider.System, new Random(1));
        Contracts.ContractErrors.AddTo(rpc.Reverts);
        EthereumClient client = new(rpc);
        ChainAddresses at = new(network.Deployment.ChainId, network.Deployment.DeviceRegistry, network.Deployment.GatewayRegistry, network.Deployment.Ledger,
            network.Deployment.EpochSeconds, network.Deployment.DeployedAtBlock);
        Reader = new ChainReader(client, at);
        Registry = new ChainRegistry(new ChainSettings { LogRangeBlocks = 7, EpochSeconds = (long)at.EpochSeconds }, at.DeployedAtBlock, Reader, RegistryLog, Ledger, Feed, Health, Clock);
        Rules = new AnchorRules(network.Gateway.Address, network.Domain, FeeCap, 1_000_000_000, 60_000, 250);
        _core = new NetworkCore(new NetworkRules(network.Gateway.Address, network.Domain), new Peer.FaultyNetworkLog(Log, () => faults ?? new Faults()), this);
        Anchorer = new Anchorer(Rules, network.Gateway, faults is null ? Anchors : new FaultyAnchorLog(Anchors, faults), RegistryLog, Registry,
            new FaultyChain(new AnchorChain(client, at.Ledger), faults ?? new Faults()), () => new AnchorTask(_core.ToSubmit(), _core.AnchorWaits, _core.IsAnchoringInTheWay), Health, Clock, TimeSpan.FromMilliseconds(50));
    }

    public HttpClient Http { get; } = JsonRpc.CreateHttpClient();
    public TestNetwork Network { get; }
    public TestClock Clock { get; }
    public ChainDatabase Database { get; }
    public NetworkLog Log { get; }
    public AnchorLog Anchors { get; }
    public RegistryLog RegistryLog { get; }
    public LedgerRange Ledger { get; }
    public HealthBoard Health { get; }
    public ChainReader Reader { get; }
    public ChainRegistry Registry { get; }
    public AnchorRules Rules { get; }
    public Anchorer Anchorer { get; }
    public Dictionary<DeviceIdValue, RegisteredDevice> Fed { get; } = [];

    /// <summary>The store's batches outlive this object, as frames.db outlives chain.db.</summary>
    public SortedDictionary<ulong, BatchSummary> Own => Network.Batches;

    public int PendingCount => Own.Keys.Count(n => OrdinalOf(n) is null);

    public IReadOnlyList<AnchorAttempt> Attempts => Log.VotesOn(RegistryLog.LedgerHead()?.Hash ?? Hash32.Zero) is [var vote, ..] ? Anchors.Attempts(vote.Header.Hash()) : [];

    public ulong? OrdinalOf(ulong number) => Log.Find(new BatchId(Network.Gateway.Address, number)) is { State: BatchState.Anchored } record ? record.Ordinal : null;

    /// <summary>A batch over made-up frames: anchoring does not look at them. The core certifies it.</summary>
    public void Cut()
    {
        ulong number = (ulong)Own.Count + 1;
        FrameSpans spans = FrameSpans.From([new FrameKey(new Address(new byte[20]), 2 * number), new FrameKey(new Address(new byte[20]), 2 * number + 1)])!;
        Hash32 made = EthereumCrypto.Keccak256(BitConverter.GetBytes(number));
        Own[number] = new BatchSummary(new BatchHeader(Network.Gateway.Address, number, number == 1 ? Hash32.Zero : Own[number - 1].Hash, made, 2, 4, 1000, 2000,
            BatchBody.Commitment(spans.Hash(), made)), made, spans);
    }

    /// <summary>Reads the chain and lets the core see it.</summary>
    public async Task ReadAsync()
    {
        await Registry.PollAsync(CancellationToken.None);
        _core.ChainChanged(Registry.Snapshot());
        _core.Tick();
    }

    /// <summary>Reads, then acts.</summary>
    public async Task<bool> StepAsync()
    {
        await ReadAsync();
        return await Anchorer.TurnAsync(CancellationToken.None);
    }

    /// <summary>Steps until nothing is pending; each step is a poll and a turn, the chain makes blocks by itself.</summary>
    public async Task AnchorAllAsync(int stepsMax = 12)
    {
        for (int i = 0; i < stepsMax; i++)
        {
            await StepAsync();
            await ReadAsync();
            if (PendingCount == 0) return;
        }

        Assert.Fail($"{PendingCount} batches are still pending: {Health.Find("anchor")}, {Health.Find("registry")}, {_core.State()}");
    }

    public Task<ulong> NonceAsync() => Network.Client.GetTransactionCountAsync(Network.Gateway.Address);

    /// <summary>The ledger as the chain has it: each batch is under at most one entry, and the log agrees.</summary>
    public void AssertEachBatchOnce(int entries, ulong batches)
    {
        IReadOnlyList<LedgerEntry> ledger = RegistryLog.Ledger(0, 1000);
        Assert.That(ledger, Has.Count.EqualTo(entries));
        Assert.That(ledger.Select(e => e.Header.Epoch), Is.Unique);
        Assert.That(ledger.Sum(e => e.Header.Batches), Is.EqualTo((long)batches), "a batch is on the ledger twice, or not at all");
        Assert.That(PendingCount, Is.Zero);
    }

    public void Dispose()
    {
        Registry.Dispose();
        Database.Dispose();
        Http.Dispose();
    }

    long INetworkHost.NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();

    void INetworkHost.Send(Address to, PeerMessage message) { }

    void INetworkHost.FetchBody(Address from, BatchSummary batch) { }

    bool INetworkHost.HasBody(BatchSummary batch) => true;

    BatchSummary? INetworkHost.OwnBatch(ulong number) => Own.GetValueOrDefault(number);

    ulong INetworkHost.FirstMissingOwn(ulong from) => from;

    bool INetworkHost.IsStoreEmpty => Own.Count == 0;

    void INetworkHost.RestoreOwn(Address from, BatchSummary batch) { }

    void INetworkHost.Recut(ulong number) { }

    Attestation INetworkHost.Sign(Hash32 digest) => Attestation.Sign(Network.Gateway, digest);

    bool INetworkHost.IsOver(Attestation attestation, Hash32 digest) => attestation.IsOver(digest);

    AnchorHeader? INetworkHost.LedgerEntry(ulong ordinal) => RegistryLog.Entry(ordinal);

    void INetworkHost.Blame(Address peer, string reason) => Assert.Fail(reason);

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
    public IReadOnlyList<AnchorAttempt> Attempts(Hash32 anchor) => inner.Attempts(anchor);

    public void SaveAttempt(Hash32 anchor, AnchorAttempt attempt) => faults.Around(nameof(SaveAttempt), () => { inner.SaveAttempt(anchor, attempt); return 0; });

    public void MarkSent(Hash32 attempt, long nowMs) => faults.Around(nameof(MarkSent), () => { inner.MarkSent(attempt, nowMs); return 0; });
}

internal sealed class FaultyChain(IAnchorChain inner, Faults faults) : IAnchorChain
{
    public Task<AccountView?> ViewAsync(Address account, ulong block, CancellationToken stopping) => inner.ViewAsync(account, block, stopping);

    public Task<ulong?> EstimateAsync(Address from, byte[] call, CancellationToken stopping) => inner.EstimateAsync(from, call, stopping);

    public Task<SendResult> SendAsync(byte[] raw, CancellationToken stopping) => faults.AroundAsync("Send", () => inner.SendAsync(raw, stopping));
}

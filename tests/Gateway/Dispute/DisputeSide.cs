using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Dispute;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Verify;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Dispute;

/// <summary>The dispute stage of a gateway that watches a test network, driven turn by turn, with files of its own. Disposing and making it again is a restart.</summary>
internal sealed class DisputeSide : IDisposable
{
    private readonly HttpClient _http = JsonRpc.CreateHttpClient();
    private readonly ChainDatabase _database;
    private readonly FrameLog _frames;
    private readonly ChainRegistry _registry;

    public DisputeSide(TestNetwork network, GatewaySigner reporter, TestClock? clock = null, Faults? faults = null, string? folder = null, bool accuse = true)
    {
        Clock = clock ?? new TestClock();
        Folder = folder ?? Directory.CreateDirectory(Path.Combine(network.Folder, reporter.Address.ToString())).FullName;
        _database = ChainDatabase.Open(Folder);
        _frames = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(Folder, "frames.db") });
        Devices = new DeviceTable(_frames);
        Evidence = new NetworkLog(_database);
        Log = new DisputeLog(_database);
        Health = new HealthBoard(Clock, NullLogger.Instance);
        JsonRpc rpc = new(_http, new JsonRpcSettings(network.Node.RpcUrl) { RoundsMax = 1 }, TimeProvider.System, new Random(1));
        Contracts.ContractErrors.AddTo(rpc.Reverts);
        EthereumClient client = new(rpc);
        ChainAddresses at = new(network.Deployment.ChainId, network.Deployment.DeviceRegistry, network.Deployment.GatewayRegistry, network.Deployment.Ledger, network.Deployment.EpochSeconds, network.Deployment.DeployedAtBlock);
        RegistryLog registryLog = new(_database);
        _registry = new ChainRegistry(new ChainSettings { EpochSeconds = (long)at.EpochSeconds }, at.DeployedAtBlock, new ChainReader(client, at), registryLog, new LedgerRange(registryLog), Devices.PutAsync, Health, Clock);
        Members = new MemberLists(new MemberOptions(Path.Combine(Folder, "members"), at.ChainId, at.DeviceRegistry, TimeSpan.FromSeconds(1)), registryLog, Health, Clock, NullLogger.Instance);
        Devices.Members = Members.Find;
        Cases = new CaseLog(_database);
        Faults armed = faults ?? new Faults();
        DisputeOptions options = new(reporter.Address, Confirmations: 1, TimeSpan.FromMilliseconds(50), Turn: TimeSpan.Zero, BigInteger.Parse("100000000000")) { Accuse = accuse };
        FaultyDisputeChain chain = new(new DisputeChain(client, at.GatewayRegistry, at.DeviceRegistry, reporter, Clock), armed);
        CaseDesk desk = new(options, at.DeployedAtBlock, Cases, chain, Members, Clock, NullLogger.Instance);
        Stage = new DisputeStage(options, new FaultyDisputeLog(Log, armed), desk, Members, Suspicions, chain, Evidence, _frames, _registry, Devices.KeysOf, () => false, Health, Clock);
    }

    public string Folder { get; }
    public TestClock Clock { get; }
    public DeviceTable Devices { get; }
    public NetworkLog Evidence { get; }
    public DisputeLog Log { get; }
    public CaseLog Cases { get; }
    public MemberLists Members { get; }
    public Suspicions Suspicions { get; } = new();
    public HealthBoard Health { get; }
    public DisputeStage Stage { get; }

    public DisputeRecord Only => Log.All(2) is [var one] ? one : throw new InvalidOperationException($"{Log.All(9).Count} disputes");

    public async Task TurnAsync()
    {
        await _registry.PollAsync(CancellationToken.None);
        await Members.LookAsync((_, _) => Task.FromResult<byte[]?>(null), CancellationToken.None);
        await Stage.TurnAsync(CancellationToken.None);
    }

    /// <summary>Turns until it is closed; each transaction is mined at once.</summary>
    public async Task<DisputeRecord> CloseAsync()
    {
        for (int i = 0; i < 8 && !Only.IsClosed; i++) await TurnAsync();
        return Only;
    }

    /// <summary>As if the network's gateway had offered a batch with this device's frame.</summary>
    public void Suspect(TestNetwork network, TestDevice device)
    {
        Suspicion suspicion = Offences.Stranger(network.Gateway, network.Domain, device);
        Suspicions.Add(suspicion.Header, suspicion.Author, suspicion.Frame, 0);
    }

    public Task SaveTwiceAsync(byte[] first, byte[] second) => _frames.SaveEquivocationAsync(1, 1, 1, first, second);

    public void Dispose()
    {
        Stage.Dispose();
        _registry.Dispose();
        _frames.Dispose();
        _database.Dispose();
        _http.Dispose();
    }

    private sealed class FaultyDisputeLog(IDisputeLog inner, Faults faults) : IDisputeLog
    {
        public IReadOnlyList<DisputeRecord> All(int limit) => inner.All(limit);

        public IReadOnlyList<DisputeRecord> Open(int limit) => inner.Open(limit);

        public bool Has(Hash32 offence) => inner.Has(offence);

        public void Save(DisputeRecord record) => faults.Around(nameof(Save), () => { inner.Save(record); return 0; });

        public void Update(DisputeRecord record) => faults.Around(nameof(Update), () => { inner.Update(record); return 0; });
    }

    private sealed class FaultyDisputeChain(IDisputeChain inner, Faults faults) : IDisputeChain
    {
        public Task<DisputeView> ViewAsync(DisputeRecord record, ulong settled, CancellationToken stopping) => inner.ViewAsync(record, settled, stopping);

        public Task<BigInteger> BaseFeeAsync(CancellationToken stopping) => inner.BaseFeeAsync(stopping);

        public Task<Hash32> SendAsync(DisputeTarget to, byte[] call, CancellationToken stopping) => faults.AroundAsync("Send", () => inner.SendAsync(to, call, stopping));

        public Task<Address> AddressAsync(CancellationToken stopping) => inner.AddressAsync(stopping);

        public Task<BondView> BondAsync(CancellationToken stopping) => inner.BondAsync(stopping);

        public Task<IReadOnlyList<CaseRecord>> CasesAsync(ulong fromBlock, ulong toBlock, long nowMs, CancellationToken stopping) => inner.CasesAsync(fromBlock, toBlock, nowMs, stopping);

        public Task<CaseView> CaseAsync(CaseRecord record, ulong settled, CancellationToken stopping) => inner.CaseAsync(record, settled, stopping);

        public Task<Address?> ReporterAsync(DisputeRecord record, ulong fromBlock, ulong toBlock, CancellationToken stopping) => inner.ReporterAsync(record, fromBlock, toBlock, stopping);
    }
}

/// <summary>Offences, signed with the keys they are of.</summary>
internal static class Offences
{
    public static Misconduct TwoBatches(GatewaySigner gateway, Eip712Domain domain, ulong number = 1)
    {
        BatchHeader Header(int n) => new(gateway.Address, number, number == 1 ? Hash32.Zero : Made(7), Made(n), 2, 4, 1_000, 2_000, Made(n + 10));
        return new Misconduct(EvidenceKind.BatchEquivocation, gateway.Address, number, Signed(Header(1)), Signed(Header(2)), "signed two batches");

        byte[] Signed(BatchHeader header) => Attesting.Signed(header, Attestation.Sign(gateway, header.Digest(domain)));
    }

    public static Misconduct TwoAnchors(GatewaySigner gateway, Eip712Domain domain)
    {
        AnchorHeader Header(int n) => new(5, Hash32.Zero, Made(n), 1, 2);
        return new Misconduct(EvidenceKind.AnchorEquivocation, gateway.Address, 5, Signed(Header(1)), Signed(Header(2)), "signed two anchors");

        byte[] Signed(AnchorHeader header) => Attesting.Signed(header, Attestation.Sign(gateway, header.Digest(domain)));
    }

    /// <summary>A batch whose frame at a place is this one; of one device, with the others sound.</summary>
    public static Misconduct BadFrame(GatewaySigner gateway, Eip712Domain domain, TestDevice device, Func<byte[], byte[]> spoil)
    {
        List<byte[]> frames = [device.NextFrame(), device.NextFrame(), device.NextFrame()];
        frames[1] = spoil(frames[1]);
        BatchBody body = BatchBody.Encode([.. frames.Select(f => (ReadOnlyMemory<byte>)f)]);
        BatchHeader header = body.ToHeader(gateway.Address, 1, Hash32.Zero, 1_000, 2_000);
        return new Misconduct(EvidenceKind.BadBatch, gateway.Address, 1, Attesting.Signed(header, Attestation.Sign(gateway, header.Digest(domain))), FrameInBatch.Encode(frames[1], body.BuildTree().Proof(1)), "holds a bad frame");
    }

    /// <summary>A sound batch of one device's frames.</summary>
    public static Suspicion Stranger(GatewaySigner gateway, Eip712Domain domain, TestDevice device)
    {
        List<byte[]> frames = [device.NextFrame(), device.NextFrame(), device.NextFrame()];
        BatchBody body = BatchBody.Encode([.. frames.Select(f => (ReadOnlyMemory<byte>)f)]);
        BatchHeader header = body.ToHeader(gateway.Address, 1, Hash32.Zero, 1_000, 2_000);
        return new Suspicion(header, Attestation.Sign(gateway, header.Digest(domain)), FrameInBatch.Encode(frames[1], body.BuildTree().Proof(1)), new Address(device.Id), 0);
    }

    private static Hash32 Made(int n) => EthereumCrypto.Keccak256([(byte)n]);
}

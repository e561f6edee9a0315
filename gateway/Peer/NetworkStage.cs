using System.Data.Common;
using System.Threading.Channels;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Operate;

namespace DePIN.Gateway.Peer;

/// <summary>Own batches as the frame store has them. All but <see cref="Find"/>, <see cref="FirstMissing"/> and <see cref="IsEmpty"/> only begin something.</summary>
public interface IOwnBatches
{
    /// <summary>The batch of that number, derived from its frames; null when there is none. Inconsistent when the frames are not those it was cut from.</summary>
    BatchSummary? Find(ulong number);

    /// <summary>The lowest number from this one on that no batch in the store has.</summary>
    ulong FirstMissing(ulong from);

    /// <summary>True when the store has no batch.</summary>
    bool IsEmpty { get; }

    /// <summary>Begins a new batch of what is left of a void one; done once however often it is asked.</summary>
    void Recut(ulong number);

    /// <summary>Puts a batch that came back from a peer into the store. Gives false when it does not fit now.</summary>
    Task<bool> RestoreAsync(BatchSummary batch, CancellationToken stopping);
}

/// <summary>Bodies of batches: on this gateway's disk, or fetched from a peer and checked.</summary>
public interface IBodies
{
    /// <summary>True when the checked body is on disk.</summary>
    bool Has(BatchSummary batch);

    /// <summary>Fetches, checks and keeps it; the bad frame for the evidence.</summary>
    Task<(BodyVerdict Verdict, ReadOnlyMemory<byte> BadFrame)> FetchAsync(Address from, BatchSummary batch, CancellationToken stopping);
}

/// <summary>
/// The network core's thread: takes what peers said, what the chain says and what the disk finished, one at a time, and gives the core its clock. A fault
/// of the disk pauses it and is told; what was being done is done again.
/// </summary>
public sealed class NetworkStage : IPeerEvents, INetworkHost, IDisposable
{
    /// <summary>The core's clock ticks at least this often.</summary>
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Pause after a fault of the disk.</summary>
    private static readonly TimeSpan FaultPause = TimeSpan.FromSeconds(1);

    /// <summary>Peers' events taken before the core's clock ticks again.</summary>
    private const int EventsPerTurn = 256;

    /// <summary>Bodies fetched at the same time: one an author, and own ones.</summary>
    private const int FetchesMax = 64;

    private const string Part = "attest";

    private readonly IEthereumSigner _signer;
    private readonly IPeerTransport _transport;
    private readonly PeerInbox _inbox;
    private readonly IBodies _bodies;
    private readonly IOwnBatches _own;
    private readonly Func<ChainSnapshot?> _chain;
    private readonly Func<ulong, AnchorHeader?> _entry;
    private readonly HealthBoard _health;
    private readonly TimeProvider _time;
    private readonly NetworkCore _core;
    private readonly Channel<Action> _posted = Channel.CreateBounded<Action>(new BoundedChannelOptions(1_024) { SingleReader = true });
    private readonly HashSet<Hash32> _fetching = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource _safe = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ChainSnapshot? _seen;
    private Membership? _followed;
    private volatile AnchorTask _task = new(null, "starting");
    private volatile bool _isRestoring;

    public NetworkStage(
        NetworkRules rules, IEthereumSigner signer, INetworkLog log, IPeerTransport transport, PeerInbox inbox, IBodies bodies, IOwnBatches own,
        Func<ChainSnapshot?> chain, Func<ulong, AnchorHeader?> entry, HealthBoard health, TimeProvider time)
    {
        (_signer, _transport, _inbox, _bodies, _own, _chain, _entry, _health, _time) = (signer, transport, inbox, bodies, own, chain, entry, health, time);
        _core = new NetworkCore(rules, log, this);
        _isRestoring = own.IsEmpty; // until it is known whether peers have batches of this gateway
    }

    /// <summary>The anchor to put onto the chain now, or what is waited for.</summary>
    public AnchorTask Task => _task;

    /// <summary>True while no frame may be taken: own batches come back from peers, or it is not known yet whether there are any.</summary>
    public bool IsRestoring => _isRestoring;

    /// <summary>Who is told what a peer signed of rewards; on the core's thread, must not block.</summary>
    public Action<Address, PayoutMessage>? Payouts { get; set; }

    /// <summary>Who is told what is suspected of a peer; on the core's thread, must not block.</summary>
    public Action<BatchHeader, Attestation, ReadOnlyMemory<byte>>? Suspected { get; set; }

    /// <summary>Completes when own batches may be cut: nothing is left to be restored.</summary>
    public Task SafeAsync(CancellationToken stopping) => _safe.Task.WaitAsync(stopping);

    /// <summary>How things stand, asked on the core's thread.</summary>
    public async Task<NetworkState> StateAsync(CancellationToken stopping)
    {
        TaskCompletionSource<NetworkState> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await _posted.Writer.WriteAsync(() => answer.TrySetResult(_core.State()), stopping).ConfigureAwait(false);
        return await answer.Task.WaitAsync(stopping).ConfigureAwait(false);
    }

    /// <summary>Works until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        Task<bool>? inbox = null;
        Task<bool>? posted = null;
        try
        {
            while (true)
            {
                inbox ??= _inbox.WaitAsync(stopping).AsTask();
                posted ??= _posted.Reader.WaitToReadAsync(stopping).AsTask();
                await System.Threading.Tasks.Task.WhenAny(inbox, posted, System.Threading.Tasks.Task.Delay(TickInterval, _time, stopping)).ConfigureAwait(false);
                stopping.ThrowIfCancellationRequested();
                if (inbox.IsCompleted) inbox = null;
                if (posted.IsCompleted) posted = null;
                try
                {
                    Turn();
                }
                catch (Exception fault) when (fault is DbException or IOException or Store.StoreException)
                {
                    _health.Report(Part, PartState.Degraded, $"the network's records cannot be written or read ({fault.Message}).", "Nothing was signed that is not saved. Check the disk of the data folder: free space, mode, mount.");
                    await System.Threading.Tasks.Task.Delay(FaultPause, _time, stopping).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            await _ended.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Own batches from this number on may be missing now: peers are asked for them.</summary>
    public async Task OwnLostAsync(ulong number) => await _posted.Writer.WriteAsync(() => _core.OwnLost(number)).ConfigureAwait(false);

    /// <inheritdoc/>
    public void Dispose() => _ended.Dispose();

    void IPeerEvents.Connected(Address peer) => _core.Connected(peer);

    void IPeerEvents.Disconnected(Address peer) => _core.Disconnected(peer);

    void IPeerEvents.Received(Address peer, PeerMessage message)
    {
        if (message is PayoutMessage payout) Payouts?.Invoke(peer, payout);
        else _core.Received(peer, message);
    }

    long INetworkHost.NowMs => (long)_time.GetElapsedTime(0).TotalMilliseconds;

    bool INetworkHost.IsStoreEmpty => _own.IsEmpty;

    void INetworkHost.Send(Address to, PeerMessage message) => _transport.Send(to, message); // a full queue is counted there; everything is asked again

    bool INetworkHost.HasBody(BatchSummary batch) => _bodies.Has(batch);

    BatchSummary? INetworkHost.OwnBatch(ulong number) => _own.Find(number);

    ulong INetworkHost.FirstMissingOwn(ulong from) => _own.FirstMissing(from);

    void INetworkHost.Recut(ulong number) => _own.Recut(number);

    Attestation INetworkHost.Sign(Hash32 digest) => Attestation.Sign(_signer, digest);

    bool INetworkHost.IsOver(Attestation attestation, Hash32 digest) => attestation.IsOver(digest);

    AnchorHeader? INetworkHost.LedgerEntry(ulong ordinal) => _entry(ordinal);

    void INetworkHost.Blame(Address peer, string reason) => _transport.Blame(peer, PeerScores.BrokenRule, reason);

    void INetworkHost.Suspect(BatchHeader header, Attestation author, ReadOnlyMemory<byte> frameInBatch) => Suspected?.Invoke(header, author, frameInBatch);

    void INetworkHost.FetchBody(Address from, BatchSummary batch) => Fetch(from, batch, restore: false);

    void INetworkHost.RestoreOwn(Address from, BatchSummary batch) => Fetch(from, batch, restore: true);

    /// <summary>One at a time a batch, on the pool; what came of it is told on the core's thread.</summary>
    private void Fetch(Address from, BatchSummary batch, bool restore)
    {
        if (_fetching.Count >= FetchesMax || !_fetching.Add(batch.Hash)) return;
        _ = System.Threading.Tasks.Task.Run(() => FetchAsync(from, batch, restore), _ended.Token);
    }

    private async Task FetchAsync(Address from, BatchSummary batch, bool restore)
    {
        (BodyVerdict verdict, ReadOnlyMemory<byte> badFrame) = (BodyVerdict.Unavailable, default);
        try
        {
            (verdict, badFrame) = await _bodies.FetchAsync(from, batch, _ended.Token).ConfigureAwait(false);
            if (restore && verdict is BodyVerdict.Good) await _own.RestoreAsync(batch, _ended.Token).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is DbException or IOException or Store.StoreException)
        {
            _health.Report(Part, PartState.Degraded, $"a body could not be kept ({fault.Message}).", "It is fetched again. Check the disk of the data folder: free space, mode, mount.");
            verdict = BodyVerdict.Disk;
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            return;
        }

        await _posted.Writer.WriteAsync(() =>
        {
            _fetching.Remove(batch.Hash);
            if (!restore) _core.BodyChecked(batch, verdict, badFrame);
            else if (verdict is BodyVerdict.Unavailable or BodyVerdict.NotTheBody) _core.RestoreFailed(batch.Header.Number, from);
        }).ConfigureAwait(false);
    }

    /// <summary>For the health board: whether enough peers are here, and what is wrong with our own record.</summary>
    private void ReportPeers()
    {
        if (_seen is not { } chain || chain.Network.Active.Count == 1) return;
        IReadOnlyList<PeerState> peers = _transport.Peers();
        int connected = peers.Count(p => p.IsConnected && chain.Network.Active.Contains(p.Gateway)) + 1;
        if (_transport.OwnTrouble is { Length: > 0 } trouble)
            _health.Report("peer", PartState.Degraded, trouble, "Record the TLS key with GatewayRegistry.update from the gateway's account.");
        else if (connected < chain.Network.Active.Quorum)
            _health.Report("peer", PartState.Degraded, $"{connected} of {chain.Network.Active.Count} gateways talk to each other, itself counted; a quorum is {chain.Network.Active.Quorum}.", "Frames are kept. See 'depin peers' for why each is away.");
        else
            _health.Report("peer", PartState.Ok, $"{connected} of {chain.Network.Active.Count} gateways, itself counted");
    }

    private void Turn()
    {
        for (int i = 0; i < EventsPerTurn && _inbox.TryTake(out PeerEvent happened); i++) happened.TellTo(this);
        while (_posted.Reader.TryRead(out Action? action)) action();
        if (_chain() is var chain && !ReferenceEquals(chain, _seen))
        {
            _core.ChainChanged(chain);
            _seen = chain;
            if (chain is not null && (chain.Network.Version != _followed?.Version || !chain.Network.Members.SequenceEqual(_followed.Members)))
            {
                _transport.Follow(chain.Network); // keys and endpoints change without a new version
                _followed = chain.Network;
            }
        }

        _core.Tick();
        _isRestoring = _core.IsRestoring;
        ReportPeers();
        if (_core.IsSafeToSign) _safe.TrySetResult();
        SubmittableAnchor? anchor = _core.ToSubmit();
        (string attest, bool inTheWay) = _core.Attesting;
        _task = new AnchorTask(anchor, anchor is null ? _core.AnchorWaits : "", _core.IsAnchoringInTheWay);
        _health.Report(Part, inTheWay ? PartState.Degraded : attest.Length > 0 ? PartState.Waiting : PartState.Ok, attest.Length > 0 ? attest : "every batch is certified");
    }
}

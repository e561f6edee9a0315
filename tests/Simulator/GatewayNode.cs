using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>One gateway: the real core between a simulated log, store, clock, network and chain. A crash throws the core away; a start makes another from what is durable.</summary>
internal sealed class GatewayNode : INetworkHost
{
    private const int FetchTimeoutMs = 4_000;
    private const int ResubmitMs = 6_000;

    private readonly Simulation _simulation;
    private readonly List<object> _logJournal = [];
    private readonly List<object> _storeJournal = [];
    private readonly HashSet<Hash32> _fetching = [];
    private readonly Dictionary<int, int> _scores = [];
    private readonly Dictionary<Hash32, long> _submitted = [];
    private long _bootMs;
    private long _bootOffset;
    private ChainSnapshot? _seen;
    private bool _hasSeen;
    private long _viewAtMs;

    public GatewayNode(Simulation simulation, int index, Address address)
    {
        (_simulation, Index, Address) = (simulation, index, address);
        Disk = new SimulatedDisk(simulation, this);
        Log = null!;
        Store = null!;
        Core = null!;
    }

    public int Index { get; }

    public Address Address { get; }

    public SimulatedDisk Disk { get; }

    public SimulatedLog Log { get; private set; }

    public FrameStore Store { get; private set; }

    public NetworkCore Core { get; private set; }

    /// <summary>Null: an honest gateway.</summary>
    public Hostile? Hostile { get; set; }

    public bool IsUp { get; private set; }

    /// <summary>Counts starts: what was begun in an earlier life does not come back into this one.</summary>
    public int Life { get; private set; }

    /// <summary>True once the disk, or a part of it, was lost: counts as one of the f faulty.</summary>
    public bool WasWiped { get; private set; }

    /// <summary>True when its own view of the past cannot be held against it.</summary>
    public bool IsHonest => Hostile is null;

    public int DriftPpm { get; set; }

    public long WallOffsetMs { get; set; }

    public long RpcDownUntilMs { get; set; }

    public int ViewLagMs { get; set; }

    /// <summary>The block it has followed the chain to.</summary>
    public Block? View { get; private set; }

    public ChainSnapshot? Snapshot { get; private set; }

    /// <summary>Whom it connects to: the members of the last snapshot.</summary>
    public GatewaySet? Follows { get; private set; }

    public long WallMs => Simulation.BaseMs + _simulation.World.NowMs + WallOffsetMs;

    public long NowMs => _bootOffset + (_simulation.World.NowMs - _bootMs) * (1_000_000 + DriftPpm) / 1_000_000;

    public bool IsStoreEmpty => Store.IsEmpty;

    public void Start()
    {
        Life++;
        IsUp = true;
        _bootMs = _simulation.World.NowMs;
        _bootOffset = _simulation.World.Random.Below(1_000_000);
        _fetching.Clear();
        _submitted.Clear();
        _seen = null;
        _hasSeen = false;
        Scenario scenario = _simulation.Scenario;
        Log = new SimulatedLog(Disk.Commit, _logJournal, _simulation.SharedAttestations, scenario.Crashes, scenario.Mutation)
        {
            Certified = (batch, attestations) => _simulation.Certified(this, batch),
        };
        Store = new FrameStore(_simulation, this, Disk, _storeJournal);
        Core = new NetworkCore(scenario.RulesOf(Address), Log, this);
        _simulation.World.Trace(Index, Happened.Started, null, Life);
        Hostile?.Started();
        int life = Life;
        _simulation.World.After(_simulation.World.Random.Below(scenario.TickMs), () => TickLoop(life));
        Follow();
        _simulation.Network.Review(this);
    }

    public void Stop()
    {
        if (!IsUp) return;
        IsUp = false;
        Life++;
        Snapshot = null;
        View = null;
        _simulation.World.Trace(Index, Happened.Crashed);
        _simulation.Network.Review(this);
    }

    /// <summary>chain.db is gone, or the whole disk; the gateway is down.</summary>
    public void Wipe(bool frames)
    {
        _simulation.World.Trace(Index, Happened.Wiped, frames ? "the whole disk" : "chain.db");
        _simulation.BeforeWipe(this, frames);
        WasWiped = true;
        _logJournal.Clear();
        if (frames) _storeJournal.Clear();
    }

    public void After(long delayMs, Action action)
    {
        int life = Life;
        _simulation.World.After(delayMs, () =>
        {
            if (Life == life) Enter(action);
        });
    }

    /// <summary>Everything that may run the core goes through here: injected faults end here, anything else is a bug of the core.</summary>
    public void Enter(Action action)
    {
        try
        {
            action();
        }
        catch (DiskFaultException)
        {
            // Told and traced where it was thrown. The stage pauses; here the next tick comes soon enough.
        }
        catch (CrashException)
        {
            Stop();
            _simulation.StartLater(this);
        }
        catch (ViolationException)
        {
            throw;
        }
        catch (Exception fault) when (Hostile is not null)
        {
            _simulation.World.Trace(Index, Happened.Threw, fault.GetType().Name); // a hostile gateway's core may see its own lies
        }
        catch (Exception fault)
        {
            _simulation.World.Trace(Index, Happened.Threw, fault.GetType().Name);
            throw new ViolationException("the core threw", $"{fault.GetType().Name} in gateway {Index}: {fault.Message}{Environment.NewLine}{fault.StackTrace}");
        }
    }

    public void Received(int from, PeerMessage message)
    {
        Hostile?.Received(from, message);
        Core.Received(_simulation.Nodes[from].Address, message);
    }

    public void TakeFrame(Frame frame, Device? device)
    {
        if (!IsUp || Core.IsRestoring || (device is not null && (View?.Number ?? 0) < device.RegisteredAt)) return;
        Store.Take(frame, device);
    }

    /// <summary>The node asks for the chain's newest block and sees it a little later.</summary>
    public void Follow()
    {
        if (!IsUp) return;
        long asked = _simulation.World.NowMs;
        int life = Life;
        _simulation.World.After(_simulation.World.Random.Delay(20, 200) + ViewLagMs, () =>
        {
            if (Life != life || _viewAtMs > asked) return;
            if (_simulation.World.NowMs < RpcDownUntilMs)
            {
                if (Snapshot is null) return;
                Snapshot = null;
                _simulation.World.Trace(Index, Happened.Unfollowed);
                return;
            }

            Block block = _simulation.Chain.Head;
            if (ViewLagMs > 0 && _simulation.World.Random.Below(4) == 0 && block.Parent is { } parent) block = parent; // an endpoint behind
            else if (!_simulation.IsHealed && _simulation.Scenario.Has(FaultKind.StaleView) && _simulation.World.Random.Below(20) == 0 && block.Parent is { } older)
            {
                _simulation.Count(FaultKind.StaleView);
                block = older;
            }

            _viewAtMs = asked;
            View = block;
            Snapshot = block.Snapshot();
            _simulation.World.Trace(Index, Happened.Followed, null, (long)block.Number);
            if (!ReferenceEquals(Follows, Snapshot.Network.Active))
            {
                Follows = Snapshot.Network.Active;
                _simulation.Network.Review(this);
            }

            Enter(Turn);
        });
    }

    public bool HasDropped(int peer) => _simulation.Scenario.DropsBlamed && _scores.GetValueOrDefault(peer) >= PeerScores.DropAt;

    /// <summary>As NetworkStage.Turn does.</summary>
    public void Turn()
    {
        if (!_hasSeen || !ReferenceEquals(Snapshot, _seen))
        {
            ChainSnapshot? now = Snapshot;
            Core.ChainChanged(now);
            (_seen, _hasSeen) = (now, true);
        }

        Core.Tick();
        if (Core.IsSafeToSign && !Core.IsRestoring) Store.TryCut();
        Hostile?.Tick();
        if (Core.ToSubmit() is { } anchor && _simulation.World.NowMs >= RpcDownUntilMs) Submit(anchor);
    }

    public void Send(Address to, PeerMessage message)
    {
        int peer = _simulation.IndexOf(to);
        if (Hostile is not null)
        {
            Hostile.Send(peer, message);
            return;
        }

        _simulation.Checks.Sent(this, message);
        _simulation.Network.Send(Index, peer, message);
    }

    public void FetchBody(Address from, BatchSummary batch) => Fetch(from, batch, (verdict, _) => Core.BodyChecked(batch, verdict));

    public void RestoreOwn(Address from, BatchSummary batch) => Fetch(from, batch, (verdict, body) =>
    {
        if (verdict is BodyVerdict.Unavailable or BodyVerdict.NotTheBody) Core.RestoreFailed(batch.Header.Number, from);
        else if (verdict is BodyVerdict.Good) Store.Restore(batch, body!);
    });

    public bool HasBody(BatchSummary batch) => Store.Has(batch) || (_simulation.Scenario.Mutation == Mutation.BodiesNotKept && _keptNot.Contains(batch.Hash));

    public BatchSummary? OwnBatch(ulong number) => Store.Own(number);

    public ulong FirstMissingOwn(ulong from)
    {
        while (Store.Own(from) is not null) from++;
        return from;
    }

    public void Recut(ulong number)
    {
        if (_simulation.Scenario.Mutation != Mutation.NoRecut) Store.Recut(number);
    }

    public Attestation Sign(Hash32 digest) => _simulation.Keys.Sign(Address, digest);

    public bool IsOver(Attestation attestation, Hash32 digest) => _simulation.Scenario.Mutation == Mutation.AnySignatureIsRight || _simulation.Keys.IsOver(attestation, digest);

    public AnchorHeader? LedgerEntry(ulong ordinal) => View is { } view && ordinal < (ulong)view.Entries.Length ? view.Entries[(int)ordinal] : null;

    public void Blame(Address peer, string reason)
    {
        int index = _simulation.IndexOf(peer);
        if (index < 0) return;
        _simulation.World.Trace(Index, Happened.Blamed, $"gateway {index}: {reason}", index);
        _simulation.Checks.Blamed(this, index, reason);
        _scores[index] = _scores.GetValueOrDefault(index) + PeerScores.BrokenRule;
        if (HasDropped(index)) _simulation.Network.Review(this);
    }

    private readonly HashSet<Hash32> _keptNot = [];

    private void TickLoop(int life)
    {
        if (Life != life) return;
        Enter(Turn);
        if (Life == life) _simulation.World.After(_simulation.Scenario.TickMs, () => TickLoop(life));
    }

    /// <summary>Asks a peer for a body, checks it, keeps it; one at a time a batch.</summary>
    private void Fetch(Address from, BatchSummary batch, Action<BodyVerdict, Body?> done)
    {
        if (!_fetching.Add(batch.Hash)) return;
        int peer = _simulation.IndexOf(from);
        bool answered = false;
        After(FetchTimeoutMs, () => Answer(BodyVerdict.Unavailable, null));
        _simulation.Network.Request(Index, peer, batch, body =>
        {
            Enter(() =>
            {
                if (answered) return;
                if (body is null)
                {
                    Answer(BodyVerdict.Unavailable, null);
                    return;
                }

                BodyVerdict verdict = _simulation.Scenario.Mutation == Mutation.BadBodiesAreGood ? BodyVerdict.Good : body.Check(batch);
                if (verdict is BodyVerdict.Good && body.Frames.Any(f => _simulation.RegisteredAt(f.Device) > (View?.Number ?? 0))) verdict = BodyVerdict.DeviceUnknown;
                if (verdict is BodyVerdict.Good)
                {
                    try
                    {
                        Store.Keep(batch, body);
                        if (_simulation.Scenario.Mutation == Mutation.BodiesNotKept) _keptNot.Add(batch.Hash);
                    }
                    catch (DiskFaultException)
                    {
                        verdict = BodyVerdict.Disk;
                    }
                }

                _simulation.World.Trace(Index, Happened.BodyChecked, $"{verdict} {Describe.It(batch, _simulation.Name)}", (long)verdict);
                Answer(verdict, body);
            });
        });

        void Answer(BodyVerdict verdict, Body? body)
        {
            if (answered) return;
            answered = true;
            _fetching.Remove(batch.Hash);
            done(verdict, body);
        }
    }

    private void Submit(SubmittableAnchor anchor)
    {
        Hash32 hash = anchor.Header.Hash();
        if (_submitted.TryGetValue(hash, out long last) && _simulation.World.NowMs - last < ResubmitMs) return;
        _submitted[hash] = _simulation.World.NowMs;
        if (Log.VoteIn(anchor.Header.Epoch) is { } vote && vote.Header == anchor.Header) _simulation.Checks.Made(vote.Header, vote.Contents); // in a network of one it is proposed to nobody
        _simulation.Chain.Submit(this, anchor);
    }
}

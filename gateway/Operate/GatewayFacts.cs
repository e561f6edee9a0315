using System.Diagnostics.Metrics;
using DePIN.Contracts;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Batch;
using DePIN.Evidence;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Gateway.Web;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Gathers how the gateway stands from all parts: for /health, /api/status and the meter "DePIN.Gateway". Everything is read
/// at the time of asking (the gauges of one scrape share one reading); nothing is kept up to date in the background.
/// </summary>
public sealed class GatewayFacts : IDisposable
{
    /// <summary>Gauges asked for within this time belong to one scrape. Milliseconds.</summary>
    private const int ScrapeMs = 200;

    private readonly GatewaySettings _settings;
    private readonly string _gateway;
    private readonly IFrameStore _frames;
    private readonly FrameVerifier _verifier;
    private readonly Anchorer _anchorer;
    private readonly NetworkLog _network;
    private readonly Address _self;
    private readonly RegistryLog _registry;
    private readonly ChainRegistry _follower;
    private readonly MqttIngest _ingest;
    private readonly HealthBoard _board;
    private readonly TimeProvider _time;
    private readonly long _startedMs;
    private readonly Meter _meter = new("DePIN.Gateway");
    private volatile HealthFacts? _scraped;

    public GatewayFacts(
        GatewaySettings settings, Address self, IFrameStore frames, FrameVerifier verifier, NetworkLog network, RegistryLog registry,
        ChainRegistry follower, Anchorer anchorer, MqttIngest ingest, PeerTransport transport, JsonRpc rpc, HealthBoard board, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(anchorer);
        ArgumentNullException.ThrowIfNull(rpc);
        ArgumentNullException.ThrowIfNull(time);
        (_settings, _self, _gateway, _frames, _verifier, _network, _registry, _follower, _anchorer, _ingest, _board, _time) =
            (settings, self, self.ToChecksumString(), frames, verifier, network, registry, follower, anchorer, ingest, board, time);
        _startedMs = Now();
        Gauge("depin_up", "1 while the gateway's status is healthy, else 0.", f => Judge(f).Status == HealthRules.Healthy ? 1 : 0);
        Gauge("depin_uptime_seconds", "Time since the start.", f => (f.NowMs - f.StartedMs) / 1000.0);
        Gauge("depin_frames_unbatched", "Frames stored and in no batch.", f => f.FramesUnbatched);
        Gauge("depin_certificates_pending", "Certificates not on the ledger.", f => f.CertificatesPending);
        Gauge("depin_oldest_unanchored_seconds", "Age of the oldest frame that is not on the ledger; 0 when all are.", f => f.OldestUnanchoredMs is { } ms ? (f.NowMs - ms) / 1000.0 : 0);
        Gauge("depin_clock_error_seconds", "Chain time minus our clock when the newest block came.", f => (f.ClockErrorMs ?? 0) / 1000.0);
        Gauge("depin_store_writable", "1 while frames are stored, else 0.", f => f.StoreWritable ? 1 : 0);
        Gauge("depin_store_queue", "Frames and records waiting for a commit.", f => f.StoreQueue);
        Gauge("depin_oldest_unbatched_seconds", "Age of the oldest frame that is in no batch; 0 when all are.", f => f.OldestUnbatchedMs is { } ms ? (f.NowMs - ms) / 1000.0 : 0);
        Gauge("depin_last_frame_age_seconds", "Time since the last frame was stored; 0 before the first.", f => f.LastFrameMs is { } ms ? (f.NowMs - ms) / 1000.0 : 0);
        _meter.CreateObservableGauge("depin_frames_stored", () => frames.LastRow, description: "Frames stored since the store was made.");
        _meter.CreateObservableGauge("depin_batch_number", () => (long)(frames.LastBatch()?.Number ?? 0), description: "Number of the newest own batch.");
        _meter.CreateObservableGauge("depin_devices", () => (long)registry.Devices().Count, description: "Devices that the registry knows.");
        _meter.CreateObservableGauge("depin_peers", () => transport.Peers().GroupBy(p => p.IsConnected ? "connected" : "away").Select(g => new Measurement<long>(g.Count(), new KeyValuePair<string, object?>("state", g.Key))),
            description: "Other gateways, by whether they are connected.");
        _meter.CreateObservableCounter("depin_rpc_failures", () => rpc.Failures, description: "Calls that an RPC endpoint did not answer, or not well.");
        _meter.CreateObservableGauge("depin_chain_head_seconds", () => follower.Head is { } head ? Now() / 1000.0 - head.TimeS : 0, description: "Age of the newest block seen.");
        _meter.CreateObservableGauge("depin_balance_ether", () => anchorer.Counters.BalanceEther, description: "What the gateway's account had when it was last looked at for an anchor; -1 before.");
        _meter.CreateObservableCounter("depin_spent_ether", () => anchorer.Counters.SpentEther, description: "What that account's balance fell by between two looks: fees, and whatever else was sent from it.");
        _meter.CreateObservableGauge("depin_process_resident_bytes", () => Environment.WorkingSet, description: "Resident set.");
        _meter.CreateObservableGauge("depin_process_heap_bytes", () => GC.GetTotalMemory(false), description: "Managed heap.");
        _meter.CreateObservableGauge("depin_process_threads", () => ThreadPool.ThreadCount, description: "Threads of the pool.");
        _meter.CreateObservableCounter("depin_process_cpu_seconds", () => Environment.CpuUsage.TotalTime.TotalSeconds, description: "Processor time.");
        _meter.CreateObservableCounter("depin_process_gc_pause_seconds", () => GC.GetTotalPauseDuration().TotalSeconds, description: "Time that collections stopped everything.");
        _meter.CreateObservableGauge("depin_chain_block_read", () => (long)(_registry.Last?.Number ?? 0), description: "The last block whose events are stored.");
        _meter.CreateObservableGauge("depin_ledger_size", () => (long)((_registry.LedgerHead()?.Ordinal + 1) ?? 0), description: "Anchors on the ledger.");
        _meter.CreateObservableCounter("depin_transactions_sent", () => anchorer.Counters.Sent, description: "Transactions handed to an endpoint, repetitions included.");
        _meter.CreateObservableCounter("depin_transactions_replaced", () => anchorer.Counters.Replaced, description: "Transactions replaced at a higher fee.");
        _meter.CreateObservableCounter("depin_anchor_failures", () => anchorer.Counters.Failures, description: "Anchoring turns that ended in a failure of endpoint or disk.");
        _meter.CreateObservableGauge("depin_part_state", () => _board.Parts.Select(p => new Measurement<long>((long)p.State, new KeyValuePair<string, object?>("part", p.Name))),
            description: "State of a part: 0 starting, 1 ok, 2 waiting, 3 degraded, 4 failed.");
    }

    /// <summary>Everything, now.</summary>
    public HealthFacts Gather()
    {
        StoredBatch? lastBatch = _frames.LastBatch();
        long unbatchedFrom = _frames.CutRow + 1; // not the last batch's rows: one cut again has old ones
        long lastRow = _frames.LastRow;
        long? oldestUnbatched = lastRow >= unbatchedFrom ? _frames.FrameAt(unbatchedFrom)?.ReceivedMs : null;
        ulong certified = _network.HighestNumber(_self);
        long? oldestPending = (long?)_network.PendingOf(_self, 1).FirstOrDefault()?.Summary.Header.FirstReceivedMs
            ?? (lastBatch is not null && certified < lastBatch.Number ? (long?)_frames.BatchAt(certified + 1)?.FirstReceivedMs : null);
        return new HealthFacts
        {
            NowMs = Now(), StartedMs = _startedMs, Parts = _board.Parts,
            StoreWritable = _frames.State == StoreFault.None, StoreFault = _frames.LastError ?? _frames.State.ToString(),
            VerifyInFlight = _verifier.InFlight, StoreQueue = _frames.QueueDepth, FramesUnbatched = Math.Max(0, lastRow - unbatchedFrom + 1),
            CertificatesPending = _network.Counts().Pending, OldestUnbatchedMs = oldestUnbatched, OldestUnanchoredMs = oldestPending ?? oldestUnbatched,
            LastFrameMs = lastRow > 0 ? _frames.FrameAt(lastRow)?.ReceivedMs : null, ClockErrorMs = _follower.ClockErrorMs, Connections = _ingest.Metrics.Connections,
        };
    }

    /// <summary>Late is: three times what batching and two epochs (one to wait for, one to be confirmed in) take, and a minute.</summary>
    public HealthVerdict Judge(HealthFacts facts) => HealthRules.Judge(facts, new HealthLimits(
        UnanchoredMaxMs: 3 * (_settings.Batch.AgeMaxS + 2 * (long)_follower.EpochSeconds) * 1000L + 60_000,
        UnbatchedMaxMs: 3 * _settings.Batch.AgeMaxS * 1000L + 10_000,
        ClockErrorMaxMs: 60_000 + _settings.Chain.PollIntervalMs));

    /// <summary>/health.</summary>
    public HealthJson Health()
    {
        HealthFacts f = Gather();
        HealthVerdict verdict = Judge(f);
        return new HealthJson(verdict.Status, _gateway, f.NowMs, f.NowMs - f.StartedMs, [.. verdict.Problems.Select(Json)], [.. f.Parts.Select(Json)],
            new QueuesJson(f.VerifyInFlight, f.StoreQueue, f.FramesUnbatched, f.CertificatesPending),
            f.NowMs - f.OldestUnanchoredMs, f.NowMs - f.LastFrameMs, f.ClockErrorMs, f.StoreWritable, Chain(), f.Connections);
    }

    /// <summary>Length of an epoch now, seconds.</summary>
    public ulong EpochSeconds => _follower.EpochSeconds;

    /// <summary>How far the chain is read; endpoints without path and query, where API keys are.</summary>
    public ChainJson Chain() => new(_settings.Chain.ChainId, _follower.Head?.Number, _follower.Head?.TimeS, _registry.Last?.Number, _follower.IsCurrent,
        [.. _settings.Chain.RpcUrls.Select(GatewaySettings.Redacted)]);

    /// <summary>Frames refused since the start, of known and unknown devices, by reason.</summary>
    public IReadOnlyList<(FrameVerdict Verdict, long Frames)> Refused() =>
        [.. Enum.GetValues<FrameVerdict>().Where(verdict => !verdict.IsDurable()).Select(verdict => (verdict, _verifier.Counters.Of(verdict))).Where(one => one.Item2 > 0)];

    /// <summary>What the gateway's account had when an anchor was last thought of, ether; null before. It pays for anchors.</summary>
    public (double? Balance, double Spent) Gas() => (_anchorer.Counters.BalanceEther is >= 0 and var ether ? ether : null, _anchorer.Counters.SpentEther);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private static PartJson Json(PartStatus part) => new(part.Name, part.State.ToString().ToLowerInvariant(), part.Reason, part.NextStep, part.SinceMs);

    private void Gauge(string name, string description, Func<HealthFacts, double> read) =>
        _meter.CreateObservableGauge(name, () => read(Scraped()), description: description);

    private HealthFacts Scraped()
    {
        HealthFacts? last = _scraped;
        return last is not null && Now() - last.NowMs is >= 0 and < ScrapeMs ? last : _scraped = Gather();
    }

    private long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();
}

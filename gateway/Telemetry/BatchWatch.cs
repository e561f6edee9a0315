using System.Diagnostics.Metrics;
using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Telemetry;

/// <summary>
/// Watches own batches on their way to the ledger, from what the stages have made durable, and measures it: histograms of the meter
/// "DePIN.Gateway.Telemetry", and spans when a <see cref="FrameTracer"/> is given. No stage knows of it. After a restart it goes on with the batches
/// that are not final yet; their spans may come twice, with the same ids.
/// </summary>
public sealed class BatchWatch : IDisposable
{
    /// <summary>Batches watched at a time; those cut beyond it, while nothing reaches the ledger for days, are not measured.</summary>
    public const int WatchedMax = 4_096;

    /// <summary>Batches looked up at a time: they become final in about the order they were cut in.</summary>
    private const int LooksMax = 64;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan FaultPause = TimeSpan.FromSeconds(5);
    private static readonly InstrumentAdvice<double> Seconds = new() { HistogramBucketBoundaries = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400] };

    private readonly Address _self;
    private readonly IFrameStore _frames;
    private readonly NetworkLog _network;
    private readonly RegistryLog _registry;
    private readonly AnchorLog _anchors;
    private readonly Func<ulong> _head;
    private readonly ulong _confirmations;
    private readonly FrameTracer? _tracer;
    private readonly TimeProvider _time;
    private readonly Meter _meter = new("DePIN.Gateway.Telemetry");
    private readonly Histogram<double> _cut, _certified, _final;
    private readonly SortedDictionary<ulong, Way> _ways = [];
    private ulong _seen;
    private long _skipped;

    /// <param name="self">Whose batches.</param>
    /// <param name="frames">Where they are.</param>
    /// <param name="network">Which are certified and anchored.</param>
    /// <param name="registry">In which block.</param>
    /// <param name="anchors">By which of our transactions.</param>
    /// <param name="head">The newest block.</param>
    /// <param name="confirmations">Final under so many blocks.</param>
    /// <param name="tracer">Null: no spans.</param>
    /// <param name="time">The clock.</param>
    public BatchWatch(Address self, IFrameStore frames, NetworkLog network, RegistryLog registry, AnchorLog anchors, Func<ulong> head, int confirmations, FrameTracer? tracer, TimeProvider time)
    {
        (_self, _frames, _network, _registry, _anchors, _head, _confirmations, _tracer, _time) = (self, frames, network, registry, anchors, head, (ulong)confirmations, tracer, time);
        _cut = _meter.CreateHistogram("depin.batch.cut.duration.seconds", "s", "From the first frame of a batch to its cut.", null, Seconds);
        _certified = _meter.CreateHistogram("depin.batch.certificate.duration.seconds", "s", "From the cut of a batch to its certificate.", null, Seconds);
        _final = _meter.CreateHistogram("depin.batch.final.duration.seconds", "s", "From the first frame of a batch to its final anchor.", null, Seconds);
        _meter.CreateObservableUpDownCounter("depin.batch.watched", () => Volatile.Read(ref _watched), "{batch}", "Own batches that are not final.");
        _meter.CreateObservableCounter("depin.batch.unwatched", () => Interlocked.Read(ref _skipped), "{batch}", "Own batches not measured because too many wait.");
    }

    private int _watched;

    /// <summary>Watches until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        bool begun = false;
        while (true)
        {
            TimeSpan pause = Interval;
            try
            {
                if (!begun) Begin();
                begun = true;
                Look();
            }
            catch (Exception fault) when (fault is StoreException or System.Data.Common.DbException)
            {
                pause = FaultPause; // the stages whose disk it is have reported it
            }

            Volatile.Write(ref _watched, _ways.Count);
            await Task.Delay(pause, _time, stopping).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    /// <summary>Back to the newest batch that is anchored: those after it are watched again, without their durations until now.</summary>
    private void Begin()
    {
        ulong last = _frames.LastBatch()?.Number ?? 0;
        ulong from = last;
        while (from > 0 && last - from < WatchedMax && _network.Find(new BatchId(_self, from))?.State is not (BatchState.Anchored or BatchState.Void)) from--;
        _seen = from;
        for (ulong number = from + 1; number <= last; number++) Enter(number, isNew: false);
    }

    private void Look()
    {
        ulong last = _frames.LastBatch()?.Number ?? 0;
        while (_seen < last) Enter(_seen + 1, isNew: true);
        ulong head = _head();
        foreach (Way way in _ways.Values.Take(LooksMax).ToArray())
            if (Follow(way, head)) _ways.Remove(way.Number);
    }

    private void Enter(ulong number, bool isNew)
    {
        if (_frames.BatchAt(number) is { } batch)
        {
            if (_ways.Count < WatchedMax)
            {
                DateTime now = Now();
                Way way = new(number, new Hash32(batch.Hash), At((long)batch.FirstReceivedMs), now, isNew, Sampled(batch));
                _ways[number] = way;
                if (isNew) _cut.Record((now - way.First).TotalSeconds);
                Emit(way, FrameTracer.Batch, FrameTracer.Publish, null, now, [new("depin.batch.number", (long)number), new("depin.batch.frames", (int)batch.Frames), new("depin.batch.hash", way.Hash.ToString())]);
            }
            else
            {
                Interlocked.Increment(ref _skipped);
            }
        }

        _seen = number;
    }

    /// <summary>True when its way is over.</summary>
    private bool Follow(Way way, ulong head)
    {
        BatchRecord? record = _network.Find(new BatchId(_self, way.Number));
        if (record is null or { State: BatchState.Voted }) return false;
        if (record.State == BatchState.Void) return true;
        if (way.Certified is null)
        {
            way.Certified = Now();
            if (way.IsNew) _certified.Record((way.Certified.Value - way.Cut).TotalSeconds);
            Emit(way, FrameTracer.Certificate, FrameTracer.Batch, way.Cut, way.Certified.Value, [new("depin.attestations", record.Attestations.Count)]);
        }

        if (record.State != BatchState.Anchored || record.Ordinal is not { } ordinal || _registry.Ledger(ordinal, 1) is not [{ } entry] || entry.Ordinal != ordinal)
        {
            way.Mined = null; // taken back by a reorganisation
            return false;
        }

        way.Mined ??= Now();
        if (head + 1 < entry.Block + _confirmations) return false;
        DateTime final = Now();
        if (way.IsNew) _final.Record((final - way.First).TotalSeconds);
        if (_tracer is null) return true;
        Emit(way, FrameTracer.Anchor, FrameTracer.Certificate, way.Certified.Value, final,
            [new("depin.epoch", (long)entry.Header.Epoch), new("depin.ledger.ordinal", (long)ordinal), new("depin.transaction", entry.TransactionHash.ToString()), new("depin.block", (long)entry.Block)]);
        DateTime sent = way.Certified.Value;
        if (_anchors.Attempts(entry.Hash).FirstOrDefault(attempt => attempt.Hash == entry.TransactionHash) is { } attempt) // else another gateway sent it
            Emit(way, FrameTracer.Submitted, FrameTracer.Anchor, At(attempt.SavedMs), sent = At(Math.Max(attempt.SavedMs, attempt.SentMs)), [new("depin.nonce", (long)attempt.Nonce)]);
        Emit(way, FrameTracer.Mined, FrameTracer.Anchor, sent, way.Mined.Value);
        Emit(way, FrameTracer.Final, FrameTracer.Anchor, way.Mined.Value, final, [new("depin.confirmations", (long)_confirmations)]);
        return true;
    }

    /// <summary>The span in the batch's own trace, and the same in each sampled frame's, linked to it.</summary>
    private void Emit(Way way, string name, string parent, DateTime? from, DateTime to, KeyValuePair<string, object?>[]? tags = null)
    {
        if (_tracer is null) return;
        _tracer.Span(way.Hash, name, name == FrameTracer.Batch ? null : parent, from ?? way.First, to, null, tags);
        foreach ((Hash32 leaf, DateTime received) in way.Sampled) _tracer.Span(leaf, name, parent, from ?? received, to, way.Hash, tags);
    }

    private IReadOnlyList<(Hash32 Leaf, DateTime Received)> Sampled(StoredBatch batch) => _tracer is null ? [] :
    [
        .. _frames.Frames(batch.FirstRow, batch.LastRow).Where(frame => _tracer.IsSampled(frame.Frame) && batch.Contains(frame.Row))
            .Take(FrameTracer.SampledPerBatchMax).Select(frame => (FrameLeaf.Hash(frame.Frame), At(frame.ReceivedMs))),
    ];

    private DateTime Now() => _time.GetUtcNow().UtcDateTime;

    private static DateTime At(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms).UtcDateTime;

    private sealed record Way(ulong Number, Hash32 Hash, DateTime First, DateTime Cut, bool IsNew, IReadOnlyList<(Hash32 Leaf, DateTime Received)> Sampled)
    {
        public DateTime? Certified { get; set; }

        public DateTime? Mined { get; set; }
    }
}

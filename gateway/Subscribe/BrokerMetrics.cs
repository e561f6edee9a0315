// What the subscription to an external broker counts. Meter name: DePIN.Gateway.Broker.

using System.Diagnostics.Metrics;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Subscribe;

/// <summary>Counters of one subscription.</summary>
public sealed class BrokerMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "DePIN.Gateway.Broker";

    private readonly Meter _meter = new(MeterName);
    private readonly long[] _verdicts = new long[FrameVerdicts.Count];
    private long _connects, _failures, _givenUp, _foreign, _drops, _published, _forgotten;

    /// <summary>Registers the instruments.</summary>
    public BrokerMetrics(Func<int> waiting)
    {
        _meter.CreateObservableUpDownCounter("depin.broker.waiting", () => (long)waiting(), "{frame}", "Frames taken from the broker and not yet answered.");
        _meter.CreateObservableUpDownCounter("depin.broker.connected", () => IsConnected ? 1 : 0, null, "1 while frames are taken from the external broker.");
        _meter.CreateObservableCounter("depin.broker.connects", () => Connects, "{connection}", "Connections the broker accepted.");
        _meter.CreateObservableCounter("depin.broker.failures", () => Interlocked.Read(ref _failures), "{connection}", "Connections that failed or ended.");
        _meter.CreateObservableCounter("depin.broker.given.up", () => GivenUp, "{connection}", "Connections given up because a frame waited too long for the store: the broker keeps it.");
        _meter.CreateObservableCounter("depin.broker.sessions.forgotten", () => Forgotten, "{session}", "Times the broker had lost this gateway's session: it may have lost frames.");
        _meter.CreateObservableCounter("depin.broker.foreign", () => Foreign, "{message}", "Messages that the filter matched and that are on no frame topic, and QoS 0 frames beyond what can wait.");
        _meter.CreateObservableCounter("depin.broker.published", () => Interlocked.Read(ref _published), "{message}", "Messages published at the broker.");
        _meter.CreateObservableCounter("depin.broker.drops", () => Drops, "{message}", "Messages for the broker dropped because too many waited.");
        _meter.CreateObservableCounter("depin.broker.frames", Frames, "{frame}", "Frames of the broker by final verdict.");
    }

    /// <summary>Whether frames are taken now.</summary>
    public bool IsConnected { get; internal set; }

    public long Connects => Interlocked.Read(ref _connects);

    public long GivenUp => Interlocked.Read(ref _givenUp);

    public long Forgotten => Interlocked.Read(ref _forgotten);

    public long Foreign => Interlocked.Read(ref _foreign);

    public long Drops => Interlocked.Read(ref _drops);

    /// <summary>Frames that were answered with this verdict.</summary>
    public long FramesWith(FrameVerdict verdict) => Interlocked.Read(ref _verdicts[(int)verdict]);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    internal void Connect() => Interlocked.Increment(ref _connects);

    internal void Fail() => Interlocked.Increment(ref _failures);

    internal void GiveUp() => Interlocked.Increment(ref _givenUp);

    internal void Forget() => Interlocked.Increment(ref _forgotten);

    internal void CountForeign() => Interlocked.Increment(ref _foreign);

    internal void Drop() => Interlocked.Increment(ref _drops);

    internal void Publish() => Interlocked.Increment(ref _published);

    internal void Count(FrameVerdict verdict) => Interlocked.Increment(ref _verdicts[(int)verdict]);

    private List<Measurement<long>> Frames()
    {
        List<Measurement<long>> all = [];
        for (int i = 0; i < _verdicts.Length; i++)
        {
            if (Interlocked.Read(ref _verdicts[i]) is not 0 and long count)
            {
                all.Add(new Measurement<long>(count, new KeyValuePair<string, object?>("verdict", ((FrameVerdict)i).ToString())));
            }
        }

        return all;
    }
}

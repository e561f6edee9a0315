// What the listener counts: plain numbers that a hot path increments, shown as System.Diagnostics.Metrics instruments with the
// reason as a tag. Meter name: DePIN.Gateway.Ingest.

using System.Diagnostics.Metrics;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>Why a message did not reach a subscriber.</summary>
public enum DropReason
{
    OutboundFull,
    QueueFull,
    Expired,
    TooLarge,
    RetainedFull,
}

/// <summary>Why a connection was refused before its first byte was read.</summary>
public enum AdmissionRefusal
{
    ConnectionsMax,
    AddressMax,
    Stopping,
}

/// <summary>The listener's counters.</summary>
public sealed class IngestMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "DePIN.Gateway.Ingest";

    private readonly Meter _meter = new(MeterName);
    private readonly long[] _verdicts = new long[(int)FrameVerdict.TooLarge + 1];
    private readonly long[] _malformed = new long[(int)MqttResult.ConnectFlagsInvalid + 1];
    private readonly long[] _disconnects = new long[256];
    private readonly long[] _refusedConnects = new long[256];
    private readonly long[] _refusedPublishes = new long[256];
    private readonly long[] _drops = new long[Enum.GetValues<DropReason>().Length];
    private readonly long[] _admission = new long[Enum.GetValues<AdmissionRefusal>().Length];
    private long _connections;
    private long _accepted;
    private long _publishes;
    private long _deliveries;
    private long _faults;
    private long _clientCertificates;

    /// <summary>Registers the instruments.</summary>
    public IngestMetrics()
    {
        _meter.CreateObservableUpDownCounter("depin.mqtt.connections", () => Connections, "{connection}", "Open connections.");
        _meter.CreateObservableCounter("depin.mqtt.connects", () => Interlocked.Read(ref _accepted), "{connection}", "Accepted CONNECTs.");
        _meter.CreateObservableCounter("depin.mqtt.publishes", () => Publishes, "{message}", "PUBLISH packets received.");
        _meter.CreateObservableCounter("depin.mqtt.deliveries", () => Deliveries, "{message}", "PUBLISH packets sent.");
        _meter.CreateObservableCounter("depin.mqtt.faults", () => Faults, "{fault}", "Exceptions that ended a connection or an intake call; each is a bug or a failing disk.");
        _meter.CreateObservableCounter("depin.mqtt.client.certificates", () => ClientCertificatesRefused, "{connection}", "TLS clients refused for their certificate, or for having none.");
        Tagged("depin.mqtt.frames", "verdict", "Frames by verdict.", _verdicts, i => ((FrameVerdict)i).ToString());
        Tagged("depin.mqtt.malformed", "reason", "Connections ended for breaking the protocol.", _malformed, i => ((MqttResult)i).ToString());
        Tagged("depin.mqtt.disconnects", "reason", "Connections ended by the gateway, by reason code.", _disconnects, i => ((MqttReason)i).ToString());
        Tagged("depin.mqtt.refused", "reason", "CONNECTs refused, by reason code.", _refusedConnects, i => ((MqttReason)i).ToString());
        Tagged("depin.mqtt.publishes.refused", "reason", "Messages outside of the frame topics refused, by reason code.", _refusedPublishes, i => ((MqttReason)i).ToString());
        Tagged("depin.mqtt.drops", "reason", "Messages dropped on their way to a subscriber.", _drops, i => ((DropReason)i).ToString());
        Tagged("depin.mqtt.admission", "reason", "Connections closed before a byte was read.", _admission, i => ((AdmissionRefusal)i).ToString());
    }

    /// <summary>Open connections.</summary>
    public long Connections => Interlocked.Read(ref _connections);

    /// <summary>PUBLISH packets received.</summary>
    public long Publishes => Interlocked.Read(ref _publishes);

    /// <summary>PUBLISH packets sent.</summary>
    public long Deliveries => Interlocked.Read(ref _deliveries);

    /// <summary>Exceptions that ended a connection or an intake call.</summary>
    public long Faults => Interlocked.Read(ref _faults);

    /// <summary>TLS clients refused for their certificate, or for having none.</summary>
    public long ClientCertificatesRefused => Interlocked.Read(ref _clientCertificates);

    /// <summary>Frames with this verdict.</summary>
    public long Frames(FrameVerdict verdict) => Interlocked.Read(ref _verdicts[(int)verdict]);

    /// <summary>Connections ended for this breach of the protocol.</summary>
    public long Malformed(MqttResult result) => Interlocked.Read(ref _malformed[(int)result]);

    /// <summary>Connections ended by the gateway with this reason.</summary>
    public long Disconnects(MqttReason reason) => Interlocked.Read(ref _disconnects[(int)reason]);

    /// <summary>CONNECTs refused with this reason.</summary>
    public long Refused(MqttReason reason) => Interlocked.Read(ref _refusedConnects[(int)reason]);

    /// <summary>Messages outside of the frame topics refused with this reason.</summary>
    public long RefusedPublishes(MqttReason reason) => Interlocked.Read(ref _refusedPublishes[(int)reason]);

    /// <summary>Messages dropped for this reason.</summary>
    public long Drops(DropReason reason) => Interlocked.Read(ref _drops[(int)reason]);

    /// <summary>Connections not admitted for this reason.</summary>
    public long Admission(AdmissionRefusal reason) => Interlocked.Read(ref _admission[(int)reason]);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    internal void Opened() => Interlocked.Increment(ref _connections);

    internal void Ended() => Interlocked.Decrement(ref _connections);

    internal void Accept() => Interlocked.Increment(ref _accepted);

    internal void Publish() => Interlocked.Increment(ref _publishes);

    internal void Deliver() => Interlocked.Increment(ref _deliveries);

    internal void Fault() => Interlocked.Increment(ref _faults);

    internal void Count(FrameVerdict verdict) => Interlocked.Increment(ref _verdicts[Math.Min((int)verdict, _verdicts.Length - 1)]);

    internal void Count(MqttResult result) => Interlocked.Increment(ref _malformed[(int)result]);

    internal void CountDisconnect(MqttReason reason) => Interlocked.Increment(ref _disconnects[(int)reason]);

    internal void CountRefused(MqttReason reason) => Interlocked.Increment(ref _refusedConnects[(int)reason]);

    internal void CountRefusedPublish(MqttReason reason) => Interlocked.Increment(ref _refusedPublishes[(int)reason]);

    internal void Count(DropReason reason) => Interlocked.Increment(ref _drops[(int)reason]);

    internal void CountClientCertificate() => Interlocked.Increment(ref _clientCertificates);

    internal void Count(AdmissionRefusal reason) => Interlocked.Increment(ref _admission[(int)reason]);

    private void Tagged(string name, string tag, string text, long[] values, Func<int, string> label) =>
        _meter.CreateObservableCounter(name, () => Read(values, tag, label), unit: null, text);

    private static List<Measurement<long>> Read(long[] values, string tag, Func<int, string> label)
    {
        List<Measurement<long>> measurements = [];
        for (int i = 0; i < values.Length; i++)
        {
            long value = Interlocked.Read(ref values[i]);
            if (value != 0)
            {
                measurements.Add(new Measurement<long>(value, new KeyValuePair<string, object?>(tag, label(i))));
            }
        }

        return measurements;
    }
}

// What all connections of a listener share, so that each of them takes one argument.

using System.Net.Security;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using Microsoft.Extensions.Logging;

namespace DePIN.Gateway.Ingest;

internal sealed class IngestServices(
    IngestSettings settings, IngestMetrics metrics, Broker broker, IFrameIntake intake, TimeProvider time, IngestLog log, CancellationToken stopping)
{
    /// <summary>Frame bytes in the intake, of all connections.</summary>
    public long IntakeBytes;

    public IngestSettings Settings => settings;

    public IngestMetrics Metrics => metrics;

    public Broker Broker => broker;

    public IFrameIntake Intake => intake;

    /// <summary>Null while updates over the air are off: their messages are taken and dropped, so that a device with an updater stays connected.</summary>
    public IDeviceUpdates? Updates { get; set; }

    /// <summary>Topics outside depin/ that applications may publish to because another stage listens there; filled before the first connection.</summary>
    public Dictionary<byte[], Action<ReadOnlyMemory<byte>>> Heard { get; } = new(Utf8Comparer.Instance);

    /// <summary>Checks passwords; null when nobody logs in.</summary>
    public LoginDesk? Logins { get; } = settings.Login == LoginMode.None ? null : new LoginDesk(settings.Logins, time);

    public TimeProvider Time => time;

    public IngestLog Log => log;

    /// <summary>Cancelled when the intake shall give up.</summary>
    public CancellationToken Stopping => stopping;

    /// <summary>The gateway's clock as a message, or null while it is not set.</summary>
    public Message? TimeMessage() =>
        TimePayload.Now(time) is { } payload ? new Message(MqttIngest.TimeTopicBytes, payload, [], MqttQos.AtMostOnce, Retain: false, 0, null) : null;
}

/// <summary>The listener's log lines.</summary>
internal sealed partial class IngestLog(ILogger logger)
{
    [LoggerMessage(Level = LogLevel.Error, Message = "The intake failed on a frame; the device was told to keep it.")]
    public partial void IntakeFailed(Exception fault);

    [LoggerMessage(Level = LogLevel.Error, Message = "An MQTT connection ended by a fault of the gateway.")]
    public partial void ConnectionFailed(Exception fault);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A TLS client was refused for its certificate ({Subject}): {Problem}. mqtt.clientAuthorities says who signs them.")]
    public partial void ClientCertificateRefused(string subject, SslPolicyErrors problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "MQTT listens on {EndPoint} ({Security}).")]
    public partial void Listening(System.Net.IPEndPoint endPoint, string security);
}

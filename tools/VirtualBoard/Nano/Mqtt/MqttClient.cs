// nanoFramework.M2Mqtt's client over DePIN.Mqtt: same signatures, events on a thread of the client's own, QoS 1 acknowledged by
// MqttMsgPublished. As in M2Mqtt, a client that cannot connect throws, and one whose connection ends raises ConnectionClosed once.

using System.Collections;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DePIN.Mqtt;
using DePIN.VirtualBoard.Hardware;
using nanoFramework.M2Mqtt.Messages;

namespace nanoFramework.M2Mqtt;

public enum MqttSslProtocols
{
    None = 0,
    SSLv3 = 1,
    TLSv1_0 = 2,
    TLSv1_1 = 3,
    TLSv1_2 = 4,
    TLSv1_3 = 5,
}

public enum MqttProtocolVersion
{
    Version_3_1 = 3,
    Version_3_1_1 = 4,
    Version_5 = 5,
}

/// <summary>Where M2Mqtt declares the delegates of the events.</summary>
public interface IMqttClient
{
    [SuppressMessage("Design", "CA1003", Justification = "nanoFramework's signature.")]
    public delegate void MqttMsgPublishEventHandler(object sender, MqttMsgPublishEventArgs e);

    public delegate void MqttMsgPublishedEventHandler(object sender, MqttMsgPublishedEventArgs e);

    public delegate void MqttMsgSubscribedEventHandler(object sender, MqttMsgSubscribedEventArgs e);

    public delegate void ConnectionClosedEventHandler(object sender, EventArgs e);

    bool IsConnected { get; }
}

public class MqttClient : IMqttClient, IDisposable
{
    private const int EventsMax = 1024;
    private const int InFlightMax = 256;
    private const int CloseMs = 5000;

    private readonly VirtualHardware _hardware = VirtualHardware.Current;
    private readonly string _host;
    private readonly int _port;
    private readonly MqttTls? _tls;
    private readonly BlockingCollection<Action> _events = new(EventsMax);
    private DePIN.Mqtt.MqttClient? _client;
    private readonly ConcurrentDictionary<ushort, Task> _publishing = new();
    private int _messageId;
    private bool _disposed;

    public MqttClient(string brokerHostName, int brokerPort, bool secure, X509Certificate? caCert, X509Certificate? clientCert, MqttSslProtocols sslProtocol)
    {
        _host = brokerHostName;
        _port = brokerPort;
        if (secure)
        {
            _tls = new MqttTls
            {
                TrustedRoots = caCert is null ? null : [new X509Certificate2(caCert)],
                ClientCertificate = clientCert as X509Certificate2,
                Protocols = sslProtocol == MqttSslProtocols.TLSv1_2 ? SslProtocols.Tls12 : SslProtocols.None,
                ValidAt = _hardware.WallClock(),
            };
        }
    }

    public event IMqttClient.MqttMsgPublishEventHandler? MqttMsgPublishReceived;

    public event IMqttClient.MqttMsgPublishedEventHandler? MqttMsgPublished;

    public event IMqttClient.MqttMsgSubscribedEventHandler? MqttMsgSubscribed;

    public event IMqttClient.ConnectionClosedEventHandler? ConnectionClosed;

    public bool IsConnected => _client?.IsConnected ?? false;

    public string ClientId { get; private set; } = "";

    public MqttProtocolVersion ProtocolVersion { get; set; } = MqttProtocolVersion.Version_3_1_1;

    public MqttReasonCode Connect(string clientId, string? username, string? password, bool cleanSession, ushort keepAlivePeriod)
    {
        if (!_hardware.HasAddress)
        {
            throw new IOException("no network");
        }

        ClientId = clientId;
        DePIN.Mqtt.MqttClient client = new(new MqttClientOptions
        {
            Host = _host,
            Port = _port,
            Tls = _tls,
            ClientId = clientId,
            CleanStart = cleanSession,
            KeepAliveSeconds = keepAlivePeriod,
            UserName = username,
            Password = password is null ? (ReadOnlyMemory<byte>?)null : System.Text.Encoding.UTF8.GetBytes(password),
            Version = ProtocolVersion == MqttProtocolVersion.Version_5 ? MqttVersion.V5 : MqttVersion.V311,
            InFlightMax = InFlightMax,
            OnMessage = OnMessage,
        });
        MqttConnectResult result = client.ConnectAsync().GetAwaiter().GetResult();
        if (!result.IsConnected)
        {
            return (MqttReasonCode)result.Code;
        }

        _client = client;
        new Thread(RaiseEvents) { IsBackground = true, Name = "mqtt-events" }.Start();
        _ = RaiseClosedAsync(client);
        return MqttReasonCode.Success;
    }

    public void Disconnect() => _client?.DisconnectAsync().Wait(CloseMs);

    public void Close()
    {
        _client?.Abort();
        _events.CompleteAdding();
    }

    public ushort Subscribe(string[] topics, MqttQoSLevel[] qosLevels)
    {
        DePIN.Mqtt.MqttClient client = _client ?? throw new InvalidOperationException("not connected");
        ushort id = NextMessageId();
        _ = SubscribeAsync(client, id, topics, qosLevels);
        return id;
    }

    public ushort Publish(string topic, byte[] message, string? contentType, ArrayList? userProperties, MqttQoSLevel qosLevel, bool retain)
    {
        DePIN.Mqtt.MqttClient client = _client ?? throw new InvalidOperationException("not connected");
        ushort id = NextMessageId();
        _publishing[id] = PublishAsync(client, id, topic, message, (MqttQos)qosLevel, retain);
        return id;
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            Close();
        }
    }

    private async Task PublishAsync(DePIN.Mqtt.MqttClient client, ushort id, string topic, byte[] message, MqttQos qos, bool retain)
    {
        MqttAnswer answer = await client.PublishAsync(topic, message, qos, retain).ConfigureAwait(false);
        if (answer.IsAnswered)
        {
            Raise(() => MqttMsgPublished?.Invoke(this, new MqttMsgPublishedEventArgs(id, answer.IsSuccess)));
        }

        if (answer.IsAnswered)
        {
            _publishing.TryRemove(id, out _);
        }
    }

    private async Task SubscribeAsync(DePIN.Mqtt.MqttClient client, ushort id, string[] topics, MqttQoSLevel[] qosLevels)
    {
        MqttQoSLevel[] granted = new MqttQoSLevel[topics.Length];
        for (int i = 0; i < topics.Length; i++)
        {
            MqttAnswer answer = await client.SubscribeAsync(topics[i], (MqttQos)qosLevels[i]).ConfigureAwait(false);
            if (!answer.IsAnswered)
            {
                return;
            }

            granted[i] = answer.IsSuccess ? (MqttQoSLevel)answer.Reason : MqttQoSLevel.GrantedFailure;
        }

        Raise(() => MqttMsgSubscribed?.Invoke(this, new MqttMsgSubscribedEventArgs(id, granted)));
    }

    private async Task RaiseClosedAsync(DePIN.Mqtt.MqttClient client)
    {
        await client.Closed.ConfigureAwait(false);

        // As in M2Mqtt the end comes last: answers that arrived before it are told before it.
        await Task.WhenAll(_publishing.Values).ConfigureAwait(false);
        Raise(() => ConnectionClosed?.Invoke(this, EventArgs.Empty));
    }

    private void OnMessage(in MqttMessage message)
    {
        MqttMsgPublishEventArgs args = new(
            message.TopicText, message.Payload.ToArray(), message.Duplicate, (MqttQoSLevel)message.Qos, message.Retain);
        Raise(() => MqttMsgPublishReceived?.Invoke(this, args));
    }

    private void Raise(Action action)
    {
        try
        {
            _events.Add(action);
        }
        catch (InvalidOperationException)
        {
            // Closed meanwhile: M2Mqtt raises nothing after Close either.
        }
    }

    private void RaiseEvents()
    {
        foreach (Action action in _events.GetConsumingEnumerable())
        {
            action();
        }
    }

    private ushort NextMessageId()
    {
        ushort id;
        do
        {
            id = (ushort)Interlocked.Increment(ref _messageId);
        }
        while (id == 0);

        return id;
    }
}

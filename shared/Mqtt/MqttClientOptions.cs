// What a client needs to connect, and what it gives back: options, will, TLS, results. One options object serves any number of
// connections, so a reconnect is `new MqttClient(sameOptions)`.

using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace DePIN.Mqtt;

/// <summary>
/// Receives one message on the client's reading loop; spans are valid until it returns, and a QoS 1 message is acknowledged then, unless
/// <see cref="MqttClientOptions.ManualAcknowledgement"/> leaves that to <see cref="MqttClient.Acknowledge"/>.
/// </summary>
public delegate void MqttMessageHandler(in MqttMessage message);

/// <summary>A received message.</summary>
public readonly ref struct MqttMessage
{
    /// <summary>UTF-8.</summary>
    public ReadOnlySpan<byte> Topic { get; init; }

    public ReadOnlySpan<byte> Payload { get; init; }

    public MqttQos Qos { get; init; }

    public bool Retain { get; init; }

    public bool Duplicate { get; init; }

    /// <summary>What <see cref="MqttClient.Acknowledge"/> takes; 0 for QoS 0.</summary>
    public ushort PacketId { get; init; }

    public MqttProperties Properties { get; init; }

    /// <summary>The topic as text (allocates).</summary>
    public string TopicText => System.Text.Encoding.UTF8.GetString(Topic);
}

/// <summary>The message a server sends when this client is lost.</summary>
public sealed record MqttWill(string Topic, ReadOnlyMemory<byte> Payload, MqttQos Qos = MqttQos.AtMostOnce, bool Retain = false, uint DelaySeconds = 0);

/// <summary>How to make sure of the server over TLS.</summary>
public sealed record MqttTls
{
    /// <summary>The name the certificate has to carry; null takes the host.</summary>
    public string? TargetHost { get; init; }

    /// <summary>Roots to trust instead of the system's; null trusts the system's.</summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }

    /// <summary>Decides instead of the chain, for example by a pinned key. Gets the usual arguments of SslStream.</summary>
    public RemoteCertificateValidationCallback? Validate { get; init; }

    /// <summary>When certificates have to be valid; null: now. For a device whose clock is not the computer's.</summary>
    public DateTime? ValidAt { get; init; }

    /// <summary>Protocols to offer; None leaves it to the system.</summary>
    public SslProtocols Protocols { get; init; } = SslProtocols.None;

    /// <summary>The client's own certificate with its private key, for mutual TLS.</summary>
    public X509Certificate2? ClientCertificate { get; init; }
}

/// <summary>Settings of one connection.</summary>
public sealed record MqttClientOptions
{
    public string Host { get; init; } = "localhost";

    public int Port { get; init; } = 1883;

    public MqttVersion Version { get; init; } = MqttVersion.V5;

    /// <summary>Empty lets the server choose one (then <see cref="CleanStart"/> has to be true in 3.1.1).</summary>
    public string ClientId { get; init; } = "";

    public bool CleanStart { get; init; } = true;

    /// <summary>How long the server keeps the session after the connection, seconds (5 only).</summary>
    public uint SessionExpirySeconds { get; init; }

    /// <summary>Seconds between signs of life; 0 turns them off. The server's value wins in 5.</summary>
    public ushort KeepAliveSeconds { get; init; } = 60;

    public string? UserName { get; init; }

    public ReadOnlyMemory<byte>? Password { get; init; }

    public MqttWill? Will { get; init; }

    /// <summary>Null means plain TCP.</summary>
    public MqttTls? Tls { get; init; }

    /// <summary>Messages sent and not yet acknowledged, 1 to 65,535; the server's receive maximum bounds it too.</summary>
    public int InFlightMax { get; init; } = 32;

    /// <summary>Encoded bytes waiting for the socket before publishing waits.</summary>
    public int OutboundBytesMax { get; init; } = 1024 * 1024;

    /// <summary>The largest packet to receive, bytes.</summary>
    public int PacketBytesMax { get; init; } = 1024 * 1024;

    /// <summary>QoS 1 and 2 messages the server may have in flight towards us (5 only; with <see cref="ManualAcknowledgement"/> reading stops at it in 3.1.1 too).</summary>
    public ushort ReceiveMaximum { get; init; } = 64;

    /// <summary>Whether each QoS 1 or 2 message waits for <see cref="MqttClient.Acknowledge"/> instead of being answered when <see cref="OnMessage"/> returns.</summary>
    public bool ManualAcknowledgement { get; init; }

    /// <summary>From dialling to CONNACK.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Receives messages; null drops them.</summary>
    public MqttMessageHandler? OnMessage { get; init; }

    /// <summary>Opens the byte stream instead of TCP, for simulated networks. TLS is still put on top when <see cref="Tls"/> is set.</summary>
    public Func<CancellationToken, ValueTask<Stream>>? Dial { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>What the server answered to CONNECT.</summary>
/// <param name="Code">The byte on the wire: <see cref="MqttReason"/> in 5, <see cref="ConnectReturnCode"/> in 3.1.1; 0 is success.</param>
/// <param name="SessionPresent">Whether the server resumed a session.</param>
/// <param name="ClientId">The client id in use, assigned by the server when ours was empty.</param>
/// <param name="KeepAliveSeconds">The keep alive in use.</param>
/// <param name="ReceiveMaximum">The server's receive maximum.</param>
/// <param name="ReasonText">The server's own words; may be empty.</param>
public sealed record MqttConnectResult(byte Code, bool SessionPresent, string ClientId, ushort KeepAliveSeconds, ushort ReceiveMaximum, string ReasonText)
{
    /// <summary>Whether the connection is usable.</summary>
    public bool IsConnected => Code == 0;
}

/// <summary>What became of a published message or a subscription.</summary>
/// <param name="IsAnswered">Whether the server answered (QoS 0: the message was handed to the network). False: the connection ended first.</param>
/// <param name="Reason">The server's answer; in 3.1.1 PUBACK always says success.</param>
/// <param name="PacketId">The packet identifier; 0 for QoS 0.</param>
public readonly record struct MqttAnswer(bool IsAnswered, MqttReason Reason, ushort PacketId)
{
    /// <summary>Whether the server took it.</summary>
    public bool IsSuccess => IsAnswered && !Reason.IsFailure();
}

/// <summary>Why a connection ended.</summary>
public enum MqttCloseCause
{
    /// <summary><see cref="MqttClient.DisconnectAsync"/> or dispose.</summary>
    Local,

    /// <summary>The server sent DISCONNECT or refused CONNECT.</summary>
    Server,

    /// <summary>The stream ended or failed.</summary>
    Network,

    /// <summary>No answer to PINGREQ.</summary>
    KeepAlive,

    /// <summary>The server sent what the standard forbids.</summary>
    Protocol,

    /// <summary><see cref="MqttClientOptions.OnMessage"/> threw.</summary>
    Handler,
}

/// <summary>How a connection ended.</summary>
/// <param name="Cause">Who ended it.</param>
/// <param name="Reason">The reason code sent or received.</param>
/// <param name="Error">The exception behind it, when there was one.</param>
public sealed record MqttClosed(MqttCloseCause Cause, MqttReason Reason, Exception? Error);

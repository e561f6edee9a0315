// Everything that bounds the MQTT listener, in one place: addresses, certificate and limits. The operator's keys are in the gateway's
// settings file (section mqtt); the rest keeps the defaults below, which are sized for a Raspberry Pi with 2,000 boards.

using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using DePIN.Protocol;

namespace DePIN.Gateway.Ingest;

/// <summary>Settings of <see cref="MqttIngest"/>.</summary>
public sealed record IngestSettings
{
    /// <summary>Where to listen without TLS; null is off, port 0 takes a free one.</summary>
    public IPEndPoint? Plain { get; init; } = new(IPAddress.Loopback, 1883);

    /// <summary>Where to listen with TLS; null is off. Needs <see cref="Certificate"/>.</summary>
    public IPEndPoint? Tls { get; init; }

    /// <summary>Nothing listens: frames come from an external broker only.</summary>
    public bool IsOff => Plain is null && Tls is null;

    /// <summary>The server certificate with its private key and what is sent along, asked for at every handshake so that a renewed one is used at once.</summary>
    public Func<SslStreamCertificateContext>? Certificate { get; init; }

    /// <summary>Who signs clients' certificates, asked for at every handshake; null asks for none, else a client over TLS has to present one.</summary>
    public Func<X509Certificate2Collection?> ClientAuthorities { get; init; } = static () => null;

    /// <summary>Whether clients log in; needs <see cref="Logins"/> unless None.</summary>
    public LoginMode Login { get; init; }

    /// <summary>The users, asked for at every login.</summary>
    public Func<LoginBook?> Logins { get; init; } = static () => null;

    /// <summary>Whether a client without login or device certificate may subscribe to everything.</summary>
    public bool AnonymousRead { get; init; } = true;

    /// <summary>Lets clients publish to any topic outside depin/1/ too, as a general broker does. For tests and closed networks.</summary>
    public bool OpenTopics { get; init; }

    /// <summary>Open connections; more are closed at once. The last eighth is for addresses that have fewer of them than are left.</summary>
    public int ConnectionsMax { get; init; } = 2_000;

    /// <summary>Open connections of one IPv4 address or one IPv6 /64.</summary>
    public int ConnectionsPerAddressMax { get; init; } = 1_000;

    /// <summary>The largest packet a client may send, bytes.</summary>
    public int PacketBytesMax { get; init; } = 16 * 1024;

    /// <summary>QoS 1 and 2 messages of one client that are not answered yet; more is a protocol error in 5, and waits in 3.1.1.</summary>
    public int ReceiveMaximum { get; init; } = 64;

    /// <summary>Frame bytes of all clients in the intake at once; beyond it frames are refused as busy.</summary>
    public long IntakeBytesMax { get; init; } = 32 * 1024 * 1024;

    /// <summary>QoS 2 identifiers of one client that await PUBREL.</summary>
    public int Qos2IdentifiersMax { get; init; } = 1_024;

    /// <summary>From accepting a connection to its complete CONNECT; over TLS as long again for the handshake before it.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>From the first byte of a packet to its last.</summary>
    public TimeSpan PacketTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long one write may wait for a client that does not read.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Silence after which a client without keep alive is disconnected (allowed by section 3.1.2.10).</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>After DISCONNECT: how long to drain, so that a reset does not destroy it on its way.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest keep alive granted to a version 5 client, seconds.</summary>
    public ushort KeepAliveSecondsMax { get; init; } = 600;

    /// <summary>Encoded bytes waiting for one client; QoS 0 beyond it is dropped, QoS 1 and 2 stay in the session's queue.</summary>
    public int OutboundBytesMax { get; init; } = 256 * 1024;

    /// <summary>QoS 1 and 2 messages towards one client that it has not answered yet.</summary>
    public int OutboundInFlightMax { get; init; } = 64;

    /// <summary>QoS 1 and 2 messages waiting in one session; the oldest is dropped beyond it.</summary>
    public int QueueMessagesMax { get; init; } = 1_000;

    /// <summary>Bytes waiting in the queues of all sessions; beyond it new messages are dropped.</summary>
    public long QueueBytesMax { get; init; } = 32 * 1024 * 1024;

    /// <summary>Sessions with or without connection; the one disconnected longest is forgotten beyond it.</summary>
    public int SessionsMax { get; init; } = 10_000;

    /// <summary>How long a session outlives its connection at most, seconds; 3.1.1 sessions live this long.</summary>
    public uint SessionExpirySecondsMax { get; init; } = 24 * 3600;

    /// <summary>Subscriptions of one session.</summary>
    public int SubscriptionsMax { get; init; } = 100;

    /// <summary>Levels of a topic or filter.</summary>
    public int TopicLevelsMax { get; init; } = 32;

    /// <summary>Bytes of a client id.</summary>
    public int ClientIdBytesMax { get; init; } = 128;

    /// <summary>Topic aliases, in each direction.</summary>
    public ushort TopicAliasMax { get; init; } = 16;

    /// <summary>Retained messages; 0 turns retaining off.</summary>
    public int RetainedMax { get; init; } = 1_000;

    /// <summary>Bytes of retained messages.</summary>
    public long RetainedBytesMax { get; init; } = 8 * 1024 * 1024;

    /// <summary>How often deadlines (keep alive, wills, sessions, timeouts) are looked at.</summary>
    public TimeSpan SweepInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How often the gateway's clock is published on <see cref="Topics.Time"/>.</summary>
    public TimeSpan TimeInterval { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long stopping waits for frames in the intake before connections are closed.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <exception cref="ArgumentException">A limit that contradicts another; a programmer's error, since operators cannot set these.</exception>
    internal void Check()
    {
        if (Tls is not null && Certificate is null)
        {
            throw new ArgumentException("Tls needs Certificate.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(PacketBytesMax, 2 * FrameFormat.FrameBytesMax);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PacketBytesMax, 16 * 1024 * 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(ReceiveMaximum, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ReceiveMaximum, ushort.MaxValue);
        ArgumentOutOfRangeException.ThrowIfLessThan(OutboundInFlightMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(OutboundInFlightMax, ushort.MaxValue);
    }
}

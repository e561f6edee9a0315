namespace DePIN.Gateway.Peer;

/// <summary>Limits and patience of the transport that no operator needs to set; tests do.</summary>
public sealed record PeerOptions
{
    /// <summary>Messages waiting to be sent to one peer.</summary>
    public int QueueMessagesMax { get; init; } = 4_096;

    /// <summary>Bytes of them; four of the largest messages.</summary>
    public int QueueBytesMax { get; init; } = 4 * PeerLimits.MessageBytesMax;

    /// <summary>A peer may send so many seconds' worth of messages and bytes at once.</summary>
    public double BurstS { get; init; } = 4;

    /// <summary>The first pause before a peer is dialled again; doubled each time.</summary>
    public TimeSpan BackOffMin { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest pause.</summary>
    public TimeSpan BackOffMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A stream that lasted so long was a good one: the pause begins at its shortest again.</summary>
    public TimeSpan GoodAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>TCP and TLS together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From the connection to the peer's word that the stream is open.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A connection that is quiet for so long is pinged (HTTP/2 PING).</summary>
    public TimeSpan PingDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A ping without an answer for so long ends the connection.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Connections of one peer to this gateway: its stream, the one it replaces, and two for bodies.</summary>
    public int ConnectionsPerPeerMax { get; init; } = 4;

    /// <summary>A peer that is too fast is blamed once in this time.</summary>
    public TimeSpan TooFastInterval { get; init; } = TimeSpan.FromSeconds(10);
}

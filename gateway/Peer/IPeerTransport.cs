using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>What happens on the connections with other gateways. Called one at a time, in order per peer.</summary>
public interface IPeerEvents
{
    /// <summary>A peer is connected: its TLS key is the one the registry records for it.</summary>
    void Connected(Address peer);

    /// <summary>Its last connection ended.</summary>
    void Disconnected(Address peer);

    /// <summary>A peer said something well-formed.</summary>
    void Received(Address peer, PeerMessage message);
}

/// <summary>How the transport sees a peer; for people and metrics.</summary>
/// <param name="Gateway">Who.</param>
/// <param name="Endpoint">Where it was dialled or came from; empty when it never was.</param>
/// <param name="IsConnected">Whether a stream is open.</param>
/// <param name="IsInbound">Whether the peer dialled us.</param>
/// <param name="SinceMs">Since when, ms since the Unix epoch; 0 never.</param>
/// <param name="LastMessageMs">When it last said something, ms since the Unix epoch; 0 never.</param>
/// <param name="BytesSent">On all its connections since the start.</param>
/// <param name="BytesReceived">On all its connections since the start.</param>
/// <param name="Queued">Messages waiting to be sent.</param>
/// <param name="Dropped">Messages dropped because its queue was full or it was away.</param>
/// <param name="Score">0 good; at <see cref="PeerScores.DropAt"/> it is dropped for a while.</param>
/// <param name="Trouble">Why it is not connected, or what it was blamed for last; empty when nothing is wrong.</param>
public sealed record PeerState(Address Gateway, string Endpoint, bool IsConnected, bool IsInbound, long SinceMs, long LastMessageMs,
    long BytesSent, long BytesReceived, int Queued, long Dropped, int Score, string Trouble);

/// <summary>Connections with the active gateways.</summary>
public interface IPeerTransport
{
    /// <summary>Queues a message for a peer; false when it is not connected or its queue is full (then it is counted as dropped).</summary>
    bool Send(Address peer, PeerMessage message);

    /// <summary>The gateways that may connect and are dialled from now on. Connections with others are closed.</summary>
    void Follow(Membership network);

    /// <summary>A peer broke a rule: raises its score; too high a score closes the connection for a while.</summary>
    void Blame(Address peer, int points, string reason);

    /// <summary>What is wrong with this gateway's own record in the registry, in words; empty when nothing is.</summary>
    string OwnTrouble { get; }

    /// <summary>All peers, connected or not.</summary>
    IReadOnlyList<PeerState> Peers();
}

/// <summary>How misbehaviour is weighed. Scores halve every ten minutes.</summary>
public static class PeerScores
{
    /// <summary>Dropped from here on, until the score has halved.</summary>
    public const int DropAt = 100;

    /// <summary>A message that cannot be read, or above a bound.</summary>
    public const int Malformed = 50;

    /// <summary>More messages than the rate allows.</summary>
    public const int TooFast = 10;

    /// <summary>A broken rule of the protocol (bad signature, bad frame, false contents).</summary>
    public const int BrokenRule = 34;
}

using System.Threading.Channels;
using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>One thing that happened on the connections with other gateways.</summary>
public readonly record struct PeerEvent(PeerEventKind Kind, Address Peer, PeerMessage? Message)
{
    /// <summary>Tells it.</summary>
    public void TellTo(IPeerEvents events)
    {
        ArgumentNullException.ThrowIfNull(events);
        if (Kind == PeerEventKind.Connected) events.Connected(Peer);
        else if (Kind == PeerEventKind.Disconnected) events.Disconnected(Peer);
        else events.Received(Peer, Message!);
    }
}

/// <summary>What happened.</summary>
public enum PeerEventKind
{
    /// <summary>See <see cref="IPeerEvents.Connected"/>.</summary>
    Connected,

    /// <summary>See <see cref="IPeerEvents.Disconnected"/>.</summary>
    Disconnected,

    /// <summary>See <see cref="IPeerEvents.Received"/>.</summary>
    Received,
}

/// <summary>
/// What the transport has received and the core's stage has not taken yet. Bounded: when it is full the transport stops reading from its
/// connections, and TCP tells the peers. Large messages have their own, smaller bound, so that memory is bounded too.
/// One reader; <see cref="IPeerEvents"/> is called one at a time, in order per peer.
/// </summary>
public sealed class PeerInbox
{
    /// <summary>Events waiting.</summary>
    public const int EventsMax = 256;

    /// <summary>A message from here on is large. Bytes.</summary>
    public const int LargeBytes = 64 * 1024;

    /// <summary>Large messages waiting: at most 32 MiB.</summary>
    public const int LargeMax = 8;

    private readonly Channel<(PeerEvent Event, bool IsLarge)> _events = Channel.CreateBounded<(PeerEvent, bool)>(new BoundedChannelOptions(EventsMax) { SingleReader = true });
    private readonly SemaphoreSlim _large = new(LargeMax, LargeMax);

    /// <summary>Completes with false when the transport has ended and everything was taken.</summary>
    public ValueTask<bool> WaitAsync(CancellationToken stopping) => _events.Reader.WaitToReadAsync(stopping);

    /// <summary>Takes the next event.</summary>
    public bool TryTake(out PeerEvent taken)
    {
        bool has = _events.Reader.TryRead(out (PeerEvent Event, bool IsLarge) item);
        if (has && item.IsLarge) _large.Release();
        taken = item.Event;
        return has;
    }

    /// <summary>Tells everything to <paramref name="events"/> as it comes, until the transport ends or <paramref name="stopping"/>.</summary>
    public async Task TellAsync(IPeerEvents events, CancellationToken stopping)
    {
        while (await WaitAsync(stopping).ConfigureAwait(false))
            while (TryTake(out PeerEvent taken)) taken.TellTo(events);
    }

    internal async ValueTask PutAsync(PeerEvent happened, int bytes, CancellationToken stopping)
    {
        bool large = bytes >= LargeBytes;
        if (large) await _large.WaitAsync(stopping).ConfigureAwait(false);
        try
        {
            await _events.Writer.WriteAsync((happened, large), stopping).ConfigureAwait(false);
        }
        catch
        {
            if (large) _large.Release();
            throw;
        }
    }

    internal void Complete() => _events.Writer.TryComplete();
}

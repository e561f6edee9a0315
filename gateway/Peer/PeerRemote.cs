using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>How a peer behaved: points that halve every ten minutes. Dropped at <see cref="PeerScores.DropAt"/>, until half of it is left. Not safe for concurrent use.</summary>
internal sealed class PeerScore(TimeProvider time)
{
    /// <summary>So long a peer is refused at most: twenty minutes.</summary>
    private const double Max = 2 * PeerScores.DropAt;
    private const double HalfLifeS = 600;

    private double _points;
    private long _at = time.GetTimestamp();
    private bool _dropped;

    public double Points
    {
        get
        {
            long now = time.GetTimestamp();
            _points *= Math.Pow(0.5, time.GetElapsedTime(_at, now).TotalSeconds / HalfLifeS);
            _at = now;
            return _points;
        }
    }

    public bool IsDropped
    {
        get
        {
            if (_dropped && Points <= PeerScores.DropAt / 2.0 + 1e-6) _dropped = false;
            return _dropped;
        }
    }

    /// <summary>How long it stays dropped.</summary>
    public TimeSpan DroppedFor => IsDropped ? TimeSpan.FromSeconds(HalfLifeS * Math.Log2(Points / (PeerScores.DropAt / 2.0))) + TimeSpan.FromMilliseconds(1) : TimeSpan.Zero;

    /// <summary>True when it is dropped now and was not before.</summary>
    public bool Add(int points)
    {
        bool before = IsDropped;
        _points = Math.Min(Max, Points + points);
        _dropped |= _points >= PeerScores.DropAt - 0.5; // two blames of 50 within minutes: the decay between them does not save it
        return _dropped && !before;
    }
}

/// <summary>One active gateway as the transport sees it. Everything is guarded by <see cref="Gate"/>; <see cref="Turn"/> orders what is told of it.</summary>
internal sealed class PeerRemote(Member member, TimeProvider time, TokenBucket messages, TokenBucket bytes)
{
    public readonly Lock Gate = new();
    public readonly SemaphoreSlim Turn = new(1, 1);
    public readonly CancellationTokenSource Removed = new();
    public readonly List<PeerConnection> Connections = [];
    public readonly PeerScore Score = new(time);
    public readonly TokenBucket Messages = messages;
    public readonly TokenBucket Bytes = bytes;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Address Gateway { get; } = member.Gateway;

    public Member Member = member;

    /// <summary>The setting's endpoint, or the registry's, or none.</summary>
    public Uri? Known;

    /// <summary>Found on the local network; tried in turn with the known one.</summary>
    public Uri? Found;

    /// <summary>The connection messages are sent on: the oldest, so that their order holds.</summary>
    public PeerConnection? Active;

    public Task Dialling = Task.CompletedTask;
    public bool IsRemoved;
    public int Failures;
    public long NextDial;
    public long Attempts;
    public string DialTrouble = "";
    public string Blame = "";
    public string Endpoint = "";
    public long LastMessageMs;
    public long LastTooFast;
    public bool WasTooFast;
    public long BytesSent;
    public long BytesReceived;
    public long Dropped;

    /// <summary>Completes at the next <see cref="Change"/>.</summary>
    public Task Changed { get { lock (Gate) return _changed.Task; } }

    /// <summary>Something that decides about dialling changed. Call with or without the gate.</summary>
    public void Change()
    {
        lock (Gate)
        {
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public void CloseAll(string why)
    {
        PeerConnection[] open;
        lock (Gate) open = [.. Connections];
        foreach (PeerConnection connection in open) connection.Close(why);
    }

    public PeerState State()
    {
        lock (Gate)
        {
            PeerConnection? shown = Active;
            long sent = BytesSent, received = BytesReceived;
            int queued = 0;
            foreach (PeerConnection connection in Connections)
            {
                sent += Interlocked.Read(ref connection.BytesSent);
                received += Interlocked.Read(ref connection.BytesReceived);
                queued += connection.Queued;
            }

            double points = Score.Points;
            string blame = points >= 0.5 ? Blame : "";
            string trouble = Score.IsDropped ? "dropped: " + blame : shown is not null ? blame
                : blame.Length > 0 ? blame : DialTrouble.Length > 0 ? DialTrouble : Member.TlsKeyHash.IsZero ? "the registry records no TLS key for it"
                : Known is null && Found is null ? "it has no endpoint and has not dialled this gateway" : "";
            return new PeerState(Gateway, shown?.Endpoint ?? Endpoint, shown is not null, shown?.IsInbound ?? false, shown?.SinceMs ?? 0, LastMessageMs,
                sent, received, queued, Dropped, (int)Math.Round(points), trouble);
        }
    }
}

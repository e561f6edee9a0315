using System.Collections.Frozen;
using System.Net;
using DePIN.Evidence;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Peer;

/// <summary>
/// The connections with the other active gateways: dials everyone who has an endpoint, takes whoever dials, by TLS keys pinned to the registry.
/// A gateway behind NAT dials out, and everything flows over that stream. When both dial, both streams stay; each side sends on its oldest, so
/// messages arrive in order, and <see cref="IPeerEvents.Connected"/> and Disconnected are told per peer.
/// What is in flight when a stream ends is lost: the core repeats what is not answered.
/// </summary>
public sealed class PeerTransport : IPeerTransport
{
    private readonly PeerSettings _settings;
    private readonly PeerKey _key;
    private readonly Address _self;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _logs;
    private readonly ILogger _log;
    private readonly PeerOptions _options;
    private readonly Random _random;
    private readonly FrozenDictionary<Address, Uri> _static;
    private readonly TaskCompletionSource<IPEndPoint?> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly PeerAdmission _admission;
    private Dictionary<Address, PeerRemote> _peers = []; // replaced, never changed
    private FrozenSet<Hash32> _pins = [];
    private readonly List<Task> _ending = [];
    private CancellationToken _stopping;
    private bool _running;
    private bool _selfActive;
    private IPeerBodies? _bodies;

    /// <summary>Prepares it; <see cref="RunAsync"/> opens it.</summary>
    public PeerTransport(PeerSettings settings, PeerKey key, Address self, TimeProvider time, ILoggerFactory logs, PeerOptions? options = null, Random? random = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_settings, _key, _self, _time, _logs, _options, _random) = (settings, key, self, time, logs, options ?? new PeerOptions(), random ?? new Random());
        _log = logs.CreateLogger("DePIN.Gateway.Peer");
        _admission = new PeerAdmission(time);
        Dictionary<Address, Uri> known = [];
        foreach (string text in settings.Endpoints)
            if (PeerEndpoints.TryParseSetting(text, out Address gateway, out Uri? endpoint)) known[gateway] = endpoint; // checked by the settings
        _static = known.ToFrozenDictionary();
    }

    /// <summary>Completes with the bound address, or null when it does not listen; fails when the port cannot be bound.</summary>
    public Task<IPEndPoint?> Listening => _listening.Task;

    /// <summary>What was received, for the core's stage.</summary>
    public PeerInbox Inbox { get; } = new();

    /// <summary>What is wrong with this gateway's own record, in words; empty when nothing is.</summary>
    public string OwnTrouble { get; private set; } = "";

    /// <summary>Connections of strangers refused before their handshake.</summary>
    public long StrangersRefused => _admission.Refused;

    /// <summary>Who handles bodies; set before <see cref="RunAsync"/>. Without it body messages are ignored.</summary>
    public void Use(IPeerBodies bodies) => _bodies = bodies;

    /// <summary>Listens and dials until <paramref name="stopping"/>. Then nothing more is told and <see cref="Inbox"/> completes.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        lock (_gate)
        {
            (_stopping, _running) = (end.Token, true);
            foreach (PeerRemote peer in _peers.Values) StartDialling(peer);
        }

        Task discovering = _settings.Discovery ? Task.Run(() => new PeerDiscovery(_self, Listening, Found, _time, _log).RunAsync(end.Token), CancellationToken.None) : Task.CompletedTask;
        try
        {
            if (_settings.Listen.Length > 0)
            {
                PeerServer server = new(_settings.Listen, _key, _options, hash => Volatile.Read(ref _pins).Contains(hash), HandleAsync, _admission, _logs);
                await server.RunAsync(bound =>
                {
                    _log.LogInformation("peers connect to {Address}", bound);
                    _listening.TrySetResult(bound);
                }, end.Token).ConfigureAwait(false);
            }
            else
            {
                _listening.TrySetResult(null);
                await Task.Delay(Timeout.InfiniteTimeSpan, _time, end.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The stop.
        }
        catch (Exception fault)
        {
            _listening.TrySetException(fault);
            _ = _listening.Task.Exception; // it is thrown here; whoever waits for the address sees it too
            throw;
        }
        finally
        {
            await end.CancelAsync().ConfigureAwait(false);
            Task[] dialling;
            lock (_gate)
            {
                _running = false;
                dialling = [.. _peers.Values.Select(p => p.Dialling), .. _ending];
            }

            await Task.WhenAll(dialling).ConfigureAwait(false);
            await discovering.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (discovering.Exception?.InnerException is { } broken) _log.LogWarning(broken, "discovery on the local network failed");
            Inbox.Complete();
        }
    }

    /// <inheritdoc/>
    public bool Send(Address peer, PeerMessage message)
    {
        if (!Volatile.Read(ref _peers).TryGetValue(peer, out PeerRemote? remote)) return false;
        bool sent = false;
        PeerConnection? active;
        lock (remote.Gate) active = remote.Active;
        if (active is not null)
        {
            byte[] bytes = PeerCodec.Write(message);
            if (bytes.Length > PeerLimits.MessageBytesMax) _log.LogError("a {Kind} of {Bytes} bytes is above what a peer takes; it is not sent", message.GetType().Name, bytes.Length);
            else sent = active.TrySend(bytes);
        }

        if (!sent)
            lock (remote.Gate) remote.Dropped++;
        return sent;
    }

    /// <inheritdoc/>
    public void Follow(Membership network)
    {
        ArgumentNullException.ThrowIfNull(network);
        List<PeerRemote> gone = [];
        lock (_gate)
        {
            Dictionary<Address, PeerRemote> next = [];
            foreach (Member member in network.Members)
            {
                if (member.Gateway == _self) continue;
                if (_peers.TryGetValue(member.Gateway, out PeerRemote? peer))
                {
                    Update(peer, member);
                }
                else
                {
                    peer = new PeerRemote(member, _time, new TokenBucket(_settings.MessagesPerS, _settings.MessagesPerS * _options.BurstS, _time),
                        new TokenBucket((double)_settings.MibPerS * (1 << 20), Math.Max(_settings.MibPerS * (1 << 20) * _options.BurstS, 2 * PeerLimits.MessageBytesMax), _time))
                    {
                        Known = EndpointOf(member),
                    };
                }

                next[member.Gateway] = peer;
            }

            foreach (PeerRemote peer in _peers.Values)
                if (!next.ContainsKey(peer.Gateway)) gone.Add(peer);
            FollowSelf(network.Find(_self));
            Volatile.Write(ref _pins, network.Members.Where(m => m.Gateway != _self && !m.TlsKeyHash.IsZero).Select(m => m.TlsKeyHash).ToFrozenSet());
            Dictionary<Address, PeerRemote> before = _peers;
            Volatile.Write(ref _peers, next);
            foreach (PeerRemote peer in gone)
            {
                lock (peer.Gate) peer.IsRemoved = true;
                peer.Removed.Cancel();
                _ending.RemoveAll(t => t.IsCompleted);
                _ending.Add(peer.Dialling);
            }

            foreach (PeerRemote peer in next.Values)
            {
                if (_running && !before.ContainsKey(peer.Gateway)) StartDialling(peer);
                peer.Change();
            }
        }

        foreach (PeerRemote peer in gone) peer.CloseAll("it is no longer an active gateway");
    }

    /// <inheritdoc/>
    public void Blame(Address peer, int points, string reason)
    {
        if (!Volatile.Read(ref _peers).TryGetValue(peer, out PeerRemote? remote)) return;
        bool dropped, news;
        lock (remote.Gate)
        {
            news = remote.Blame != reason || remote.Score.Points < 0.5;
            remote.Blame = reason;
            dropped = remote.Score.Add(points);
        }

        if (dropped)
        {
            _log.LogWarning("peer {Peer} is dropped for {Minutes:0} minutes: {Reason}", peer, Math.Ceiling(remote.Score.DroppedFor.TotalMinutes), reason);
            remote.CloseAll("dropped: " + reason);
            remote.Change();
        }
        else if (news)
        {
            _log.LogWarning("peer {Peer} is blamed ({Points} points): {Reason}", peer, points, reason);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<PeerState> Peers() => [.. Volatile.Read(ref _peers).Values.OrderBy(p => p.Gateway).Select(p => p.State())];

    /// <summary>A gateway was seen on the local network. Its key decides whether it is the one, so a false word costs an attempt.</summary>
    public void Found(Address gateway, Uri endpoint)
    {
        if (!Volatile.Read(ref _peers).TryGetValue(gateway, out PeerRemote? peer)) return;
        lock (peer.Gate)
        {
            if (peer.Found == endpoint || peer.Known == endpoint) return;
            peer.Found = endpoint;
            peer.NextDial = 0;
        }

        peer.Change();
    }

    private Uri? EndpointOf(Member member) => _static.TryGetValue(member.Gateway, out Uri? known) ? known : PeerEndpoints.TryParse(member.Endpoint, out known) ? known : null;

    private void FollowSelf(Member? self)
    {
        _selfActive = self is not null;
        string trouble = self is null ? "" : self.TlsKeyHash == _key.Hash ? ""
            : $"the registry records the TLS key {self.TlsKeyHash} for this gateway, but its own is {_key.Hash}: peers refuse it until that is recorded";
        if (trouble.Length > 0 && trouble != OwnTrouble) _log.LogWarning("{Trouble}", trouble);
        OwnTrouble = trouble;
    }

    private void Update(PeerRemote peer, Member member)
    {
        Uri? endpoint = EndpointOf(member);
        PeerConnection[] stale;
        bool changed;
        lock (peer.Gate)
        {
            bool moved = peer.Known != endpoint;
            changed = moved || peer.Member.TlsKeyHash != member.TlsKeyHash;
            (peer.Member, peer.Known) = (member, endpoint);
            if (changed) (peer.NextDial, peer.Failures, peer.DialTrouble) = (0, 0, "");
            stale = [.. peer.Connections.Where(c => c.Key != member.TlsKeyHash || (moved && !c.IsInbound))];
        }

        foreach (PeerConnection connection in stale) connection.Close(connection.Key != member.TlsKeyHash ? "the registry records another TLS key for it" : "its endpoint changed");
    }

    private void StartDialling(PeerRemote peer) => peer.Dialling = Task.Run(() => DialAsync(peer, _stopping), CancellationToken.None);

    private async Task DialAsync(PeerRemote peer, CancellationToken stopping)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stopping, peer.Removed.Token);
        while (!either.IsCancellationRequested)
        {
            Task changed = peer.Changed;
            (Uri? target, Hash32 key, TimeSpan wait) = WhatToDial(peer);
            if (wait != TimeSpan.Zero)
            {
                using CancellationTokenSource awake = CancellationTokenSource.CreateLinkedTokenSource(either.Token);
                await Task.WhenAny(changed, Task.Delay(wait, _time, awake.Token)).ConfigureAwait(false);
                await awake.CancelAsync().ConfigureAwait(false);
                continue;
            }

            long began = _time.GetTimestamp();
            string trouble = await DialOnceAsync(peer, target!, key, either.Token).ConfigureAwait(false);
            if (either.IsCancellationRequested) break;
            lock (peer.Gate)
            {
                bool good = trouble.Length == 0 && _time.GetElapsedTime(began) >= _options.GoodAfter;
                peer.Failures = good ? 0 : Math.Min(peer.Failures + 1, 16);
                if (trouble.Length > 0 && peer.DialTrouble.Length == 0) _log.LogInformation("peer {Peer} is away: {Reason}", peer.Gateway, trouble);
                peer.DialTrouble = trouble;
                double pause = Math.Min(_options.BackOffMax.TotalSeconds, _options.BackOffMin.TotalSeconds * Math.Pow(2, Math.Max(0, peer.Failures - 1)));
                double jitter;
                lock (_random) jitter = 0.5 + 0.5 * _random.NextDouble();
                peer.NextDial = _time.GetTimestamp() + (long)(pause * jitter * _time.TimestampFrequency);
            }
        }
    }

    /// <summary>Whom to dial now, or how long to wait (a change ends it).</summary>
    private (Uri? Target, Hash32 Key, TimeSpan Wait) WhatToDial(PeerRemote peer)
    {
        lock (peer.Gate)
        {
            if (!_selfActive || peer.Connections.Count > 0 || peer.Member.TlsKeyHash.IsZero || (peer.Known ?? peer.Found) is null) return (null, default, Timeout.InfiniteTimeSpan);
            if (peer.Score.IsDropped) return (null, default, peer.Score.DroppedFor);
            long left = peer.NextDial - _time.GetTimestamp();
            if (left > 0) return (null, default, TimeSpan.FromSeconds((double)left / _time.TimestampFrequency) + TimeSpan.FromMilliseconds(1));
            Uri target = peer.Known is null ? peer.Found! : peer.Found is null || peer.Attempts % 2 == 0 ? peer.Known : peer.Found;
            peer.Attempts++;
            return (target, peer.Member.TlsKeyHash, TimeSpan.Zero);
        }
    }

    /// <summary>Dials, and serves the stream until it ends. Returns why it could not be opened; empty when it was.</summary>
    private async Task<string> DialOnceAsync(PeerRemote peer, Uri target, Hash32 key, CancellationToken stopping)
    {
        using PeerDialer dialer = new(_key, key, _options, _time);
        string endpoint = target.GetLeftPart(UriPartial.Authority);
        lock (peer.Gate) peer.Endpoint = endpoint;
        try
        {
            await dialer.OpenAsync(target, _self, peer.Gateway, stopping).ConfigureAwait(false);
            using PeerConnection connection = new(peer.Gateway, key, isInbound: false, endpoint, _options, _time, stopping);
            await ServeAsync(peer, connection, dialer.In, dialer.Out).ConfigureAwait(false);
            return "";
        }
        catch (PeerDialException fault)
        {
            return $"{endpoint}: {fault.Message}";
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return "";
        }
        catch (Exception fault)
        {
            _log.LogError(fault, "the stream to {Peer} failed", peer.Gateway);
            return $"{endpoint}: {fault.Message}";
        }
    }

    private async Task HandleAsync(HttpContext context)
    {
        Hash32 shown = PeerKey.HashOf(context.Connection.ClientCertificate);
        string path = context.Request.Path.Value ?? "";
        if (!Volatile.Read(ref _pins).Contains(shown))
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, "the registry records this TLS key for no active gateway").ConfigureAwait(false);
        }
        else if (path == PeerPaths.Stream && HttpMethods.IsPost(context.Request.Method))
        {
            await HandleStreamAsync(context, shown).ConfigureAwait(false);
        }
        else if (path.StartsWith(PeerPaths.Bodies, StringComparison.Ordinal) && HttpMethods.IsGet(context.Request.Method) && _bodies is { } bodies
            && path.Length == PeerPaths.Bodies.Length + 64 && Hash32.TryParse("0x" + path[PeerPaths.Bodies.Length..], out Hash32 framesHash))
        {
            await bodies.AnswerAsync(context, framesHash).ConfigureAwait(false);
        }
        else
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, "there is nothing at this path").ConfigureAwait(false);
        }
    }

    private async Task HandleStreamAsync(HttpContext context, Hash32 shown)
    {
        IHeaderDictionary headers = context.Request.Headers;
        if (headers[PeerPaths.WireHeader] != PeerPaths.Wire)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"this gateway speaks wire {PeerPaths.Wire}: update the older of the two").ConfigureAwait(false);
        }
        else if (headers[PeerPaths.ToHeader] != _self.ToString())
        {
            await RefuseAsync(context, StatusCodes.Status421MisdirectedRequest, $"this is gateway {_self}").ConfigureAwait(false);
        }
        else if (!Address.TryParse(headers[PeerPaths.FromHeader], out Address from) || !Volatile.Read(ref _peers).TryGetValue(from, out PeerRemote? peer) || peer.Member.TlsKeyHash != shown)
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, "the registry records another TLS key for that gateway").ConfigureAwait(false);
        }
        else
        {
            string blame;
            bool dropped;
            lock (peer.Gate) (dropped, blame) = (peer.Score.IsDropped, peer.Blame);
            if (dropped)
            {
                await RefuseAsync(context, StatusCodes.Status429TooManyRequests, "dropped for a while: " + blame).ConfigureAwait(false);
                return;
            }

            await context.Response.StartAsync(context.RequestAborted).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
            IPAddress? address = context.Connection.RemoteIpAddress;
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping, peer.Removed.Token);
            using PeerConnection connection = new(from, shown, isInbound: true, address is null ? "" : new IPEndPoint(address, context.Connection.RemotePort).ToString(), _options, _time, either.Token);
            await ServeAsync(peer, connection, context.Request.Body, context.Response.Body).ConfigureAwait(false);
            context.Abort();
        }
    }

    private static async Task RefuseAsync(HttpContext context, int status, string why)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain";
        await context.Response.WriteAsync(why, context.RequestAborted).ConfigureAwait(false);
    }

    private async Task ServeAsync(PeerRemote peer, PeerConnection connection, Stream from, Stream to)
    {
        try
        {
            if (!await OpenAsync(peer, connection).ConfigureAwait(false)) return;
            Task reading = connection.ReadAsync(from, (source, bytes) => TakeAsync(peer, source, bytes)), writing = connection.WriteAsync(to);
            await Task.WhenAny(reading, writing).ConfigureAwait(false);
            connection.Close("");
            await Task.WhenAll(reading, writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            string why = connection.Why.Length > 0 ? connection.Why : Fault(reading) ?? Fault(writing) ?? "it closed the stream";
            _log.LogInformation("the stream {Direction} peer {Peer} ended: {Reason}", connection.IsInbound ? "from" : "to", peer.Gateway, why);
        }
        catch (OperationCanceledException)
        {
            // Ended before it began.
        }
        finally
        {
            connection.Close("");
            await ShutAsync(peer, connection).ConfigureAwait(false);
        }
    }

    private static string? Fault(Task task)
    {
        Exception? fault = task.Exception?.InnerException;
        while (fault?.InnerException is { } inner) fault = inner;
        return fault?.Message;
    }

    private async Task<bool> OpenAsync(PeerRemote peer, PeerConnection connection)
    {
        await peer.Turn.WaitAsync(connection.Ended).ConfigureAwait(false);
        try
        {
            PeerConnection? old;
            lock (peer.Gate) old = connection.IsInbound ? peer.Connections.Find(c => c.IsInbound) : null;
            if (old is not null) // the peer lost it, or it would not have opened another
            {
                old.Close("it opened a new stream");
                await RemoveAsync(peer, old).ConfigureAwait(false);
            }

            bool first;
            lock (peer.Gate)
            {
                if (peer.IsRemoved || peer.Member.TlsKeyHash != connection.Key || peer.Score.IsDropped) return false;
                first = peer.Connections.Count == 0;
                peer.Connections.Add(connection);
                peer.Active ??= connection; // before it is told: the core may answer at once
                peer.DialTrouble = "";
                peer.Endpoint = connection.Endpoint;
            }

            if (first)
            {
                await Inbox.PutAsync(new PeerEvent(PeerEventKind.Connected, peer.Gateway, null), 0, _stopping).ConfigureAwait(false);
                _log.LogInformation("peer {Peer} is connected ({Direction} {Endpoint})", peer.Gateway, connection.IsInbound ? "from" : "to", connection.Endpoint);
            }

            return true;
        }
        finally
        {
            peer.Turn.Release();
        }
    }

    private async Task ShutAsync(PeerRemote peer, PeerConnection connection)
    {
        await peer.Turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            await RemoveAsync(peer, connection).ConfigureAwait(false);
        }
        finally
        {
            peer.Turn.Release();
        }
    }

    private async Task RemoveAsync(PeerRemote peer, PeerConnection connection)
    {
        bool last;
        lock (peer.Gate)
        {
            if (!peer.Connections.Remove(connection)) return;
            peer.BytesSent += Interlocked.Read(ref connection.BytesSent);
            peer.BytesReceived += Interlocked.Read(ref connection.BytesReceived);
            peer.Dropped += connection.Queued;
            if (peer.Active == connection) peer.Active = peer.Connections.Count > 0 ? peer.Connections[0] : null;
            last = peer.Connections.Count == 0;
        }

        peer.Change();
        if (!last) return;
        _bodies?.Away(peer.Gateway);
        try
        {
            await Inbox.PutAsync(new PeerEvent(PeerEventKind.Disconnected, peer.Gateway, null), 0, _stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The stop: nobody listens any more.
        }
    }

    /// <summary>One message, or null for bytes that cannot be one. False ends the connection.</summary>
    private async ValueTask<bool> TakeAsync(PeerRemote peer, PeerConnection connection, ReadOnlyMemory<byte>? bytes)
    {
        PeerMessage? message = bytes is { } whole ? PeerCodec.TryRead(whole.Span) : null;
        if (message is null)
        {
            string why = bytes is null ? "it sent a message of no bytes or above 4 MiB" : "it sent a message that cannot be read";
            connection.Close(why);
            Blame(peer.Gateway, PeerScores.Malformed, why);
            return false;
        }

        lock (peer.Gate) peer.LastMessageMs = _time.GetUtcNow().ToUnixTimeMilliseconds();
        if (message is BodyPartMessage part && _bodies?.Arrived(peer.Gateway, part) == true) return true; // it was asked for, so it is not too much
        await SlowDownAsync(peer, connection, bytes!.Value.Length).ConfigureAwait(false);
        if (message is GetBodyMessage ask) _bodies?.Asked(peer.Gateway, ask);
        else if (message is not BodyPartMessage) await Inbox.PutAsync(new PeerEvent(PeerEventKind.Received, peer.Gateway, message), bytes.Value.Length, connection.Ended).ConfigureAwait(false);
        return true;
    }

    private async ValueTask SlowDownAsync(PeerRemote peer, PeerConnection connection, int bytes)
    {
        TimeSpan wait;
        bool blame = false;
        lock (peer.Gate)
        {
            TimeSpan messages = peer.Messages.Charge(1), volume = peer.Bytes.Charge(4 + bytes);
            wait = messages > volume ? messages : volume;
            if (wait > TimeSpan.Zero && (!peer.WasTooFast || _time.GetElapsedTime(peer.LastTooFast) >= _options.TooFastInterval))
                (blame, peer.WasTooFast, peer.LastTooFast) = (true, true, _time.GetTimestamp());
        }

        if (wait == TimeSpan.Zero) return;
        if (blame) Blame(peer.Gateway, PeerScores.TooFast, $"it sends more than {_settings.MessagesPerS} messages or {_settings.MibPerS} MiB a second");
        await Task.Delay(wait, _time, connection.Ended).ConfigureAwait(false);
    }
}

using System.Collections.Concurrent;
using System.Net;
using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Settings;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging;

namespace DePIN.Gateway.Tests.Peer;

/// <summary>One gateway's transport on loopback with real TLS; what it was told is kept in order.</summary>
internal sealed class TransportNode : IPeerEvents, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _hear = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _telling;
    private readonly Task _running;
    private Task _transferring = Task.CompletedTask;

    public TransportNode(int number, PeerKey? key = null, bool listens = true, PeerOptions? options = null, TimeProvider? time = null, PeerSettings? settings = null, bool hears = true)
    {
        Self = AddressOf(number);
        Key = key ?? PeerKey.Create();
        settings ??= new PeerSettings();
        settings.Listen = listens ? "127.0.0.1:0" : "";
        settings.Discovery = false;
        Transport = new PeerTransport(settings, Key, Self, time ?? TimeProvider.System, Logs, options ?? Quick, new Random(number));
        _running = Transport.RunAsync(_stop.Token);
        if (hears) _hear.SetResult();
        _telling = TellAsync();
    }

    /// <summary>Short pauses, so that tests do not wait.</summary>
    public static PeerOptions Quick { get; } = new() { BackOffMin = TimeSpan.FromMilliseconds(20), BackOffMax = TimeSpan.FromMilliseconds(200) };

    public Address Self { get; }

    public PeerKey Key { get; }

    public PeerTransport Transport { get; }

    public TestLogs Logs { get; } = new();

    /// <summary>"+1" connected, "-1" disconnected: gateway numbers.</summary>
    public ConcurrentQueue<string> Told { get; } = [];

    public ConcurrentQueue<(int From, PeerMessage Message)> Messages { get; } = [];

    public static Address AddressOf(int number)
    {
        byte[] bytes = new byte[Address.Bytes];
        bytes[^1] = (byte)number;
        return new Address(bytes);
    }

    public async Task<IPEndPoint> EndPointAsync() => (await Transport.Listening)!;

    public async Task<Member> MemberAsync(bool withEndpoint = true) =>
        new(Self, Key.Hash, withEndpoint && await Transport.Listening is { } bound ? $"https://{bound}" : "");

    public static Membership Of(params Member[] members)
    {
        Member[] sorted = [.. members.OrderBy(m => m.Gateway)];
        return new Membership(1, new GatewaySet([.. sorted.Select(m => m.Gateway)]), sorted);
    }

    /// <summary>All of them follow the same membership; those without a listener have no endpoint in it.</summary>
    public static async Task<Membership> FollowAllAsync(params TransportNode[] nodes)
    {
        Membership all = Of([.. await Task.WhenAll(nodes.Select(n => n.MemberAsync()))]);
        foreach (TransportNode node in nodes) node.Transport.Follow(all);
        return all;
    }

    public BodyStore? Store { get; private set; }

    public BodyTransfer? Transfer { get; private set; }

    /// <summary>Gives it a folder for bodies, and sources of its own.</summary>
    public TransportNode WithBodies(string folder, params IBodySource[] own)
    {
        Store = BodyStore.Open(new BodyStoreOptions(folder), TimeProvider.System, Logs);
        Transfer = new BodyTransfer(Store, own, Transport, new PeerSettings { MibPerS = 1_024 }, TimeProvider.System, Logs);
        Transport.Use(Transfer);
        _transferring = Transfer.RunAsync(_stop.Token);
        return this;
    }

    public PeerState? StateOf(TransportNode other) => Transport.Peers().FirstOrDefault(p => p.Gateway == other.Self);

    public bool IsConnectedTo(TransportNode other) => StateOf(other)?.IsConnected == true;

    public static Task ConnectedAsync(TransportNode a, TransportNode b) => Eventually.TrueAsync(() => a.IsConnectedTo(b) && b.IsConnectedTo(a), $"{a.Self} and {b.Self} are connected", () => a.Words() + b.Words());

    public string Words() => string.Join("\n", Transport.Peers()) + "\n" + string.Join("\n", Logs.Lines) + "\n";

    /// <summary>From now on what comes is taken.</summary>
    public void Hear() => _hear.TrySetResult();

    public void Connected(Address peer) => Told.Enqueue("+" + peer.ToArray()[^1]);

    public void Disconnected(Address peer) => Told.Enqueue("-" + peer.ToArray()[^1]);

    public void Received(Address peer, PeerMessage message) => Messages.Enqueue((peer.ToArray()[^1], message));

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await ((Task)_transferring).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _hear.TrySetResult();
        await _telling;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Key.Dispose();
        _stop.Dispose();
    }

    private async Task TellAsync()
    {
        await _hear.Task;
        await Transport.Inbox.TellAsync(this, CancellationToken.None);
    }
}

/// <summary>Keeps what was logged.</summary>
internal sealed class TestLogs : ILoggerFactory, ILogger
{
    public ConcurrentQueue<string> Lines { get; } = [];

    public int Count(string words) => Lines.Count(l => l.Contains(words, StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => categoryName.StartsWith("DePIN", StringComparison.Ordinal) ? this : Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

    public void AddProvider(ILoggerProvider provider) { }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue($"{logLevel}: {formatter(state, exception)} {exception}");

    public void Dispose() { }
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Store;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Operate;

/// <summary>The service manager is told the truth, over a real socket: ready when everything listens, alive only while the gateway moves.</summary>
[Platform(Exclude = "Win")]
internal sealed class ServiceWatchTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [TestCase(false)]
    [TestCase(true)]
    public async Task Ready_is_told_once_everything_listens_and_stopping_as_soon_as_it_is_asked(bool isAbstract)
    {
        using Manager manager = new(isAbstract);
        ManualTimeProvider time = new();
        using ServiceManager service = manager.Connect(watchdog: false);
        TaskCompletionSource listening = new();
        using CancellationTokenSource asked = new(), stop = new();
        ServiceWatch watch = new(service, new Progress(new ScriptedStore(), [], time), listening.Task.WaitAsync, () => "3 clients", asked.Token, time, NullLogger.Instance);
        Task running = watch.RunAsync(stop.Token);
        Assert.That(manager.Told, Is.Empty, "nothing listens yet");

        listening.SetResult();
        await manager.UntilAsync("READY=1\nSTATUS=3 clients");
        await asked.CancelAsync();
        await manager.UntilAsync("STOPPING=1\nSTATUS=Draining");
        Assert.That(manager.Told, Has.None.Contains("WATCHDOG"), "nobody watches");
        await stop.CancelAsync();
        Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Signs_of_life_end_with_the_stores_commits_and_begin_again_with_them()
    {
        using Manager manager = new(isAbstract: false);
        using TempFolder folder = new();
        ManualTimeProvider time = new();
        FrameLogTests.FailingCommit commit = new();
        using FrameLog log = FrameLog.Open(new FrameLogOptions { Path = Path.Combine(folder.Path, "frames.db"), FreeSpaceFloorBytes = 0 }, time: time, commit: commit);
        await using Watching watching = new(manager, new Progress(log, [], time), time);
        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(1));
        long commits = log.Commits;
        await watching.RoundAsync();
        Assert.That((manager.Signs, log.Commits), Is.EqualTo((2, commits + 1)), "an idle gateway proves it with a commit of its own");

        commit.FailBefore(1);
        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(2));
        Assert.That(manager.Told[^1], Does.StartWith("STATUS=No progress: the store cannot commit"));

        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(3));
    }

    [Test]
    public async Task A_disk_that_hangs_gets_one_write_and_no_sign_is_given_until_it_ends()
    {
        using Manager manager = new(isAbstract: false);
        ManualTimeProvider time = new();
        ScriptedStore store = new() { Hangs = new TaskCompletionSource() };
        await using Watching watching = new(manager, new Progress(store, [], time), time);
        for (int i = 0; i < 2; i++)
        {
            await Eventually.TrueAsync(() => store.Asked == 1 && time.ActiveTimers > 0, "the write was waited for");
            int told = manager.Told.Count;
            time.Advance(Patience / 3);
            await Eventually.TrueAsync(() => manager.Told.Count > told && time.ActiveTimers > 0, "it was told");
            Assert.That(manager.Told[^1], Is.EqualTo("STATUS=No progress: the store has not committed for 10 s"));
            time.Advance(Patience / 3);
        }

        Assert.That(store.Asked, Is.EqualTo(1));
        store.Hangs.SetResult();
        await Eventually.TrueAsync(() => manager.Signs == 1, "a sign of life came");
    }

    [Test]
    public async Task A_queue_whose_work_nobody_does_ends_the_signs_and_one_that_moves_or_is_empty_does_not()
    {
        using Manager manager = new(isAbstract: false);
        ManualTimeProvider time = new();
        long waiting = 5, done = 0;
        ScriptedStore store = new();
        WorkQueue queue = new("verify", () => Volatile.Read(ref waiting), () => Volatile.Read(ref done), () => TimeSpan.FromSeconds(15));
        await using Watching watching = new(manager, new Progress(store, [queue], time), time);
        await watching.RoundAsync();
        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(2), "10 s of quiet are allowed");
        await watching.RoundAsync();
        Assert.That(manager.Told[^1], Is.EqualTo("STATUS=No progress: verify: 5 wait and none was done for 20 s"));
        Volatile.Write(ref done, 1);
        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(3), "one was done");
        await watching.RoundAsync();
        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(4));
        Volatile.Write(ref waiting, 0);
        await watching.RoundAsync();
        Assert.That(manager.Signs, Is.EqualTo(5), "nothing waits");

        store.Commits = 7; // frames are committed: no write of its own is needed
        int asked = store.Asked;
        await watching.RoundAsync();
        Assert.That((manager.Signs, store.Asked), Is.EqualTo((6, asked)));
    }

    [Test]
    public void Another_process_is_watched_or_nobody_listens_and_the_gateway_goes_on()
    {
        using Manager manager = new(isAbstract: false);
        using ServiceManager foreign = new(name => name switch { "NOTIFY_SOCKET" => manager.Name, "WATCHDOG_USEC" => "1000000", "WATCHDOG_PID" => "1", _ => null }, NullLogger.Instance);
        Assert.That(foreign.WatchdogTimeout, Is.Null);
        using ServiceManager nobody = new(name => name == "NOTIFY_SOCKET" ? manager.Name + ".gone" : null, NullLogger.Instance);
        Assert.That(() => nobody.Tell("READY=1"), Throws.Nothing);
        using ServiceManager none = new(_ => null, NullLogger.Instance);
        Assert.That(() => none.Tell("READY=1"), Throws.Nothing);
        using ServiceManager wrong = new(name => name == "NOTIFY_SOCKET" ? "relative" : null, NullLogger.Instance);
        Assert.That(() => wrong.Tell("READY=1"), Throws.Nothing);
    }

    /// <summary>A watch whose time the test moves, one interval a round.</summary>
    private sealed class Watching : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly ServiceManager _service;
        private readonly Manager _manager;
        private readonly ManualTimeProvider _time;
        private readonly Task _running;
        private bool _begun;

        public Watching(Manager manager, Progress progress, ManualTimeProvider time)
        {
            (_manager, _time, _service) = (manager, time, manager.Connect(watchdog: true));
            _running = new ServiceWatch(_service, progress, _ => Task.CompletedTask, () => "", CancellationToken.None, time, NullLogger.Instance).RunAsync(_stop.Token);
        }

        /// <summary>Moves time by an interval (the first round needs none) and waits until the manager was told.</summary>
        public async Task RoundAsync()
        {
            int told = _begun ? _manager.Told.Count : 1; // after READY
            if (_begun) _time.Advance(Patience / 3);
            _begun = true;
            await Eventually.TrueAsync(() => _manager.Told.Count > told && _time.ActiveTimers == 1, "the manager was told");
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            _service.Dispose();
            _stop.Dispose();
        }
    }

    /// <summary>systemd's end of the socket.</summary>
    private sealed class Manager : IDisposable
    {
        private readonly TempFolder _folder = new();
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        private readonly ConcurrentQueue<string> _told = new();
        private readonly Task _reading;

        public Manager(bool isAbstract)
        {
            Name = isAbstract ? "@depin-" + Guid.NewGuid().ToString("N") : Path.Combine(_folder.Path, "notify");
            _socket.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + Name[1..] : Name));
            _reading = ReadAsync();
        }

        public string Name { get; }

        public IReadOnlyList<string> Told => [.. _told];

        public int Signs => _told.Count(t => t.StartsWith("WATCHDOG=1", StringComparison.Ordinal));

        public ServiceManager Connect(bool watchdog) => new(name => name switch
        {
            "NOTIFY_SOCKET" => Name,
            "WATCHDOG_USEC" when watchdog => (Patience.TotalSeconds * 1_000_000).ToString(CultureInfo.InvariantCulture),
            "WATCHDOG_PID" when watchdog => Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
            _ => null,
        }, NullLogger.Instance);

        public Task UntilAsync(string told) => Eventually.TrueAsync(() => _told.Contains(told), $"'{told}' was told", () => string.Join(" | ", _told));

        public void Dispose()
        {
            _socket.Dispose();
            _reading.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
            _folder.Dispose();
        }

        private async Task ReadAsync()
        {
            byte[] datagram = new byte[4096];
            while (true) _told.Enqueue(Encoding.UTF8.GetString(datagram, 0, await _socket.ReceiveAsync(datagram)));
        }
    }

    private sealed class ScriptedStore : IDurableStore
    {
        public long Commits { get; set; }

        public int Asked { get; private set; }

        public TaskCompletionSource? Hangs { get; init; }

        public Task ProveAsync()
        {
            Asked++;
            return Hangs?.Task ?? Task.CompletedTask;
        }
    }
}

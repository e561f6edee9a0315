using System.Collections.Concurrent;
using System.Net;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Verify;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;
using Microsoft.Extensions.Logging;

namespace DePIN.Firmware.Tests.Publish;

/// <summary>The firmware's publisher over a real socket against the gateway's own listener; only the verdicts are the test's.</summary>
[TestFixture]
public sealed class FramePublisherTests
{
    private readonly ConcurrentQueue<ulong> _arrived = new();
    private readonly HashSet<ulong> _durable = [];
    private Func<ulong, FrameVerdict> _verdict = _ => FrameVerdict.Accepted;
    private PowerCutFlash _flash = new();
    private DeviceKey _key = null!;
    private FrameStore _store = null!;
    private NodeClock _clock = null!;
    private FrameComposer _composer = null!;
    private StopSignal _stop = null!;
    private Thread? _thread;
    private VirtualHardware _hardware = null!;
    private readonly NodeHealth _health = new();

    [SetUp]
    public void Boot()
    {
        _arrived.Clear();
        _durable.Clear();
        _verdict = _ => FrameVerdict.Accepted;
        _hardware = new VirtualHardware();
        _hardware.PowerOn();
        _flash = new PowerCutFlash();
        _key = DeviceKey.Open(_flash, new SeededEntropy(7), new NodeStatus());
        _store = FrameStore.Open(_flash, FrameRing.CapacityBytesMin, _key.Signer);
        _clock = NodeClock.Open(_flash, new ManualTime());
        _composer = new FrameComposer(Profiles.Environment, _key.Id, _store, _clock);
        _stop = new StopSignal();
        _thread = null;
    }

    [TearDown]
    public void SwitchOff()
    {
        _stop.Request();
        _store.Wake();
        _thread?.Join();
    }

    [Test]
    public async Task What_was_kept_before_the_gateway_was_there_arrives_in_order_and_is_freed()
    {
        Compose(10);
        await using Listener gateway = await Listener.StartAsync(Intake(), port: 0);
        Publish(gateway.Port);
        Eventually.True(() => _store.NextOwed(0) == 0, "all frames acknowledged");
        Compose(3);
        Eventually.True(() => _store.NextOwed(0) == 0, "new frames too");

        Assert.That(_arrived, Is.EqualTo(Enumerable.Range(1, 13).Select(i => (ulong)i)));
    }

    [Test]
    public async Task A_gateway_that_restarts_gets_the_rest_in_order_and_nothing_is_lost()
    {
        Compose(2);
        int port;
        await using (Listener first = await Listener.StartAsync(Intake(), port: 0))
        {
            port = first.Port;
            Publish(port);
            Eventually.True(() => _store.NextOwed(0) == 0, "the first frames");
            Assert.That(LightCode.Of(BoardState.Running, _health), Is.Not.EqualTo(LightCode.NoGateway), "the light says that the gateway takes frames");
        }

        Eventually.True(() => LightCode.Of(BoardState.Running, _health) == LightCode.NoGateway, "the light says that the gateway is away");
        Eventually.True(() => _health.ConnectFailures > 0, "and it is counted");
        Compose(5);
        await using Listener second = await Listener.StartAsync(Intake(), port);
        Eventually.True(() => _store.NextOwed(0) == 0, "the rest after the restart");

        Assert.That(_durable, Is.EquivalentTo(Enumerable.Range(1, 7).Select(i => (ulong)i)));
        Assert.That(_arrived.Distinct(), Is.Ordered);
    }

    [TestCase(FrameVerdict.Malformed)]
    [TestCase(FrameVerdict.Replayed)]
    [TestCase(FrameVerdict.Equivocation)]
    public async Task A_frame_refused_for_good_is_dropped_counted_and_holds_nobody_up(FrameVerdict refusal)
    {
        _verdict = sequence => sequence == 2 ? refusal : FrameVerdict.Accepted;
        Compose(4);
        await using Listener gateway = await Listener.StartAsync(Intake(), port: 0);
        Publish(gateway.Port);
        Eventually.True(() => _store.NextOwed(0) == 0, "all answered");

        Assert.That(_durable, Is.EquivalentTo(new ulong[] { 1, 3, 4 }));
        Assert.That(_store.Describe(), Does.Contain("refused=1"));
    }

    [TestCase(FrameVerdict.UnknownDevice)]
    [TestCase(FrameVerdict.StoreFull)]
    public async Task A_frame_to_be_sent_later_is_kept_and_sent_again(FrameVerdict later)
    {
        int refusals = 0;
        _verdict = sequence => sequence == 1 && Interlocked.Increment(ref refusals) == 1 ? later : FrameVerdict.Accepted;
        Compose(2);
        await using Listener gateway = await Listener.StartAsync(Intake(), port: 0);
        Publish(gateway.Port);
        Eventually.True(() => refusals == 1, "the refusal");
        Assert.That(_store.NextOwed(0), Is.EqualTo(1), "kept");
        Eventually.True(() => _store.NextOwed(0) == 0, "sent again after the back-off");

        Assert.That(_durable, Is.EquivalentTo(new ulong[] { 1, 2 }));
        Assert.That(_store.Describe(), Does.Contain("refused=0"));
    }

    [Test]
    public async Task The_gateways_time_sets_a_clock_that_has_none()
    {
        await using Listener gateway = await Listener.StartAsync(Intake(), port: 0);
        Publish(gateway.Port);
        Eventually.True(() => _clock.IsSynchronised, "the time message");

        Assert.That(_clock.Origin, Is.EqualTo(ClockOrigin.Gateway));
        Compose(1);
        Assert.That(FrameParser.IsClockSynchronised(Read(1), 0), Is.True);
    }

    [Test]
    public void Frames_are_signed_with_the_devices_own_key()
    {
        Compose(1);
        byte[] frame = Read(1);

        Assert.That(FrameParser.Check(frame, 0, frame.Length), Is.EqualTo(FrameFault.None));
        using System.Security.Cryptography.ECDsa verifier = System.Security.Cryptography.ECDsa.Create(new System.Security.Cryptography.ECParameters
        {
            Curve = System.Security.Cryptography.ECCurve.NamedCurves.nistP256,
            Q = new System.Security.Cryptography.ECPoint { X = _key.PublicKey[..32], Y = _key.PublicKey[32..] },
        });
        Assert.That(verifier.VerifyData(frame.AsSpan()[..^64], frame.AsSpan()[^64..], System.Security.Cryptography.HashAlgorithmName.SHA256), Is.True);
    }

    [Test]
    public void A_back_off_grows_to_its_bound_and_never_leaves_its_band()
    {
        BackOff backOff = new(1000, 60_000);
        int ceiling = 1000;
        for (int i = 0; i < 20; i++)
        {
            Assert.That(backOff.Next(), Is.InRange(ceiling / 2, ceiling));
            ceiling = Math.Min(ceiling * 2, 60_000);
        }

        backOff.Reset();
        Assert.That(backOff.Next(), Is.InRange(500, 1000));
    }

    [Test]
    public void Answers_in_any_order_free_only_from_the_oldest_on()
    {
        InFlight window = new(3);
        window.Add(5, 50);
        window.Add(6, 60);
        window.Add(7, 70);
        Assert.That(window.IsFull, Is.True);
        Assert.That(window.AnswerMessage(60), Is.EqualTo(6));
        Assert.That(window.TakeAnswered(), Is.Zero);
        Assert.That(window.AnswerMessage(60), Is.Zero, "an answer counts once");
        Assert.That(window.AnswerSequence(5), Is.True);
        Assert.That(window.TakeAnswered(), Is.EqualTo(6));
        Assert.That(window.Count, Is.EqualTo(1));
    }

    private void Compose(int frames)
    {
        for (int i = 0; i < frames; i++)
        {
            SampleSet samples = new();
            samples.Add(Channels.Temperature, -2, 0, 2000 + i, 1000);
            _composer.Compose(samples);
        }
    }

    private byte[] Read(ulong sequence)
    {
        byte[] buffer = new byte[FrameFormat.FrameBytesMax];
        return buffer[.._store.Read(sequence, buffer)];
    }

    private void Publish(int port)
    {
        NodeSettings settings = new();
        byte[] text = Encoding.ASCII.GetBytes($"gateway-host=127.0.0.1\ngateway-port={port}\n");
        settings.Apply(text, 0, text.Length);
        FramePublisher publisher = new(settings, _key, _store, _clock, _flash, new Network(settings, _health), _health, new Watchdog(), new DeviceTime());
        _thread = new Thread(() => publisher.Run(_stop));
        _hardware.PowerOn();
        _thread.Start();
    }

    private TestIntake Intake() => new(frame =>
    {
        ulong sequence = FrameParser.Sequence(frame, 0);
        Assert.That(FrameParser.Check(frame, 0, frame.Length), Is.EqualTo(FrameFault.None));
        _arrived.Enqueue(sequence);
        FrameVerdict verdict = _verdict(sequence);
        lock (_durable)
        {
            return verdict == FrameVerdict.Accepted && !_durable.Add(sequence) ? FrameVerdict.Duplicate : verdict;
        }
    });

    private sealed class TestIntake(Func<byte[], FrameVerdict> judge) : IFrameIntake
    {
        public ValueTask<FrameVerdict> SubmitAsync(ReadOnlyMemory<byte> topicDeviceId, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken) =>
            ValueTask.FromResult(judge(frame.ToArray()));
    }

    /// <summary>The gateway's log in the test's output: a refusal without it says nothing.</summary>
    private sealed class ConsoleLogs : ILoggerFactory, ILogger
    {
        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Console.WriteLine($"gateway: {formatter(state, exception)} {exception}");
    }

    private sealed class Listener : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stopping = new();
        private readonly Task _running;

        private Listener(MqttIngest ingest) => _running = ingest.RunAsync(_stopping.Token);

        public int Port { get; private set; }

        public static async Task<Listener> StartAsync(IFrameIntake intake, int port)
        {
            MqttIngest ingest = new(
                new IngestSettings { Plain = new IPEndPoint(IPAddress.Loopback, port) }, intake, TimeProvider.System, new ConsoleLogs());
            Listener listener = new(ingest);
            IngestEndPoints bound = await ingest.Listening;
            listener.Port = bound.Plain!.Port;
            return listener;
        }

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await _running;
            _stopping.Dispose();
        }
    }
}

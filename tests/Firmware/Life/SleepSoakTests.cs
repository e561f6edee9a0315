// Thirty simulated days of a node that sleeps between its rounds: the firmware's own state machine, sleep records, ring, key and clock on simulated
// flash, time and chip. From a seed: power cuts at any byte and while asleep, outages longer than the ring, an RTC that drifts asleep, time
// servers that lie, single failing writes.

using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Life;

[TestFixture]
public sealed class SleepSoakTests
{
    private const int Days = 30;
    private const int IntervalMs = 600_000;
    private const int RoundsPerFrame = 4;
    private const int RoundsPerDay = 144;
    private const int RingBytes = 3 * FrameRing.SegmentBytesMax;
    private const long DayMs = 86_400_000;
    private const long BootMs = 1_500;

    /// <summary>README: one a round, one a frame, one a health frame, one an hour for the time; and what is deleted.</summary>
    private const int WritesPerDayMax = RoundsPerDay + (RoundsPerDay / RoundsPerFrame) + 24 + 24 + 30;

    [TestCase(1, true, true)]
    [TestCase(2, true, false)]
    [TestCase(3, false, false)]
    public void Thirty_days_of_sleep_keep_every_sample_exactly_once_and_sign_nothing_twice(int seed, bool tellsWakeupCause, bool gatewayLies)
    {
        TextWriter console = Console.Out;
        Console.SetOut(TextWriter.Null);
        World world = new(seed, tellsWakeupCause) { GatewayLies = gatewayLies };
        try
        {
            while (world.NowMs < Days * DayMs)
            {
                world.Start();
            }

            world.Drain();
        }
        finally
        {
            Console.SetOut(console);
        }

        TestContext.Out.WriteLine(world.ToString());
        Assert.That(world.Wakes, Is.GreaterThan(3_000));
        Assert.That(world.CutsAsleep, Is.GreaterThan(10));
        Assert.That(world.CutsAwake, Is.GreaterThan(10));
        Assert.That(world.Outages, Is.GreaterThan(5));
        Assert.That(world.FailedWrites, Is.GreaterThan(5));
        Assert.That(world.FramesSeen, Is.GreaterThan(700));
        Assert.That(world.SynchronisedFrames, Is.GreaterThan(200));
    }

    [Test]
    public void A_day_without_trouble_writes_flash_no_more_often_than_stated()
    {
        TextWriter console = Console.Out;
        Console.SetOut(TextWriter.Null);
        World world = new(9, tellsWakeupCause: true) { IsQuiet = true };
        try
        {
            while (world.NowMs < DayMs)
            {
                world.Start();
            }
        }
        finally
        {
            Console.SetOut(console);
        }

        TestContext.Out.WriteLine(world.ToString());
        Assert.That(world.Writes, Is.LessThanOrEqualTo(WritesPerDayMax));
        Assert.That(world.Writes, Is.GreaterThan(RoundsPerDay), "it did write");
        Assert.That(world.Boots, Is.EqualTo(1), "a wake-up is no boot");
        Assert.That(world.Connections, Is.LessThanOrEqualTo((RoundsPerDay / RoundsPerFrame) + 36), "the radio is on only when there is something to send, or no good time");
    }

    private sealed class World(int seed, bool tellsWakeupCause) : IUplink, IPause
    {
        private readonly Random _random = new(seed);
        private readonly ManualTime _time = new();
        private readonly VirtualHardware _hardware = new() { TellsWakeupCause = tellsWakeupCause };
        private readonly Dictionary<ulong, byte[]> _frames = [];
        private readonly Dictionary<long, ulong> _frameOfValue = [];
        private readonly HashSet<long> _kept = [];
        private readonly Dictionary<long, long> _takenAt = [];
        private readonly HashSet<ulong> _acknowledged = [];
        private readonly byte[] _buffer = new byte[FrameFormat.FrameBytesMax];
        private readonly CountingSensor _sensor = new();
        private PowerCutFlash _flash = new();
        private FrameStore? _store;
        private NodeClock? _clock;
        private byte[]? _publicKey;
        private bool _wakes;
        private long _linkDownUntilMs;
        private uint _boots;

        public bool IsQuiet { get; init; }
        public bool GatewayLies { get; init; }
        public long NowMs { get; private set; }
        public int Wakes { get; private set; }
        public int Boots { get; private set; }
        public int CutsAsleep { get; private set; }
        public int CutsAwake { get; private set; }
        public int Outages { get; private set; }
        public int FailedWrites { get; private set; }
        public int Connections { get; private set; }
        public int SynchronisedFrames { get; private set; }
        public long Writes { get; private set; }
        public int FramesSeen => _frames.Count;

        public override string ToString() =>
            $"seed {seed}: {Wakes} wakes, {Boots} boots, {FramesSeen} frames ({SynchronisedFrames} synchronised), {_frameOfValue.Count} samples, {Connections} connections, {CutsAwake} cuts awake, {CutsAsleep} asleep, {Outages} outages, {FailedWrites} failed writes, {Writes} flash operations, {_store?.Dropped} dropped";

        /// <summary>One start of the chip, by power or by its timer, until it sleeps or the power goes.</summary>
        public void Start()
        {
            _hardware.PowerOn();
            if (_wakes)
            {
                _hardware.Wake();
                Wakes++;
            }
            else
            {
                _hardware.Reset();
                Boots++;
                _time.Wall = 0;
            }

            Trouble();
            int operations = _flash.Operations.Count;
            _time.Uptime = 0;
            Pass(BootMs);
            try
            {
                bool asleep = Live();
                Writes += _flash.Operations.Count - operations;
                Assert.That(asleep, Is.True, "it goes to sleep");
                See();
                _kept.UnionWith(_sensor.Values);
                Sleep(Assert.Throws<VirtualDeepSleepException>(() => ChipSleep.Enter(_sleepMs))!.Length);
            }
            catch (PowerCutException)
            {
                CutsAwake++;
                PowerOff();
            }
            catch (IOException)
            {
                _wakes = false; // the boot record was not taken: the node starts again
                Pass(5_000);
            }
        }

        public void Drain()
        {
            _linkDownUntilMs = 0;
            _flash = _flash.Survivor();
            _wakes = false;
            Start();
            for (ulong sequence = _store!.NextOwed(0); sequence != 0; sequence = _store.NextOwed(sequence + 1))
            {
                _store.Read(sequence, _buffer);
            }

            See();
            HashSet<long> waiting = [];
            SampleSet left = new();
            _store.CopyWaiting(left);
            for (int i = 0; i < left.Count; i++)
            {
                waiting.Add(left.Value(i));
            }

            Assert.That(_kept.Where(value => !_frameOfValue.ContainsKey(value) && !waiting.Contains(value)), Is.Empty, "what was kept over a sleep is in a frame, or still waits");
            int missing = _frames.Keys.Count(sequence => !_acknowledged.Contains(sequence));
            Assert.That(missing, Is.LessThanOrEqualTo((int)_store.Dropped + (int)_store.Owed));
        }

        bool IUplink.Open(StopSignal stop)
        {
            Connections++;
            Pass(_random.Next(1_000, 4_000));
            return NowMs >= _linkDownUntilMs;
        }

        bool IUplink.Drain(StopSignal stop)
        {
            See();
            for (ulong sequence = _store!.NextOwed(0); sequence != 0; sequence = _store.NextOwed(sequence + 1))
            {
                if (_store.Read(sequence, _buffer) > 0)
                {
                    _acknowledged.Add(sequence);
                }

                _store.FreeThrough(sequence);
            }

            bool lies = GatewayLies && _random.Next(40) == 0;
            _clock!.TakeGatewayTime(NodeClock.UnixMsMin + NowMs + (lies ? _random.NextInt64(DayMs * 100) : 0));
            Pass(_random.Next(200, 2_000));
            return true;
        }

        void IPause.Wait(long milliseconds, StopSignal stop) => Pass(milliseconds);

        private long _sleepMs;

        private bool Live()
        {
            NodeTime time = new(_time);
            NodeStatus status = new();
            NodeSettings settings = new()
            {
                IntervalMs = IntervalMs, SamplesPerFrame = RoundsPerFrame, RingBytes = RingBytes, DeepSleep = true, PublishFrames = 2, GatewayHost = "gateway", SntpServer = "",
            };
            NodeHealth health = new();
            Watchdog watchdog = new();
            DeepSleep sleep = new(settings, time);
            _clock = NodeClock.Open(_flash, time);
            DeviceKey key = DeviceKey.Open(_flash, new SeededEntropy(7), status);
            byte[] publicKey = new byte[DeviceId.PublicKeyBytes];
            key.Signer.ReadPublicKey(publicKey, 0);
            _publicKey ??= publicKey;
            Assert.That(publicKey, Is.EqualTo(_publicKey), "the node is who it was");
            _store = FrameStore.Open(_flash, settings.RingBytes, key.Signer, sleep);
            Assert.That(_store.IsResumed, Is.EqualTo(_wakes), "a wake-up is told from a boot");
            Assert.That(_store.BootCount, _wakes ? Is.EqualTo(_boots) : Is.GreaterThan(_boots), "and is none");
            _boots = _store.BootCount;
            _sensor.Values.Clear();
            _sensor.World = this;
            SensorSet sensors = new([_sensor], new I2cBus(BoardPins.I2cBus), health);
            FrameComposer composer = new(Profiles.Environment, key.Id, _store, _clock);
            HealthFrames healthFrames = new(settings.HealthSeconds, health, new FrameComposer(Profiles.Node, key.Id, _store, _clock), _store, _clock);
            SampleLoop loop = new(settings, status, sensors, composer, _store, _clock, time, health, healthFrames);
            for (int i = 0; i < 30; i++)
            {
                sensors.Read(new SampleSet(), 0); // until it looks for sensors
            }

            sleep.Resume(_store, _clock, health, healthFrames, loop, composer, status);
            bool asleep = new NodeLife(settings, status, loop, sleep, this, time, watchdog, _store.IsResumed, this).Run(new StopSignal());
            Assert.That(status.MaySign, Is.True, $"the node still signs: {status.State}");
            Watch();
            _sleepMs = Math.Max(1, sleep.WakeUptimeMs - time.UptimeMs());
            return asleep;
        }

        private void Trouble()
        {
            if (IsQuiet)
            {
                return;
            }

            switch (_random.Next(160))
            {
                case 0 or 1: // the power goes within the next bytes that are written
                    _flash = _flash.Survivor(_random.Next(1, 2_000), (TornWrite)_random.Next(3), _random.Next());
                    break;
                case 2:
                    _flash.FailNextWrite(persisted: _random.Next(2) == 0);
                    FailedWrites++;
                    break;
                case 3 when NowMs >= _linkDownUntilMs:
                    _linkDownUntilMs = NowMs + (_random.Next(1, 60) * 3_600_000L);
                    Outages++;
                    break;
            }
        }

        private void Sleep(TimeSpan length)
        {
            long ms = (long)length.TotalMilliseconds;
            Assert.That(ms, Is.InRange(1, IntervalMs));
            if (!IsQuiet && _random.Next(100) == 0)
            {
                CutsAsleep++;
                NowMs += _random.NextInt64(ms);
                PowerOff();
                return;
            }

            // The RTC and the timer count the same oscillator: what is wrong with it nobody on the board sees.
            _time.Wall += ms;
            NowMs += ms + (ms * _random.Next(-40, 41) / 1_000);
            _wakes = true;
        }

        private void PowerOff()
        {
            _flash = _flash.Survivor(long.MaxValue, (TornWrite)_random.Next(3), _random.Next());
            NowMs += _random.Next(1, 60) * 60_000;
            _wakes = false;
        }

        private void Pass(long ms)
        {
            NowMs += ms;
            _time.Uptime += ms;
            _time.Wall += ms;
        }

        private void See()
        {
            for (ulong sequence = _store!.NextOwed(0); sequence != 0; sequence = _store.NextOwed(sequence + 1))
            {
                int count = _store.Read(sequence, _buffer);
                if (count > 0)
                {
                    See(sequence, _buffer.AsSpan(0, count));
                }
            }
        }

        private void See(ulong sequence, ReadOnlySpan<byte> frame)
        {
            byte[] hash = SHA256.HashData(frame);
            if (_frames.TryGetValue(sequence, out byte[]? before))
            {
                Assert.That(hash, Is.EqualTo(before), $"sequence {sequence} was signed twice with different content");
                return;
            }

            _frames[sequence] = hash;
            Assert.That(FrameParser.Check(_buffer, 0, frame.Length), Is.EqualTo(FrameFault.None));
            using ECDsa key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = _publicKey![..32], Y = _publicKey[32..] } });
            Assert.That(key.VerifyData(frame[..^64], frame[^64..], HashAlgorithmName.SHA256), Is.True, $"signature of {sequence}");
            if (FrameParser.Profile(_buffer, 0) == Profiles.Node)
            {
                return;
            }

            bool synchronised = FrameParser.IsClockSynchronised(_buffer, 0);
            SynchronisedFrames += synchronised ? 1 : 0;
            for (int i = 0; i < FrameParser.SampleCount(_buffer, 0); i++)
            {
                Sample sample = new();
                FrameParser.ReadSample(_buffer, 0, i, sample);
                Assert.That(_frameOfValue.TryAdd(sample.Value, sequence), Is.True, $"sample {sample.Value} is in two frames");
                long time = (long)FrameParser.TimeMs(_buffer, 0) + sample.OffsetMs - NodeClock.UnixMsMin;
                if (synchronised && !GatewayLies)
                {
                    Assert.That(Math.Abs(time - _takenAt[sample.Value]), Is.LessThanOrEqualTo(NodeClock.SynchronisedErrorMsMax), "a synchronised frame's times are what the flag says");
                }
            }
        }

        private void Watch()
        {
            long bytes = _flash.List().Where(name => name.StartsWith("ring-", StringComparison.Ordinal)).Sum(name => (long)_flash.Length(name));
            Assert.That(bytes, Is.LessThanOrEqualTo(RingBytes), "the ring is bounded");
        }

        private sealed class CountingSensor : ISensor
        {
            private long _value;

            public List<long> Values { get; } = [];

            public World? World { get; set; }

            public string Name => "counting";

            public ushort Profile => Profiles.Environment;

            public bool Open() => true;

            public bool Read(SampleSet samples, long uptimeMs)
            {
                if (uptimeMs == 0)
                {
                    return true;
                }

                Values.Add(++_value);
                World!._takenAt[_value] = World.NowMs;
                return samples.Add(Channels.Temperature, -2, 0, _value, uptimeMs);
            }
        }
    }
}

// Thirty simulated days of one node: the firmware's own loop, ring, key, clock and health frames on simulated flash and time. From a seed: power
// cuts at any byte, Wi-Fi and gateway outages longer than the ring, clock jumps, sensors that come and go, single failing writes.

using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Life;

[TestFixture]
public sealed class SoakTests
{
    private const int Days = 30;
    private const int IntervalMs = 60_000;
    private const int RingBytes = 3 * FrameRing.SegmentBytesMax;
    private const long DayMs = 86_400_000;

    /// <summary>What may be live more at the end than after the first days: far below what one sample a round would be (0.7 MB).</summary>
    private const long HeapGrowthMax = 256 * 1024;

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public void Thirty_days_lose_nothing_that_was_written_and_sign_nothing_twice(int seed)
    {
        NodeLife life = new(seed);
        TextWriter console = Console.Out;
        Console.SetOut(TextWriter.Null); // the runner keeps every line of the node's log: that is not the node's heap
        try
        {
            Live(life);
        }
        finally
        {
            Console.SetOut(console);
        }

        TestContext.Out.WriteLine(life.ToString());
    }

    private static void Live(NodeLife life)
    {
        long early = 0;
        for (int day = 0; day < Days; day++)
        {
            life.RunDay();
            if (day == 4)
            {
                early = LiveBytes(life);
            }
        }

        long late = LiveBytes(life);
        life.Drain();

        Assert.That(life.PowerCuts, Is.GreaterThan(20), "it was no holiday");
        Assert.That(life.Outages, Is.GreaterThan(10));
        Assert.That(life.ClockJumps, Is.GreaterThan(10));
        Assert.That(life.FailedWrites, Is.GreaterThan(10));
        Assert.That(life.Written, Is.GreaterThan(700));
        Assert.That(life.HealthFrames, Is.GreaterThan(300));
        Assert.That(late - early, Is.LessThan(HeapGrowthMax), "heap use is flat");
    }

    private static long LiveBytes(NodeLife life)
    {
        life.Forget();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    /// <summary>A node, the world around it, and the gateway that remembers what it took.</summary>
    private sealed class NodeLife(int seed)
    {
        private readonly Random _random = new(seed);
        private readonly ManualTime _time = new();
        private readonly byte[][] _taken = new byte[20_000][]; // by sequence: hashes of what the gateway or the test saw
        private readonly bool[] _acknowledged = new bool[20_000];
        private readonly byte[] _frame = new byte[FrameFormat.FrameBytesMax];
        private readonly NodeStatus _status = new();
        private PowerCutFlash _flash = new();
        private Node? _node;
        private byte[]? _publicKey;
        private long _nowMs; // the world's
        private long _linkDownUntilMs;
        private uint _dropped;
        private ulong _highest;

        public int PowerCuts { get; private set; }
        public int Outages { get; private set; }
        public int ClockJumps { get; private set; }
        public int FailedWrites { get; private set; }
        public int Written { get; private set; }
        public int HealthFrames { get; private set; }

        public void RunDay()
        {
            for (long end = _nowMs + DayMs; _nowMs < end; _nowMs += IntervalMs, _time.Uptime += IntervalMs, _time.Wall += IntervalMs)
            {
                try
                {
                    _node ??= Boot();
                    Trouble();
                    _node.Loop.Tend();
                    if (_node.Loop.Measure()) _node.Loop.MakeFrame();
                    _node.Watch();
                    Publish();
                }
                catch (PowerCutException)
                {
                    PowerCuts++;
                    PowerOff();
                }
            }

            Assert.That(_status.MaySign, Is.True, $"the node still signs: {_status.State}");
        }

        /// <summary>The gateway is there, and nothing goes wrong any more: everything owed arrives.</summary>
        public void Drain()
        {
            _flash = _flash.Survivor();
            _node = Boot();
            _linkDownUntilMs = 0;
            for (int i = 0; i < 1_000 && _node.Store.NextOwed(0) != 0; i++)
            {
                Publish();
            }

            Assert.That(_node.Store.NextOwed(0), Is.Zero);
            int missing = 0;
            for (ulong sequence = 1; sequence <= _highest; sequence++)
            {
                missing += _taken[sequence] is not null && !_acknowledged[sequence] ? 1 : 0;
            }

            _dropped = _node.Store.Dropped;
            Assert.That(missing, Is.LessThanOrEqualTo((int)_dropped), "whatever was written arrived, or made room for newer frames and was counted");
        }

        /// <summary>Test bookkeeping that grows is not the node's.</summary>
        public void Forget() => _flash.Operations.Clear();

        public override string ToString() =>
            $"seed {seed}: {Written} frames written, {HealthFrames} of them health, {_acknowledged.Count(a => a)} taken, {_dropped} dropped by a full ring, {PowerCuts} power cuts, {Outages} outages, {ClockJumps} clock jumps, {FailedWrites} failed writes";

        private Node Boot()
        {
            _time.Uptime = 1_000;
            Node node = new(_flash, _time, _status, _random);
            byte[] key = node.PublicKey();
            _publicKey ??= key;
            Assert.That(key, Is.EqualTo(_publicKey), "the node is who it was");
            return node;
        }

        private void PowerOff()
        {
            _flash = _flash.Survivor(long.MaxValue, (TornWrite)_random.Next(3), _random.Next());
            _node = null;
            _nowMs += _random.Next(1, 30) * IntervalMs;
        }

        private void Trouble()
        {
            switch (_random.Next(600))
            {
                case 0: // the power goes within the next bytes that are written
                    _flash = _flash.Survivor(_random.Next(1, 3_000), (TornWrite)_random.Next(3), _random.Next());
                    _node = Boot();
                    break;
                case 1:
                    _flash.FailNextWrite(persisted: _random.Next(2) == 0);
                    FailedWrites++;
                    break;
                case 2 when _nowMs >= _linkDownUntilMs: // Wi-Fi or gateway away, sometimes for longer than the ring holds
                    _linkDownUntilMs = _nowMs + _random.Next(1, 40) * 3_600_000L;
                    Outages++;
                    break;
                case 3: // an RTC without a battery, a time server that lies or is silent
                    _time.Wall = _random.Next(2) == 0 ? 0 : NodeClock.UnixMsMin + _random.NextInt64(DayMs * 10_000);
                    _time.Server = _random.Next(3) switch { 0 => null, 1 => _time.Wall, _ => NodeClock.UnixMsMin + _nowMs };
                    ClockJumps++;
                    break;
                case 4:
                    _node!.Clock.TakeGatewayTime(NodeClock.UnixMsMin + _nowMs);
                    break;
                case 5:
                    _node!.Sensor.IsAway = !_node.Sensor.IsAway;
                    break;
            }
        }

        private void Publish()
        {
            FrameStore store = _node!.Store;
            for (ulong sequence = store.NextOwed(0); sequence != 0; sequence = store.NextOwed(sequence + 1))
            {
                int count = store.Read(sequence, _frame);
                if (count > 0)
                {
                    See(sequence, _frame.AsSpan(0, count));
                }

                if (_nowMs < _linkDownUntilMs)
                {
                    continue; // seen on flash, not sent
                }

                _acknowledged[sequence] |= count > 0;
                store.FreeThrough(sequence);
            }
        }

        private void See(ulong sequence, ReadOnlySpan<byte> frame)
        {
            byte[] hash = SHA256.HashData(frame);
            if (_taken[sequence] is { } before)
            {
                if (!before.AsSpan().SequenceEqual(hash))
                {
                    Assert.Fail($"sequence {sequence} was signed twice with different content");
                }

                return;
            }

            Assert.That(FrameParser.Check(_frame, 0, frame.Length), Is.EqualTo(FrameFault.None));
            using ECDsa key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = _publicKey![..32], Y = _publicKey[32..] } });
            Assert.That(key.VerifyData(frame[..^64], frame[^64..], HashAlgorithmName.SHA256), Is.True, $"signature of {sequence}");
            _taken[sequence] = hash;
            _highest = Math.Max(_highest, sequence);
            Written++;
            HealthFrames += FrameParser.Profile(_frame, 0) == Profiles.Node ? 1 : 0;
        }
    }

    /// <summary>The parts that Program.Start makes, without threads: the test's hand turns the loop.</summary>
    private sealed class Node
    {
        private readonly PowerCutFlash _flash;
        private readonly DeviceKey _key;

        public Node(PowerCutFlash flash, ITimeSource time, NodeStatus status, Random random)
        {
            _flash = flash;
            NodeSettings settings = new() { IntervalMs = IntervalMs, SamplesPerFrame = 60, RingBytes = RingBytes };
            NodeHealth health = new();
            Clock = NodeClock.Open(flash, time);
            _key = DeviceKey.Open(flash, new SeededEntropy(7), status);
            Store = FrameStore.Open(flash, settings.RingBytes, _key.Signer);
            Sensor = new FlakySensor(random);
            SensorSet sensors = new([Sensor], new I2cBus(BoardPins.I2cBus), health);
            HealthFrames healthFrames = new(settings.HealthSeconds, health, new FrameComposer(Profiles.Node, _key.Id, Store, Clock), Store, Clock);
            Loop = new SampleLoop(settings, status, sensors, new FrameComposer(Profiles.Environment, _key.Id, Store, Clock), Store, Clock, time, health, healthFrames);
        }

        public NodeClock Clock { get; }

        public FrameStore Store { get; }

        public FlakySensor Sensor { get; }

        public SampleLoop Loop { get; }

        public byte[] PublicKey()
        {
            byte[] key = new byte[DeviceId.PublicKeyBytes];
            _key.Signer.ReadPublicKey(key, 0);
            return key;
        }

        /// <summary>The ring is bounded whatever happens.</summary>
        public void Watch()
        {
            long bytes = 0;
            foreach (string name in _flash.List())
            {
                bytes += name.StartsWith("ring-", StringComparison.Ordinal) ? _flash.Length(name) : 0;
            }

            if (bytes > RingBytes)
            {
                Assert.Fail($"the ring takes {bytes} of {RingBytes} bytes");
            }
        }
    }

    private sealed class FlakySensor(Random random) : ISensor
    {
        public bool IsAway { get; set; }

        public string Name => "flaky";

        public ushort Profile => Profiles.Environment;

        public bool Open() => !IsAway;

        public bool Read(SampleSet samples, long uptimeMs) => !IsAway && samples.Add(Channels.Temperature, -2, 0, random.Next(-4000, 8500), uptimeMs);
    }
}

using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.S0Pulse;
using DePIN.Protocol;
using DePIN.Tests.Harness;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class S0PulseTests
{
    private const int Pin = BoardPins.PulsePinMin;

    private ManualTimeProvider _time = null!;
    private VirtualHardware _hardware = null!;
    private SimulatedS0Output _meter = null!;
    private PowerCutFlash _flash = null!;

    [SetUp]
    public void Board()
    {
        _time = new ManualTimeProvider();
        _hardware = new VirtualHardware { Time = _time };
        _hardware.PowerOn();
        _meter = new SimulatedS0Output(_hardware, Pin);
        _flash = new PowerCutFlash();
    }

    [Test]
    public void The_standards_shortest_impulses_and_pauses_are_all_counted()
    {
        S0PulseSensor sensor = Open(1000);
        Impulses(1000);
        SampleSet samples = UartBench.Read(sensor);

        Assert.That(UartBench.ByChannel(samples), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.MeterImpulses] = (1000, 0, 0),
            [Channels.MeterEnergy] = (3_600_000, 0, 0),
        }), "1,000 impulses at 1,000 imp/kWh are 1 kWh");
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(7)]
    [TestCase(14)]
    public void A_contact_that_bounces_for_less_than_the_debounce_time_counts_once(int bouncingMs)
    {
        S0PulseSensor sensor = Open(1000);
        for (int i = 0; i < 100; i++)
        {
            _meter.Impulse(_time.Advance, SimulatedS0Output.Shortest, SimulatedS0Output.Shortest, bounces: 5, TimeSpan.FromMilliseconds(bouncingMs));
        }

        Assert.That(Count(sensor), Is.EqualTo(100));
    }

    [Test]
    public void Spikes_are_no_impulses()
    {
        S0PulseSensor sensor = Open(1000);
        for (int i = 0; i < 100; i++)
        {
            _meter.Impulse(_time.Advance, TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(50));
        }

        Assert.That(Count(sensor), Is.Zero);
        Impulses(3);
        Assert.That(Count(sensor), Is.EqualTo(3));
    }

    [Test]
    public void A_contact_that_is_closed_at_boot_is_counted_when_it_closes_again()
    {
        S0PulseSensor sensor = Open(1000);
        _meter.Close();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(Count(sensor), Is.EqualTo(1));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.That(Count(sensor), Is.EqualTo(1), "it stays closed");
        _meter.Open();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(Count(sensor), Is.EqualTo(1));
    }

    [TestCase(375, 375L, 3_600_000L)]
    [TestCase(375, 1L, 9_600L)]
    [TestCase(640, 3L, 16_875L)]
    [TestCase(800, 1L, 4_500L)]
    [TestCase(10_000, 1L, 360L)]
    [TestCase(7, 1L, 514_285L)]
    [TestCase(7, 7L, 3_600_000L)]
    [TestCase(1, 1_000_000_000_000L, 3_600_000_000_000_000_000L)]
    [TestCase(100_000, 1_000_000_000_000L, 36_000_000_000_000L)]
    public void Energy_is_exact_to_a_joule_and_does_not_overflow(int impulsesPerKwh, long impulses, long joule)
    {
        Keep(impulses);
        SampleSet samples = UartBench.Read(Open(impulsesPerKwh));

        Assert.That(UartBench.ByChannel(samples)[Channels.MeterEnergy].Value, Is.EqualTo(joule));
    }

    [Test]
    public void The_count_goes_on_after_a_restart_and_its_first_reading_is_marked()
    {
        S0PulseSensor sensor = Open(1000);
        Impulses(5);
        UartBench.Read(sensor, 0);
        UartBench.Read(sensor, S0PulseSensor.SaveMs);
        Impulses(2);
        Assert.That(Count(sensor, S0PulseSensor.SaveMs + 1), Is.EqualTo(7));

        _hardware.Reset();
        S0PulseSensor after = Open(1000);
        SampleSet first = UartBench.Read(after, 0);
        Impulses(1);
        SampleSet second = UartBench.Read(after, 1);

        Assert.That((first.Value(0), first.Quality(0)), Is.EqualTo((5L, S0PulseSensor.QualityResumed)), "two since the write are lost, and it says so");
        Assert.That((second.Value(0), second.Quality(0)), Is.EqualTo((6L, (byte)0)));
    }

    [Test]
    public void Flash_is_written_at_most_once_in_five_minutes_and_only_for_a_new_count()
    {
        S0PulseSensor sensor = Open(1000);
        const int day = 86_400_000;
        for (int ms = 0; ms <= day; ms += 1000)
        {
            if (ms < day / 2)
            {
                _meter.Close();
                _time.Advance(TimeSpan.FromMilliseconds(500));
                _meter.Open();
                _time.Advance(TimeSpan.FromMilliseconds(500));
            }

            UartBench.Read(sensor, ms);
        }

        // Twelve hours of an impulse a second, twelve of none: the last impulses are saved once.
        Assert.That(_flash.Operations, Has.Count.EqualTo(day / 2 / S0PulseSensor.SaveMs));
        _hardware.Reset();
        Assert.That(Count(Open(1000)), Is.EqualTo(43_200));
    }

    [Test]
    public void A_node_that_boots_again_and_again_writes_nothing()
    {
        for (int boot = 0; boot < 50; boot++)
        {
            _hardware.Reset();
            S0PulseSensor sensor = Open(1000);
            Impulses(1);
            UartBench.Read(sensor, 5_000_000 + boot);
            UartBench.Read(sensor, 5_000_000 + S0PulseSensor.SaveMs - 1);
        }

        Assert.That(_flash.Operations, Is.Empty);
    }

    [Test]
    public void A_power_cut_anywhere_in_a_write_leaves_the_count_before_or_the_new_one([Values] TornWrite torn)
    {
        Keep(41);
        PowerCutFlash rehearsal = _flash.Survivor();
        Live(rehearsal, 1);
        HashSet<long> found = [];
        for (int cut = 0; cut <= rehearsal.Steps; cut++)
        {
            PowerCutFlash flash = _flash.Survivor(cut, torn, cut);
            try
            {
                Live(flash, 1);
            }
            catch (PowerCutException)
            {
                // What the board does then is: nothing.
            }

            _hardware.Reset();
            SampleSet samples = UartBench.Read(Open(1000, flash.Survivor()));
            Assert.That(samples.Value(0), Is.AnyOf(41L, 42L), $"cut after {cut} steps");
            Assert.That(samples.Quality(0), Is.EqualTo(S0PulseSensor.QualityResumed));
            found.Add(samples.Value(0));
        }

        Assert.That(found, Has.Count.EqualTo(2), "both were seen");
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_write_that_fails_stops_nothing_and_is_not_tried_before_its_time(bool persisted)
    {
        S0PulseSensor sensor = Open(1000);
        UartBench.Read(sensor, 0);
        Impulses(3);
        _flash.FailNextWrite(persisted);
        Assert.That(Count(sensor, S0PulseSensor.SaveMs), Is.EqualTo(3));
        Assert.That(Count(sensor, S0PulseSensor.SaveMs + 1000), Is.EqualTo(3));
        Assert.That(_flash.Operations, Is.Empty, "not before the next five minutes are over");

        UartBench.Read(sensor, 2 * S0PulseSensor.SaveMs);
        _hardware.Reset();
        Assert.That(Count(Open(1000)), Is.EqualTo(3));
    }

    [Test]
    public void Two_unreadable_counts_are_said_and_begin_at_zero()
    {
        Keep(41);
        Keep(42);
        _flash.FlipBit("s0.a", 90);
        SampleSet one = UartBench.Read(Open(1000));
        _flash.FlipBit("s0.b", 90);
        _hardware.Reset();
        SampleSet none = UartBench.Read(Open(1000));

        Assert.That((one.Value(0), one.Quality(0)), Is.EqualTo((42L, S0PulseSensor.QualityResumed)).Or.EqualTo((41L, S0PulseSensor.QualityResumed)));
        Assert.That((none.Value(0), none.Quality(0)), Is.EqualTo((0L, S0PulseSensor.QualityCountLost)));
    }

    [Test]
    public void Impulses_are_kept_while_a_frame_is_full()
    {
        S0PulseSensor sensor = Open(1000);
        SampleSet full = new();
        while (full.Free > 1)
        {
            full.Add(Channels.Temperature, 0, 0, 1, 0);
        }

        Impulses(4);
        Assert.That(sensor.Read(full, 0), Is.True);
        Assert.That(full.Free, Is.EqualTo(1));
        Assert.That(Count(sensor), Is.EqualTo(4));
    }

    [Test]
    public void No_setting_or_no_flash_is_no_meter_and_the_board_opens_the_pin_that_settings_name()
    {
        Assert.That(new S0PulseSensor(_flash, -1, 1000).Open(), Is.False);
        Assert.That(new S0PulseSensor(null!, Pin, 1000).Open(), Is.False);

        SensorSet set = SensorSet.Open(new NodeSettings { S0Pin = Pin, S0ImpulsesPerKwh = 500 }, new NodeHealth(), _flash);
        Impulses(2);
        SampleSet samples = new();
        set.Read(samples, 0);
        Assert.That((set.PresentCount, set.SuggestedProfile), Is.EqualTo((1, Profiles.Energy)));
        Assert.That((samples.Value(0), samples.Value(1)), Is.EqualTo((2L, 14_400L)));
    }

    private static long Count(S0PulseSensor sensor, long uptimeMs = 0) => UartBench.Read(sensor, uptimeMs).Value(0);

    private S0PulseSensor Open(int impulsesPerKwh, PowerCutFlash? flash = null)
    {
        _meter.Open();
        S0PulseSensor sensor = new(flash ?? _flash, Pin, impulsesPerKwh);
        Assert.That(sensor.Open(), Is.True);
        return sensor;
    }

    private void Impulses(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _meter.Impulse(_time.Advance, SimulatedS0Output.Shortest, SimulatedS0Output.Shortest);
        }
    }

    private void Keep(long count)
    {
        Firmware.Keep.TwoGenerations kept = new(_flash, S0PulseSensor.FileName);
        kept.Open();
        byte[] value = new byte[8];
        BigEndian.WriteUInt64(value, 0, (ulong)count);
        kept.Write(value);
    }

    private void Live(PowerCutFlash flash, int impulses)
    {
        _hardware.Reset();
        S0PulseSensor sensor = Open(1000, flash);
        UartBench.Read(sensor, 0);
        Impulses(impulses);
        UartBench.Read(sensor, S0PulseSensor.SaveMs);
    }
}

using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Pms5003;
using DePIN.Protocol;
using DePIN.Tests.Harness;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Pms5003Tests
{
    // A frame captured from a real sensor, as PyPMS publishes it with what it means (tests/core/test_sensor.py, "known good data"):
    // CF=1 5, 13, 22; in the air 5, 13, 22 ug/m3; counts 765, 252, 29, 15, 6, 6.
    private static readonly byte[] Captured = Convert.FromHexString("424d001c0005000d00160005000d001602fd00fc001d000f00060006970003c5");

    private readonly ManualTimeProvider _time = new();

    [Test]
    public void A_real_sensors_frame_gives_its_published_numbers()
    {
        Pms5003Frame frame = new();

        Assert.That(Feed(frame, Captured), Is.EqualTo(new[] { 31 }), "complete with its last byte");
        Assert.That((frame.Pm1, frame.Pm25, frame.Pm10, frame.ErrorCode), Is.EqualTo((5, 13, 22, 0)));
    }

    [Test]
    public void Every_single_bit_that_falls_over_is_found_and_the_next_frame_is_read()
    {
        for (int bit = 0; bit < Captured.Length * 8; bit++)
        {
            byte[] bad = [.. Captured];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));

            Assert.That(Feed(new Pms5003Frame(), [.. bad, .. Captured]), Is.EqualTo(new[] { 63 }), $"bit {bit}");
        }
    }

    [Test]
    public void Wherever_a_stream_is_entered_the_next_whole_frame_is_read()
    {
        for (int begin = 1; begin < Captured.Length; begin++)
        {
            Assert.That(Feed(new Pms5003Frame(), [.. Captured[begin..], .. Captured]), Is.EqualTo(new[] { 63 - begin }), $"from byte {begin}");
        }
    }

    [Test]
    public void A_frame_inside_a_broken_frame_is_not_lost()
    {
        // Four bytes of a frame, then the line was cut and another frame began.
        Assert.That(Feed(new Pms5003Frame(), [.. Captured[..4], .. Captured]), Is.EqualTo(new[] { 35 }));
        Assert.That(Feed(new Pms5003Frame(), [.. Captured[..31], .. Captured, .. Captured]), Is.EqualTo(new[] { 62, 94 }));
    }

    [Test]
    public void The_commands_are_those_of_the_manual()
    {
        SimulatedPms5003 device = Device(new DustState(1, 2, 3));
        UartBench.Board(device);
        Pms5003Sensor sensor = new(BoardPins.SensorPort, 1);
        Assert.That(sensor.Open(), Is.True);
        UartBench.Read(sensor, 0);
        UartBench.Read(sensor, 30_000);

        // Manual, Appendix II, and the frames every public driver sends: wake, passive, read, read, read, sleep.
        Assert.That(Convert.ToHexString([.. device.Received]), Is.EqualTo(
            "424DE400010174" + "424DE100000170" + "424DE200000171" + "424DE200000171" + "424DE200000171" + "424DE400000173"));
    }

    [Test]
    public void The_figures_for_the_air_arrive_in_kilograms_per_cubic_metre()
    {
        Pms5003Sensor sensor = Open(Device(new DustState(5, 13, 22)));
        UartBench.Read(sensor, 1_000);
        SampleSet samples = UartBench.Read(sensor, 31_000);

        Assert.That(UartBench.ByChannel(samples), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.Pm1] = (5, -9, 0),
            [Channels.Pm25] = (13, -9, 0),
            [Channels.Pm10] = (22, -9, 0),
        }));
        Assert.That(Channels.Unit(Channels.Pm25), Is.EqualTo("kg/m3"));
    }

    [Test]
    public void The_first_thirty_seconds_are_marked_as_warming_up()
    {
        Pms5003Sensor sensor = Open(Device(new DustState(5, 13, 22)));

        Assert.That(UartBench.Read(sensor, 70_000).Quality(0), Is.EqualTo(Pms5003Sensor.QualityWarmingUp), "30 s from the first reading, not from boot");
        Assert.That(UartBench.Read(sensor, 99_999).Quality(0), Is.EqualTo(Pms5003Sensor.QualityWarmingUp));
        Assert.That(UartBench.Read(sensor, 100_000).Quality(0), Is.Zero);
    }

    [Test]
    public void Out_of_range_and_an_error_code_are_marked()
    {
        DustState dust = new(400, 500, 501);
        Pms5003Sensor sensor = Open(new SimulatedPms5003(() => dust, _time));
        UartBench.Read(sensor, 0);
        SampleSet high = UartBench.Read(sensor, 40_000);
        dust = dust with { ErrorCode = 2 };
        SampleSet broken = UartBench.Read(sensor, 50_000);

        Assert.That(UartBench.ByChannel(high)[Channels.Pm25].Quality, Is.Zero);
        Assert.That(UartBench.ByChannel(high)[Channels.Pm10].Quality, Is.EqualTo(Pms5003Sensor.QualityOutOfRange));
        Assert.That(broken.Quality(0), Is.EqualTo(Pms5003Sensor.QualityDeviceError));
    }

    [Test]
    public void With_sleep_rounds_it_sleeps_between_warm_measurements()
    {
        SimulatedPms5003 device = Device(new DustState(5, 13, 22));
        device.DeafCommandsAfterWake = 2;
        UartBench.Board(device);
        Pms5003Sensor sensor = new(BoardPins.SensorPort, 3);
        Assert.That(sensor.Open(), Is.True);
        List<(int Samples, byte Quality, bool Asleep)> rounds = [];
        for (int round = 0; round < 9; round++)
        {
            SampleSet samples = UartBench.Read(sensor, round * 20_000);
            rounds.Add((samples.Count, samples.Count == 0 ? (byte)0 : samples.Quality(0), device.IsAsleep));
        }

        byte warming = Pms5003Sensor.QualityWarmingUp;
        Assert.That(rounds, Is.EqualTo(new[]
        {
            (3, warming, false), (3, warming, false), (3, (byte)0, true), (0, (byte)0, true), (0, (byte)0, true), (0, (byte)0, true),
            (3, warming, false), (3, warming, false), (3, (byte)0, true),
        }));
        Assert.That(device.Sleeps, Is.EqualTo(2));
    }

    [Test]
    public void A_sensor_that_was_asleep_when_the_board_booted_is_woken()
    {
        SimulatedPms5003 device = Device(new DustState(5, 13, 22));
        VirtualHardware hardware = UartBench.Board(device);
        Pms5003Sensor before = new(BoardPins.SensorPort, 100);
        Assert.That(before.Open(), Is.True);
        UartBench.Read(before, 0);
        UartBench.Read(before, 40_000);
        Assert.That(device.IsAsleep, Is.True);

        hardware.Reset();
        Pms5003Sensor after = new(BoardPins.SensorPort, 100);
        Assert.That(after.Open(), Is.True);
        Assert.That(UartBench.Read(after, 0).Count, Is.EqualTo(3));
    }

    [Test]
    public void What_it_said_by_itself_before_the_question_is_not_taken_for_the_answer()
    {
        ushort pm = 10;
        SimulatedPms5003 device = new(() => new DustState(pm, pm, pm), _time);
        UartBench.Board(device);
        _time.Advance(TimeSpan.FromMinutes(1));
        Pms5003Sensor sensor = new(BoardPins.SensorPort, 0);
        Assert.That(sensor.Open(), Is.True);
        Assert.That(device.LostBytes, Is.GreaterThan(0), "75 frames do not fit into the receive buffer");
        pm = 99;

        Assert.That(UartBench.Read(sensor).Value(0), Is.EqualTo(99));
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(31)]
    public void Bytes_in_small_pieces_and_garbage_before_a_frame_are_no_obstacle(int piece)
    {
        SimulatedPms5003 device = Device(new DustState(5, 13, 22));
        device.PieceBytes = piece;
        device.Disturb = _ => device.Inject(0x42, 0x42, 0x4D, 0, 28, 1, 2, 3, 0x42, 0x4D, 0xFF);
        Pms5003Sensor sensor = Open(device);

        Assert.That(UartBench.Read(sensor).Value(1), Is.EqualTo(13));
    }

    [Test]
    public void A_frame_with_a_wrong_checksum_is_asked_for_again()
    {
        SimulatedPms5003 device = Device(new DustState(5, 13, 22));
        Pms5003Sensor sensor = Open(device);
        int asked = device.Received.Count;
        int disturbed = 0;
        device.Disturb = frame => frame[13] ^= (byte)(disturbed++ == 0 ? 0x40 : 0);

        Assert.That(UartBench.Read(sensor).Value(1), Is.EqualTo(13));
        Assert.That(device.Received, Has.Count.EqualTo(asked + 14), "two questions");
    }

    [Test]
    public void A_sensor_that_only_ever_sends_wrong_checksums_gives_nothing()
    {
        SimulatedPms5003 device = Device(new DustState(5, 13, 22));
        Pms5003Sensor sensor = Open(device);
        device.Disturb = frame => frame[31]++;
        SampleSet samples = new();

        Assert.That(sensor.Read(samples, 0), Is.False);
        Assert.That(samples.Count, Is.Zero);
    }

    [Test]
    public void A_silent_port_a_device_at_another_speed_and_no_setting_are_no_sensor()
    {
        UartBench.Board(null);
        Assert.That(new Pms5003Sensor(BoardPins.SensorPort, 0).Open(), Is.False, "silent");
        Assert.That(new Pms5003Sensor("", 0).Open(), Is.False, "not in the settings");

        UartBench.Board(new ForeignDevice());
        Assert.That(new Pms5003Sensor(BoardPins.SensorPort, 0).Open(), Is.False, "never stops talking, at 115200 baud");
    }

    [Test]
    public void A_sensor_that_vanishes_is_told_once_and_comes_back()
    {
        SimulatedPms5003 device = Device(new DustState(5, 13, 22));
        UartBench.Board(device);
        UartBench.VanishAndReturn(new Pms5003Sensor(BoardPins.SensorPort, 0), device, 3);
    }

    [Test]
    public void A_port_that_somebody_else_has_is_a_fault_and_stops_nobody()
    {
        UartBench.Board(Device(new DustState(5, 13, 22)));
        using System.IO.Ports.SerialPort other = new(BoardPins.SensorPort);
        other.Open();

        Assert.That(() => new Pms5003Sensor(BoardPins.SensorPort, 0).Open(), Throws.InstanceOf<IOException>());
        Assert.That(SensorSet.Open(new NodeSettings { Pms5003Port = BoardPins.SensorPort }, new NodeHealth()).PresentCount, Is.Zero);
    }

    [Test]
    public void The_board_finds_it_where_the_settings_say()
    {
        UartBench.Board(Device(new DustState(5, 13, 22)));
        Assert.That(SensorSet.Open(new NodeSettings(), new NodeHealth()).PresentCount, Is.Zero);

        UartBench.Board(Device(new DustState(5, 13, 22)));
        SensorSet set = SensorSet.Open(new NodeSettings { Pms5003Port = BoardPins.SensorPort }, new NodeHealth());
        Assert.That((set.PresentCount, set.SuggestedProfile), Is.EqualTo((1, Profiles.Environment)));
    }

    private static int[] Feed(Pms5003Frame frame, byte[] bytes) => [.. Enumerable.Range(0, bytes.Length).Where(i => frame.Push(bytes[i]))];

    private static Pms5003Sensor Open(SimulatedPms5003 device)
    {
        UartBench.Board(device);
        Pms5003Sensor sensor = new(BoardPins.SensorPort, 0);
        Assert.That(sensor.Open(), Is.True);
        return sensor;
    }

    private SimulatedPms5003 Device(DustState dust) => new(() => dust, _time);

    private sealed class ForeignDevice() : UartPeripheral(LineFormat.EightN1(115200))
    {
        protected override void OnReceive(ReadOnlySpan<byte> bytes)
        {
        }

        protected override void OnPoll() => Send(new byte[32]);
    }
}

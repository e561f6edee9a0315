using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Pzem004t;
using DePIN.Firmware.Sense.Uart;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Pzem004tTests
{
    // Two answers captured from real meters, with their meaning: as ESPHome's and Tasmota's drivers quote the first
    // (225.7 V, 0.108 A, 24.4 W, 38 Wh, 50.0 Hz, 1.00), and a public Arduino sketch the second, at the general address.
    private const string AnswerAddress1 = "01041408D1006C000000F40000002600 0001F4006400005134";
    private const string AnswerGeneral = "F8041408D30023000000050000000200 0001F500060000F8BE";

    // Peacefair, user manual of the PZEM-014/016 (the same registers), the worked example of reading: 220.0 V, 1.000 A, 220.0 W, 0 Wh,
    // 50.0 Hz, 1.00, no alarm; its CRC is left open there.
    private static readonly MainsState Manual = new(2200, 1000, 2200, 0, 500, 100);

    [Test]
    public void The_checksum_is_that_of_the_catalogue_and_of_the_manuals_questions()
    {
        byte[] check = Encoding.ASCII.GetBytes("123456789");

        Assert.That(ModbusFrame.Crc16(check, check.Length), Is.EqualTo(0x4B37), "CRC-16/MODBUS, catalogue of parametrised CRC algorithms");
        Assert.That(SimulatedPzem004t.Crc(check), Is.EqualTo(0x4B37));
        Assert.That(Convert.ToHexString(new ModbusFrame(1, 0, 10).Question), Is.EqualTo("01040000000A700D"));
        Assert.That(Convert.ToHexString(new ModbusFrame(0xF8, 0, 10).Question), Is.EqualTo("F8040000000A6464"));
    }

    [Test]
    public void Captured_answers_of_real_meters_give_their_published_numbers()
    {
        ModbusFrame one = new(1, 0, 10);
        ModbusFrame general = new(0xF8, 0, 10);

        Assert.That(Feed(one, AnswerAddress1), Is.EqualTo(ModbusState.Registers));
        Assert.That(
            (one.Register(0), one.Register32(1), one.Register32(3), one.Register32(5), one.Register(7), one.Register(8), one.Register(9)),
            Is.EqualTo((2257, 108L, 244L, 38L, 500, 100, 0)));
        Assert.That(Feed(general, AnswerGeneral), Is.EqualTo(ModbusState.Registers));
        Assert.That(
            (general.Register(0), general.Register32(1), general.Register32(3), general.Register32(5), general.Register(7), general.Register(8)),
            Is.EqualTo((2259, 35L, 5L, 2L, 501, 6)));
    }

    [Test]
    public void The_manuals_worked_example_arrives_in_base_units()
    {
        Pzem004tSensor sensor = Open(new SimulatedPzem004t(() => Manual));

        Assert.That(UartBench.ByChannel(UartBench.Read(sensor)), Is.EquivalentTo(new Dictionary<ushort, (long, sbyte, byte)>
        {
            [Channels.MainsVoltage] = (2200, -1, 0),
            [Channels.MainsCurrent] = (1000, -3, 0),
            [Channels.ActivePower] = (2200, -1, 0),
            [Channels.ActiveEnergy] = (0, 0, 0),
            [Channels.MainsFrequency] = (500, -1, 0),
            [Channels.PowerFactor] = (100, -2, 0),
            [Channels.PowerAlarm] = (0, 0, 0),
        }));
    }

    [Test]
    public void Values_above_one_register_and_the_whole_counter_are_right()
    {
        Pzem004tSensor sensor = Open(new SimulatedPzem004t(() => new MainsState(2600, 100_000, 230_000, 9_999_990, 650, 100, 0xFFFF)));
        Dictionary<ushort, (long Value, sbyte, byte Quality)> values = UartBench.ByChannel(UartBench.Read(sensor));

        Assert.That(values[Channels.MainsCurrent].Value, Is.EqualTo(100_000), "100 A");
        Assert.That(values[Channels.ActivePower].Value, Is.EqualTo(230_000), "23 kW");
        Assert.That(values[Channels.ActiveEnergy].Value, Is.EqualTo(9_999_990L * 3600), "9,999.99 kWh in J");
        Assert.That(values[Channels.PowerAlarm], Is.EqualTo((1L, (sbyte)0, (byte)0)));

        Pzem004tSensor extreme = Open(new SimulatedPzem004t(() => new MainsState(0xFFFF, uint.MaxValue, uint.MaxValue, uint.MaxValue, 0, 0, 7)));
        values = UartBench.ByChannel(UartBench.Read(extreme));
        Assert.That(values[Channels.MainsCurrent].Value, Is.EqualTo(uint.MaxValue));
        Assert.That(values[Channels.ActiveEnergy].Value, Is.EqualTo(uint.MaxValue * 3600L));
        Assert.That(values[Channels.PowerAlarm].Quality, Is.EqualTo(Pzem004tSensor.QualityDeviceError));
    }

    [Test]
    public void A_counter_that_goes_back_is_marked_once()
    {
        uint wattHours = 500;
        Pzem004tSensor sensor = Open(new SimulatedPzem004t(() => Manual with { WattHours = wattHours }));
        byte[] Qualities(params uint[] counts) => [.. counts.Select(count =>
        {
            wattHours = count;
            return UartBench.ByChannel(UartBench.Read(sensor))[Channels.ActiveEnergy].Quality;
        })];

        Assert.That(Qualities(500, 500, 501, 0, 0, 7), Is.EqualTo(new byte[] { 0, 0, 0, Pzem004tSensor.QualityCounterWentBack, 0, 0 }));
    }

    [Test]
    public void An_exception_answer_adds_nothing_and_the_meter_stays_present()
    {
        SimulatedPzem004t device = new(() => Manual) { ExceptionCode = 4 };
        Pzem004tSensor sensor = Open(device);

        Assert.That(UartBench.Read(sensor).Count, Is.Zero);
        device.ExceptionCode = 0;
        Assert.That(UartBench.Read(sensor).Count, Is.EqualTo(7));
    }

    [Test]
    public void An_exception_is_told_from_registers_by_its_function_and_checksum()
    {
        ModbusFrame frame = new(1, 0, 10);

        // Exception 2 (illegal address) of function 04 from address 1.
        Assert.That(Feed(frame, "018402C2C1"), Is.EqualTo(ModbusState.Exception));
        Assert.That(frame.ExceptionCode, Is.EqualTo(2));
        Assert.That(Feed(frame, "018403C2C1"), Is.EqualTo(ModbusState.Incomplete));
        Assert.That(Feed(frame, "018402C2C1"), Is.EqualTo(ModbusState.Exception), "behind a broken one");
    }

    [Test]
    public void Every_bit_that_falls_over_is_found_and_the_next_answer_is_read()
    {
        byte[] good = Hex(AnswerAddress1);
        for (int bit = 0; bit < good.Length * 8; bit++)
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            ModbusFrame frame = new(1, 0, 10);
            byte[] stream = [.. bad, .. good];
            int[] complete = [.. Enumerable.Range(0, stream.Length).Where(i => frame.Push(stream[i]) != ModbusState.Incomplete)];

            Assert.That(complete, Is.EqualTo(new[] { stream.Length - 1 }), $"bit {bit}");
        }
    }

    [Test]
    public void Another_devices_answer_and_one_of_another_length_are_passed_over()
    {
        ModbusFrame frame = new(1, 0, 10);
        byte[] twoRegisters = [1, 4, 4, 0, 1, 0, 2, 0, 0];
        ushort crc = SimulatedPzem004t.Crc(twoRegisters.AsSpan(0, 7));
        twoRegisters[7] = (byte)crc;
        twoRegisters[8] = (byte)(crc >> 8);

        Assert.That(Feed(frame, AnswerGeneral + Convert.ToHexString(twoRegisters)), Is.EqualTo(ModbusState.Incomplete));
        Assert.That(Feed(frame, AnswerAddress1), Is.EqualTo(ModbusState.Registers));
    }

    [TestCase(1)]
    [TestCase(6)]
    [TestCase(24)]
    public void Bytes_in_small_pieces_and_garbage_before_the_answer_are_no_obstacle(int piece)
    {
        SimulatedPzem004t device = new(() => Manual) { PieceBytes = piece };
        device.Disturb = _ => device.Inject(0xF8, 0xF8, 0x04, 0x14, 0x00, 0xF8, 0x84, 0x04, 0xFF);

        Assert.That(UartBench.Read(Open(device)).Value(0), Is.EqualTo(2200));
    }

    [Test]
    public void A_wrong_checksum_is_asked_again_and_wrong_ones_for_ever_give_nothing()
    {
        SimulatedPzem004t device = new(() => Manual);
        Pzem004tSensor sensor = Open(device);
        int asked = device.Received.Count;
        int disturbed = 0;
        device.Disturb = answer => answer[4] ^= (byte)(disturbed++ == 0 ? 1 : 0);
        Assert.That(UartBench.Read(sensor).Value(0), Is.EqualTo(2200));
        Assert.That(device.Received, Has.Count.EqualTo(asked + 16), "two questions");

        device.Disturb = answer => answer[^1]++;
        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 0), Is.False);
        Assert.That(samples.Count, Is.Zero);
    }

    [Test]
    public void A_late_answer_to_an_earlier_question_is_thrown_away()
    {
        SimulatedPzem004t device = new(() => Manual);
        Pzem004tSensor sensor = Open(device);
        device.Inject(Hex(AnswerGeneral));

        Assert.That(UartBench.Read(sensor).Value(0), Is.EqualTo(2200), "not the 225.9 V that lay in the buffer");
    }

    [Test]
    public void A_silent_port_and_no_setting_are_no_meter()
    {
        UartBench.Board(null);

        Assert.That(new Pzem004tSensor(BoardPins.SensorPort).Open(), Is.False);
        Assert.That(new Pzem004tSensor("").Open(), Is.False);
    }

    [Test]
    public void A_meter_that_vanishes_is_told_once_and_comes_back()
    {
        SimulatedPzem004t device = new(() => Manual);
        UartBench.Board(device);
        UartBench.VanishAndReturn(new Pzem004tSensor(BoardPins.SensorPort), device, 7);
    }

    [Test]
    public void The_board_finds_it_where_the_settings_say()
    {
        UartBench.Board(new SimulatedPzem004t(() => Manual));
        SensorSet set = SensorSet.Open(new NodeSettings { Pzem004tPort = BoardPins.SensorPort }, new NodeHealth());

        Assert.That((set.PresentCount, set.SuggestedProfile), Is.EqualTo((1, Profiles.Energy)));
    }

    private static Pzem004tSensor Open(SimulatedPzem004t device)
    {
        UartBench.Board(device);
        Pzem004tSensor sensor = new(BoardPins.SensorPort);
        Assert.That(sensor.Open(), Is.True);
        return sensor;
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));

    private static ModbusState Feed(ModbusFrame frame, string hex)
    {
        ModbusState state = ModbusState.Incomplete;
        foreach (byte one in Hex(hex))
        {
            state = frame.Push(one);
        }

        return state;
    }
}

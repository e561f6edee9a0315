using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Scd4x;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Scd4xTests : I2cSensorContract
{
    private long _nowMs;

    protected override int Address => Scd4xSensor.Address;

    // Its clock takes 6 s for every look at it, so that a measurement always waits after the driver has started it.
    protected override II2cPeripheral CreateChip() => new SimulatedScd4x(() => new RoomState(421, 21.5, 48), () => _nowMs += 6000);

    protected override II2cPeripheral CreateForeignChip() => new SimulatedBme280(() => new AirState(21.5, 48, 100_000));

    protected override ISensor CreateSensor(I2cBus bus) => new Scd4xSensor(bus);

    // SCD4x data sheet, read_measurement, "example": CO2 500 ppm, 25 degC, 37 %RH.
    [Test]
    public void The_data_sheets_example_gives_the_data_sheets_numbers()
    {
        byte[] answer = Convert.FromHexString("01f433" + "6667a2" + "5eb93c");
        int[] words = new int[3];

        Assert.That(SensirionWords.TryDecode(answer, words), Is.True);
        Assert.That(words[0], Is.EqualTo(500));
        Assert.That(Scd4xConversion.Temperature(words[1]), Is.EqualTo(25_000).Within(5), "0x6667 is 25.003 degC");
        Assert.That(Scd4xConversion.Humidity(words[2]), Is.EqualTo(37_000).Within(5), "0x5EB9 is 37.002 %");
    }

    [Test]
    public void Every_word_gives_the_data_sheets_formula_and_nearly_the_vendors_fixed_point()
    {
        Assert.Multiple(() =>
        {
            for (int word = 0; word <= 65535; word++)
            {
                Assert.That(Scd4xConversion.Temperature(word), Is.EqualTo((-45 + (175.0 * word / 65535)) * 1000).Within(0.5001));
                Assert.That(Scd4xConversion.Humidity(word), Is.EqualTo(100.0 * word / 65535 * 1000).Within(0.5001));

                // embedded-i2c-scd4x: the same with 65,536 for 65,535, in fixed point.
                Assert.That(Scd4xConversion.Temperature(word) - (((21875 * word) >> 13) - 45000), Is.InRange(0, 4));
                Assert.That(Scd4xConversion.Humidity(word) - ((12500 * word) >> 13), Is.InRange(0, 3));
            }
        });
    }

    [TestCase(400, -9.5, 3)]
    [TestCase(1234, 21.37, 48.5)]
    [TestCase(39_999, 59.9, 94.5)]
    public void What_the_sensor_is_fed_is_what_the_driver_reads(double co2, double temperature, double humidity)
    {
        SampleSet samples = ReadOnce(new SimulatedScd4x(() => new RoomState(co2, temperature, humidity), () => _nowMs += 6000));

        Assert.That(ChannelsOf(samples), Is.EqualTo(new[] { Channels.CarbonDioxide, Channels.Temperature, Channels.RelativeHumidity }));
        Assert.That(ValueOf(samples, Channels.CarbonDioxide), Is.EqualTo(co2 * 1e-6).Within(1e-9));
        Assert.That(ValueOf(samples, Channels.Temperature), Is.EqualTo(temperature).Within(0.002));
        Assert.That(ValueOf(samples, Channels.RelativeHumidity), Is.EqualTo(humidity).Within(0.0015));
        Assert.That(QualityOf(samples, Channels.CarbonDioxide), Is.Zero);
        Assert.That(QualityOf(samples, Channels.Temperature), Is.EqualTo(Scd4xSensor.QualityIndicative));
    }

    [Test]
    public void A_chip_that_measured_before_the_restart_is_stopped_first_and_its_self_calibration_stays()
    {
        SimulatedScd4x chip = new(() => new RoomState(421, 20, 50), () => _nowMs);
        chip.Start();
        PowerOn(chip);

        Assert.That(CreateSensor(new I2cBus(Bus)).Open(), Is.True);
        Assert.That(chip.IsMeasuring, Is.True);
        Assert.That(chip.Refused, Is.Zero, "nothing was asked that it must refuse");
        Assert.That(chip.SelfCalibration, Is.True);
    }

    [Test]
    public void Nothing_new_adds_nothing_and_silence_of_twenty_seconds_starts_it_again()
    {
        SimulatedScd4x chip = new(() => new RoomState(421, 20, 50), () => _nowMs);
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        SampleSet samples = new();

        Assert.That(sensor.Read(samples, 0), Is.True);
        Assert.That(samples.Count, Is.Zero, "it has not measured yet");
        _nowMs += 5000;
        Assert.That(sensor.Read(samples, 5000), Is.True);
        Assert.That(samples.Count, Is.EqualTo(3));
        Assert.That(sensor.Read(samples, 6000), Is.True);
        Assert.That(samples.Count, Is.EqualTo(3), "each measurement once");

        chip.LosePower();
        Assert.That(sensor.Read(samples, 25_000), Is.True);
        Assert.That(sensor.Read(samples, 25_001), Is.False);
        Assert.That(sensor.Open(), Is.True);
        _nowMs += 5000;
        Assert.That(sensor.Read(samples, 40_000), Is.True);
        Assert.That(samples.Count, Is.EqualTo(6));
    }

    [Test]
    public void An_invalid_measurement_of_zero_is_no_sample()
    {
        SampleSet samples = ReadOnce(new SimulatedScd4x(() => new RoomState(0, 20, 50), () => _nowMs += 6000));

        Assert.That(samples.Count, Is.Zero);
    }

    [Test]
    public void A_flipped_bit_in_any_word_refuses_the_whole_reading()
    {
        UnreliablePeripheral line = new(CreateChip());
        PowerOn(line);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        SampleSet samples = new();

        // Of each of the three words: first bit, last bit, CRC. Those of the first word also hit the answer to data ready.
        foreach (int bit in new[] { 0, 15, 23, 24, 39, 47, 48, 63, 71 })
        {
            line.FlippedBit = bit;
            Assert.That(sensor.Read(samples, 0), Is.False, $"bit {bit}");
            Assert.That(samples.Count, Is.Zero);
        }

        line.FlippedBit = -1;
        Assert.That(sensor.Read(samples, 0), Is.True);
        Assert.That(samples.Count, Is.EqualTo(3));
    }
}

using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Sht4x;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Sht4xTests : I2cSensorContract
{
    protected override int Address => Sht4xSensor.AddressPrimary;

    protected override II2cPeripheral CreateChip() => new SimulatedSht4x(() => new AirState(21.5, 48, 100_000));

    protected override II2cPeripheral CreateForeignChip() => new SimulatedBme280(() => new AirState(21.5, 48, 100_000));

    protected override ISensor CreateSensor(I2cBus bus) => new Sht4xSensor(bus, Address);

    // SHT4x data sheet section 4.4: CRC(0xBEEF) = 0x92. The other words: Sensirion's SCD4x data sheet, examples of its commands.
    [TestCase(0xBEEF, 0x92)]
    [TestCase(0x01F4, 0x33)]
    [TestCase(0x6667, 0xA2)]
    [TestCase(0x5EB9, 0x3C)]
    [TestCase(0xF896, 0x31)]
    [TestCase(0x9F07, 0xC2)]
    [TestCase(0x3BBE, 0x89)]
    public void A_words_crc_is_the_data_sheets(int word, int crc)
    {
        Assert.That(SensirionWords.Crc([(byte)(word >> 8), (byte)word], 0), Is.EqualTo(crc));
    }

    [Test]
    public void Every_word_gives_the_data_sheets_formula_and_nearly_the_vendors_fixed_point()
    {
        Assert.Multiple(() =>
        {
            for (int word = 0; word <= 65535; word++)
            {
                double celsius = -45 + (175.0 * word / 65535);
                double percent = Math.Clamp(-6 + (125.0 * word / 65535), 0, 100);
                int temperature = Sht4xConversion.Temperature(word);
                Assert.That(temperature, Is.EqualTo(celsius * 1000).Within(0.5001), "section 4.6");
                Assert.That(Sht4xConversion.Humidity(word), Is.EqualTo(percent * 1000).Within(0.5001), "section 4.6, cropped");

                // embedded-sht: the same with 65,536 for 65,535, in fixed point.
                Assert.That(temperature - (((21875 * word) >> 13) - 45000), Is.InRange(0, 4));
            }
        });
    }

    [TestCase(-44.9, 0)]
    [TestCase(0, 3.2)]
    [TestCase(21.37, 48.5)]
    [TestCase(124.9, 100)]
    public void What_the_sensor_is_fed_is_what_the_driver_reads(double temperature, double humidity)
    {
        SimulatedSht4x chip = new(() => new AirState(temperature, humidity, double.NaN));
        SampleSet samples = ReadOnce(chip);

        Assert.That(ChannelsOf(samples), Is.EqualTo(new[] { Channels.Temperature, Channels.RelativeHumidity }));
        Assert.That(ValueOf(samples, Channels.Temperature), Is.EqualTo(temperature).Within(0.002));
        Assert.That(ValueOf(samples, Channels.RelativeHumidity), Is.EqualTo(humidity).Within(0.0015));
        Assert.That(chip.Measurements, Is.EqualTo(1), "one measurement a reading");
    }

    [Test]
    public void Any_flipped_bit_of_an_answer_refuses_the_whole_reading()
    {
        UnreliablePeripheral line = new(CreateChip());
        PowerOn(line);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        SampleSet samples = new();

        // 16 data bits and 8 of CRC, in both words: the first and last of each.
        foreach (int bit in new[] { 0, 15, 16, 23, 24, 39, 40, 47 })
        {
            line.FlippedBit = bit;
            Assert.That(sensor.Read(samples, 0), Is.False, $"bit {bit}");
            Assert.That(samples.Count, Is.Zero);
        }

        line.FlippedBit = -1;
        Assert.That(sensor.Read(samples, 0), Is.True);
    }

    [Test]
    public void A_chip_that_still_measures_is_not_waited_for_beyond_its_data_sheet()
    {
        SimulatedSht4x chip = new(() => new AirState(20, 50, 0));
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        chip.BusyReads = 1;

        Assert.That(sensor.Read(new SampleSet(), 0), Is.False);
    }
}

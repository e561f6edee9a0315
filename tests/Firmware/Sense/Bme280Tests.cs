using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Bme280;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Bme280Tests
{
    // Bosch BMP280 data sheet BST-BMP280-DS001, section 3.12, "calculation example": the same temperature and pressure part.
    private static readonly byte[] ExampleLow = Words(27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000, 0);
    private static readonly byte[] NoHumidity = new byte[7];

    [Test]
    public void The_data_sheets_worked_example_gives_the_data_sheets_numbers()
    {
        Bme280Compensation compensation = new(ExampleLow, NoHumidity);

        Assert.That(compensation.Temperature(519888), Is.EqualTo(2508), "25.08 degC");
        Assert.That(compensation.Pressure(415148) / 256.0, Is.EqualTo(100653.27).Within(0.02), "Pa, 64-bit formula");
    }

    [Test]
    public void A_calibration_that_would_divide_by_zero_gives_zero()
    {
        Bme280Compensation compensation = new(Words(27504, 26435, -1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), NoHumidity);
        compensation.Temperature(519888);

        Assert.That(compensation.Pressure(415148), Is.Zero);
    }

    [TestCase(-39.5, 12, 31000)]
    [TestCase(0, 0, 90000)]
    [TestCase(21.37, 48.5, 101325)]
    [TestCase(84.9, 99.5, 109000)]
    public void What_the_sensor_is_fed_is_what_the_driver_reads(double temperature, double humidity, double pressure)
    {
        SimulatedBme280 chip = new(() => new AirState(temperature, humidity, pressure));
        SampleSet samples = ReadOnce(chip, out Bme280Sensor _);

        Assert.That(samples.Count, Is.EqualTo(3));
        Assert.That(ValueOf(samples, Channels.Temperature), Is.EqualTo(temperature).Within(0.011));
        Assert.That(ValueOf(samples, Channels.RelativeHumidity), Is.EqualTo(humidity).Within(0.06));
        Assert.That(ValueOf(samples, Channels.Pressure), Is.EqualTo(pressure).Within(1.5), "the formula's own error between its two forms");
        Assert.That(chip.Measurements, Is.EqualTo(1), "one forced measurement a reading");
    }

    [Test]
    public void An_absent_chip_is_no_sensor_and_no_exception()
    {
        new VirtualHardware().PowerOn();
        Bme280Sensor sensor = new(new I2cBus(BoardPins.I2cBus), Bme280Sensor.AddressPrimary);

        Assert.That(sensor.Open(), Is.False);
    }

    [Test]
    public void Another_chip_at_the_address_is_not_taken_for_one()
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new HostMonitorPeripheral(() => []));
        hardware.PowerOn();

        Assert.That(new Bme280Sensor(new I2cBus(BoardPins.I2cBus), Bme280Sensor.AddressPrimary).Open(), Is.False);
    }

    [Test]
    public void A_broken_humidity_element_leaves_the_other_channels()
    {
        SampleSet samples = ReadOnce(new SimulatedBme280(() => new AirState(20, double.NaN, 100000)), out _);

        Assert.That(samples.Count, Is.EqualTo(2));
        Assert.That(ChannelsOf(samples), Does.Not.Contain(Channels.RelativeHumidity));
    }

    [Test]
    public void A_sensor_that_is_pulled_off_is_told_once_and_comes_back_when_plugged()
    {
        VirtualHardware hardware = new();
        SimulatedBme280 chip = new(() => new AirState(20, 50, 100000));
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, chip);
        hardware.PowerOn();
        SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());
        Assert.That(set.PresentCount, Is.EqualTo(1));

        hardware.DetachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary);
        SampleSet samples = new();
        set.Read(samples, 0);
        Assert.That(set.PresentCount, Is.Zero);
        Assert.That(samples.Count, Is.Zero);

        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, chip);
        for (int i = 0; i < 31 && samples.Count == 0; i++)
        {
            set.Read(samples, i);
        }

        Assert.That(samples.Count, Is.EqualTo(3));
    }

    private static SampleSet ReadOnce(SimulatedBme280 chip, out Bme280Sensor sensor)
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, chip);
        hardware.PowerOn();
        sensor = new Bme280Sensor(new I2cBus(BoardPins.I2cBus), Bme280Sensor.AddressPrimary);
        Assert.That(sensor.Open(), Is.True);
        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 5), Is.True);
        return samples;
    }

    private static double ValueOf(SampleSet samples, ushort channel)
    {
        int index = ChannelsOf(samples).IndexOf(channel);
        return samples.Value(index) * Math.Pow(10, samples.Exponent(index));
    }

    private static List<ushort> ChannelsOf(SampleSet samples) => [.. Enumerable.Range(0, samples.Count).Select(samples.Channel)];

    private static byte[] Words(params int[] words) => [.. words.SelectMany(word => new[] { (byte)word, (byte)(word >> 8) })];
}

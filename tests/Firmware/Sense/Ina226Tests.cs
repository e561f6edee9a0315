using DePIN.Firmware.Board;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Ina226;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Ina226Tests : I2cSensorContract
{
    protected override int Address => Ina226Sensor.Address;

    protected override II2cPeripheral CreateChip() => new SimulatedIna226(() => new LineState(12, 0.5), 0.1);

    protected override II2cPeripheral CreateForeignChip() => new SimulatedIna226(() => new LineState(12, 0.5), 0.1) { DieId = 0x2270 };

    protected override ISensor CreateSensor(I2cBus bus) => new Ina226Sensor(bus, Address, 100_000);

    // SBOS547A section 7.5.2, table 1: a load of 10 A, a shunt of 2 mOhm, current unit 1 mA, calibration 0xA00.
    [Test]
    public void The_data_sheets_worked_example_gives_the_data_sheets_registers_and_numbers()
    {
        SimulatedIna226 chip = new(() => new LineState(11.98, 10), 0.002);
        PowerOn(chip);
        ISensor sensor = Sensor(new I2cBus(Bus), 2000, 2560);
        SampleSet samples = new();

        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        Assert.That(chip[5], Is.EqualTo(0x0A00), "calibration");
        Assert.That(chip[1], Is.EqualTo(0x1F40), "shunt, 20 mV");
        Assert.That(chip[2], Is.EqualTo(0x2570), "bus, 11.98 V");
        Assert.That(chip[4], Is.EqualTo(0x2710), "current, 10 A");
        Assert.That(chip[3], Is.EqualTo(0x12B8), "power, 4792 × 25 mW");
        Assert.That(samples.Value(0), Is.EqualTo(11_980_000), "uV");
        Assert.That(samples.Value(1), Is.EqualTo(10_000_000), "uA");
        Assert.That(samples.Value(2), Is.EqualTo(119_800_000), "uW");
        Assert.That(Enumerable.Range(0, 3).Select(samples.Exponent), Is.All.EqualTo(-6));
    }

    [TestCase(100_000, 5.0, 0.8)]
    [TestCase(100_000, 36.0, -0.8)]
    [TestCase(10_000, 24.0, 7.9)]
    [TestCase(2_000, 48.0 / 2, -40)]
    [TestCase(750, 12.0, 100)]
    [TestCase(1_000_000, 3.3, 0.000_05)]
    [TestCase(100_000, 0, 0)]
    public void What_flows_is_what_the_driver_reads(int shuntMicroohm, double volt, double ampere)
    {
        SimulatedIna226 chip = new(() => new LineState(volt, ampere), shuntMicroohm * 1e-6);
        PowerOn(chip);
        ISensor sensor = Sensor(new I2cBus(Bus), shuntMicroohm, Ina226Scale.CalibrationFull);
        SampleSet samples = new();
        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);

        double unit = 2.5 / shuntMicroohm;
        Assert.That(ValueOf(samples, Channels.Voltage), Is.EqualTo(volt).Within(0.000_63));
        Assert.That(ValueOf(samples, Channels.Current), Is.EqualTo(ampere).Within((unit / 2) + 1e-6));
        double powerError = (25 * unit) + (Math.Abs(ampere) * 0.000_63) + (volt * unit);
        Assert.That(ValueOf(samples, Channels.Power), Is.EqualTo(volt * ampere).Within(powerError));
        Assert.That(Enumerable.Range(0, 3).Select(i => (int)samples.Quality(i)), Is.All.Zero);
        Assert.That(chip.Conversions, Is.EqualTo(1), "one conversion a reading");
    }

    [TestCase(1.0)]
    [TestCase(-1.0)]
    public void A_current_beyond_the_shunt_is_marked(double ampere)
    {
        SampleSet samples = ReadOnce(new SimulatedIna226(() => new LineState(12, ampere), 0.1));

        Assert.That(QualityOf(samples, Channels.Current), Is.EqualTo(Ina226Sensor.QualitySaturated));
        Assert.That(QualityOf(samples, Channels.Power), Is.EqualTo(Ina226Sensor.QualitySaturated));
        Assert.That(QualityOf(samples, Channels.Voltage), Is.Zero, "it is still right");
    }

    [Test]
    public void An_overflow_that_the_chip_tells_is_marked()
    {
        PowerOn(new SimulatedIna226(() => new LineState(12, 0.8), 0.1));
        ISensor sensor = Sensor(new I2cBus(Bus), 100_000, 32_767);
        SampleSet samples = new();

        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        Assert.That(QualityOf(samples, Channels.Current), Is.EqualTo(Ina226Sensor.QualitySaturated));
    }

    [Test]
    public void A_chip_that_lost_its_power_has_its_calibration_again_at_the_next_reading()
    {
        SimulatedIna226 chip = new(() => new LineState(12, 0.5), 0.1);
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        SampleSet samples = new();
        Assert.That(sensor.Open() && sensor.Read(samples, 0), Is.True);
        chip.LosePower();

        Assert.That(sensor.Read(samples, 1), Is.True);
        Assert.That(samples.Value(4), Is.EqualTo(500_000));
    }

    [Test]
    public void A_conversion_that_never_ends_is_given_up()
    {
        PowerOn(new SimulatedIna226(() => new LineState(12, 0.5), 0.1) { BusyReads = 1000 });
        ISensor sensor = CreateSensor(new I2cBus(Bus));

        Assert.That(sensor.Open(), Is.True);
        Assert.That(sensor.Read(new SampleSet(), 0), Is.False);
    }

    [Test]
    public void The_shunt_is_a_setting_with_a_range()
    {
        NodeSettings settings = new();
        Assert.That(settings.ShuntMicroohm, Is.EqualTo(100_000));
        settings.Apply("shunt-microohm=2000"u8.ToArray(), 0, 19);
        Assert.That(settings.ShuntMicroohm, Is.EqualTo(2000));
        Assert.That(settings.Problem, Is.Null);
        settings.Apply("shunt-microohm=0"u8.ToArray(), 0, 16);
        Assert.That(settings.Problem, Does.Contain("shunt-microohm"));
    }

    private static Ina226Sensor Sensor(I2cBus bus, int shuntMicroohm, int calibration) =>
        new(bus, Ina226Sensor.Address, new Ina226Scale(shuntMicroohm, calibration));
}

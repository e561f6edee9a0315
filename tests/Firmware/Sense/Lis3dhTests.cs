using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Lis3dh;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Lis3dhTests : I2cSensorContract
{
    private const double Gravity = 9.80665;

    protected override int Address => Lis3dhSensor.AddressPrimary;

    protected override II2cPeripheral CreateChip() => new SimulatedLis3dh(() => (0.1, 0, 0.2));

    protected override II2cPeripheral CreateForeignChip() => new SimulatedLis3dh { WhoAmI = 0x32 };

    protected override ISensor CreateSensor(I2cBus bus) => new Lis3dhSensor(bus, Address);

    // AN3308 section 4.2.3, output words against acceleration at ±2 g, where a step is 1 mg.
    [TestCase(0x0000, 0)]
    [TestCase(0x15E0, 350)]
    [TestCase(0x4000, 1024)]
    [TestCase(0xEA20, 350)]
    [TestCase(0xC000, 1024)]
    public void The_data_sheets_output_words_give_the_data_sheets_accelerations(int word, int milliG)
    {
        Lis3dhPeak peak = new(1);
        peak.Add([0, 0, (byte)word, (byte)(word >> 8), 0, 0]);

        Assert.That(peak.MilliG, Is.EqualTo(milliG));
    }

    [TestCase(0, 0)]
    [TestCase(1000, 9807)]
    [TestCase(16_000, 156_906)]
    public void A_milli_g_is_the_standard_gravitys_thousandth(int milliG, long millimetre)
    {
        Assert.That(Lis3dhPeak.MillimetrePerSecond2(milliG), Is.EqualTo(millimetre));
    }

    [Test]
    public void The_magnitude_is_that_of_all_three_axes_even_at_the_ends_of_the_range()
    {
        Lis3dhPeak peak = new(Lis3dhPeak.MilliGPerStepAt16G);
        peak.Add([0x00, 0x80, 0x00, 0x80, 0x00, 0x80]);
        Assert.That(peak.MilliG, Is.EqualTo((int)(2048 * 12 * Math.Sqrt(3))));
        peak.Add([0, 0, 0, 0, 0, 0]);
        Assert.That(peak.MilliG, Is.EqualTo((int)(2048 * 12 * Math.Sqrt(3))), "the greatest stays");
        peak.Clear();
        Assert.That(peak.MilliG, Is.Zero);
    }

    [Test]
    public void A_shock_within_the_fifo_is_measured()
    {
        (ISensor sensor, SimulatedLis3dh chip) = Opened();
        for (int i = 0; i < 31; i++)
        {
            chip.Feel(i == 10 ? -3 : 0.05, i == 10 ? 4 : 0, 0);
        }

        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 0), Is.True);
        Assert.That(ChannelsOf(samples), Is.EqualTo(new[] { Channels.AccelerationPeak }));
        Assert.That(ValueOf(samples, Channels.AccelerationPeak), Is.EqualTo(5 * Gravity).Within(0.05 * Gravity));
        Assert.That(samples.Quality(0), Is.Zero);
    }

    [TestCase(1.5, 0.5, 0.5)]
    [TestCase(2.5, 0.5, 2.046)]
    [TestCase(-5, 0.5, 2.046)]
    [TestCase(9, 0.5, 7.998)]
    [TestCase(-15, 9, 9)]
    public void A_shock_that_has_left_the_fifo_is_told_by_the_latches_as_at_least(double shock, double later, double atLeast)
    {
        (ISensor sensor, SimulatedLis3dh chip) = Opened();
        chip.Feel(0, 0, shock);
        for (int i = 0; i < 2000; i++)
        {
            chip.Feel(later, 0, 0);
        }

        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 0), Is.True);
        Assert.That(ValueOf(samples, Channels.AccelerationPeak), Is.EqualTo(atLeast * Gravity).Within(0.03 * Gravity));
        Assert.That(samples.Quality(0), Is.EqualTo(Lis3dhSensor.QualityAtLeast));
    }

    [Test]
    public void Each_shock_is_told_once()
    {
        (ISensor sensor, SimulatedLis3dh chip) = Opened();
        chip.Feel(0, 9, 0);
        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 0), Is.True);
        chip.Feel(0, 0.25, 0);
        Assert.That(sensor.Read(samples, 1), Is.True);

        Assert.That(samples.Value(0) / 1000.0, Is.EqualTo(9 * Gravity).Within(0.05 * Gravity));
        Assert.That(samples.Value(1) / 1000.0, Is.EqualTo(0.25 * Gravity).Within(0.05 * Gravity));
        Assert.That(samples.Quality(1), Is.Zero);
    }

    [Test]
    public void What_was_felt_while_it_was_set_up_is_no_shock()
    {
        SimulatedLis3dh chip = new();
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        chip.Feel(16, 16, 16);
        Assert.That(sensor.Open(), Is.True, "again, after a restart of the board");
        chip.Feel(0.1, 0, 0);
        SampleSet samples = new();

        Assert.That(sensor.Read(samples, 0), Is.True);
        Assert.That(ValueOf(samples, Channels.AccelerationPeak), Is.LessThan(0.2 * Gravity));
    }

    [Test]
    public void A_chip_that_lost_its_power_is_set_up_again()
    {
        (ISensor sensor, SimulatedLis3dh chip) = Opened();
        chip.LosePower();
        SampleSet samples = new();

        Assert.That(sensor.Read(samples, 0), Is.False);
        Assert.That(sensor.Open(), Is.True);
        chip.Feel(0, 0, 1);
        Assert.That(sensor.Read(samples, 1), Is.True);
        Assert.That(ValueOf(samples, Channels.AccelerationPeak), Is.EqualTo(Gravity).Within(0.05 * Gravity));
    }

    private (ISensor Sensor, SimulatedLis3dh Chip) Opened()
    {
        SimulatedLis3dh chip = new();
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        return (sensor, chip);
    }
}

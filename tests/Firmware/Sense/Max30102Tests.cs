using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Max30102;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Max30102Tests : I2cSensorContract
{
    private static readonly FingerState Healthy = new(72, 97, 0.02);

    private long _nowMs;

    protected override int Address => Max30102Sensor.Address;

    protected override II2cPeripheral CreateChip() => Chip(Healthy);

    protected override II2cPeripheral CreateForeignChip()
    {
        SimulatedMax30102 chip = Chip(Healthy);
        chip.PartId = 0x11;
        return chip;
    }

    // Its clock takes 200 ms for every look at it, as if the driver had waited for that.
    protected override ISensor CreateSensor(I2cBus bus) => new Max30102Sensor(bus, 0);

    [Test]
    public void The_saturation_is_maxims_formula_over_its_whole_range()
    {
        Assert.Multiple(() =>
        {
            for (int thousandths = 20; thousandths <= 1840; thousandths++)
            {
                double r = thousandths / 1000.0;
                double expected = Math.Clamp((-45.060 * r * r) + (30.354 * r) + 94.845, 0, 100);
                Assert.That(PulseEstimator.Saturation(thousandths) / 1000.0, Is.EqualTo(expected).Within(0.000_51), $"R = {r}");
            }
        });
    }

    // MAXREFDES117, uch_spo2_table: the entry at R in hundredths.
    [TestCase(3, 96)]
    [TestCase(11, 98)]
    [TestCase(34, 100)]
    [TestCase(52, 98)]
    [TestCase(60, 97)]
    [TestCase(80, 90)]
    [TestCase(100, 80)]
    [TestCase(120, 66)]
    [TestCase(140, 49)]
    [TestCase(160, 28)]
    [TestCase(181, 2)]
    public void The_saturation_is_an_entry_of_maxims_table(int hundredths, int percent)
    {
        Assert.That(Math.Round(PulseEstimator.Saturation(hundredths * 10) / 1000.0), Is.EqualTo(percent));
    }

    [TestCase(36, 97, 0.02)]
    [TestCase(60, 99, 0.01)]
    [TestCase(72, 97, 0.02)]
    [TestCase(90, 92, 0.05)]
    [TestCase(120, 85, 0.03)]
    [TestCase(165, 97, 0.04)]
    public void The_pulse_and_saturation_of_the_finger_are_what_the_driver_reads(double beats, double saturation, double perfusion)
    {
        SampleSet samples = ReadOnce(Chip(new FingerState(beats, saturation, perfusion, Noise: 0.0002)));

        Assert.That(ChannelsOf(samples), Is.EqualTo(new[] { Channels.HeartRate, Channels.OxygenSaturation, Channels.Perfusion }));
        Assert.That(ValueOf(samples, Channels.HeartRate), Is.EqualTo(beats).Within(1 + (beats * 0.015)));
        Assert.That(ValueOf(samples, Channels.OxygenSaturation), Is.EqualTo(saturation / 100).Within(0.012));
        Assert.That(ValueOf(samples, Channels.Perfusion), Is.EqualTo(perfusion).Within(perfusion * 0.15));
        Assert.That(Enumerable.Range(0, 3).Select(i => (int)samples.Quality(i)), Is.All.Zero);
    }

    [Test]
    public void Without_a_finger_there_is_no_pulse_and_a_flag()
    {
        SampleSet samples = ReadOnce(Chip(new FingerState(72, 97, 0.02, Light: 0)));

        Assert.That(ChannelsOf(samples), Is.EqualTo(new[] { Channels.Perfusion }));
        Assert.That(samples.Value(0), Is.Zero);
        Assert.That(samples.Quality(0), Is.EqualTo(PulseEstimator.QualityNoFinger));
    }

    [Test]
    public void A_hand_that_moves_is_flagged()
    {
        SampleSet samples = ReadOnce(Chip(Healthy with { Noise = 0.05 }));

        Assert.That(Enumerable.Range(0, samples.Count).Select(i => (int)samples.Quality(i)), Is.All.EqualTo(PulseEstimator.QualityPoor));
        Assert.That(ChannelsOf(samples), Does.Contain(Channels.Perfusion));
    }

    [Test]
    public void A_thing_without_a_pulse_is_flagged()
    {
        SampleSet samples = ReadOnce(Chip(Healthy with { Perfusion = 0 }));

        Assert.That(samples.Quality(samples.Count - 1), Is.EqualTo(PulseEstimator.QualityPoor));
        Assert.That(ValueOf(samples, Channels.Perfusion), Is.LessThan(0.001));
    }

    [Test]
    public void An_irregular_pulse_is_flagged_and_told()
    {
        int taken = 0;
        SampleSet samples = ReadOnce(new SimulatedMax30102(() => Healthy with { BeatsPerMinute = taken++ / 40 % 2 == 0 ? 50 : 120 }, Tick));

        Assert.That(ChannelsOf(samples), Does.Contain(Channels.HeartRate));
        Assert.That(QualityOf(samples, Channels.HeartRate), Is.EqualTo(PulseEstimator.QualityPoor));
    }

    [Test]
    public void Light_that_saturates_the_converter_is_flagged()
    {
        SampleSet samples = ReadOnce(Chip(Healthy with { Light = 262_000 }));

        Assert.That(samples.Quality(samples.Count - 1), Is.EqualTo(PulseEstimator.QualityPoor));
    }

    [Test]
    public void Samples_that_were_lost_are_flagged()
    {
        int looks = 0;
        SampleSet samples = ReadOnce(new SimulatedMax30102(() => Healthy, () => _nowMs += ++looks == 20 ? 3000 : 200));

        Assert.That(samples.Quality(samples.Count - 1), Is.EqualTo(PulseEstimator.QualityPoor));
    }

    [Test]
    public void The_light_is_off_between_readings_and_a_chip_that_measures_nothing_is_given_up()
    {
        SimulatedMax30102 chip = Chip(Healthy);
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        Assert.That(chip.IsAwake, Is.False);
        Assert.That(sensor.Read(new SampleSet(), 0), Is.True);
        Assert.That(chip.IsAwake, Is.False);

        SimulatedMax30102 stopped = new(() => Healthy, () => 0);
        PowerOn(stopped);
        ISensor other = CreateSensor(new I2cBus(Bus));
        Assert.That(other.Open(), Is.True);
        Assert.That(other.Read(new SampleSet(), 0), Is.False);
    }

    [Test]
    public void A_chip_that_lost_its_power_is_set_up_again()
    {
        SimulatedMax30102 chip = Chip(Healthy);
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        chip.LosePower();
        SampleSet samples = new();

        Assert.That(sensor.Read(samples, 0), Is.False);
        Assert.That(sensor.Open(), Is.True);
        Assert.That(sensor.Read(samples, 0), Is.True);
        Assert.That(samples.Count, Is.EqualTo(3));
    }

    private SimulatedMax30102 Chip(FingerState finger) => new(() => finger, Tick);

    private long Tick() => _nowMs += 200;
}

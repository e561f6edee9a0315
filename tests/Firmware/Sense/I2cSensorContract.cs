using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

/// <summary>
/// What every driver on the I2C bus owes the node, whatever it measures: a fixture that derives from this says which chip and which
/// driver, and is tried absent, with a foreign chip, unplugged at every single transfer, and on a stuck bus.
/// </summary>
public abstract class I2cSensorContract
{
    protected const int Bus = BoardPins.I2cBus;

    /// <summary>Where the chip is.</summary>
    protected abstract int Address { get; }

    /// <summary>A chip with good values.</summary>
    protected abstract II2cPeripheral CreateChip();

    /// <summary>A chip that is another one, or a look-alike with another id.</summary>
    protected abstract II2cPeripheral CreateForeignChip();

    /// <summary>The driver, for a chip on this bus at <see cref="Address"/>.</summary>
    protected abstract ISensor CreateSensor(I2cBus bus);

    [Test]
    public void An_absent_chip_is_no_sensor_and_costs_one_transfer()
    {
        VirtualHardware hardware = new();
        hardware.PowerOn();

        Assert.That(CreateSensor(new I2cBus(Bus)).Open(), Is.False);
        Assert.That(hardware.I2cTransfers, Is.EqualTo(1), "the first transfer is the probe");
    }

    [Test]
    public void A_foreign_chip_at_the_address_is_not_taken_for_one()
    {
        VirtualHardware hardware = PowerOn(CreateForeignChip());

        Assert.That(CreateSensor(new I2cBus(Bus)).Open(), Is.False);
        Assert.That(hardware.I2cTransfers, Is.GreaterThan(0));
    }

    [Test]
    public void A_chip_that_vanishes_at_any_transfer_adds_nothing_and_throws_nothing()
    {
        UnreliablePeripheral whole = new(CreateChip());
        PowerOn(whole);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        int opened = whole.Transfers;
        Assert.That(sensor.Read(new SampleSet(), 5000), Is.True);
        int read = whole.Transfers;
        Assert.That(read, Is.GreaterThan(opened));

        Assert.Multiple(() =>
        {
            foreach (int at in Enumerable.Range(0, opened))
            {
                PowerOn(new UnreliablePeripheral(CreateChip()) { VanishesAt = at });
                Assert.That(CreateSensor(new I2cBus(Bus)).Open(), Is.False, $"while it is opened, at transfer {at} of {opened}");
            }

            foreach (int at in Sampled(opened, read))
            {
                UnreliablePeripheral chip = new(CreateChip());
                PowerOn(chip);
                ISensor reader = CreateSensor(new I2cBus(Bus));
                Assert.That(reader.Open(), Is.True);
                chip.VanishesAt = at;
                SampleSet samples = new();
                Assert.That(reader.Read(samples, 5000), Is.False, $"while it is read, at transfer {at - opened} of {read - opened}");
                Assert.That(samples.Count, Is.Zero);
            }
        });
    }

    [Test]
    public void On_a_stuck_bus_the_driver_says_no_and_the_set_recovers_when_it_is_free()
    {
        VirtualHardware hardware = PowerOn(CreateChip());
        I2cBus bus = new(Bus);
        ISensor sensor = CreateSensor(bus);
        SensorSet set = new([sensor], bus, new NodeHealth());
        hardware.HoldI2c(Bus, true);
        Assert.That(sensor.Open(), Is.False);
        Assert.That(bus.IsStuck, Is.True);
        Assert.That(sensor.Open(), Is.False);
        Assert.That(hardware.I2cTransfers, Is.EqualTo(1), "a bus that timed out is left alone");

        SampleSet samples = new();
        for (int round = 0; round < 40; round++)
        {
            set.Read(samples, round * 10_000);
        }

        Assert.That(set.PresentCount, Is.Zero);
        Assert.That(samples.Count, Is.Zero);

        hardware.HoldI2c(Bus, false);
        for (int round = 40; round < 80 && samples.Count == 0; round++)
        {
            set.Read(samples, round * 10_000);
        }

        Assert.That(set.PresentCount, Is.EqualTo(1));
        Assert.That(samples.Count, Is.GreaterThan(0));
    }

    protected static VirtualHardware NewBoard(int address, II2cPeripheral chip)
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(Bus, address, chip);
        hardware.PowerOn();
        return hardware;
    }

    protected VirtualHardware PowerOn(II2cPeripheral chip) => NewBoard(Address, chip);

    /// <summary>Opens the driver on a board with this chip and takes one reading.</summary>
    protected SampleSet ReadOnce(II2cPeripheral chip)
    {
        PowerOn(chip);
        ISensor sensor = CreateSensor(new I2cBus(Bus));
        Assert.That(sensor.Open(), Is.True);
        SampleSet samples = new();
        Assert.That(sensor.Read(samples, 5000), Is.True);
        return samples;
    }

    protected static double ValueOf(SampleSet samples, ushort channel)
    {
        int index = ChannelsOf(samples).IndexOf(channel);
        Assert.That(index, Is.GreaterThanOrEqualTo(0), $"channel {channel} is there");
        return samples.Value(index) * Math.Pow(10, samples.Exponent(index));
    }

    protected static int QualityOf(SampleSet samples, ushort channel) => samples.Quality(ChannelsOf(samples).IndexOf(channel));

    protected static List<ushort> ChannelsOf(SampleSet samples) => [.. Enumerable.Range(0, samples.Count).Select(samples.Channel)];

    // Every transfer of a short reading; of one with hundreds, the first and last and some between.
    private static IEnumerable<int> Sampled(int first, int end)
    {
        int count = end - first;
        return count <= 24
            ? Enumerable.Range(first, count)
            : Enumerable.Range(first, 8)
                .Concat(Enumerable.Range(1, 8).Select(i => first + (count * i / 10)))
                .Concat(Enumerable.Range(end - 4, 4));
    }
}

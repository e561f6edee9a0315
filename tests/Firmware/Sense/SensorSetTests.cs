using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Bme280;
using DePIN.Firmware.Sense.Ina226;
using DePIN.Firmware.Sense.Lis3dh;
using DePIN.Firmware.Sense.Max30102;
using DePIN.Firmware.Sense.Scd4x;
using DePIN.Firmware.Sense.Sht4x;
using DePIN.Protocol;
using DePIN.VirtualBoard.Feed;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

/// <summary>All drivers together on one bus: what looking for them costs, and what becomes of them when the bus hangs.</summary>
[TestFixture]
public sealed class SensorSetTests
{
    // One for each line of SensorSet.Open that is on the bus.
    private const int I2cSensors = 10;

    private static readonly AirState Air = new(20, 50, 100_000);

    [Test]
    public void A_boot_without_sensors_costs_one_transfer_each()
    {
        VirtualHardware hardware = new();
        hardware.PowerOn();
        SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());

        Assert.That(set.PresentCount, Is.Zero);
        Assert.That(hardware.I2cTransfers, Is.EqualTo(I2cSensors));
    }

    [Test]
    public void A_boot_on_a_stuck_bus_costs_one_time_out_and_later_looks_become_rare()
    {
        VirtualHardware hardware = new();
        hardware.PowerOn();
        hardware.HoldI2c(BoardPins.I2cBus, true);
        SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());
        Assert.That(hardware.I2cTransfers, Is.EqualTo(1));

        SampleSet samples = new();
        for (int round = 1; round <= 31; round++)
        {
            set.Read(samples, round);
        }

        // In rounds 1, 3, 7, 15 and 31: 1, 2, 4, 8, 16 rounds after the last.
        Assert.That(hardware.I2cTransfers, Is.EqualTo(6));
        for (int round = 32; round <= 91; round++)
        {
            set.Read(samples, round);
        }

        Assert.That(hardware.I2cTransfers, Is.EqualTo(8), "then every 30 rounds");
    }

    [Test]
    public void A_bus_that_hangs_for_one_round_costs_that_round_only()
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new SimulatedBme280(() => Air));
        hardware.AttachI2c(BoardPins.I2cBus, Sht4xSensor.AddressPrimary, new SimulatedSht4x(() => Air));
        hardware.AttachAdc(BoardPins.BatteryAdcChannel, () => 2000);
        hardware.PowerOn();
        SensorSet set = SensorSet.Open(new NodeSettings { Battery = true }, new NodeHealth());
        Assert.That(set.PresentCount, Is.EqualTo(3));

        hardware.HoldI2c(BoardPins.I2cBus, true);
        int before = hardware.I2cTransfers;
        SampleSet samples = new();
        set.Read(samples, 0);
        Assert.That(hardware.I2cTransfers - before, Is.EqualTo(1), "the others are not tried");
        Assert.That(samples.Count, Is.EqualTo(1), "what is not on the bus is read");
        Assert.That(samples.Channel(0), Is.EqualTo(Channels.BatteryVoltage));

        hardware.HoldI2c(BoardPins.I2cBus, false);
        samples.Truncate(0);
        set.Read(samples, 1);
        Assert.That(samples.Count, Is.EqualTo(6));
        Assert.That(set.PresentCount, Is.EqualTo(3));
    }

    [Test]
    public void A_chip_that_vanishes_between_two_transfers_of_a_reading_takes_only_its_own_samples_along()
    {
        UnreliablePeripheral scd = new(new SimulatedScd4x(() => new RoomState(500, 20, 50), new SteppedClock(6000).NowMs));
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, Scd4xSensor.Address, scd);
        hardware.AttachI2c(BoardPins.I2cBus, Sht4xSensor.AddressPrimary, new SimulatedSht4x(() => Air));
        hardware.PowerOn();
        SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());
        Assert.That(set.PresentCount, Is.EqualTo(2));
        scd.VanishesAt = scd.Transfers + 3;
        SampleSet samples = new();
        set.Read(samples, 0);

        Assert.That(samples.Count, Is.EqualTo(2));
        Assert.That(set.PresentCount, Is.EqualTo(1));
    }

    [Test]
    public void Every_chip_is_found_on_one_bus_and_the_application_is_that_of_the_last()
    {
        VirtualHardware hardware = new();
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new SimulatedBme280(() => Air));
        hardware.AttachI2c(BoardPins.I2cBus, Sht4xSensor.AddressPrimary, new SimulatedSht4x(() => Air));
        hardware.AttachI2c(BoardPins.I2cBus, Scd4xSensor.Address, new SimulatedScd4x(() => new RoomState(500, 20, 50), () => 0));
        hardware.PowerOn();
        Assert.That(SensorSet.Open(new NodeSettings(), new NodeHealth()).SuggestedProfile, Is.EqualTo(Profiles.Environment));

        hardware.AttachI2c(BoardPins.I2cBus, Ina226Sensor.Address, new SimulatedIna226(() => new LineState(12, 0.1), 0.1));
        Assert.That(SensorSet.Open(new NodeSettings(), new NodeHealth()).SuggestedProfile, Is.EqualTo(Profiles.Energy));
        hardware.AttachI2c(BoardPins.I2cBus, Lis3dhSensor.AddressSecondary, new SimulatedLis3dh());
        Assert.That(SensorSet.Open(new NodeSettings(), new NodeHealth()).SuggestedProfile, Is.EqualTo(Profiles.SupplyChain));
        hardware.AttachI2c(BoardPins.I2cBus, Max30102Sensor.Address, new SimulatedMax30102(() => default, () => 0));
        SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());
        Assert.That(set.SuggestedProfile, Is.EqualTo(Profiles.Health));
        Assert.That(set.PresentCount, Is.EqualTo(6));
    }

    [Test]
    public void A_traces_channels_choose_its_chips_and_come_back_as_they_were()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "0,voltage,12\n0,power,3.6\n0,acceleration_peak,49.03325\n1000000,voltage,12\n");
            VirtualHardware hardware = new();
            SensorWiring.Connect(hardware, path, 1, TimeProvider.System, _ => { });
            hardware.PowerOn();
            SensorSet set = SensorSet.Open(new NodeSettings(), new NodeHealth());
            SampleSet samples = new();
            set.Read(samples, 0);

            Assert.That(set.PresentCount, Is.EqualTo(2));
            Assert.That(Enumerable.Range(0, samples.Count).Select(samples.Channel),
                Is.EqualTo(new[] { Channels.Voltage, Channels.Current, Channels.Power, Channels.AccelerationPeak }));
            Assert.That(samples.Value(0), Is.EqualTo(12_000_000));
            Assert.That(samples.Value(1), Is.EqualTo(300_000));
            Assert.That(samples.Value(2), Is.EqualTo(3_600_000).Within(700));
            Assert.That(samples.Value(3), Is.EqualTo(49_033).Within(500), "mm/s2");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private sealed class SteppedClock(long stepMs)
    {
        private long _nowMs;

        public long NowMs() => _nowMs += stepMs;
    }
}

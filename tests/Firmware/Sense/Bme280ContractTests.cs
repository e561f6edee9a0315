using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Bme280;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class Bme280ContractTests : I2cSensorContract
{
    protected override int Address => Bme280Sensor.AddressPrimary;

    protected override II2cPeripheral CreateChip() => new SimulatedBme280(() => new AirState(21.5, 48, 100_000));

    protected override II2cPeripheral CreateForeignChip() => new SimulatedSht4x(() => new AirState(21.5, 48, 100_000));

    protected override ISensor CreateSensor(I2cBus bus) => new Bme280Sensor(bus, Address);
}

using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.HostMonitor;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Sense;

[TestFixture]
public sealed class HostMonitorContractTests : I2cSensorContract
{
    protected override int Address => HostMonitorSensor.Address;

    protected override II2cPeripheral CreateChip() => new HostMonitorPeripheral(() =>
        [new HostReading(Channels.Load1Min, -2, 0, 5), new HostReading(Channels.MemoryUsed, 0, 0, 7)]);

    protected override II2cPeripheral CreateForeignChip() => new SimulatedIna226(() => new LineState(12, 0.5), 0.1);

    protected override ISensor CreateSensor(I2cBus bus) => new HostMonitorSensor(bus, Address);
}

// Solders the chosen feed to the board: which simulated sensor is where on which bus.

using DePIN.Firmware.Board;
using DePIN.Firmware.Sense.Bme280;
using DePIN.Firmware.Sense.HostMonitor;
using DePIN.Firmware.Sense.Ina226;
using DePIN.Firmware.Sense.Lis3dh;
using DePIN.Firmware.Sense.Max30102;
using DePIN.Firmware.Sense.Scd4x;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Feed;

/// <summary>Connects feeds to simulated sensors.</summary>
public static class SensorWiring
{
    private const double RawPerVolt = 4095.0 * 1000 / BoardPins.AdcFullScaleMillivolt;

    /// <param name="sense">host, model, or a trace's path.</param>
    /// <param name="report">Takes event lines about channels that cannot be read.</param>
    /// <exception cref="InvalidDataException">The trace is wrong; the message names the line.</exception>
    public static void Connect(VirtualHardware hardware, string sense, int seed, TimeProvider time, Action<string> report)
    {
        ArgumentNullException.ThrowIfNull(hardware);
        switch (sense)
        {
            case "host":
                AttachHost(hardware, new HostFeed("/", report).Measure);
                break;
            case "model":
                WeatherModel model = new(seed, time);
                AttachAir(hardware, model.Air);
                hardware.AttachAdc(BoardPins.BatteryAdcChannel, model.BatteryRaw);
                break;
            default:
                TraceFeed trace = TraceFeed.Load(sense, time);
                if (trace.ChannelIds.Any(channel => channel is Channels.Temperature or Channels.RelativeHumidity or Channels.Pressure))
                {
                    AttachAir(hardware, trace.Air);
                }

                if (trace.ChannelIds.Any(channel => channel is >= HostMonitorSensor.ChannelMin and <= HostMonitorSensor.ChannelMax))
                {
                    AttachHost(hardware, trace.Host);
                }

                AttachChips(hardware, trace, time);
                hardware.AttachAdc(
                    BoardPins.BatteryAdcChannel, () => (int)((trace.Value(Channels.BatteryVoltage) ?? 0) * RawPerVolt * BoardPins.BatteryDividerPermille / 1000));
                break;
        }
    }

    // A chip for each kind of channel that the trace has.
    private static void AttachChips(VirtualHardware hardware, TraceFeed trace, TimeProvider time)
    {
        long start = time.GetTimestamp();
        long NowMs() => (long)time.GetElapsedTime(start).TotalMilliseconds;
        foreach (ushort channel in trace.ChannelIds)
        {
            (int address, II2cPeripheral chip)? wired = channel switch
            {
                Channels.CarbonDioxide => (Scd4xSensor.Address, new SimulatedScd4x(trace.Room, NowMs)),
                Channels.Voltage => (Ina226Sensor.Address, new SimulatedIna226(trace.Line, new NodeSettings().ShuntMicroohm * 1e-6)),
                Channels.AccelerationPeak => (Lis3dhSensor.AddressPrimary, new SimulatedLis3dh(trace.Shock)),
                Channels.HeartRate => (Max30102Sensor.Address, new SimulatedMax30102(trace.Finger, NowMs)),
                _ => null,
            };
            if (wired is { } both)
            {
                hardware.AttachI2c(BoardPins.I2cBus, both.address, both.chip);
            }
        }
    }

    private static void AttachAir(VirtualHardware hardware, Func<AirState> air) =>
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new SimulatedBme280(air));

    private static void AttachHost(VirtualHardware hardware, Func<IReadOnlyList<HostReading>> measure) =>
        hardware.AttachI2c(BoardPins.I2cBus, HostMonitorSensor.Address, new HostMonitorPeripheral(measure));
}

// Solders the chosen feed to the board: which simulated sensor is where on which bus.

using DePIN.Firmware.Board;
using DePIN.Firmware.Sense.Bme280;
using DePIN.Firmware.Sense.HostMonitor;
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

                hardware.AttachAdc(
                    BoardPins.BatteryAdcChannel, () => (int)((trace.Value(Channels.BatteryVoltage) ?? 0) * RawPerVolt * BoardPins.BatteryDividerPermille / 1000));
                break;
        }
    }

    private static void AttachAir(VirtualHardware hardware, Func<AirState> air) =>
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new SimulatedBme280(air));

    private static void AttachHost(VirtualHardware hardware, Func<IReadOnlyList<HostReading>> measure) =>
        hardware.AttachI2c(BoardPins.I2cBus, HostMonitorSensor.Address, new HostMonitorPeripheral(measure));
}

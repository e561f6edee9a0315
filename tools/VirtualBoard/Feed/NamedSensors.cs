// The sensors that settings name (a UART and a pin cannot be probed), with a model behind each: a function of elapsed time and a seed, as
// the weather is. Wired once at power-on from node.conf and what came over serial; a sensor that is named later is a silent port.

using DePIN.Firmware.Board;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Feed;

/// <summary>Connects what the settings name. Dispose stops the meter's contact.</summary>
public sealed class NamedSensors : IDisposable
{
    private const double DaySeconds = 86400;
    private const double MetresPerDegree = 111_320;
    private const int ContactMs = 1000;

    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly double _phase;
    private ITimer? _contact;

    private NamedSensors(int seed, TimeProvider time)
    {
        _time = time;
        _start = time.GetTimestamp();
        _phase = seed;
    }

    private double Seconds => _time.GetElapsedTime(_start).TotalSeconds;

    private double Day => Math.Sin((2 * Math.PI * Seconds / DaySeconds) + _phase);

    /// <param name="settings">Of the board, as it would read them now.</param>
    public static NamedSensors Connect(VirtualHardware hardware, NodeSettings settings, int seed, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(hardware);
        ArgumentNullException.ThrowIfNull(settings);
        NamedSensors sensors = new(seed, time);
        if (settings.Pms5003Port.Length > 0)
        {
            hardware.AttachSerial(settings.Pms5003Port, new SimulatedPms5003(sensors.Dust, time));
        }

        if (settings.Pzem004tPort.Length > 0)
        {
            hardware.AttachSerial(settings.Pzem004tPort, new SimulatedPzem004t(sensors.Mains));
        }

        if (settings.GnssPort.Length > 0)
        {
            hardware.AttachSerial(settings.GnssPort, new SimulatedGnss(sensors.Place, time, settings.GnssBaud));
        }

        if (settings.S0Pin >= 0)
        {
            sensors.Tick(new SimulatedS0Output(hardware, settings.S0Pin));
        }

        hardware.OwnSsid = "depin-model";
        hardware.Radio = sensors.Street;
        return sensors;
    }

    public void Dispose() => _contact?.Dispose();

    // A second closed, a second open: 1.8 kW at 1,000 imp/kWh.
    private void Tick(SimulatedS0Output output)
    {
        bool closed = false;
        _contact = _time.CreateTimer(
            _ =>
            {
                closed = !closed;
                if (closed)
                {
                    output.Close();
                }
                else
                {
                    output.Open();
                }
            },
            null,
            TimeSpan.FromMilliseconds(ContactMs),
            TimeSpan.FromMilliseconds(ContactMs));
    }

    private DustState Dust()
    {
        double pm25 = 18 + (12 * Day);
        return new DustState((ushort)(pm25 * 0.6), (ushort)pm25, (ushort)(pm25 * 1.4));
    }

    private MainsState Mains()
    {
        double volt = 230 + (4 * Day);
        double watt = 900 + (600 * Day);
        double wattHours = Seconds * 900 / 3600;
        return new MainsState((ushort)(volt * 10), (uint)(watt / volt / 0.95 * 1000), (uint)(watt * 10), (uint)wattHours, 500, 95);
    }

    // Ten metres a second around a place, half a kilometre wide.
    private GnssState Place()
    {
        const double radius = 500;
        const double speed = 10;
        double angle = (Seconds * speed / radius) + _phase;
        double latitude = 47.37 + (radius * Math.Sin(angle) / MetresPerDegree);
        double longitude = 8.54 + (radius * Math.Cos(angle) / MetresPerDegree / Math.Cos(47.37 * Math.PI / 180));
        return new GnssState((int)Math.Round(latitude * 1e7), (int)Math.Round(longitude * 1e7), 408_000, (int)(speed * 1000));
    }

    private IReadOnlyList<RadioNetwork> Street() =>
    [
        new("depin-model", "02:00:00:00:00:01", (int)(-60 + (5 * Day))), new("neighbour", "02:00:00:00:00:02", -72), new("", "02:00:00:00:00:03", -85),
    ];
}

// Air and a battery that behave: a day's wave, slow drift, noise. Seeded and a function of elapsed time, so a run can be repeated.

using DePIN.Firmware.Board;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Feed;

/// <summary>Simulated weather since power-on.</summary>
public sealed class WeatherModel(int seed, TimeProvider time)
{
    private const double DaySeconds = 86400;
    private const int BatteryFullMillivolt = 4150;
    private const int BatteryEmptyMillivolt = 3300;
    private const double BatteryMillivoltPerHour = 2;

    private readonly Random _noise = new(seed);
    private readonly long _start = time.GetTimestamp();
    private double _drift;

    /// <summary>The air now.</summary>
    public AirState Air()
    {
        double seconds = time.GetElapsedTime(_start).TotalSeconds;
        double day = Math.Sin((2 * Math.PI * seconds / DaySeconds) + seed);
        _drift = Math.Clamp(_drift + (Gauss() * 0.02), -3, 3);
        double temperature = 19 + (4 * day) + _drift + (Gauss() * 0.05);
        double humidity = Math.Clamp(55 - (12 * day) - (2 * _drift) + (Gauss() * 0.3), 5, 98);
        double pressure = 101325 + (600 * Math.Sin(2 * Math.PI * seconds / (3.3 * DaySeconds))) + (Gauss() * 6);
        return new AirState(temperature, humidity, pressure);
    }

    /// <summary>What the converter sees of the battery: its voltage behind the board's divider, in 12 bits.</summary>
    public int BatteryRaw()
    {
        double hours = time.GetElapsedTime(_start).TotalHours;
        double millivolt = Math.Max(BatteryEmptyMillivolt, BatteryFullMillivolt - (hours * BatteryMillivoltPerHour)) + (Gauss() * 3);
        return (int)(millivolt * BoardPins.BatteryDividerPermille / 1000 * 4095 / BoardPins.AdcFullScaleMillivolt);
    }

    // Box and Muller: one of the two values is enough here.
    private double Gauss() => Math.Sqrt(-2 * Math.Log(1 - _noise.NextDouble())) * Math.Cos(2 * Math.PI * _noise.NextDouble());
}

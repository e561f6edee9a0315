namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>What is wired to the Pi: the only thing that knows pins and buses. Every part may be missing; then it does nothing or gives nothing.</summary>
public interface IPanel : IDisposable
{
    /// <summary>The status LED.</summary>
    void Light(bool on);

    /// <summary>The display: at most <see cref="StatusPages.Lines"/> lines of <see cref="StatusPages.Columns"/> characters.</summary>
    void Show(IReadOnlyList<string> lines);

    /// <summary>Whether the button is held down now.</summary>
    bool IsPressed { get; }

    /// <summary>The air; null when the sensor is missing or does not answer.</summary>
    Air? Read();
}

/// <summary>One reading of a BME280.</summary>
/// <param name="CentiDegrees">Temperature, 0.01 degrees Celsius.</param>
/// <param name="PermilleHumidity">Relative humidity, 0.1 %.</param>
/// <param name="Pascals">Pressure, Pa.</param>
public readonly record struct Air(long CentiDegrees, long PermilleHumidity, long Pascals);

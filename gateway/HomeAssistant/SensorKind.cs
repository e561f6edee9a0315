using DePIN.Protocol;

namespace DePIN.Gateway.HomeAssistant;

/// <summary>
/// How Home Assistant shows a channel (its sensor entity: device classes, state classes and the units each allows). Values are published in that unit,
/// which differs from the channel's own by a power of ten, so that no value passes through a float.
/// </summary>
/// <param name="Unit">Unit of measurement; null for a plain number.</param>
/// <param name="DeviceClass">Null where it has none for this.</param>
/// <param name="StateClass">measurement, or total_increasing for what only counts up.</param>
/// <param name="Scale">Power of ten from the channel's unit to this one.</param>
/// <param name="IsDiagnostic">About the node itself.</param>
public sealed record SensorKind(string? Unit, string? DeviceClass = null, string StateClass = "measurement", int Scale = 0, bool IsDiagnostic = false)
{
    private const string Counting = "total_increasing";
    private const int Percent = 2; // a share of one, as a percentage
    private const int Millionths = 6;
    private const int Micrograms = 9; // from kilograms

    /// <summary>The kind of a channel; of one this version does not know, a plain number.</summary>
    public static SensorKind Of(ushort channel) => channel switch
    {
        Channels.Temperature => new("°C", "temperature"),
        Channels.RelativeHumidity => new("%", "humidity"),
        Channels.Pressure => new("Pa", "pressure"),
        Channels.BatteryVoltage => new("V", "voltage", IsDiagnostic: true),
        Channels.CpuTemperature => new("°C", "temperature", IsDiagnostic: true),
        Channels.MemoryUsed or Channels.DiskUsed => new("B", "data_size", IsDiagnostic: true),
        Channels.NetworkReceived or Channels.NetworkSent => new("B", "data_size", Counting, IsDiagnostic: true),
        Channels.CarbonDioxide => new("ppm", "carbon_dioxide", Scale: Millionths),
        Channels.Voltage or Channels.MainsVoltage => new("V", "voltage"),
        Channels.Current or Channels.MainsCurrent => new("A", "current"),
        Channels.Power or Channels.ActivePower => new("W", "power"),
        Channels.AccelerationPeak => new("m/s²"),
        Channels.HeartRate => new("bpm"),
        Channels.OxygenSaturation or Channels.Perfusion => new("%", Scale: Percent),
        Channels.Pm1 => new("µg/m³", "pm1", Scale: Micrograms),
        Channels.Pm25 => new("µg/m³", "pm25", Scale: Micrograms),
        Channels.Pm10 => new("µg/m³", "pm10", Scale: Micrograms),
        Channels.ActiveEnergy or Channels.MeterEnergy => new("J", "energy", Counting),
        Channels.MainsFrequency => new("Hz", "frequency"),
        Channels.PowerFactor => new("%", "power_factor", Scale: Percent),
        Channels.MeterImpulses => new(null, StateClass: Counting),
        Channels.Latitude or Channels.Longitude => new("°"),
        Channels.Altitude or Channels.HorizontalAccuracy => new("m", "distance"),
        Channels.GroundSpeed => new("m/s", "speed"),
        Channels.WifiOwnSignal or Channels.WifiOtherSignal => new("dBm", "signal_strength", IsDiagnostic: true),
        Channels.NodeUptime or Channels.NodeClockLastStep or Channels.NodeClockError => new("s", "duration", IsDiagnostic: true),
        Channels.NodeMemoryFree => new("B", "data_size", IsDiagnostic: true),
        >= Channels.NodeUptime and <= Channels.NodeWifiRefusals => new(null, IsDiagnostic: true),
        _ => new(Unit: null),
    };
}

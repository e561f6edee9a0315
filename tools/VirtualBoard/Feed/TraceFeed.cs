// A recording played back: lines "time_ms,channel,value", the channel by SenML name or number, in order of time. A value holds until
// the next one of its channel; at the end the recording begins again.

using System.Globalization;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Feed;

/// <summary>A trace that was read and found good.</summary>
public sealed class TraceFeed
{
    public const int LinesMax = 1_000_000;

    /// <summary>The highest channel a trace may have.</summary>
    public const ushort ChannelMax = 47;

    private readonly SortedDictionary<ushort, List<(long TimeMs, double Value)>> _channels = [];
    private readonly TimeProvider _time;
    private readonly long _start;
    private long _lengthMs;

    private TraceFeed(TimeProvider time)
    {
        _time = time;
        _start = time.GetTimestamp();
    }

    /// <summary>The channels the trace has.</summary>
    public IReadOnlyCollection<ushort> ChannelIds => _channels.Keys;

    /// <exception cref="InvalidDataException">A line is wrong; the message names it.</exception>
    public static TraceFeed Load(string path, TimeProvider time)
    {
        TraceFeed trace = new(time);
        int number = 0;
        long last = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (number > LinesMax)
            {
                throw new InvalidDataException($"{path}: more than {LinesMax} lines");
            }

            string text = line.Trim();
            if (text.Length == 0 || text[0] == '#' || (number == 1 && text.StartsWith("time_ms", StringComparison.Ordinal)))
            {
                continue;
            }

            string[] fields = text.Split(',');
            if (fields.Length != 3)
            {
                throw new InvalidDataException($"{path}:{number}: three columns are needed, time_ms,channel,value");
            }

            if (!long.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out long at) || at < last)
            {
                throw new InvalidDataException($"{path}:{number}: time_ms is a whole number, not below the line before, not '{fields[0]}'");
            }

            if (ChannelOf(fields[1].Trim()) is not { } channel)
            {
                throw new InvalidDataException($"{path}:{number}: unknown channel '{fields[1]}'");
            }

            if (!double.TryParse(fields[2], NumberStyles.Float, CultureInfo.InvariantCulture, out double value) || !double.IsFinite(value))
            {
                throw new InvalidDataException($"{path}:{number}: value is a number, not '{fields[2]}'");
            }

            last = at;
            if (!trace._channels.TryGetValue(channel, out List<(long, double)>? values))
            {
                trace._channels[channel] = values = [];
            }

            values.Add((at, value));
        }

        if (trace._channels.Count == 0)
        {
            throw new InvalidDataException($"{path}: no values in it");
        }

        trace._lengthMs = last + 1;
        return trace;
    }

    /// <summary>The value of a channel now; null when the trace has none yet, or never.</summary>
    public double? Value(ushort channel)
    {
        if (!_channels.TryGetValue(channel, out List<(long TimeMs, double Value)>? values))
        {
            return null;
        }

        long at = (long)_time.GetElapsedTime(_start).TotalMilliseconds % _lengthMs;
        int low = 0;
        int high = values.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (values[middle].TimeMs <= at)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low == 0 ? null : values[low - 1].Value;
    }

    /// <summary>The channels of a BME280, NaN where the trace says nothing.</summary>
    public AirState Air() => new(
        Value(Channels.Temperature) ?? double.NaN, Value(Channels.RelativeHumidity) ?? double.NaN, Value(Channels.Pressure) ?? double.NaN);

    /// <summary>The air around an SCD4x.</summary>
    public RoomState Room() => new(
        (Value(Channels.CarbonDioxide) ?? 0) * 1e6, Value(Channels.Temperature) ?? 20, Value(Channels.RelativeHumidity) ?? 50);

    /// <summary>What an INA226 measures; a current that the trace has not is its power by its voltage.</summary>
    public LineState Line()
    {
        double volt = Value(Channels.Voltage) ?? 0;
        double ampere = Value(Channels.Current) ?? (volt > 0 ? (Value(Channels.Power) ?? 0) / volt : 0);
        return new LineState(volt, ampere);
    }

    /// <summary>What a LIS3DH feels, g.</summary>
    public (double X, double Y, double Z) Shock() => ((Value(Channels.AccelerationPeak) ?? 0) / 9.80665, 0, 0);

    /// <summary>A finger on a MAX30102; none while the trace has no pulse.</summary>
    public FingerState Finger() => Value(Channels.HeartRate) is > 0 and { } beats
        ? new FingerState(beats, Math.Min((Value(Channels.OxygenSaturation) ?? 0.97) * 100, 99.9), Value(Channels.Perfusion) ?? 0.02)
        : default;

    /// <summary>The channels 16 to 31, as thousandths.</summary>
    public IReadOnlyList<HostReading> Host()
    {
        List<HostReading> readings = [];
        foreach (ushort channel in _channels.Keys)
        {
            if (channel is >= 16 and <= 31 && Value(channel) is { } value)
            {
                readings.Add(new HostReading(channel, -3, 0, (long)Math.Round(value * 1000)));
            }
        }

        return readings;
    }

    private static ushort? ChannelOf(string text)
    {
        for (ushort channel = 1; channel <= ChannelMax; channel++)
        {
            if (Channels.Name(channel) == text || text == channel.ToString(CultureInfo.InvariantCulture))
            {
                return channel;
            }
        }

        return null;
    }
}

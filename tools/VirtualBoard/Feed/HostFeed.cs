// This computer's own measurements, from where Linux keeps them. A source that is not there (a virtual machine has no thermal zone)
// is said once and its channel left out: no value is made up.

using System.Globalization;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Feed;

/// <summary>Reads the host. <paramref name="root"/> is "/" except in tests.</summary>
public sealed class HostFeed(string root, Action<string> report)
{
    private const sbyte Hundredths = -2;
    private const long BytesPerKibibyte = 1024;

    private readonly HashSet<ushort> _missing = [];

    /// <summary>All channels that can be read now.</summary>
    public IReadOnlyList<HostReading> Measure()
    {
        List<HostReading> readings = [];
        Add(readings, Channels.CpuTemperature, -3, CpuTemperature, "no thermal zone below /sys/class/thermal: usual in a virtual machine");
        Add(readings, Channels.Load1Min, Hundredths, Load, "/proc/loadavg is not readable");
        Add(readings, Channels.MemoryUsed, 0, MemoryUsed, "/proc/meminfo is not readable");
        Add(readings, Channels.NetworkReceived, 0, () => Network(received: true), "/proc/net/dev is not readable");
        Add(readings, Channels.NetworkSent, 0, () => Network(received: false), "/proc/net/dev is not readable");
        Add(readings, Channels.DiskUsed, 0, DiskUsed, "the root file system does not say its size");
        return readings;
    }

    private void Add(List<HostReading> readings, ushort channel, sbyte exponent, Func<long?> read, string whyMissing)
    {
        long? value = null;
        try
        {
            value = read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            whyMissing += $" ({e.Message})";
        }

        if (value is { } good)
        {
            readings.Add(new HostReading(channel, exponent, 0, good));
            _missing.Remove(channel);
        }
        else if (_missing.Add(channel))
        {
            report($"channel-absent channel={Channels.Name(channel)} message={whyMissing}");
        }
    }

    private string At(string path) => Path.Combine(root, path);

    private long? CpuTemperature()
    {
        string zones = At("sys/class/thermal");
        if (!Directory.Exists(zones))
        {
            return null;
        }

        string? first = null;
        foreach (string zone in Directory.GetDirectories(zones, "thermal_zone*").Order(StringComparer.Ordinal))
        {
            string type = File.Exists(Path.Combine(zone, "type")) ? File.ReadAllText(Path.Combine(zone, "type")).Trim() : "";
            string temperature = Path.Combine(zone, "temp");
            if (File.Exists(temperature))
            {
                first ??= temperature;
                if (type.Contains("cpu", StringComparison.OrdinalIgnoreCase) || type.Contains("pkg", StringComparison.OrdinalIgnoreCase))
                {
                    first = temperature;
                    break;
                }
            }
        }

        return first is null ? null : long.Parse(File.ReadAllText(first).Trim(), CultureInfo.InvariantCulture);
    }

    private long? Load()
    {
        string first = File.ReadAllText(At("proc/loadavg")).Split(' ')[0];
        return (long)Math.Round(double.Parse(first, CultureInfo.InvariantCulture) * 100);
    }

    private long? MemoryUsed()
    {
        long? total = null;
        long? available = null;
        foreach (string line in File.ReadLines(At("proc/meminfo")))
        {
            total ??= Kibibytes(line, "MemTotal:");
            available ??= Kibibytes(line, "MemAvailable:");
        }

        return (total - available) * BytesPerKibibyte;
    }

    private static long? Kibibytes(string line, string name) =>
        line.StartsWith(name, StringComparison.Ordinal)
            ? long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture)
            : null;

    // All interfaces but the loopback: bytes since the computer started.
    private long? Network(bool received)
    {
        long sum = 0;
        foreach (string line in File.ReadLines(At("proc/net/dev")).Skip(2))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line[..colon].Trim() != "lo")
            {
                string[] fields = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
                sum += long.Parse(fields[received ? 0 : 8], CultureInfo.InvariantCulture);
            }
        }

        return sum;
    }

    private long? DiskUsed()
    {
        DriveInfo drive = new(root);
        return drive.IsReady ? drive.TotalSize - drive.TotalFreeSpace : null;
    }
}

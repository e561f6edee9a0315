using System.Text;
using DePIN.Protocol;

namespace DePIN.Provision;

/// <summary>A row of the manifest.</summary>
/// <param name="Device">40 hex digits; empty: for whichever board comes next.</param>
/// <param name="Name">At most 32 characters, 64 bytes in UTF-8.</param>
/// <param name="Location">Where it hangs, in words or "latitude longitude"; at most 64 characters, 128 bytes in UTF-8.</param>
public sealed record ManifestRow(string Device, string Name, string Location);

/// <summary>
/// `devices.csv`: names and places for the boards of a job. Columns device, name, location (header first). A row without a device goes to the next
/// board that has none; a board that was given a name before keeps it.
/// </summary>
public sealed class DeviceManifest
{
    private const int RowsMax = 100_000;
    private const int NameMax = 32;
    private const int LocationMax = 64;

    private readonly Dictionary<string, ManifestRow> _named = new(StringComparer.Ordinal);
    private readonly Queue<ManifestRow> _free = new();
    private readonly Lock _gate = new();

    private DeviceManifest() { }

    /// <param name="path">The file; null: no names but those of earlier runs.</param>
    /// <param name="report">What earlier runs gave away already.</param>
    public static DeviceManifest Read(string? path, ProvisionReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        DeviceManifest manifest = new();
        IReadOnlyList<ReportLine> named = report.NamedLines();
        if (path is not null) manifest.ReadRows(path, [.. named.Select(line => line.Name).Where(name => name.Length > 0)]);
        foreach (ReportLine line in named) manifest._named.TryAdd(line.Device, new ManifestRow(line.Device, line.Name, line.Location));
        return manifest;
    }

    /// <summary>The row of this device: its own, else the next free one, else an empty one. The same answer for the same device.</summary>
    public ManifestRow Take(string device)
    {
        lock (_gate)
        {
            if (_named.TryGetValue(device, out ManifestRow? row)) return row;
            if (!_free.TryDequeue(out ManifestRow? next)) return new ManifestRow(device, "", "");
            return _named[device] = next with { Device = device };
        }
    }

    private void ReadRows(string path, HashSet<string> given)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ProvisionFileException($"manifest {path} cannot be read: {error.Message}", "name a CSV file with the columns device,name,location");
        }

        if (lines.Length == 0 || CsvText.Split(lines[0]) is not { } header || !header.Select(h => h.Trim().ToLowerInvariant()).SequenceEqual(["device", "name", "location"]))
            throw new ProvisionFileException($"manifest {path}: its first line is not device,name,location", "write these three column names first");
        if (lines.Length > RowsMax) throw new ProvisionFileException($"manifest {path} has more than {RowsMax} rows", "split the job");
        HashSet<string> names = [];
        for (int i = 1; i < lines.Length; i++)
        {
            if (lines[i].Trim().Length == 0) continue;
            ManifestRow row = Parse(path, i + 1, lines[i]);
            if (row.Name.Length > 0 && !names.Add(row.Name)) throw Wrong(path, i + 1, $"the name '{row.Name}' was given before");
            if (row.Device.Length == 0)
            {
                if (!given.Contains(row.Name)) _free.Enqueue(row);
            }
            else if (!_named.TryAdd(row.Device, row))
            {
                throw Wrong(path, i + 1, $"device {row.Device} was named before");
            }
        }
    }

    private static ManifestRow Parse(string path, int line, string text)
    {
        if (CsvText.Split(text) is not { Count: 3 } fields) throw Wrong(path, line, "it has not three fields");
        string device = fields[0].Trim().ToLowerInvariant();
        if (device.StartsWith("0x", StringComparison.Ordinal)) device = device[2..];
        if (device.Length > 0 && !DeviceId.TryParse(device, new byte[DeviceId.Bytes])) throw Wrong(path, line, $"'{fields[0]}' is no device id: 40 hex digits, or nothing");
        (string name, string location) = (fields[1].Trim(), fields[2].Trim());
        if (name.Length > NameMax || location.Length > LocationMax || (name + location).Any(char.IsControl)
            || Encoding.UTF8.GetByteCount(name) > SerialEnrolment.NameBytesMax || Encoding.UTF8.GetByteCount(location) > SerialEnrolment.LocationBytesMax)
        {
            throw Wrong(path, line, $"a name has at most {NameMax} characters ({SerialEnrolment.NameBytesMax} bytes in UTF-8), a location {LocationMax} ({SerialEnrolment.LocationBytesMax})");
        }

        return new ManifestRow(device, name, location);
    }

    private static ProvisionFileException Wrong(string path, int line, string what) => new($"manifest {path}, line {line}: {what}", "mend the line and start again");
}

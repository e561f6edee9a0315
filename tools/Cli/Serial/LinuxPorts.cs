using System.Globalization;

namespace DePIN.Cli.Serial;

/// <summary>
/// Serial ports of Linux: /sys/class/tty leads to the device behind each, above it lies the USB device with its ids; /dev/serial/by-id
/// has the names that stay. Everything below a root, which tests make up.
/// </summary>
public static class LinuxPorts
{
    private const int LevelsMax = 12;

    public static IReadOnlyList<SerialPortInfo> List(string root)
    {
        string terminals = Path.Combine(root, "sys", "class", "tty");
        if (!Directory.Exists(terminals))
        {
            return [];
        }

        Dictionary<string, string> stable = Links(root);
        List<SerialPortInfo> ports = [];
        foreach (string entry in Directory.EnumerateFileSystemEntries(terminals).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(entry);
            string device = Path.Combine(entry, "device");
            if (!Path.Exists(device))
            {
                continue; // a console or pseudo terminal
            }

            string path = Path.Combine(root, "dev", name);
            if (UsbOf(LinkedPath.Final(device), root) is { } usb)
            {
                ports.Add(new SerialPortInfo(
                    path, stable.GetValueOrDefault(name), Id(usb, "idVendor"), Id(usb, "idProduct"), Text(usb, "serial"), Text(usb, "product"), Text(usb, "manufacturer"), Path.GetFileName(usb)));
            }
            else if (Text(entry, "type") is { } type && type != "0")
            {
                ports.Add(new SerialPortInfo(path, stable.GetValueOrDefault(name))); // a UART that is really there
            }
        }

        return ports;
    }

    private static string? UsbOf(string device, string root)
    {
        string? at = device;
        for (int levels = 0; levels < LevelsMax && at is not null && at.Length > root.Length; levels++, at = Path.GetDirectoryName(at))
        {
            if (File.Exists(Path.Combine(at, "idVendor")))
            {
                return at;
            }
        }

        return null;
    }

    private static Dictionary<string, string> Links(string root)
    {
        Dictionary<string, string> links = [];
        string folder = Path.Combine(root, "dev", "serial", "by-id");
        if (Directory.Exists(folder))
        {
            foreach (string link in Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal))
            {
                links.TryAdd(Path.GetFileName(new FileInfo(link).LinkTarget ?? link), link);
            }
        }

        return links;
    }

    private static ushort? Id(string folder, string name) =>
        ushort.TryParse(Text(folder, name), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort id) ? id : null;

    private static string? Text(string folder, string name)
    {
        try
        {
            string path = Path.Combine(folder, name);
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // unplugged while it was read
        }
    }
}

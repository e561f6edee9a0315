using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace DePIN.Cli.Serial;

/// <summary>Serial ports of macOS: /dev/cu.*, and what `ioreg` says of the USB devices above them.</summary>
public static partial class MacPorts
{
    private static readonly TimeSpan RegistryTimeout = TimeSpan.FromSeconds(10);

    /// <param name="paths">/dev/cu.…</param>
    /// <param name="registry">What `ioreg -r -c IOUSBHostDevice -l -w 0` prints: a device's properties, then what hangs on it.</param>
    public static IReadOnlyList<SerialPortInfo> List(IEnumerable<string> paths, string registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        Dictionary<string, SerialPortInfo> known = [];
        SerialPortInfo device = new("");
        foreach (string line in registry.Split('\n'))
        {
            if (line.Contains("+-o ", StringComparison.Ordinal) && line.Contains("<class IOUSBHostDevice", StringComparison.Ordinal))
            {
                device = new("");
            }
            else if (Property().Match(line) is { Success: true } match)
            {
                string value = match.Groups["text"].Success ? match.Groups["text"].Value : match.Groups["number"].Value;
                device = match.Groups["name"].Value switch
                {
                    "idVendor" => device with { VendorId = Number(value) },
                    "idProduct" => device with { ProductId = Number(value) },
                    "USB Serial Number" or "kUSBSerialNumberString" => device with { SerialNumber = value },
                    "USB Product Name" or "kUSBProductString" => device with { Product = value },
                    "USB Vendor Name" or "kUSBVendorString" => device with { Manufacturer = value },
                    "locationID" => device with { Location = value },
                    _ => device,
                };
                if (match.Groups["name"].Value == "IOCalloutDevice")
                {
                    known[value] = device with { Path = value };
                }
            }
        }

        return [.. paths.Order(StringComparer.Ordinal).Where(path => !path.EndsWith("Bluetooth-Incoming-Port", StringComparison.Ordinal)).Select(path => known.GetValueOrDefault(path) ?? new SerialPortInfo(path))];
    }

    /// <summary>Empty where ioreg does not answer: ports are listed without ids then.</summary>
    public static string ReadRegistry()
    {
        try
        {
            using Process? process = Process.Start(new ProcessStartInfo("ioreg", ["-r", "-c", "IOUSBHostDevice", "-l", "-w", "0"]) { RedirectStandardOutput = true });
            Task<string>? text = process?.StandardOutput.ReadToEndAsync();
            return text?.Wait(RegistryTimeout) == true ? text.Result : "";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "";
        }
    }

    private static ushort? Number(string text) => ushort.TryParse(text, CultureInfo.InvariantCulture, out ushort number) ? number : null;

    [GeneratedRegex("""^[ |]*"(?<name>[^"]+)" = (?:"(?<text>[^"]*)"|(?<number>\d+))\s*$""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Property();
}

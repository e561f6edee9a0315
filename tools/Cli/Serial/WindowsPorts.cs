using System.Globalization;
using System.Text.RegularExpressions;

namespace DePIN.Cli.Serial;

/// <summary>Serial ports of Windows: SERIALCOMM has those that are there, the device instances of the USB enumerators their ids.</summary>
public static partial class WindowsPorts
{
    private const string Present = @"HARDWARE\DEVICEMAP\SERIALCOMM";
    private const string Enumerators = @"SYSTEM\CurrentControlSet\Enum\";

    public static IReadOnlyList<SerialPortInfo> List(IRegistryView registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        Dictionary<string, SerialPortInfo> known = new(StringComparer.OrdinalIgnoreCase);
        foreach (string enumerator in (string[])["USB", "FTDIBUS"])
        {
            foreach (string device in registry.Keys(Enumerators + enumerator))
            {
                if (Ids().Match(device) is { Success: true } ids)
                {
                    foreach (string instance in registry.Keys($@"{Enumerators}{enumerator}\{device}"))
                    {
                        Add(registry, $@"{Enumerators}{enumerator}\{device}\{instance}", instance, ids, known);
                    }
                }
            }
        }

        return [.. registry.Values(Present).Values.Distinct(StringComparer.OrdinalIgnoreCase).OrderBy(name => name.Length).ThenBy(name => name, StringComparer.Ordinal).Select(name => known.GetValueOrDefault(name) ?? new SerialPortInfo(name))];
    }

    private static void Add(IRegistryView registry, string path, string instance, Match ids, Dictionary<string, SerialPortInfo> known)
    {
        if (!registry.Values(path + @"\Device Parameters").TryGetValue("PortName", out string? name))
        {
            return;
        }

        IReadOnlyDictionary<string, string> values = registry.Values(path);
        // FTDI's enumerator has the serial number in the device, with a letter for the channel; an instance with & in it was made up by Windows.
        string? serial = ids.Groups["serial"] is { Success: true, Value: { Length: > 1 } text } ? text[..^1] : instance.Contains('&', StringComparison.Ordinal) ? null : instance;
        known[name] = new SerialPortInfo(
            name, null, Hex(ids.Groups["vendor"].Value), Hex(ids.Groups["product"].Value), serial, values.GetValueOrDefault("FriendlyName"), values.GetValueOrDefault("Mfg"), values.GetValueOrDefault("LocationInformation"));
    }

    private static ushort Hex(string text) => ushort.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^VID_(?<vendor>[0-9A-F]{4})[&+]PID_(?<product>[0-9A-F]{4})(\+(?<serial>\w+))?", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Ids();
}

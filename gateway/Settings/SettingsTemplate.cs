using System.Globalization;
using System.Text;

namespace DePIN.Gateway.Settings;

/// <summary>
/// Writes the commented settings file (every key, its text, unit, range, environment variable and default), derived
/// from the records. What it prints, <see cref="SettingsReader"/> reads back to the defaults.
/// </summary>
public static class SettingsTemplate
{
    private const int LineWidth = 110;

    /// <summary>The whole template, UTF-8 text that ends in a newline.</summary>
    public static string Write(IReadOnlyList<SettingsSection> sections)
    {
        ArgumentNullException.ThrowIfNull(sections);
        StringBuilder text = new("// DePIN Edge gateway settings: JSON with comments. Every value below is the default.\n{\n");
        foreach (SettingsSection section in sections)
        {
            text.Append("  // ").Append(section.Text).Append("\n  \"").Append(section.Name).Append("\": {\n");
            foreach (SettingsKey key in section.Keys)
            {
                foreach (string line in Wrap(key.About.Text + " " + Range(key) + (key.About.IsReloaded ? "Read again at SIGHUP. " : "") + "[" + key.EnvironmentName + "]"))
                    text.Append("    // ").Append(line).Append('\n');
                text.Append("    \"").Append(key.Name).Append("\": ").Append(Value(key.Default)).Append(",\n");
            }

            text.Append("  },\n");
        }

        return text.Append("}\n").ToString();
    }

    internal static string Value(object? value) => value switch
    {
        string[] list => "[" + string.Join(", ", list.Select(Quote)) + "]",
        bool flag => flag ? "true" : "false",
        string words => Quote(words),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => "null",
    };

    internal static string Number(double value) => value.ToString("0.############", CultureInfo.InvariantCulture);

    internal static string TypeText(Type type) =>
        type == typeof(string) ? "a text in quotes"
        : type == typeof(string[]) ? "a list of texts"
        : type == typeof(bool) ? "true or false"
        : type == typeof(double) ? "a number" : "a whole number";

    private static string Quote(string text) => "\"" + System.Text.Json.JsonEncodedText.Encode(text) + "\"";

    private static string Range(SettingsKey key)
    {
        string unit = key.About.Unit.Length == 0 ? "" : " " + key.About.Unit;
        bool low = !double.IsInfinity(key.About.Min), high = !double.IsInfinity(key.About.Max);
        return low && high ? $"{Number(key.About.Min)} to {Number(key.About.Max)}{unit}. "
            : low ? $"At least {Number(key.About.Min)}{unit}. "
            : high ? $"At most {Number(key.About.Max)}{unit}. "
            : unit.Length > 0 ? $"Unit:{unit}. " : "";
    }

    private static IEnumerable<string> Wrap(string text)
    {
        StringBuilder line = new();
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + word.Length + 1 > LineWidth)
            {
                yield return line.ToString();
                line.Clear();
            }

            if (line.Length > 0) line.Append(' ');
            line.Append(word);
        }

        if (line.Length > 0) yield return line.ToString();
    }
}

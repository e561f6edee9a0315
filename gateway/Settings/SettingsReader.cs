using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DePIN.Gateway.Settings;

/// <summary>
/// Fills settings records from a JSON file (comments and trailing commas allowed) and then from the environment.
/// Strict: an unknown key, a wrong type, a value out of range or a key given twice ends in a
/// <see cref="SettingsException"/> that names file, line, key and remedy. Remembers where every value came from, so
/// that a later check (two settings that contradict each other) can still point at the line.
/// </summary>
public sealed class SettingsReader(IReadOnlyList<SettingsSection> sections)
{
    /// <summary>A settings file is a page or two; anything larger is the wrong file. Bytes.</summary>
    public const int FileBytesMax = 256 * 1024;

    private readonly Dictionary<string, string> _origins = new(StringComparer.Ordinal);

    /// <summary>The largest number of entries in a list setting.</summary>
    public const int ListEntriesMax = 64;

    /// <summary>Where <paramref name="path"/> got its value: <c>file:line</c>, the environment variable, or "default".</summary>
    public string OriginOf(string path) => _origins.GetValueOrDefault(path, "default");

    /// <summary>The complaint about a value that is well-formed but makes no sense.</summary>
    public SettingsException Fault(string path, string what, string remedy) => new($"{OriginOf(path)}: {path}: {what} {remedy}");

    /// <summary>Reads <paramref name="content"/>, the UTF-8 text of <paramref name="file"/> (named in errors only).</summary>
    public void ReadFile(string file, ReadOnlySpan<byte> content)
    {
        if (content.Length > FileBytesMax)
            throw new SettingsException($"{file}: {content.Length} bytes is too large for a settings file (at most {FileBytesMax}). Check that --config names the right file.");
        if (content.StartsWith("\uFEFF"u8)) content = content[3..];

        Utf8JsonReader json = new(content, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 8 });
        try
        {
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                throw At(file, content, json, "the file must be one JSON object.", "Start from the template: run with --print-config.");
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                string name = json.GetString()!;
                SettingsSection section = Find(name) ?? throw At(file, content, json, $"unknown section '{name}'.", Suggest(name, sections.Select(s => s.Name)));
                json.Read();
                if (json.TokenType != JsonTokenType.StartObject)
                    throw At(file, content, json, $"section '{name}' must be an object.", $"Write \"{name}\": {{ ... }}.");
                ReadSection(file, content, ref json, section);
            }

            if (json.Read()) throw At(file, content, json, "text follows the closing brace.", "Remove it.");
        }
        catch (JsonException broken)
        {
            throw new SettingsException($"{file}:{(broken.LineNumber ?? 0) + 1}: not valid JSON near column {(broken.BytePositionInLine ?? 0) + 1}. Check quotes, commas and braces there.");
        }
        catch (InvalidOperationException) // ill-formed UTF-8 or a lone surrogate in a string
        {
            throw At(file, content, json, "a text is not valid UTF-8.", "Save the file as UTF-8.");
        }
    }

    /// <summary>Applies overrides: every variable named like a setting. A variable that begins with a section's prefix
    /// but names no setting is a typing error and is refused; other <c>DEPIN_</c> variables belong to other tools.</summary>
    public void ReadEnvironment(IEnumerable<KeyValuePair<string, string>> variables)
    {
        Dictionary<string, SettingsKey> byName = sections.SelectMany(s => s.Keys).ToDictionary(k => k.EnvironmentName, StringComparer.Ordinal);
        foreach ((string name, string value) in variables)
        {
            if (byName.TryGetValue(name, out SettingsKey? key))
            {
                _origins[key.Path] = name;
                key.Set(FromText(key, value));
            }
            else if (sections.FirstOrDefault(s => name.StartsWith("DEPIN_" + s.Name.ToUpperInvariant() + "_", StringComparison.Ordinal)) is { } section)
            {
                throw new SettingsException($"environment: {name} names no setting. {Suggest(name, section.Keys.Select(k => k.EnvironmentName))}");
            }
        }
    }

    private void ReadSection(string file, ReadOnlySpan<byte> content, ref Utf8JsonReader json, SettingsSection section)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            string name = json.GetString()!;
            SettingsKey key = section.Find(name)
                ?? throw At(file, content, json, $"unknown key '{section.Name}.{name}'.", Suggest(name, section.Keys.Select(k => k.Name)));
            string origin = $"{file}:{Line(content, json.TokenStartIndex)}";
            if (!_origins.TryAdd(key.Path, origin))
                throw At(file, content, json, $"'{key.Path}' is given twice.", $"Keep one of them (the first is at {_origins[key.Path]}).");
            json.Read();
            key.Set(FromJson(key, ref json));
        }
    }

    private object FromJson(SettingsKey key, ref Utf8JsonReader json)
    {
        if (key.Type == typeof(string) && json.TokenType == JsonTokenType.String) return json.GetString()!;
        if (key.Type == typeof(bool) && json.TokenType is JsonTokenType.True or JsonTokenType.False && key.Type == typeof(bool)) return json.GetBoolean();
        if (key.Type == typeof(int) && json.TokenType == JsonTokenType.Number && json.TryGetInt64(out long number)) return (int)InRange(key, number);
        if (key.Type == typeof(long) && json.TokenType == JsonTokenType.Number && json.TryGetInt64(out long big)) return (long)InRange(key, big);
        if (key.Type == typeof(double) && json.TokenType == JsonTokenType.Number && json.TryGetDouble(out double real)) return InRange(key, real);
        if (key.Type == typeof(string[]) && json.TokenType == JsonTokenType.StartArray)
        {
            List<string> entries = [];
            while (json.Read() && json.TokenType != JsonTokenType.EndArray)
            {
                if (json.TokenType != JsonTokenType.String) throw WrongType(key, json.TokenType.ToString());
                if (entries.Count == ListEntriesMax) throw Fault(key.Path, $"more than {ListEntriesMax} entries.", "Remove some.");
                entries.Add(json.GetString()!);
            }

            return entries.ToArray();
        }

        throw WrongType(key, json.TokenType.ToString());
    }

    private object FromText(SettingsKey key, string text)
    {
        if (key.Type == typeof(string)) return text;
        if (key.Type == typeof(string[]))
        {
            string[] entries = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return entries.Length <= ListEntriesMax ? entries : throw Fault(key.Path, $"more than {ListEntriesMax} entries.", "Remove some.");
        }

        if (key.Type == typeof(bool) && bool.TryParse(text, out bool flag)) return flag;
        if (key.Type == typeof(int) && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)) return (int)InRange(key, number);
        if (key.Type == typeof(long) && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long big)) return (long)InRange(key, big);
        if (key.Type == typeof(double) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real)) return InRange(key, real);
        throw WrongType(key, "text");
    }

    private double InRange(SettingsKey key, double value)
    {
        double min = key.Type == typeof(int) ? Math.Max(key.About.Min, int.MinValue) : key.About.Min;
        double max = key.Type == typeof(int) ? Math.Min(key.About.Max, int.MaxValue) : key.About.Max;
        if (value >= min && value <= max) return value;
        string unit = key.About.Unit.Length == 0 ? "" : " " + key.About.Unit;
        throw Fault(key.Path, $"{SettingsTemplate.Number(value)}{unit} is out of range.",
            $"Choose {SettingsTemplate.Number(min)} to {SettingsTemplate.Number(max)}{unit} (default {SettingsTemplate.Value(key.Default)}).");
    }

    private SettingsException WrongType(SettingsKey key, string found) =>
        Fault(key.Path, $"must be {SettingsTemplate.TypeText(key.Type)}, found {found.ToLowerInvariant()}.", $"For example {SettingsTemplate.Value(key.Default)}.");

    private SettingsSection? Find(string name) => sections.FirstOrDefault(s => s.Name == name);

    private static SettingsException At(string file, ReadOnlySpan<byte> content, Utf8JsonReader json, string what, string remedy) =>
        new($"{file}:{Line(content, json.TokenStartIndex)}: {what} {remedy}");

    private static int Line(ReadOnlySpan<byte> content, long position) => content[..(int)Math.Min(position, content.Length)].Count((byte)'\n') + 1;

    private static string Suggest(string name, IEnumerable<string> known)
    {
        string[] all = [.. known];
        string nearest = all.MinBy(k => Distance(k, name))!;
        return Distance(nearest, name) <= Math.Max(2, name.Length / 3) ? $"Did you mean '{nearest}'?" : "Known here: " + string.Join(", ", all) + ".";
    }

    /// <summary>Levenshtein distance, case-insensitive; names are short.</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > 64 || b.Length > 64) return int.MaxValue;
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                bool same = char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]);
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (same ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}

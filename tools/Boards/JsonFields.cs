using System.Globalization;
using System.Text.Json;

namespace DePIN.Boards;

/// <summary>
/// One JSON object, read strictly: a key is asked for by name and kind, and what was never asked for is an unknown key. Problems are
/// collected, not thrown, so that a person sees all of them at once; a value that is missing or wrong reads as an empty one.
/// </summary>
internal sealed class JsonFields
{
    private readonly JsonElement _element;
    private readonly string _where;
    private readonly List<string> _problems;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    public JsonFields(JsonElement element, string where, List<string> problems)
    {
        _element = element;
        _where = where;
        _problems = problems;
        if (element.ValueKind != JsonValueKind.Object)
        {
            problems.Add($"{where} is not an object".Replace(": is", " is", StringComparison.Ordinal));
        }
    }

    public string Text(string key) => Find(key, required: true) is { } value ? Text(value, Path(key)) : "";

    public string? OptionalText(string key) => Find(key, required: false) is { } value ? Text(value, Path(key)) : null;

    /// <summary>A number, or a text "0x…" (offsets and addresses are written as their documents do).</summary>
    public int Number(string key) => Find(key, required: true) is { } value ? Number(value, Path(key)) : 0;

    public int? OptionalNumber(string key) => Find(key, required: false) is { } value ? Number(value, Path(key)) : null;

    public T Word<T>(string key)
        where T : struct, Enum
    {
        string word = Text(key);
        if (Enum.TryParse(word, ignoreCase: true, out T value) && word == Word(value))
        {
            return value;
        }

        Problem(key, $"is one of {string.Join(", ", Enum.GetValues<T>().Select(Word))}");
        return default;
    }

    public JsonFields Object(string key) => new(Find(key, required: true) ?? default, Path(key), _problems);

    /// <summary>An object, or null: written out, so that what a board lacks is said and not forgotten.</summary>
    public JsonFields? ObjectOrNull(string key)
    {
        _known.Add(key);
        if (_element.ValueKind == JsonValueKind.Object && _element.TryGetProperty(key, out JsonElement value))
        {
            return value.ValueKind == JsonValueKind.Null ? null : new JsonFields(value, Path(key), _problems);
        }

        Problem(key, "is missing: write null when the board has none");
        return null;
    }

    public JsonFields? OptionalObject(string key) => Find(key, required: false) is { } value ? new JsonFields(value, Path(key), _problems) : null;

    public List<T> Objects<T>(string key, Func<JsonFields, T> read)
    {
        List<T> list = [];
        foreach ((JsonElement element, string where) in Elements(key))
        {
            JsonFields fields = new(element, where, _problems);
            list.Add(read(fields));
            fields.RefuseOthers();
        }

        return list;
    }

    public List<string> Texts(string key) => [.. Elements(key).Select(item => Text(item.Element, item.Where))];

    /// <summary>Every key that was not asked for is a problem that names those that are.</summary>
    public void RefuseOthers()
    {
        if (_element.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        foreach (JsonProperty property in _element.EnumerateObject().Where(property => !_known.Contains(property.Name)))
        {
            _problems.Add($"{_where.TrimEnd(':')}: unknown key {property.Name}; there are {string.Join(", ", _known)}");
        }
    }

    public void Problem(string key, string text) => _problems.Add($"{Path(key)} {text}");

    private static string Word<T>(T value)
        where T : struct, Enum
    {
        string name = value.ToString();
        return char.ToLowerInvariant(name[0]) + name[1..];
    }

    private IEnumerable<(JsonElement Element, string Where)> Elements(string key)
    {
        if (Find(key, required: true) is not { } list)
        {
            yield break;
        }

        if (list.ValueKind != JsonValueKind.Array)
        {
            Problem(key, "is not a list");
            yield break;
        }

        int index = 0;
        foreach (JsonElement element in list.EnumerateArray())
        {
            yield return (element, $"{Path(key)}[{index++}]");
        }
    }

    private JsonElement? Find(string key, bool required)
    {
        _known.Add(key);
        if (_element.ValueKind == JsonValueKind.Object && _element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
        {
            return value;
        }

        if (required && _element.ValueKind == JsonValueKind.Object)
        {
            Problem(key, "is missing");
        }

        return null;
    }

    private string Text(JsonElement value, string where)
    {
        string? text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        if (!string.IsNullOrWhiteSpace(text))
        {
            return text;
        }

        _problems.Add($"{where} is not a text");
        return "";
    }

    private int Number(JsonElement value, string where)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0)
        {
            return number;
        }

        if (value.ValueKind == JsonValueKind.String && value.GetString() is { } text && text.StartsWith("0x", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number) && number >= 0)
        {
            return number;
        }

        _problems.Add($"{where} is not a whole number, 0 or more (or a text 0x…)");
        return 0;
    }

    private string Path(string key) => _where.EndsWith(':') ? $"{_where} {key}" : $"{_where}.{key}";
}

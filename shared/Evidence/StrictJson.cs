using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;

namespace DePIN.Evidence;

/// <summary>Why JSON is refused.</summary>
/// <param name="Field">Path of the field at fault, e.g. <c>batch.root</c>; empty for the text as a whole.</param>
/// <param name="Message">What is wrong with it and what to do.</param>
public sealed record JsonFault(string Field, string Message);

/// <summary>
/// Reads evidence from JSON exactly: every field known, there once, of its one type and length. The first fault sticks and names
/// its field; later reads give zero values, so a reader takes everything and then asks once. Hostile text never throws.
/// </summary>
internal sealed class StrictJson
{
    private const int DepthMax = 4;
    private const int FieldCharsMax = 60;

    private readonly string _remedy;

    /// <param name="remedy">What a person does about a fault, e.g. "export the proof again".</param>
    public StrictJson(string remedy) => _remedy = remedy;

    public JsonFault? Fault { get; private set; }

    /// <summary>Parses the text; null, with a fault, when it is no JSON object.</summary>
    public JsonDocument? Parse(ReadOnlyMemory<byte> utf8, int bytesMax)
    {
        if (utf8.Length > bytesMax)
        {
            Fail("", $"the text has {utf8.Length} bytes, at most {bytesMax} are read");
            return null;
        }
        if (!Utf8.IsValid(utf8.Span))
        {
            Fail("", "the text is not UTF-8");
            return null;
        }
        try
        {
            return JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = DepthMax });
        }
        catch (JsonException e)
        {
            Fail("", string.Create(CultureInfo.InvariantCulture, $"the text is not JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1})"));
            return null;
        }
    }

    /// <summary>Opens an object that has exactly these members.</summary>
    public StrictObject Object(JsonElement element, string path, params ReadOnlySpan<string> names)
    {
        if (Fault is null) CheckMembers(element, path, names);
        return new StrictObject(this, element, path);
    }

    public void Fail(string field, string what) => Fault ??= new JsonFault(field, $"{(field.Length == 0 ? "" : field + ": ")}{what}: {_remedy}.");

    private void CheckMembers(JsonElement element, string path, ReadOnlySpan<string> names)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Fail(path, "not an object");
            return;
        }
        ulong seen = 0;
        foreach (JsonProperty member in element.EnumerateObject())
        {
            string? name = NameOf(member);
            int index = name is null ? -1 : names.IndexOf(name);
            if (index < 0)
            {
                Fail(Join(path, Shown(name)), "unknown field");
                return;
            }
            if ((seen >> index & 1) != 0)
            {
                Fail(Join(path, names[index]), "given twice");
                return;
            }
            seen |= 1UL << index;
        }
        for (int i = 0; i < names.Length; i++)
        {
            if ((seen >> i & 1) == 0)
            {
                Fail(Join(path, names[i]), "missing");
                return;
            }
        }
    }

    // Null for a name that is no Unicode (an escaped lone surrogate): valid JSON, but no field of ours.
    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    // A hostile name is shown bounded and without control characters.
    private static string Shown(string? name)
    {
        if (name is null) return "(a name that is not Unicode)";
        string clean = RpcText.Clean(name);
        return clean.Length <= FieldCharsMax ? clean : string.Concat(clean.AsSpan(0, FieldCharsMax), "…");
    }

    internal static string Join(string path, string name) => path.Length == 0 ? name : path + "." + name;
}

/// <summary>An object whose members have been checked to be there exactly once. Reads give zero values after a fault.</summary>
internal readonly struct StrictObject
{
    // JSON numbers are exact in every reader below this; above, evidence is written as a decimal string.
    private const ulong ExactNumberMax = (1UL << 53) - 1;

    private readonly StrictJson _json;
    private readonly JsonElement _element;
    private readonly string _path;

    public StrictObject(StrictJson json, JsonElement element, string path)
    {
        _json = json;
        _element = element;
        _path = path;
    }

    public void Literal(string name, string expected)
    {
        if (TryText(name, out string text) && text != expected) Fail(name, $"not \"{expected}\"");
    }

    public Hash32 Hash(string name)
    {
        if (!TryText(name, out string text)) return default;
        if (TryHash(text, out Hash32 hash)) return hash;
        Fail(name, "not 0x and 64 hex digits");
        return default;
    }

    public Address Address(string name)
    {
        if (!TryText(name, out string text)) return default;
        if (text.StartsWith("0x", StringComparison.Ordinal) && DePIN.Evidence.Address.TryParse(text, out Address address)) return address;
        Fail(name, "not 0x and 40 hex digits, or its EIP-55 checksum is wrong");
        return default;
    }

    public byte[] Bytes(string name, int bytesMin, int bytesMax)
    {
        if (!TryText(name, out string text)) return [];
        if (HexText.TryDecode(text, bytesMax, out byte[] bytes) && bytes.Length >= bytesMin) return bytes;
        Fail(name, bytesMin == bytesMax ? $"not 0x and {2 * bytesMax} hex digits" : $"not 0x and {bytesMin} to {bytesMax} bytes of hex");
        return [];
    }

    public ulong UInt64(string name, ulong max = ulong.MaxValue)
    {
        if (_json.Fault is not null) return 0;
        JsonElement value = _element.GetProperty(name);
        bool ok = false;
        ulong number = 0;
        if (value.ValueKind == JsonValueKind.Number) ok = IsDigits(value.GetRawText()) && value.TryGetUInt64(out number);
        else if (value.ValueKind == JsonValueKind.String)
            ok = TryText(name, out string text) && IsDigits(text) && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
        if (ok && number <= max) return number;
        Fail(name, string.Create(CultureInfo.InvariantCulture, $"not a whole number from 0 to {max}"));
        return 0;
    }

    public uint UInt32(string name) => (uint)UInt64(name, uint.MaxValue);

    public Hash32[] Hashes(string name, int countMax)
    {
        if (!TryArray(name, countMax, out JsonElement array)) return [];
        Hash32[] hashes = new Hash32[array.GetArrayLength()];
        for (int i = 0; i < hashes.Length; i++)
        {
            if (TryText(array[i], out string text) && TryHash(text, out hashes[i])) continue;
            Fail(string.Create(CultureInfo.InvariantCulture, $"{name}[{i}]"), "not 0x and 64 hex digits");
            return [];
        }
        return hashes;
    }

    public bool TryArray(string name, int countMax, out JsonElement array)
    {
        array = default;
        if (_json.Fault is not null) return false;
        array = _element.GetProperty(name);
        if (array.ValueKind == JsonValueKind.Array && array.GetArrayLength() <= countMax) return true;
        Fail(name, $"not an array of at most {countMax} elements");
        return false;
    }

    public StrictObject Object(string name, params ReadOnlySpan<string> names) =>
        _json.Object(_json.Fault is null ? _element.GetProperty(name) : default, StrictJson.Join(_path, name), names);

    public static void WriteUInt64(Utf8JsonWriter writer, string name, ulong value)
    {
        if (value <= ExactNumberMax) writer.WriteNumber(name, value);
        else writer.WriteString(name, value.ToString(CultureInfo.InvariantCulture));
    }

    private static bool TryHash(string text, out Hash32 hash)
    {
        hash = default;
        return text.StartsWith("0x", StringComparison.Ordinal) && Hash32.TryParse(text, out hash);
    }

    private static bool IsDigits(string text) =>
        text.Length is > 0 and <= 20 && !text.AsSpan().ContainsAnyExceptInRange('0', '9') && (text.Length == 1 || text[0] != '0');

    private bool TryText(string name, out string text)
    {
        text = "";
        if (_json.Fault is not null) return false;
        if (TryText(_element.GetProperty(name), out text)) return true;
        Fail(name, "not a string");
        return false;
    }

    private static bool TryText(JsonElement element, out string text)
    {
        text = "";
        if (element.ValueKind != JsonValueKind.String) return false;
        try
        {
            text = element.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // an escaped lone surrogate: valid JSON, no Unicode
        }
    }

    private void Fail(string name, string what) => _json.Fail(StrictJson.Join(_path, name), what);
}

using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace DePIN.Evidence;

/// <summary>
/// A value in a node's answer together with its path, so that a misshapen one is reported by name
/// (<c>result.baseFeePerGas is not a hex quantity</c>). All reads throw <see cref="RpcAnswerException"/>, which makes
/// <see cref="JsonRpc"/> try the next endpoint.
/// </summary>
public readonly struct RpcValue
{
    private readonly JsonElement _element;

    internal RpcValue(JsonElement element, string path)
    {
        _element = element;
        Path = path;
    }

    /// <summary>Where it stands in the answer, e.g. <c>result.logs[2].topics</c>.</summary>
    public string Path { get; }

    /// <summary>True for JSON null.</summary>
    public bool IsNull => _element.ValueKind == JsonValueKind.Null;

    /// <summary>A member that must be there; null counts as there.</summary>
    public RpcValue Field(string name) => Optional(name) ?? throw new RpcAnswerException($"{Path}.{name}", $"{Path}.{name} is missing");

    /// <summary>A member, or null when there is none.</summary>
    public RpcValue? Optional(string name)
    {
        if (_element.ValueKind != JsonValueKind.Object) throw Wrong("an object");
        return _element.TryGetProperty(name, out JsonElement value) ? new RpcValue(value, $"{Path}.{name}") : null;
    }

    /// <summary>The elements of an array.</summary>
    /// <param name="countMax">Most that are accepted.</param>
    public RpcValue[] Items(int countMax)
    {
        if (_element.ValueKind != JsonValueKind.Array) throw Wrong("an array");
        int count = _element.GetArrayLength();
        if (count > countMax) throw new RpcAnswerException(Path, $"{Path} has more than {countMax} elements") { IsTooLong = true };
        RpcValue[] items = new RpcValue[count];
        for (int i = 0; i < count; i++) items[i] = new RpcValue(_element[i], string.Create(CultureInfo.InvariantCulture, $"{Path}[{i}]"));
        return items;
    }

    /// <summary>A string.</summary>
    public string Text() => _element.ValueKind == JsonValueKind.String ? _element.GetString()! : throw Wrong("a string");

    /// <summary>true or false.</summary>
    public bool Bool() => _element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong("true or false"),
    };

    /// <summary>A hex quantity of at most 64 bits.</summary>
    public ulong UInt64() => Quantity(16) is { } value ? (ulong)value : throw Wrong("a hex quantity of at most 64 bits");

    /// <summary>A hex quantity of at most 256 bits.</summary>
    public BigInteger UInt256() => Quantity(64) ?? throw Wrong("a hex quantity of at most 256 bits");

    /// <summary>32 bytes.</summary>
    public Hash32 Hash() =>
        HasPrefix() && Hash32.TryParse(_element.GetString(), out Hash32 value) ? value : throw Wrong("0x and 64 hex digits");

    /// <summary>20 bytes; the node's letter case is not taken as a checksum.</summary>
    public Address Address()
    {
        byte[] bytes = new byte[DePIN.Evidence.Address.Bytes];
        return HasPrefix() && HexText.TryDecodeExact(_element.GetString(), bytes) ? new Address(bytes) : throw Wrong("0x and 40 hex digits");
    }

    /// <summary>Bytes.</summary>
    /// <param name="bytesMax">Most that are accepted.</param>
    public byte[] Bytes(int bytesMax) =>
        _element.ValueKind == JsonValueKind.String && HexText.TryDecode(_element.GetString(), bytesMax, out byte[] bytes)
            ? bytes
            : throw Wrong($"0x and at most {bytesMax} bytes of hex");

    private BigInteger? Quantity(int digitsMax)
    {
        if (!HasPrefix()) return null;
        ReadOnlySpan<char> digits = _element.GetString().AsSpan(2);
        if (digits.IsEmpty || digits.Length > digitsMax || digits.ContainsAnyExcept(HexDigits)) return null;
        return BigInteger.Parse("0" + digits.ToString(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    private bool HasPrefix() => _element.ValueKind == JsonValueKind.String && _element.GetString()!.StartsWith("0x", StringComparison.Ordinal);

    private RpcAnswerException Wrong(string expected) => new(Path, $"{Path} is not {expected}");

    private static readonly System.Buffers.SearchValues<char> HexDigits = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF");
}

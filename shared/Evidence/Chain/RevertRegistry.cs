using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace DePIN.Evidence;

/// <summary>Why a contract reverted.</summary>
/// <param name="Selector">First four bytes as a big-endian number; 0 when there are none.</param>
/// <param name="Name">Name of the error, e.g. <c>Error</c>, <c>Panic</c>, <c>Ledger_StaleEpoch</c>; empty when unknown.</param>
/// <param name="Text">For a person.</param>
/// <param name="Data">Everything the contract returned.</param>
public sealed record Revert(uint Selector, string Name, string Text, ReadOnlyMemory<byte> Data);

/// <summary>
/// Turns revert data into names and words. Knows Solidity's Error(string) and Panic(uint256); contract callers add their custom
/// errors by signature, e.g. <c>Ledger_StaleEpoch(uint64,uint64)</c>. Unknown errors keep their selector and raw data.
/// </summary>
public sealed class RevertRegistry
{
    /// <summary>Selector of Error(string).</summary>
    public const uint ErrorSelector = 0x08c379a0;

    /// <summary>Selector of Panic(uint256).</summary>
    public const uint PanicSelector = 0x4e487b71;

    private const int TextBytesMax = 1024;

    private readonly ConcurrentDictionary<uint, (string Name, Func<ReadOnlyMemory<byte>, string?> Describe)> _errors = new();

    /// <summary>Registers Error(string) and Panic(uint256).</summary>
    public RevertRegistry()
    {
        Add(ErrorSelector, "Error", DescribeError);
        Add(PanicSelector, "Panic", DescribePanic);
    }

    /// <summary>Adds a custom error by its canonical signature. Elementary types are decoded for <see cref="Revert.Text"/>.</summary>
    /// <exception cref="ArgumentException">Not <c>name(type,…)</c>.</exception>
    public void Add(string signature)
    {
        ArgumentNullException.ThrowIfNull(signature);
        int open = signature.IndexOf('(', StringComparison.Ordinal);
        if (open <= 0 || signature[^1] != ')') throw new ArgumentException($"'{signature}' is no signature such as Name(uint64,address).", nameof(signature));
        string name = signature[..open];
        string list = signature[(open + 1)..^1];
        string[] types = list.Length == 0 ? [] : list.Split(',');
        Add(AbiEncoder.SelectorOf(signature), name, arguments => DescribeArguments(name, types, arguments));
    }

    /// <summary>Adds a custom error with its own description.</summary>
    /// <param name="selector">As <see cref="AbiEncoder.SelectorOf"/> gives it.</param>
    /// <param name="name">The error's name.</param>
    /// <param name="describe">Given the arguments without selector, a text for a person; null when they do not decode. Must not throw.</param>
    public void Add(uint selector, string name, Func<ReadOnlyMemory<byte>, string?> describe) => _errors[selector] = (name, describe);

    /// <summary>Decodes revert data; never throws for its contents.</summary>
    public Revert Decode(ReadOnlyMemory<byte> data)
    {
        if (data.Length < 4) return new Revert(0, "", "reverted without a reason", data);
        uint selector = BinaryPrimitives.ReadUInt32BigEndian(data.Span);
        if (!_errors.TryGetValue(selector, out (string Name, Func<ReadOnlyMemory<byte>, string?> Describe) error))
            return new Revert(selector, "", $"reverted with unknown error 0x{selector:x8}", data);
        return new Revert(selector, error.Name, error.Describe(data[4..]) ?? $"{error.Name} with arguments that do not decode", data);
    }

    private static string? DescribeError(ReadOnlyMemory<byte> arguments)
    {
        AbiDecoder decoder = new(arguments);
        string text = decoder.String(TextBytesMax);
        return decoder.Fault == AbiFault.None ? RpcText.Clean(text) : null;
    }

    // Codes: Solidity documentation, "Panic via assert and Error via require".
    private static string? DescribePanic(ReadOnlyMemory<byte> arguments)
    {
        AbiDecoder decoder = new(arguments);
        BigInteger code = decoder.UInt256();
        if (decoder.Fault != AbiFault.None) return null;
        string meaning = code > 0xff ? "unknown" : (int)code switch
        {
            0x00 => "compiler's own",
            0x01 => "assert failed",
            0x11 => "arithmetic overflow",
            0x12 => "division by zero",
            0x21 => "value out of its enum",
            0x22 => "storage byte array wrongly encoded",
            0x31 => "pop of an empty array",
            0x32 => "index out of bounds",
            0x41 => "too much memory",
            0x51 => "call of an uninitialised function",
            _ => "unknown",
        };
        return string.Create(CultureInfo.InvariantCulture, $"panic 0x{code:x}: {meaning}");
    }

    private static string? DescribeArguments(string name, string[] types, ReadOnlyMemory<byte> arguments)
    {
        AbiDecoder decoder = new(arguments);
        StringBuilder text = new(name);
        text.Append('(');
        for (int i = 0; i < types.Length; i++)
        {
            if (i > 0) text.Append(", ");
            string? value = DescribeArgument(types[i], decoder);
            if (value is null) return $"{name}(0x{Convert.ToHexStringLower(arguments.Span[..Math.Min(arguments.Length, TextBytesMax)])})";
            text.Append(value);
        }
        return decoder.Fault == AbiFault.None ? text.Append(')').ToString() : null;
    }

    private static string? DescribeArgument(string type, AbiDecoder decoder)
    {
        if (type == "address") return decoder.Address().ToChecksumString();
        if (type == "bool") return decoder.Bool() ? "true" : "false";
        if (type == "string") return '"' + RpcText.Clean(decoder.String(TextBytesMax)) + '"';
        if (type == "bytes") return HexText.Encode(decoder.Bytes(TextBytesMax));
        if (type.StartsWith("uint", StringComparison.Ordinal) && !type.EndsWith(']'))
            return decoder.UInt256().ToString(CultureInfo.InvariantCulture);
        if (type.StartsWith("bytes", StringComparison.Ordinal)
            && int.TryParse(type.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int length) && length is > 0 and <= 32)
            return HexText.Encode(decoder.FixedBytes(length));
        return null; // arrays, tuples, signed integers: shown as raw data
    }
}

/// <summary>Text from a node, made safe to show: bounded, and without control characters.</summary>
internal static class RpcText
{
    private const int CharsMax = 400;

    public static string Clean(string text)
    {
        string bounded = text.Length > CharsMax ? string.Concat(text.AsSpan(0, CharsMax), "…") : text;
        return string.Create(bounded.Length, bounded, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = char.IsControl(source[i]) ? ' ' : source[i];
        });
    }
}

using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>
/// Why a call reverted, by name. Compare <see cref="Selector"/> with the constants in a contract's <c>Errors</c>, or show
/// <see cref="ToString"/>: <c>Ledger_EpochTaken(epoch: 5, last: 7)</c>.
/// </summary>
/// <param name="Selector">First four bytes of the revert data, big-endian; 0 when there were fewer.</param>
/// <param name="Name">Name of the error in Solidity; "Error" and "Panic" are the language's own.</param>
/// <param name="Arguments">Names and values, as text.</param>
public sealed record ContractError(uint Selector, string Name, IReadOnlyList<(string Name, string Value)> Arguments)
{
    /// <summary>Selector of <c>Error(string)</c>, what <c>require(…, "…")</c> reverts with.</summary>
    public const uint ErrorSelector = 0x08c379a0;

    /// <summary>Selector of <c>Panic(uint256)</c>: an assertion, an overflow or a bad index.</summary>
    public const uint PanicSelector = 0x4e487b71;

    private const int TextBytesMax = 1024;

    /// <summary>The error's first four bytes as a number, 0 when there are fewer.</summary>
    public static uint SelectorOf(ReadOnlySpan<byte> data) => data.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32BigEndian(data);

    /// <summary>The errors every contract can revert with, or "Unknown" with the bytes.</summary>
    public static ContractError Standard(ReadOnlyMemory<byte> data)
    {
        uint selector = SelectorOf(data.Span);
        AbiDecoder d = new(data.Length >= 4 ? data[4..] : default);
        ContractError error = selector switch
        {
            ErrorSelector => new ContractError(selector, "Error", [("reason", d.String(TextBytesMax))]),
            PanicSelector => new ContractError(selector, "Panic", [("code", d.UInt256().ToString(CultureInfo.InvariantCulture))]),
            _ => Unreadable(data),
        };
        return d.Fault == AbiFault.None ? error : Unreadable(data);
    }

    /// <summary>Revert data that no known error has.</summary>
    public static ContractError Unreadable(ReadOnlyMemory<byte> data) =>
        new(SelectorOf(data.Span), data.IsEmpty ? "Reverted" : "Unknown", data.IsEmpty ? [] : [("data", HexText.Encode(data.Span[..Math.Min(data.Length, TextBytesMax)]))]);

    /// <inheritdoc/>
    public override string ToString() => $"{Name}({string.Join(", ", Arguments.Select(argument => $"{argument.Name}: {argument.Value}"))})";

    internal static string Text(byte[] value) => HexText.Encode(value);

    internal static string Text(Address value) => value.ToString();

    internal static string Text(Hash32 value) => value.ToString();

    internal static string Text(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    internal static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    internal static string Text(string value) => value;
}

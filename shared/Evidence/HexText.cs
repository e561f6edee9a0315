using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace DePIN.Evidence;

/// <summary>
/// Hex as Ethereum writes bytes: 0x and lower-case digits. Reading accepts either case; a missing 0x is accepted only
/// where the length is known beforehand, because there "12" cannot be mistaken for a decimal number.
/// </summary>
public static class HexText
{
    /// <summary>0x and two lower-case digits per byte.</summary>
    public static string Encode(ReadOnlySpan<byte> bytes) => "0x" + Convert.ToHexStringLower(bytes);

    /// <summary>Reads exactly <c>destination.Length</c> bytes; the prefix 0x may be missing.</summary>
    public static bool TryDecodeExact([NotNullWhen(true)] string? text, Span<byte> destination)
    {
        if (text is null) return false;
        ReadOnlySpan<char> digits = text.StartsWith("0x", StringComparison.Ordinal) ? text.AsSpan(2) : text.AsSpan();
        return digits.Length == 2 * destination.Length
            && Convert.FromHexString(digits, destination, out _, out _) == OperationStatus.Done;
    }

    /// <summary>Reads 0x and an even number of digits, at most <paramref name="bytesMax"/> bytes.</summary>
    public static bool TryDecode([NotNullWhen(true)] string? text, int bytesMax, out byte[] bytes)
    {
        bytes = [];
        if (text is null || !text.StartsWith("0x", StringComparison.Ordinal)) return false;
        int digits = text.Length - 2;
        if ((digits & 1) != 0 || digits / 2 > bytesMax) return false;
        byte[] decoded = new byte[digits / 2];
        if (Convert.FromHexString(text.AsSpan(2), decoded, out _, out _) != OperationStatus.Done) return false;
        bytes = decoded;
        return true;
    }
}

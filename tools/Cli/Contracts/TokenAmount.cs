using System.Globalization;
using System.Numerics;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Contracts;

/// <summary>Tokens as people write them: a decimal number of whole tokens, of which 10^-18 is the least.</summary>
public static class TokenAmount
{
    private const int Decimals = 18;
    private static readonly BigInteger Unit = BigInteger.Pow(10, Decimals);

    /// <summary>Reads "1000" or "0.25"; null when it is no amount.</summary>
    public static BigInteger? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split('.');
        if (parts.Length > 2 || text.Length > 60 || parts.Any(part => part.Length == 0 || !part.All(char.IsAsciiDigit)) || (parts.Length == 2 && parts[1].Length > Decimals)) return null;
        return BigInteger.Parse(parts[0] + (parts.Length == 2 ? parts[1] : "").PadRight(Decimals, '0'), NumberStyles.None, CultureInfo.InvariantCulture);
    }

    /// <param name="text">As a person typed it.</param>
    /// <param name="argument">Where.</param>
    public static BigInteger Parse(string text, string argument) => TryParse(text)
        ?? throw new CliError(ExitCode.BadInput, $"{argument}: '{text}' is no amount of tokens", "give a number such as 1000 or 0.25, at most 18 places after the point");

    /// <summary>The shortest exact text.</summary>
    public static string Format(BigInteger amount)
    {
        string text = (amount / Unit).ToString(CultureInfo.InvariantCulture), rest = (amount % Unit).ToString(CultureInfo.InvariantCulture).PadLeft(Decimals, '0').TrimEnd('0');
        return rest.Length == 0 ? text : $"{text}.{rest}";
    }
}

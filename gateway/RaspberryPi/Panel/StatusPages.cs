using System.Globalization;

namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>What the display shows, a page a press of the button. ASCII only: the font has no more, and text of the gateway is not trusted to be shorter.</summary>
public static class StatusPages
{
    public const int Lines = 4;
    public const int Columns = 21;
    public const int Count = 3;

    /// <summary>Exactly <see cref="Lines"/> lines of at most <see cref="Columns"/> characters.</summary>
    public static string[] Page(int page, GatewayView view, Air? air, string device)
    {
        ArgumentNullException.ThrowIfNull(view);
        ArgumentNullException.ThrowIfNull(device);
        string[] lines = (page % Count) switch
        {
            0 => [view.Standing.ToString().ToUpperInvariant(), $"clients {view.Connections}", $"waiting {view.Waiting}", "last " + Age(view.LastFrameAgeMs)],
            1 => view.Problem.Length == 0 ? ["no problem", "", "", ""] : Wrap(view.Problem + " > " + view.NextStep),
            _ => air is { } read
                ? [Fixed(read.CentiDegrees, 100, "0.0", " C"), Fixed(read.PermilleHumidity, 10, "0.0", " %"), Fixed(read.Pascals, 100, "0.0", " hPa"), device]
                : ["no BME280", "", "", device],
        };
        return [.. lines.Select(line => Ascii(line.Length <= Columns ? line : line[..Columns]))];
    }

    private static string[] Wrap(string text)
    {
        string[] lines = new string[Lines];
        for (int i = 0; i < Lines; i++) lines[i] = i * Columns >= text.Length ? "" : text.Substring(i * Columns, Math.Min(Columns, text.Length - i * Columns));
        return lines;
    }

    private static string Age(long? ms) => ms switch
    {
        null => "never", < 120_000 => $"{ms / 1000} s", < 7_200_000 => $"{ms / 60_000} min", _ => $"{ms / 3_600_000} h",
    };

    private static string Fixed(long value, int divisor, string format, string unit) => ((double)value / divisor).ToString(format, CultureInfo.InvariantCulture) + unit;

    private static string Ascii(string text) => string.Create(text.Length, text, static (to, from) =>
    {
        for (int i = 0; i < to.Length; i++) to[i] = from[i] is >= ' ' and <= '~' ? from[i] : '?';
    });
}

using System.Globalization;
using System.Text;

namespace DePIN.Cli.Label;

/// <summary>One label as SVG: the code, and beside it the id. A module is one unit.</summary>
public static class LabelSvg
{
    public static string Of(DeviceLabel label, QrMatrix code)
    {
        ArgumentNullException.ThrowIfNull(label);
        ArgumentNullException.ThrowIfNull(code);
        int width = code.Size * 2;
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {code.Size}\" width=\"{width}mm\" height=\"{code.Size}mm\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<title>DePIN Edge device {label.Device}</title>\n<rect width=\"{width}\" height=\"{code.Size}\" fill=\"#fff\"/>\n<path d=\"");
        foreach ((int x, int y, int run) in code.Runs())
        {
            svg.Append(CultureInfo.InvariantCulture, $"M{x} {y}h{run}v1h-{run}z");
        }

        svg.Append("\"/>\n");
        int line = 0;
        foreach (string text in (string[])["DePIN Edge", .. label.Groups])
        {
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{code.Size}\" y=\"{code.Size / 4 + code.Size / 8 * line++}\" font-family=\"monospace\" font-size=\"{code.Size / 9}\">{text}</text>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }
}

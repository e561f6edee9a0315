using System.Globalization;
using System.Text;

namespace DePIN.Cli.Label;

/// <summary>
/// Sheets of labels as PDF 1.4 (ISO 32000-1, sections 7 and 8): A4, three columns of seven, 70 by 42.3 mm each, as label sheets are sold.
/// Codes are rectangles, so they print sharp at any size.
/// </summary>
public static class LabelPdf
{
    public const int Columns = 3;
    public const int Rows = 7;

    private const double PointsPerMm = 72 / 25.4;
    private const double PageWidth = 210 * PointsPerMm;
    private const double PageHeight = 297 * PointsPerMm;
    private const double CodeMm = 34;
    private const double MarginMm = 4;
    private const int FontObject = 3;

    public static byte[] Of(IReadOnlyList<(DeviceLabel Label, QrMatrix Code)> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        (DeviceLabel, QrMatrix)[][] pages = [.. labels.Chunk(Columns * Rows)];
        List<string> objects =
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            $"<< /Type /Pages /Count {pages.Length} /Kids [{string.Join(' ', pages.Select((_, at) => $"{FontObject + 1 + 2 * at} 0 R"))}] >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold >>",
        ];
        for (int at = 0; at < pages.Length; at++)
        {
            string content = Page(pages[at]);
            objects.Add(string.Create(CultureInfo.InvariantCulture, $"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PageWidth:0.##} {PageHeight:0.##}] /Resources << /Font << /F1 {FontObject} 0 R >> >> /Contents {FontObject + 2 + 2 * at} 0 R >>"));
            objects.Add($"<< /Length {content.Length} >>\nstream\n{content}endstream");
        }

        return Write(objects);
    }

    private static string Page((DeviceLabel Label, QrMatrix Code)[] labels)
    {
        StringBuilder page = new();
        for (int at = 0; at < labels.Length; at++)
        {
            double left = (at % Columns * 210.0 / Columns + MarginMm) * PointsPerMm, top = PageHeight - (at / Columns * 297.0 / Rows + MarginMm) * PointsPerMm;
            double module = CodeMm * PointsPerMm / labels[at].Code.Size;
            // From here on a module is a unit and the code's lower left corner is the origin.
            page.Append(CultureInfo.InvariantCulture, $"q {module:0.####} 0 0 {module:0.####} {left:0.##} {top - CodeMm * PointsPerMm:0.##} cm\n");
            foreach ((int x, int y, int run) in labels[at].Code.Runs())
            {
                page.Append(CultureInfo.InvariantCulture, $"{x} {labels[at].Code.Size - 1 - y} {run} 1 re\n");
            }

            page.Append("f Q\n");
            page.Append(CultureInfo.InvariantCulture, $"BT /F1 9 Tf 14 TL {left + CodeMm * PointsPerMm:0.##} {top - 8 * PointsPerMm:0.##} Td\n");
            foreach (string text in (string[])["DePIN Edge", .. labels[at].Label.Groups])
            {
                page.Append(CultureInfo.InvariantCulture, $"({text}) Tj T*\n");
            }

            page.Append("ET\n");
        }

        return page.ToString();
    }

    /// <summary>Header, objects, and the table of where each begins: all ASCII, so characters are bytes.</summary>
    private static byte[] Write(List<string> objects)
    {
        StringBuilder file = new("%PDF-1.4\n");
        List<int> offsets = [];
        for (int at = 0; at < objects.Count; at++)
        {
            offsets.Add(file.Length);
            file.Append(CultureInfo.InvariantCulture, $"{at + 1} 0 obj\n{objects[at]}\nendobj\n");
        }

        int table = file.Length;
        file.Append(CultureInfo.InvariantCulture, $"xref\n0 {objects.Count + 1}\n0000000000 65535 f \n");
        foreach (int offset in offsets)
        {
            file.Append(CultureInfo.InvariantCulture, $"{offset:D10} 00000 n \n");
        }

        file.Append(CultureInfo.InvariantCulture, $"trailer\n<< /Size {objects.Count + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
        return Encoding.ASCII.GetBytes(file.ToString());
    }
}

using System.Text;

namespace DePIN.Provision;

/// <summary>Comma-separated values (RFC 4180), one record a line: a field that holds a line break is not supported, on writing it becomes a space.</summary>
public static class CsvText
{
    /// <summary>The field as it is written. What a spreadsheet would run as a formula gets an apostrophe before it.</summary>
    public static string Quote(string field)
    {
        string text = field.Replace('\r', ' ').Replace('\n', ' ');
        if (text.Length > 0 && text[0] is '=' or '+' or '-' or '@' or '\t') text = "'" + text;
        return text.AsSpan().ContainsAny(',', '"') || text != text.Trim() ? "\"" + text.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"" : text;
    }

    /// <summary>The fields of one line; null when a quote is not ended.</summary>
    public static List<string>? Split(string line)
    {
        List<string> fields = [];
        StringBuilder field = new();
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (quoted)
            {
                if (c != '"') field.Append(c);
                else if (i + 1 < line.Length && line[i + 1] == '"') field.Append(line[++i]);
                else quoted = false;
            }
            else if (c == '"' && field.Length == 0)
            {
                quoted = true;
            }
            else if (c == ',')
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else
            {
                field.Append(c);
            }
        }

        fields.Add(field.ToString());
        return quoted ? null : fields;
    }
}

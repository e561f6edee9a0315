// What the firmware prints on its console ("event key=value … message=rest of the line") as the board's standard output: as it is, or
// one JSON object a line. Numbers become JSON numbers, except texts that must stay texts (device ids, versions).

using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DePIN.VirtualBoard.Console;

/// <summary>Writes event lines to the process's output. Safe for any thread; a reader that went away is no failure.</summary>
public sealed class EventLines(TextWriter output, bool json) : TextWriter
{
    private readonly Lock _gate = new();
    private readonly StringBuilder _line = new();

    /// <summary>Told each line too, as the firmware printed it.</summary>
    public Action<string>? Listener { get; set; }

    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>One event line of the firmware as JSON.</summary>
    public static string ToJson(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream))
        {
            string[] words = line.Split(' ');
            writer.WriteStartObject();
            writer.WriteString("event", words[0]);
            int at = words[0].Length + 1;
            for (int i = 1; i < words.Length; i++)
            {
                int equals = words[i].IndexOf('=', StringComparison.Ordinal);
                if (equals <= 0)
                {
                    writer.WriteString("text", line[Math.Min(at, line.Length)..]);
                    break;
                }

                string key = words[i][..equals];
                if (key == "message")
                {
                    writer.WriteString(key, line[(at + equals + 1)..]);
                    break;
                }

                WriteValue(writer, key, words[i][(equals + 1)..]);
                at += words[i].Length + 1;
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    public override void Write(char value)
    {
        lock (_gate)
        {
            if (value == '\n')
            {
                Emit(_line.ToString());
                _line.Clear();
            }
            else if (value != '\r')
            {
                _line.Append(value);
            }
        }
    }

    public override void WriteLine(string? value)
    {
        lock (_gate)
        {
            Emit(_line + value);
            _line.Clear();
        }
    }

    private static void WriteValue(Utf8JsonWriter writer, string key, string value)
    {
        bool number = value.Length is > 0 and < 16
            && long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long parsed)
            && parsed.ToString(CultureInfo.InvariantCulture) == value;
        if (number)
        {
            writer.WriteNumber(key, long.Parse(value, CultureInfo.InvariantCulture));
        }
        else
        {
            writer.WriteString(key, value);
        }
    }

    private void Emit(string line)
    {
        if (line.Length == 0)
        {
            return;
        }

        Listener?.Invoke(line);
        try
        {
            output.WriteLine(json ? ToJson(line) : line);
            output.Flush();
        }
        catch (IOException)
        {
            // Whoever watched has closed the pipe: the board goes on, as one does without a cable.
        }
    }
}

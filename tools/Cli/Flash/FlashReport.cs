using System.Text.Json;

namespace DePIN.Cli.Flash;

/// <summary>What a flash run says while it goes: a line and a bar a step for a person, or a JSON object a line.</summary>
public sealed class FlashReport(TextWriter output, bool json, bool isTerminal)
{
    private const int BarChars = 30;

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };

    private int percentShown = -1;

    public void Begin(string step, string what)
    {
        percentShown = -1;
        Write(new { step, state = "begun", message = what }, $"{step,-8}  {what}");
    }

    public void Progress(string step, double percent)
    {
        int whole = (int)percent;
        if (whole == percentShown || (!isTerminal && whole % 10 != 0))
        {
            return;
        }

        percentShown = whole;
        if (json)
        {
            output.WriteLine(JsonSerializer.Serialize(new { step, state = "running", percent = whole }, Options));
        }
        else if (isTerminal)
        {
            int filled = whole * BarChars / 100;
            output.Write($"\r{step,-8}  [{new string('#', filled)}{new string('.', BarChars - filled)}] {whole,3} %{(whole == 100 ? Environment.NewLine : "")}");
        }
        else
        {
            output.WriteLine($"{step,-8}  {whole,3} %");
        }
    }

    public void Note(string step, string code, string what) => Write(new { step, state = "note", code, message = what }, $"{step,-8}  note: {what} [{code}]");

    public void Done(string step, string what, object? result = null) => Write(new { step, state = "done", message = what, result }, $"{step,-8}  done: {what}");

    public void Failed(string step, string? code, string what, string next)
    {
        if (json) // a person reads it from standard error
        {
            Write(new { step, state = "failed", code, message = what, next }, "");
        }
    }

    private void Write(object line, string text)
    {
        lock (output)
        {
            output.WriteLine(json ? JsonSerializer.Serialize(line, Options) : text);
        }
    }
}

using System.Globalization;
using System.Text.Json;

namespace DePIN.Provision;

/// <summary>
/// The job's two files, only ever added to: `report.jsonl`, what tools read and a later run goes on from, and `report.csv`, the same lines for a
/// spreadsheet. One line a board and try.
/// </summary>
public sealed class ProvisionReport : IDisposable
{
    /// <summary>What tools read.</summary>
    public const string JsonName = "report.jsonl";

    /// <summary>The same for a spreadsheet.</summary>
    public const string TableName = "report.csv";

    private const string Header = "time,job,port,device,board,firmware,key_kind,name,location,owner,step,code,message,next,seconds,wait_seconds,sequence";

    private readonly AppendOnlyFile _lines;
    private readonly AppendOnlyFile _table;
    /// <summary>Larger than any job; what is full says so.</summary>
    private const long BytesMax = 64 << 20;

    private readonly Dictionary<string, ReportLine> _done = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ReportLine> _named = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    private ProvisionReport(string folder)
    {
        JsonFile = Path.Combine(folder, JsonName);
        TableFile = Path.Combine(folder, TableName);
        _lines = AppendOnlyFile.Open(JsonFile, BytesMax);
        try
        {
            _table = AppendOnlyFile.Open(TableFile, BytesMax, Header);
            foreach (string text in AppendOnlyFile.ReadLines(JsonFile)) Recall(text);
        }
        catch
        {
            _lines.Dispose();
            _table?.Dispose();
            throw;
        }
    }

    public string JsonFile { get; }

    public string TableFile { get; }

    /// <summary>Lines of earlier runs that could not be read (a power cut tears at most the last one).</summary>
    public int Torn { get; private set; }

    public static ProvisionReport Open(string folder) => new(folder);

    /// <summary>The line with which a device was finished in an earlier run or lane; null: it never was.</summary>
    public ReportLine? DoneLine(string device)
    {
        lock (_gate) return _done.GetValueOrDefault(device);
    }

    /// <summary>The last line of every device that was given its settings, and with them its name: finished, or waiting for its registration.</summary>
    public IReadOnlyList<ReportLine> NamedLines()
    {
        lock (_gate) return [.. _named.Values];
    }

    public void Add(ReportLine line)
    {
        lock (_gate)
        {
            _lines.Append(line.ToJson());
            _table.Append(Row(line));
            Keep(line);
        }
    }

    public void Dispose()
    {
        _lines.Dispose();
        _table.Dispose();
    }

    private void Recall(string text)
    {
        try
        {
            if (JsonSerializer.Deserialize(text, ProvisionJsonContext.Default.ReportLine) is { } line) Keep(line);
        }
        catch (JsonException)
        {
            Torn++;
        }
    }

    private void Keep(ReportLine line)
    {
        if (line.Code == ProvisionCode.Done.Code) _done[line.Device] = line;
        if (line.Code == ProvisionCode.Done.Code || line.Code == ProvisionCode.Collected.Code) _named[line.Device] = line;
    }

    private static string Row(ReportLine line) => string.Join(',', new[]
    {
        line.Time, line.Job, line.Port, line.Device, line.Board, line.Firmware, line.KeyKind, line.Name, line.Location, line.Owner, line.Step, line.Code, line.Message, line.Next,
        line.Seconds.ToString("0.0", CultureInfo.InvariantCulture), line.WaitSeconds.ToString("0.0", CultureInfo.InvariantCulture), line.Sequence.ToString(CultureInfo.InvariantCulture),
    }.Select(CsvText.Quote));
}

/// <summary>One line of the report: what a lane did, when, and with which result.</summary>
public sealed record ReportLine
{
    public required string Time { get; init; }

    public required string Job { get; init; }

    public required string Port { get; init; }

    /// <summary>40 hex digits; empty before the board said who it is.</summary>
    public string Device { get; set; } = "";

    public string Board { get; set; } = "";

    public string Firmware { get; set; } = "";

    public string KeyKind { get; set; } = "";

    public string Name { get; set; } = "";

    public string Location { get; set; } = "";

    public string Owner { get; set; } = "";

    /// <summary>The step it ended in.</summary>
    public required string Step { get; init; }

    public required string Code { get; init; }

    public string Message { get; set; } = "";

    public required string Next { get; init; }

    /// <summary>From opening the port.</summary>
    public double Seconds { get; set; }

    /// <summary>Of these: waiting for the board to answer, restart and send.</summary>
    public double WaitSeconds { get; set; }

    /// <summary>Sequence of the first frame that the gateway verified.</summary>
    public ulong Sequence { get; set; }

    /// <summary>As it is in the report.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, ProvisionJsonContext.Default.ReportLine);
}

using System.Globalization;
using System.Text.Json;

namespace DePIN.Cli.Provision;

/// <summary>
/// The job's two files, only ever added to: `report.jsonl`, what tools read and a later run goes on from, and `report.csv`, the same lines for a
/// spreadsheet. One line a board and try.
/// </summary>
public sealed class ProvisionReport : IDisposable
{
    private const string Header = "time,job,port,device,board,firmware,key_kind,name,location,owner,step,code,message,next,seconds,wait_seconds,sequence";

    private readonly AppendOnlyFile _lines;
    private readonly AppendOnlyFile _table;
    private readonly Dictionary<string, ReportLine> _done = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    private ProvisionReport(string folder)
    {
        JsonFile = Path.Combine(folder, "report.jsonl");
        TableFile = Path.Combine(folder, "report.csv");
        _lines = AppendOnlyFile.Open(JsonFile);
        try
        {
            _table = AppendOnlyFile.Open(TableFile, Header);
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

    /// <summary>The last such line of every device.</summary>
    public IReadOnlyList<ReportLine> DoneLines()
    {
        lock (_gate) return [.. _done.Values];
    }

    public void Add(ReportLine line)
    {
        lock (_gate)
        {
            _lines.Append(JsonSerializer.Serialize(line, ProvisionJsonContext.Default.ReportLine));
            _table.Append(Row(line));
            if (line.Code == ProvisionCode.Done.Code) _done[line.Device] = line;
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
            if (JsonSerializer.Deserialize(text, ProvisionJsonContext.Default.ReportLine) is { } line && line.Code == ProvisionCode.Done.Code) _done[line.Device] = line;
        }
        catch (JsonException)
        {
            Torn++;
        }
    }

    private static string Row(ReportLine line) => string.Join(',', new[]
    {
        line.Time, line.Job, line.Port, line.Device, line.Board, line.Firmware, line.KeyKind, line.Name, line.Location, line.Owner, line.Step, line.Code, line.Message, line.Next,
        line.Seconds.ToString("0.0", CultureInfo.InvariantCulture), line.WaitSeconds.ToString("0.0", CultureInfo.InvariantCulture), line.Sequence.ToString(CultureInfo.InvariantCulture),
    }.Select(CsvText.Quote));
}

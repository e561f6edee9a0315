using System.Text;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Provision;

/// <summary>
/// Lines that are only ever added, each on disk before <see cref="Append"/> returns, by one program at a time. A last line that a power cut tore is
/// ended, so that it stays by itself, and passed over on reading.
/// </summary>
public sealed class AppendOnlyFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly Lock _gate = new();

    private AppendOnlyFile(FileStream stream) => _stream = stream;

    /// <param name="path">The file; made when it is not there.</param>
    /// <param name="header">First line of a new file; null: none.</param>
    public static AppendOnlyFile Open(string path, string? header = null)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            FileStream stream = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            AppendOnlyFile file = new(stream);
            if (stream.Length > 0)
            {
                stream.Seek(-1, SeekOrigin.End);
                if (stream.ReadByte() != '\n') file.Write("\n");
            }
            else if (header is not null)
            {
                file.Append(header);
            }

            return file;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be written: {error.Message}", "end the other run that writes it, or name another folder with --report");
        }
    }

    /// <summary>Adds one line; on disk when it returns.</summary>
    public void Append(string line)
    {
        if (line.AsSpan().ContainsAny('\r', '\n')) throw new ArgumentException("one line at a time", nameof(line));
        try
        {
            Write(line + "\n");
        }
        catch (IOException error)
        {
            throw new CliError(ExitCode.Failed, $"{_stream.Name} cannot be written: {error.Message}", "free space on its disk and run the command again: what is done is found done");
        }
    }

    /// <summary>Every whole line so far.</summary>
    public static IEnumerable<string> ReadLines(string path)
    {
        if (!File.Exists(path)) yield break;
        using StreamReader reader = new(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite), Encoding.UTF8);
        while (reader.ReadLine() is { } line)
            if (line.Length > 0) yield return line;
    }

    public void Dispose() => _stream.Dispose();

    private void Write(string text)
    {
        lock (_gate)
        {
            _stream.Seek(0, SeekOrigin.End);
            _stream.Write(Encoding.UTF8.GetBytes(text));
            _stream.Flush(flushToDisk: true);
        }
    }
}

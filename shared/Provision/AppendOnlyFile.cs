using System.Text;

namespace DePIN.Provision;

/// <summary>
/// Lines that are only ever added, each on disk before <see cref="Append"/> returns, by one program at a time, up to a bound. A last line that a power
/// cut tore is ended, so that it stays by itself, and passed over on reading.
/// </summary>
public sealed class AppendOnlyFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly long _bytesMax;
    private readonly Lock _gate = new();
    private bool _mayBeTorn;

    private AppendOnlyFile(FileStream stream, long bytesMax) => (_stream, _bytesMax) = (stream, bytesMax);

    /// <param name="path">The file; made when it is not there.</param>
    /// <param name="bytesMax">It does not grow beyond this.</param>
    /// <param name="header">First line of a new file; null: none.</param>
    public static AppendOnlyFile Open(string path, long bytesMax, string? header = null)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            // Without a buffer: what failed is not written by a later call.
            return Over(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0), bytesMax, header);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ProvisionFileException($"{path} cannot be written: {error.Message}", "end the other program that writes it, or name another file or folder");
        }
    }

    /// <summary>The same over a stream, which may be one that fails.</summary>
    public static AppendOnlyFile Over(FileStream stream, long bytesMax, string? header = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        AppendOnlyFile file = new(stream, bytesMax);
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

    /// <summary>Adds one line; on disk when it returns. When it throws, the line may be there whole, in part or not at all, and stays by itself.</summary>
    public void Append(string line)
    {
        if (line.AsSpan().ContainsAny('\r', '\n')) throw new ArgumentException("one line at a time", nameof(line));
        try
        {
            Write(line + "\n");
        }
        catch (IOException error)
        {
            throw new ProvisionFileException($"{_stream.Name} cannot be written: {error.Message}", "free space on its disk and provision the board again: what is done is found done", isInput: false);
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
            byte[] bytes = Encoding.UTF8.GetBytes(_mayBeTorn ? "\n" + text : text);
            if (_stream.Seek(0, SeekOrigin.End) + bytes.Length > _bytesMax)
                throw new ProvisionFileException($"{_stream.Name} is full: it has at most {_bytesMax >> 20} MiB", "end the program, move the file away and start it again", isInput: false);
            _mayBeTorn = true;
            _stream.Write(bytes);
            _stream.Flush(flushToDisk: true);
            _mayBeTorn = false;
        }
    }
}

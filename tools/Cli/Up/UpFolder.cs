using System.Text.Json;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Up;

/// <summary>
/// Where one run of `up` keeps everything: chain state, gateway, boards, logs. Locked while the run lasts. The default folder is
/// thrown away at the next start, since the network in it is; a folder named with --data is never deleted and must be empty.
/// </summary>
public sealed class UpFolder : IDisposable
{
    /// <summary>While a run lasts: where its gateways and its chain are.</summary>
    public const string NoteName = "up.json";

    private const string LockName = "up.lock";

    private readonly FileStream lockFile;

    private UpFolder(string path, FileStream lockFile)
    {
        Path = path;
        this.lockFile = lockFile;
    }

    public string Path { get; }

    public string Logs => System.IO.Path.Combine(Path, "logs");

    /// <summary>The default: below the folder the person stands in, and ignored by the repository.</summary>
    public static string DefaultPath => System.IO.Path.GetFullPath(System.IO.Path.Combine(".depin", "up"));

    public static UpFolder Open(string? named)
    {
        string path = named is null ? DefaultPath : System.IO.Path.GetFullPath(named);
        try
        {
            if (named is not null && Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            {
                throw new CliError(ExitCode.BadInput, $"--data: {path} is not empty", "name a folder that is empty or does not exist yet; 'up' starts a new network and deletes nothing it did not make");
            }

            Directory.CreateDirectory(path);
            FileStream lockFile = new(System.IO.Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (named is null)
            {
                Empty(path);
            }

            return new UpFolder(path, lockFile);
        }
        catch (IOException error) when (File.Exists(System.IO.Path.Combine(path, LockName)))
        {
            throw new CliError(ExitCode.BadInput, $"{path} is in use by another 'depin up' ({error.Message})", "end that one with Ctrl-C, or give this one a folder of its own with --data DIR");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be used: {error.Message}", "name a folder you may write to with --data DIR");
        }
    }

    public string Sub(string name) => Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    /// <summary>Tells other commands in this folder where the gateways and the chain of this run are; the first gateway is the one they ask by default.</summary>
    public void Note(IReadOnlyList<Uri> gateways, Uri rpc) =>
        File.WriteAllText(System.IO.Path.Combine(Path, NoteName), JsonSerializer.Serialize(
            new { gateway = gateways[0].ToString(), gateways = gateways.Select(gateway => gateway.ToString()), rpc = rpc.ToString() }));

    public void Dispose()
    {
        File.Delete(System.IO.Path.Combine(Path, NoteName));
        lockFile.Dispose();
    }

    private static void Empty(string path)
    {
        foreach (string folder in Directory.EnumerateDirectories(path))
        {
            Directory.Delete(folder, recursive: true);
        }

        foreach (string file in Directory.EnumerateFiles(path).Where(file => System.IO.Path.GetFileName(file) != LockName))
        {
            File.Delete(file);
        }
    }
}

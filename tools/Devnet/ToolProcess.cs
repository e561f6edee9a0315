// Starts a tool, waits for it, keeps the end of what it printed. For tools that end; a node that stays is an AnvilNode.
using System.Diagnostics;
using System.Text;

namespace DePIN.Devnet;

/// <summary>What a tool that ended said.</summary>
/// <param name="ExitCode">0 is success by every tool used here.</param>
/// <param name="Output">Standard output, at most <see cref="ToolProcess.OutputCharsMax"/> characters.</param>
/// <param name="Error">Standard error, bounded likewise.</param>
public sealed record ToolResult(int ExitCode, string Output, string Error);

internal static class ToolProcess
{
    /// <summary>What is kept of each stream; forge's JSON report of all tests is about 100 KB.</summary>
    public const int OutputCharsMax = 16 * 1024 * 1024;

    /// <summary>Runs <paramref name="file"/> to its end; killed with its children when cancelled.</summary>
    public static async Task<ToolResult> RunAsync(
        string file,
        IReadOnlyList<string> arguments,
        string folder,
        IReadOnlyDictionary<string, string>? environment,
        CancellationToken ct)
    {
        ProcessStartInfo start = new(file)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;

        using Process process = new() { StartInfo = start };
        process.Start();
        process.StandardInput.Close();
        Task<string> output = ReadAsync(process.StandardOutput);
        Task<string> error = ReadAsync(process.StandardError);
        try
        {
            await process.WaitForExitAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return new ToolResult(process.ExitCode, await output.ConfigureAwait(false), await error.ConfigureAwait(false));
    }

    /// <summary>The full path of a program on the PATH, or null.</summary>
    public static string? FindOnPath(string program)
    {
        string[] names = OperatingSystem.IsWindows() ? [program + ".exe", program + ".cmd"] : [program];
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (string name in names)
            {
                string path = Path.Combine(folder, name);
                if (File.Exists(path))
                    return path;
            }
        }
        return null;
    }

    // Reads to the end, so that the tool never blocks on a full pipe, but keeps a bounded part.
    private static async Task<string> ReadAsync(StreamReader reader)
    {
        StringBuilder kept = new();
        char[] buffer = new char[16 * 1024];
        int read;
        while ((read = await reader.ReadAsync(buffer).ConfigureAwait(false)) > 0)
            kept.Append(buffer, 0, Math.Min(read, OutputCharsMax - kept.Length));
        return kept.ToString();
    }
}

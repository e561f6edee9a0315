using System.Diagnostics;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Flash;

/// <summary>
/// Runs nanoFramework's flasher, which is found and never installed. Its raw output goes to a log file, bounded; when it says nothing for
/// a while it is ended. `--update` runs with little output: with more, nanoff moves the cursor after writing, which a pipe refuses.
/// </summary>
public sealed class Nanoff(string program, string logFile, TimeSpan stallTimeout, TimeProvider time)
{
    private const string Name = "nanoff";
    private const long LogBytesMax = 8 * 1024 * 1024;
    private const int ChunkChars = 4096;

    /// <summary>The program on the PATH, or where `dotnet tool install -g` puts it.</summary>
    public static string Find()
    {
        string file = OperatingSystem.IsWindows() ? Name + ".exe" : Name;
        string tools = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".dotnet", "tools");
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Append(tools)
            .Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists)
            ?? throw new CliError(ExitCode.Unreachable, "nanoff, the flasher of .NET nanoFramework, is not installed", "run: dotnet tool install -g nanoff", "flash.no-nanoff");
    }

    /// <summary>Runs it to its end.</summary>
    /// <returns>Its exit code and what was understood of its output.</returns>
    /// <exception cref="CliError">It cannot be started, or hung.</exception>
    public async Task<(int ExitCode, NanoffOutput Output)> RunAsync(IReadOnlyList<string> arguments, Action<double>? progress, CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(logFile))!);
        await using StreamWriter log = new(logFile, append: true) { AutoFlush = true };
        await log.WriteLineAsync($"== {time.GetUtcNow():u} {Name} {string.Join(' ', arguments)}").ConfigureAwait(false);
        using Process process = Start(arguments);
        NanoffOutput output = new();
        using CancellationTokenSource stalled = new(stallTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancel, stalled.Token);
        try
        {
            Lock gate = new();
            await Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError)).ConfigureAwait(false);
            await process.WaitForExitAsync(either.Token).ConfigureAwait(false);
            output.End(progress);
            await log.WriteLineAsync($"== exit {process.ExitCode}").ConfigureAwait(false);
            return (process.ExitCode, output);

            async Task ReadAsync(StreamReader from)
            {
                char[] chunk = new char[ChunkChars];
                for (int count = await from.ReadAsync(chunk, either.Token).ConfigureAwait(false); count > 0; count = await from.ReadAsync(chunk, either.Token).ConfigureAwait(false))
                {
                    stalled.CancelAfter(stallTimeout);
                    lock (gate)
                    {
                        output.Take(chunk.AsSpan(0, count), progress);
                        if (log.BaseStream.Length < LogBytesMax)
                        {
                            log.Write(chunk, 0, count);
                        }
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancel.ThrowIfCancellationRequested();
            throw new CliError(ExitCode.Failed, $"nanoff said nothing for {stallTimeout.TotalSeconds:0} s and was ended; its last words: {output.Tail}", $"unplug the board, plug it in again and run the command again; all of its output is in {logFile}", "flash.nanoff-hung");
        }
    }

    private Process Start(IReadOnlyList<string> arguments)
    {
        try
        {
            return ParentBound.Start(program, arguments, new Dictionary<string, string> { ["NANOFRAMEWORK_TELEMETRY_OPTOUT"] = "1", ["NO_COLOR"] = "1" });
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new CliError(ExitCode.Unreachable, $"{program} cannot be started: {error.Message}", "run: dotnet tool update -g nanoff", "flash.no-nanoff");
        }
    }
}

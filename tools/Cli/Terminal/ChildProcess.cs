using System.Diagnostics;
using DePIN.Devnet;

namespace DePIN.Cli.Terminal;

/// <summary>
/// One real process that a command starts and answers for: its output goes to a log file (and line by line to whoever listens),
/// it is asked to end (SIGTERM) and then made to (SIGKILL), and it never outlives the command, even one that is killed.
/// </summary>
public sealed class ChildProcess : IAsyncDisposable
{
    /// <summary>How long a child may take to end by itself after SIGTERM.</summary>
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan EndsSoonTimeout = TimeSpan.FromSeconds(3);

    /// <summary>Lines of output kept for an error message.</summary>
    private const int TailLinesMax = 15;

    private readonly Process process;
    private readonly StreamWriter log;
    private readonly Queue<string> tail = new();
    private readonly Action<string>? onLine;
    private readonly Task reading;

    private ChildProcess(string name, Process process, StreamWriter log, Action<string>? onLine)
    {
        Name = name;
        this.process = process;
        this.log = log;
        this.onLine = onLine;
        reading = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    public string Name { get; }

    public int Id => process.Id;

    public bool HasExited => process.HasExited;

    /// <summary>Completes with the exit code when the process has ended and its output is read.</summary>
    public async Task<int> WaitAsync(CancellationToken cancel)
    {
        await process.WaitForExitAsync(cancel).ConfigureAwait(false);
        await reading.WaitAsync(cancel).ConfigureAwait(false);
        return process.ExitCode;
    }

    /// <summary>Starts a .NET program of this repository by its assembly's path.</summary>
    public static ChildProcess StartDotnet(string name, string assembly, IEnumerable<string> arguments, string logFile, Action<string>? onLine,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        return Start(name, [DotnetHost, assembly, .. arguments], logFile, onLine, environment);
    }

    /// <summary>The program that runs .NET assemblies.</summary>
    public static string DotnetHost => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } path ? path : "dotnet";

    /// <param name="name">In messages.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="logFile">Its output goes here.</param>
    /// <param name="onLine">Each line of it also here.</param>
    /// <param name="environment">Besides this process's.</param>
    public static ChildProcess Start(string name, IReadOnlyList<string> command, string logFile, Action<string>? onLine, IReadOnlyDictionary<string, string>? environment = null)
    {
        string file = command[0];
        IEnumerable<string> arguments = command.Skip(1);
        Directory.CreateDirectory(Path.GetDirectoryName(logFile)!);
        StreamWriter log = new(logFile, append: true) { AutoFlush = true };
        try
        {
            Process process = ParentBound.Start(file, [.. arguments], environment);
            return new ChildProcess(name, process, log, onLine);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            log.Dispose();
            throw new CliError(ExitCode.Unreachable, $"{name} could not be started: {file}: {error.Message}", "check that the .NET 10 SDK is installed and 'dotnet' is on the PATH");
        }
    }

    /// <summary>Whether it has ended, or does within a moment: what a line that hung up often means.</summary>
    public bool EndsSoon() => process.WaitForExit(EndsSoonTimeout) && reading.Wait(EndsSoonTimeout);

    /// <summary>The error that it ended though nobody asked it to, in its own last words.</summary>
    public CliError Ended() => new(ExitCode.Failed, $"{Name} ended with {process.ExitCode}: {Tail()}", "mend what it names; its whole log is in the run's folder under logs/");

    /// <summary>The last lines of output, for a message that says why the child ended.</summary>
    public string Tail()
    {
        lock (tail)
        {
            return string.Join(Environment.NewLine, tail);
        }
    }

    /// <summary>kill -9: no warning, no clean-up. What the chaos tests use.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            Terminate();
            using CancellationTokenSource timeout = new(EndTimeout);
            try
            {
                await process.WaitForExitAsync(timeout.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync().ConfigureAwait(false);
            }
        }

        await reading.ConfigureAwait(false);
        await log.DisposeAsync().ConfigureAwait(false);
        process.Dispose();
    }

    private void Terminate()
    {
        // .NET has no SIGTERM of its own; on Windows there is none to send.
        if (OperatingSystem.IsWindows())
        {
            process.Kill(entireProcessTree: true);
            return;
        }

        if (NativeMethods.Kill(process.Id, NativeMethods.SigTerm) != 0)
        {
            process.Kill();
        }
    }

    private async Task ReadAsync(StreamReader from)
    {
        while (await from.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            lock (tail)
            {
                log.WriteLine(line);
                tail.Enqueue(line);
                if (tail.Count > TailLinesMax)
                {
                    tail.Dequeue();
                }
            }

            onLine?.Invoke(line);
        }
    }

    private static partial class NativeMethods
    {
        public const int SigTerm = 15;

        [System.Runtime.InteropServices.DllImport("libc", EntryPoint = "kill", SetLastError = true)]
        [System.Runtime.InteropServices.DefaultDllImportSearchPaths(System.Runtime.InteropServices.DllImportSearchPath.SafeDirectories)]
        public static extern int Kill(int pid, int signal);
    }
}

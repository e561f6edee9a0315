using DePIN.Cli.Terminal;
using DePIN.EndToEnd.Tests.Cli;

namespace DePIN.EndToEnd.Tests.Index;

/// <summary>A `depin index` that serves, until it is disposed of or killed.</summary>
public sealed class IndexProcess : IAsyncDisposable
{
    private const string Answers = "answers on ";

    private readonly ChildProcess process;
    private readonly string logFile;

    private IndexProcess(ChildProcess process, string logFile, string url) => (this.process, this.logFile, Url) = (process, logFile, url);

    /// <summary>Where it answers.</summary>
    public string Url { get; }

    public static async Task<IndexProcess> StartAsync(string[] arguments, string logFile)
    {
        TaskCompletionSource<string> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ChildProcess process = ChildProcess.StartDotnet("depin index", CliProcess.Program, [.. arguments, "--serve", "127.0.0.1:0"], logFile, line =>
        {
            if (line.IndexOf(Answers, StringComparison.Ordinal) is >= 0 and int at) listening.TrySetResult(line[(at + Answers.Length)..].Trim());
        });
        Task<int> ended = process.WaitAsync(CancellationToken.None);
        if (await Task.WhenAny(listening.Task, ended) == ended) throw new AssertionException($"depin index ended with {await ended}: {process.Tail()}");
        return new IndexProcess(process, logFile, await listening.Task);
    }

    /// <summary>What all processes with this log file said.</summary>
    public string Log()
    {
        using FileStream file = new(logFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(file);
        return reader.ReadToEnd();
    }

    public Task KillAsync() => process.KillAsync();

    public ValueTask DisposeAsync() => process.DisposeAsync();
}

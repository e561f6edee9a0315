using System.Text.Json;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Up;

/// <summary>
/// One virtual ESP32 board as a process of its own. Its standard output is one JSON object a line; the first names the
/// pseudo-terminal behind which the firmware's serial port is, and all else is counted into the <see cref="BoardState"/>.
/// </summary>
public sealed class LocalBoard : IAsyncDisposable
{
    private static readonly TimeSpan SerialTimeout = TimeSpan.FromSeconds(60);

    private readonly TaskCompletionSource<string> serial = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> debug = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private LocalBoard(BoardState state) => State = state;

    public BoardState State { get; }

    public ChildProcess Process { get; private set; } = null!;

    /// <param name="state">Counted into.</param>
    /// <param name="folder">The board's own.</param>
    /// <param name="logFile">Of its output.</param>
    /// <param name="seed">Of its weather.</param>
    /// <param name="more">Further arguments of the virtual board.</param>
    public static LocalBoard Start(BoardState state, string folder, string logFile, int seed, params string[] more)
    {
        LocalBoard board = new(state);
        board.Process = ChildProcess.StartDotnet(state.Name, Programs.VirtualBoard,
            ["--folder", folder, "--sense", state.Sense, "--seed", seed.ToString(), "--json", .. more], logFile, board.OnLine);
        return board;
    }

    /// <summary>Opens the board's serial line.</summary>
    public async Task<BoardLine> OpenSerialAsync(CancellationToken cancel)
    {
        string path = await SerialPathAsync(cancel).ConfigureAwait(false);
        try
        {
            return new BoardLine(SerialLine.Open(path), State.Name);
        }
        catch (IOException error)
        {
            throw new CliError(ExitCode.Unreachable, $"{State.Name}: {error.Message}", "check that pseudo-terminals (/dev/pts) are mounted and allowed for this user");
        }
    }

    /// <summary>The pseudo-terminal that is the board's serial port.</summary>
    public Task<string> SerialPathAsync(CancellationToken cancel) => PathAsync(serial.Task, cancel);

    /// <summary>The pseudo-terminal that is its USB socket, when it was started with --debug-port.</summary>
    public Task<string> DebugPathAsync(CancellationToken cancel) => PathAsync(debug.Task, cancel);

    private async Task<string> PathAsync(Task<string> named, CancellationToken cancel)
    {
        Task<int> ended = Process.WaitAsync(cancel);
        try
        {
            if (await Task.WhenAny(named.WaitAsync(SerialTimeout, cancel), ended).ConfigureAwait(false) == ended)
            {
                await ended.ConfigureAwait(false);
                throw Process.Ended();
            }

            return await named.ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new CliError(ExitCode.Unreachable, $"{State.Name} named no serial line within {SerialTimeout.TotalSeconds:0} s", $"its last lines: {Process.Tail()}");
        }
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    private void OnLine(string line)
    {
        if (!line.StartsWith('{'))
        {
            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            Take(document.RootElement);
        }
        catch (JsonException)
        {
            State.Doing = "prints what is no JSON"; // the line is in the log
        }
    }

    private void Take(JsonElement line)
    {
        switch (line.TryGetProperty("event", out JsonElement name) ? name.GetString() : null)
        {
            case "serial":
                serial.TrySetResult(line.GetProperty("path").GetString()!);
                break;
            case "debug":
                debug.TrySetResult(line.GetProperty("path").GetString()!);
                break;
            case { } other:
                State.Doing = other;
                State.Published = Number(line, "published", State.Published);
                State.Acknowledged = Number(line, "acked", State.Acknowledged);
                break;
        }
    }

    private static long Number(JsonElement line, string field, long otherwise) =>
        line.TryGetProperty(field, out JsonElement value) && value.TryGetInt64(out long number) ? number : otherwise;
}

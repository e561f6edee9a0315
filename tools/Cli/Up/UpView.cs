using DePIN.Cli.Network;
using DePIN.Gateway.Web;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DePIN.Cli.Up;

/// <summary>
/// Shows a run of `up`: a live table on a terminal, plain lines in a pipe, plain lines on standard error when standard output
/// is to end with one JSON line. Steps come once each; the state is redrawn when it changed.
/// </summary>
public abstract class UpView : IAsyncDisposable
{
    public static UpView For(bool json, UpState state)
    {
        if (json)
        {
            return new PlainView(Console.Error, state);
        }

        return Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Ansi ? new PlainView(Console.Out, state) : new LiveView(state);
    }

    /// <summary>One thing done or begun, in the order of the data.</summary>
    public abstract void Step(string text);

    /// <summary>The state may have changed.</summary>
    public abstract void Update();

    public abstract ValueTask DisposeAsync();

    private sealed class PlainView(TextWriter to, UpState state) : UpView
    {
        private readonly Lock gate = new();
        private string last = "";

        public override void Step(string text)
        {
            lock (gate)
            {
                to.WriteLine(text);
            }
        }

        public override void Update()
        {
            lock (gate)
            {
                string line = $"frames {state.Frames}  batches {state.Batches}  anchors {state.Anchors}  proven boards {state.ProvenBoards}/{state.Boards.Count}  healthy gateways {state.Healthy}/{state.Gateways.Count}";
                if (line != last)
                {
                    last = line;
                    to.WriteLine(line);
                }
            }
        }

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class LiveView : UpView
    {
        private const int StepsShownMax = 6;

        private readonly Lock gate = new();
        private readonly UpState state;
        private readonly Queue<string> steps = new();
        private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim changed = new(1, 1);
        private readonly Task drawing;

        public LiveView(UpState state)
        {
            this.state = state;
            drawing = AnsiConsole.Live(Draw()).AutoClear(false).StartAsync(DrawAsync);
        }

        public override void Step(string text)
        {
            lock (gate)
            {
                steps.Enqueue(text);
                if (steps.Count > StepsShownMax)
                {
                    steps.Dequeue();
                }
            }

            Update();
        }

        public override void Update()
        {
            lock (gate)
            {
                if (changed.CurrentCount == 0)
                {
                    changed.Release();
                }
            }
        }

        public override async ValueTask DisposeAsync()
        {
            ended.TrySetResult();
            Update();
            await drawing.ConfigureAwait(false);
        }

        private async Task DrawAsync(LiveDisplayContext display)
        {
            while (!ended.Task.IsCompleted)
            {
                await changed.WaitAsync().ConfigureAwait(false);
                display.UpdateTarget(Draw());
            }
        }

        private Rows Draw()
        {
            Table table = new Table().Border(TableBorder.Rounded).Title("DePIN Edge: from a sensor's register to a proof on chain");
            table.AddColumns("board", "senses", "device", "publishes to", "does");
            foreach (string number in (string[])["published", "acknowledged", "stored up to", "proven up to"])
            {
                table.AddColumn(new TableColumn(number).RightAligned());
            }

            foreach (BoardState board in state.Boards)
            {
                table.AddRow(
                    Markup.Escape(board.Name), Markup.Escape(board.Sense), board.DeviceId.Length < 12 ? "" : board.DeviceId[..12] + "…", Markup.Escape(board.Gateway), Markup.Escape(board.Doing),
                    board.Published.ToString(), board.Acknowledged.ToString(), board.Stored.ToString(), board.Proven == 0 ? "-" : $"[green]{board.ProvenSequence}[/]");
            }

            List<IRenderable> rows = [table];
            if (state.Gateways.Select(gateway => gateway.Network).OfType<NetworkJson>().ToList() is { Count: > 0 } known)
            {
                rows.Add(NetworkTable.Of(NetworkPicture.Of(known), state.Gateways.ToDictionary(gateway => gateway.Address, gateway => gateway.Name)));
            }

            rows.AddRange(state.Gateways.Where(gateway => gateway.Health is not "healthy").Select(gateway => new Markup($"[yellow]{Markup.Escape(gateway.Name)}: {Markup.Escape(gateway.Health)}[/]")));
            rows.Add(new Markup($"frames [bold]{state.Frames}[/]  batches [bold]{state.Batches}[/]  anchors [bold]{state.Anchors}[/]  healthy gateways {state.Healthy} of {state.Gateways.Count}"
                + (state.Failed > 0 ? $"  [red]failed {state.Failed}[/]" : "")));
            if (state.RpcUrl is not null)
            {
                rows.Add(new Markup($"[grey]{Markup.Escape(string.Join("  ", state.Gateways.Where(gateway => gateway.Url.Length > 0).Select(gateway => $"{gateway.Name} {gateway.Url}")))}   chain {Markup.Escape(state.RpcUrl)}   Ctrl-C ends everything[/]"));
            }

            lock (gate)
            {
                rows.AddRange(steps.Select(step => new Markup($"[grey]{Markup.Escape(step)}[/]")));
            }

            return new Rows(rows);
        }
    }
}

using System.Globalization;
using DePIN.Cli.Terminal;
using DePIN.Provision;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DePIN.Cli.Provision;

/// <summary>Shows the lanes of a run: a live table on a terminal, a line a step in a pipe, the report's JSON lines with --json.</summary>
public abstract class ProvisionView
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    public static ProvisionView For(bool json) => json ? new JsonView() : Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Ansi ? new PlainView() : new LiveView();

    /// <summary>Draws until the work is done.</summary>
    public abstract Task ShowAsync(IReadOnlyList<ProvisionLane> lanes, Task work);

    private static async Task LoopAsync(Task work, Action draw)
    {
        while (!work.IsCompleted)
        {
            draw();
            await Task.WhenAny(work, Task.Delay(Interval)).ConfigureAwait(false);
        }

        draw();
        await work.ConfigureAwait(false);
    }

    private sealed class JsonView : ProvisionView
    {
        public override Task ShowAsync(IReadOnlyList<ProvisionLane> lanes, Task work)
        {
            HashSet<ProvisionLane> said = [];
            return LoopAsync(work, () =>
            {
                foreach (ProvisionLane lane in lanes)
                    if (lane.Result is { } result && said.Add(lane)) Console.WriteLine(result.ToJson());
            });
        }
    }

    private sealed class PlainView : ProvisionView
    {
        public override Task ShowAsync(IReadOnlyList<ProvisionLane> lanes, Task work)
        {
            Dictionary<ProvisionLane, ProvisionStep> said = [];
            return LoopAsync(work, () =>
            {
                foreach (ProvisionLane lane in lanes)
                {
                    ProvisionStep step = lane.Step;
                    if (said.TryGetValue(lane, out ProvisionStep last) && last == step) continue;
                    said[lane] = step;
                    if (lane.Result is not { } result)
                    {
                        Console.WriteLine($"{lane.Port}: {Words(step)}{(lane.Device.Length > 0 ? " " + lane.Device : "")}");
                        continue;
                    }

                    Console.WriteLine($"{lane.Port}: {result.Code} {result.Message} ({result.Seconds.ToString("0.0", CultureInfo.InvariantCulture)} s)");
                    if (result.Code != ProvisionCode.Done.Code) Console.WriteLine($"  → {result.Next}");
                }
            });
        }
    }

    private sealed class LiveView : ProvisionView
    {
        public override Task ShowAsync(IReadOnlyList<ProvisionLane> lanes, Task work) =>
            AnsiConsole.Live(Draw(lanes)).AutoClear(false).StartAsync(context => LoopAsync(work, () => context.UpdateTarget(Draw(lanes))));

        private static IRenderable Draw(IReadOnlyList<ProvisionLane> lanes)
        {
            Table table = new Table().Border(TableBorder.Rounded).AddColumns("port", "device", "name", "step", "s", "result");
            foreach (ProvisionLane lane in lanes)
            {
                string result = lane.Result is not { } line ? ""
                    : ProvisionCode.IsSuccess(line.Code) ? $"[green]{line.Code} {Markup.Escape(line.Message)}[/]"
                    : $"[red]{line.Code} {Markup.Escape(line.Message)}[/]\n→ {Markup.Escape(line.Next)}";
                table.AddRow(Markup.Escape(lane.Port), lane.Device.Length > 0 ? lane.Device[..8] + "…" : "", Markup.Escape(lane.Name), Bar(lane.Step),
                    lane.Elapsed.TotalSeconds.ToString("0", CultureInfo.InvariantCulture), result);
            }

            return table;
        }

        private static string Bar(ProvisionStep step)
        {
            int done = (int)step;
            int all = (int)ProvisionStep.Done;
            return $"[blue]{new string('━', done)}[/][grey]{new string('━', all - done)}[/] {Words(step)}";
        }
    }

    /// <summary>What a step does, for a person.</summary>
    public static string Words(ProvisionStep step) => step switch
    {
        ProvisionStep.Open => "opens the port",
        ProvisionStep.Identify => "asks who it is",
        ProvisionStep.Claim => "has the claim signed",
        ProvisionStep.Register => "registers",
        ProvisionStep.Wifi => "joins the Wi-Fi network",
        ProvisionStep.Enrol => "gives the settings",
        ProvisionStep.Restart => "restarts it",
        ProvisionStep.Confirm => "waits for its first verified frame",
        ProvisionStep.Label => "writes the label",
        _ => "done",
    };
}

using System.CommandLine;
using System.Text;
using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Gateway.Update;
using DePIN.Gateway.Web;
using Spectre.Console;

namespace DePIN.Cli.Ota;

/// <summary>`depin ota start`, `status`, `pause`, `resume` and `abort`: a gateway's roll-outs.</summary>
public static class RolloutCommands
{
    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(1);

    public static Command CreateStart()
    {
        Argument<string> file = new("package") { Description = "What `depin ota pack` wrote.", HelpName = "PACKAGE" };
        Option<string> stages = new("--stages") { Description = "Devices that have the release on offer by the end of each stage: numbers first, then shares.", HelpName = "LIST", DefaultValueFactory = _ => RolloutPlan.StagesDefault };
        Option<string> confirmed = new("--min-confirmed") { Description = "Of a stage's devices so many must run the release and confirm it before the next opens.", HelpName = "N|N%", DefaultValueFactory = _ => RolloutPlan.ConfirmedDefault };
        Option<string> failed = new("--max-failed") { Description = "Of a stage's devices so many may fail; one more halts the roll-out.", HelpName = "N|N%", DefaultValueFactory = _ => RolloutPlan.FailedDefault };
        Option<int> soak = new("--soak") { Description = "Seconds that a stage must stand like that.", HelpName = "SECONDS", DefaultValueFactory = _ => RolloutPlan.SoakDefaultS };
        Option<int> lost = new("--lost-after") { Description = "A device that fetched everything and is silent for so many seconds has failed.", HelpName = "SECONDS", DefaultValueFactory = _ => RolloutPlan.LostDefaultS };
        Option<string?> gateway = GatewayOption.Create(), token = OperatorTokenFile.CreateOption();
        Option<bool> json = new("--json") { Description = "The roll-out as one JSON line." };
        Command command = new("start", "Gives a package to a gateway and offers it to its devices stage by stage. Halts by itself when too many fail.") { file, stages, confirmed, failed, soak, lost, gateway, token, json };
        command.SetAction((parsed, cancel) =>
        {
            string query = Query(parsed.GetValue(stages)!, parsed.GetValue(confirmed)!, parsed.GetValue(failed)!, parsed.GetValue(soak), parsed.GetValue(lost));
            byte[] content = PackageCommands.Read(parsed.GetValue(file)!).Content;
            return OrderAsync(parsed.GetValue(gateway), "/operator/updates" + query, content, parsed.GetValue(token), parsed.GetValue(json), cancel);
        });
        return command;
    }

    public static Command CreateOrder(string name, string text)
    {
        Argument<string?> id = new("rollout") { Description = "Its id, as `depin ota status` shows it. Default: the only one that it can be said of.", HelpName = "ROLLOUT", Arity = ArgumentArity.ZeroOrOne };
        Option<string?> gateway = GatewayOption.Create(), token = OperatorTokenFile.CreateOption();
        Option<bool> json = new("--json") { Description = "The roll-out as one JSON line." };
        Command command = new(name, text) { id, gateway, token, json };
        command.SetAction(async (parsed, cancel) =>
        {
            string rollout = parsed.GetValue(id) ?? await OnlyAsync(name, parsed.GetValue(gateway), cancel).ConfigureAwait(false);
            return !rollout.All(char.IsAsciiHexDigit) || rollout.Length != 16
                ? throw new CliError(ExitCode.BadInput, $"'{rollout}' is no roll-out's id", "give the 16 hex digits that 'depin ota status' shows")
                : await OrderAsync(parsed.GetValue(gateway), $"/operator/updates/{rollout}/{name}", [], parsed.GetValue(token), parsed.GetValue(json), cancel).ConfigureAwait(false);
        });
        return command;
    }

    public static Command CreateStatus()
    {
        Option<string?> gateway = GatewayOption.Create();
        Option<bool> watch = new("--watch") { Description = "Drawn again every second until Ctrl-C; a line for each change in a pipe." };
        Option<bool> json = new("--json") { Description = "The gateway's own /api/updates as one JSON line; with --watch a line a second." };
        Command command = new("status", "A gateway's roll-outs: stage, devices in each state, who failed, who is left out and why.") { gateway, watch, json };
        command.SetAction(async (parsed, cancel) =>
        {
            using GatewayApi api = GatewayOption.Open(parsed.GetValue(gateway));
            if (parsed.GetValue(watch))
            {
                return await WatchAsync(api, parsed.GetValue(json), cancel).ConfigureAwait(false);
            }

            UpdatesJson updates = await ReadAsync(api, cancel).ConfigureAwait(false);
            if (parsed.GetValue(json))
            {
                Console.WriteLine(updates.Write());
            }
            else if (Console.IsOutputRedirected)
            {
                // A pipe has no width to fold a table into.
                Console.WriteLine($"{updates.Devices} devices have reported; operator {updates.Operator}");
                foreach (RolloutJson rollout in updates.Rollouts)
                {
                    Console.WriteLine(string.Join(Environment.NewLine, [Line(rollout), .. rollout.FailedList.Select(d => $"  {d.Device} failed: {d.Reason}"), .. rollout.LeftOutList.Select(d => $"  {d.Device} left out: {d.Reason}")]));
                }
            }
            else
            {
                AnsiConsole.Write(Draw(updates, api.Url));
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static string Query(string stages, string confirmed, string failed, int soak, int lost)
    {
        if (RolloutPlan.ParseStages(stages, out string fault) is null)
        {
            throw new CliError(ExitCode.BadInput, $"--stages: {fault}", "for example 3,10%,50%,100%");
        }

        foreach ((string name, string text) in ((string, string)[])[("--min-confirmed", confirmed), ("--max-failed", failed)])
        {
            if (!Portion.TryParse(text, out _))
            {
                throw new CliError(ExitCode.BadInput, $"{name}: '{text}' is neither a number of devices nor a share", "for example 3 or 5%");
            }
        }

        return soak is < 0 or > RolloutPlan.SecondsMax || lost is < 1 or > RolloutPlan.SecondsMax
            ? throw new CliError(ExitCode.BadInput, $"--soak or --lost-after is beyond {RolloutPlan.SecondsMax} s", "choose up to 30 days")
            : $"?stages={Uri.EscapeDataString(stages)}&minConfirmed={Uri.EscapeDataString(confirmed)}&maxFailed={Uri.EscapeDataString(failed)}&soakS={soak}&lostS={lost}";
    }

    private static async Task<int> OrderAsync(string? gateway, string path, byte[] content, string? tokenFile, bool json, CancellationToken cancel)
    {
        string token = OperatorTokenFile.Read(tokenFile);
        using GatewayApi api = GatewayOption.Open(gateway);
        byte[] answer = await api.PostAsync(path, content, token, cancel).ConfigureAwait(false);
        if (json)
        {
            Console.WriteLine(Encoding.UTF8.GetString(answer));
            return ExitCode.Ok;
        }

        using JsonDocument rollout = JsonDocument.Parse(answer);
        JsonElement root = rollout.RootElement;
        Console.WriteLine($"roll-out {root.GetProperty("rollout").GetString()} of release {root.GetProperty("release").GetUInt32()} for {root.GetProperty("board").GetString()}: "
            + $"{root.GetProperty("state").GetString()}, stage {root.GetProperty("stage").GetInt32()} of {root.GetProperty("stageCount").GetInt32()}; watch it with 'depin ota status --watch'");
        return ExitCode.Ok;
    }

    private static async Task<string> OnlyAsync(string order, string? gateway, CancellationToken cancel)
    {
        using GatewayApi api = GatewayOption.Open(gateway);
        UpdatesJson updates = await ReadAsync(api, cancel).ConfigureAwait(false);
        string[] states = order switch { "pause" => ["running"], "resume" => ["paused", "halted"], _ => ["running", "paused", "halted", "complete"] };
        string[] found = [.. updates.Rollouts.Where(rollout => states.Contains(rollout.State)).Select(rollout => rollout.Rollout)];
        return found.Length == 1 ? found[0]
            : throw new CliError(ExitCode.BadInput, found.Length == 0 ? $"there is no roll-out to {order}" : $"there is more than one roll-out to {order}: {string.Join(", ", found)}",
                found.Length == 0 ? "'depin ota status' shows what there is" : $"name it: depin ota {order} {found[0]}");
    }

    private static async Task<UpdatesJson> ReadAsync(GatewayApi api, CancellationToken cancel)
    {
        byte[]? answer = await api.TryGetBytesAsync("/api/updates", cancel).ConfigureAwait(false);
        try
        {
            return UpdatesJson.Read(answer ?? throw new CliError(ExitCode.Failed, $"the gateway at {api.Url} does no updates", "set update.operatorKey in its settings to what 'depin ota keygen' printed, and restart it"));
        }
        catch (JsonException)
        {
            throw new CliError(ExitCode.Unreachable, $"{api.Url} does not answer as a gateway of this version does", "update the gateway or this command");
        }
    }

    private static async Task<int> WatchAsync(GatewayApi api, bool json, CancellationToken stopping)
    {
        UpdatesJson updates = await ReadAsync(api, stopping).ConfigureAwait(false);
        string last = "";
        try
        {
            if (json || Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Ansi)
            {
                while (true)
                {
                    string line = json ? updates.Write() : string.Join(Environment.NewLine, updates.Rollouts.Take(1).Select(Line));
                    if (json || line != last)
                    {
                        Console.WriteLine(last = line);
                    }

                    await Task.Delay(WatchInterval, TimeProvider.System, stopping).ConfigureAwait(false);
                    updates = await ReadAsync(api, stopping).ConfigureAwait(false);
                }
            }

            await AnsiConsole.Live(Draw(updates, api.Url)).StartAsync(async display =>
            {
                while (true)
                {
                    await Task.Delay(WatchInterval, TimeProvider.System, stopping).ConfigureAwait(false);
                    display.UpdateTarget(Draw(await ReadAsync(api, stopping).ConfigureAwait(false), api.Url));
                }
            }).ConfigureAwait(false);
            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }
    }

    private static string Line(RolloutJson r) => $"{r.Rollout}  {r.Board}  release {r.Release}  {r.State}  stage {r.Stage}/{r.StageCount}  target {r.Target}  offered {r.Offered}  working {r.Working}  "
        + $"confirmed {r.Confirmed}  failed {r.Failed}  left out {r.LeftOut}  waiting {r.Waiting}{(r.Reason.Length > 0 ? "  " + r.Reason : "")}";

    private static Rows Draw(UpdatesJson updates, Uri url)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title($"updates at {Markup.Escape(url.ToString())}");
        table.AddColumns("roll-out", "board", "release", "state", "stage");
        foreach (string count in (string[])["target", "offered", "working", "confirmed", "failed", "left out", "waiting"])
        {
            table.AddColumn(new TableColumn(count).RightAligned());
        }

        foreach (RolloutJson r in updates.Rollouts)
        {
            string state = r.State switch { "halted" => "[red]halted[/]", "complete" => "[green]complete[/]", _ => Markup.Escape(r.State) };
            table.AddRow(r.Rollout, Markup.Escape(r.Board), Markup.Escape($"{r.Release} ({r.Version})"), state, Markup.Escape($"{r.Stage}/{r.StageCount} of {r.Stages}"), r.Target.ToString(),
                r.Offered.ToString(), r.Working.ToString(), r.Confirmed.ToString(), r.Failed == 0 ? "0" : $"[red]{r.Failed}[/]", r.LeftOut.ToString(), r.Waiting.ToString());
        }

        List<Markup> below = [new Markup($"{updates.Devices} devices have reported; operator {Markup.Escape(updates.Operator)}")];
        foreach (RolloutJson r in updates.Rollouts.Where(r => r.State != "aborted"))
        {
            if (r.Reason.Length > 0 || r.PackageFault.Length > 0)
            {
                below.Add(new Markup($"[yellow]{r.Rollout}: {Markup.Escape(r.Reason)} {Markup.Escape(r.PackageFault)}[/]"));
            }

            below.AddRange(r.FailedList.Select(d => new Markup($"[red]{d.Device} failed: {Markup.Escape(d.Reason)}[/]")));
            below.AddRange(r.LeftOutList.Select(d => new Markup($"{d.Device} left out: {Markup.Escape(d.Reason)}")));
        }

        return new Rows([table, .. below]);
    }
}

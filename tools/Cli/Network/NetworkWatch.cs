using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Gateway.Web;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DePIN.Cli.Network;

/// <summary>
/// `depin network --watch`: asks the gateways every second and draws the picture again; a line for each change where there is no
/// terminal. A gateway that is away holds up no other and is shown as away. Ctrl-C is how it ends.
/// </summary>
public sealed class NetworkWatch(IReadOnlyList<GatewayApi> apis, bool json)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    public async Task<int> RunAsync(CancellationToken stopping)
    {
        try
        {
            List<Answer> first = await AskAsync(stopping).ConfigureAwait(false);
            if (first.All(answer => answer.Network is null))
            {
                throw first[0].Error!;
            }

            if (json)
            {
                await EveryAsync(first, WriteJson, stopping).ConfigureAwait(false);
            }
            else if (Console.IsOutputRedirected || !AnsiConsole.Profile.Capabilities.Ansi)
            {
                string last = "";
                await EveryAsync(first, answers => WriteLine(answers, ref last), stopping).ConfigureAwait(false);
            }
            else
            {
                await AnsiConsole.Live(Draw(first)).AutoClear(false).StartAsync(display => EveryAsync(first, answers => display.UpdateTarget(Draw(answers)), stopping)).ConfigureAwait(false);
            }

            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return ExitCode.Ok;
        }
    }

    private sealed record Answer(GatewayApi Api, NetworkJson? Network, CliError? Error);

    private async Task EveryAsync(List<Answer> answers, Action<List<Answer>> show, CancellationToken stopping)
    {
        while (true)
        {
            show(answers);
            await Task.Delay(Interval, TimeProvider.System, stopping).ConfigureAwait(false);
            answers = await AskAsync(stopping).ConfigureAwait(false);
        }
    }

    private async Task<List<Answer>> AskAsync(CancellationToken stopping) => [.. await Task.WhenAll(apis.Select(async api =>
    {
        try
        {
            return new Answer(api, await GatewayNetwork.ReadAsync(api, stopping).ConfigureAwait(false), null);
        }
        catch (CliError error)
        {
            return new Answer(api, null, error);
        }
    })).ConfigureAwait(false)];

    private static void WriteJson(List<Answer> answers)
    {
        foreach (Answer answer in answers)
        {
            if (answer.Network is { } network)
            {
                Console.WriteLine(network.Write());
            }
            else
            {
                Console.Error.WriteLine($"depin: {answer.Error!.Message}");
            }
        }
    }

    private static void WriteLine(List<Answer> answers, ref string last)
    {
        string away = string.Concat(answers.Where(answer => answer.Network is null).Select(answer => $"  {answer.Api.Url} does not answer"));
        string line = Picture(answers) is not { } picture ? $"no gateway answers{away}"
            : $"epoch {picture.Epoch}  leads {GatewayNetwork.Short(picture.Leader)}  together {picture.Rows.Count(row => row.IsConnected)}/{picture.Rows.Count}  entries {picture.Entries}"
                + $"  known {string.Join('/', picture.Rows.Select(row => row.Entries?.ToString() ?? "?"))}  pending {picture.Pending}"
                + (picture.Anchor.Length > 0 ? $"  anchor {picture.Anchor}" : "") + string.Concat(picture.Evidence.Select(evidence => $"  evidence: {evidence}")) + away;
        if (line != last)
        {
            last = line;
            Console.WriteLine(line);
        }
    }

    private static NetworkPicture? Picture(List<Answer> answers) =>
        answers.Select(answer => answer.Network).OfType<NetworkJson>().ToList() is { Count: > 0 } known ? NetworkPicture.Of(known) : null;

    private static Rows Draw(List<Answer> answers)
    {
        List<IRenderable> rows = [];
        if (Picture(answers) is { } picture)
        {
            rows.Add(NetworkTable.Of(picture));
            rows.Add(new Markup($"epoch [bold]{picture.Epoch}[/] ({Markup.Escape(picture.Left)})  ledger [bold]{picture.Entries}[/] entries  pending [bold]{picture.Pending}[/]"
                + (picture.Void > 0 ? $"  void {picture.Void}" : "") + (picture.Anchor.Length > 0 ? $"  anchor {Markup.Escape(picture.Anchor)}" : "")));
            rows.AddRange(picture.Evidence.Select(evidence => new Markup($"[red]evidence: {Markup.Escape(evidence)}[/]")));
        }

        rows.AddRange(answers.Where(answer => answer.Network is null).Select(answer => new Markup($"[red]{Markup.Escape(answer.Error!.Message)}[/]")));
        rows.Add(new Markup("[grey]Ctrl-C ends the watch[/]"));
        return new Rows(rows);
    }
}

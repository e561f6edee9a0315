using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Devnet;

namespace DePIN.Cli.Bench;

/// <summary>`depin bench network`: one network after another, each of its own size.</summary>
public static class NetworkBenchCommand
{
    private const string GatewaysDefault = "4,7,16";
    private const int GatewaysMin = 2; // one sends nothing to anybody
    private const int SecondsDefault = 20;
    private const int SecondsMax = 600;

    public static Command Create()
    {
        Option<string> gateways = new("--gateways") { Description = $"Sizes of the networks, each {GatewaysMin} to {UpCommand.GatewaysMax}.", DefaultValueFactory = static _ => GatewaysDefault, HelpName = "N,N…" };
        Option<int> seconds = new("--seconds") { Description = $"The time measured in each, 1 to {SecondsMax}.", DefaultValueFactory = static _ => SecondsDefault, HelpName = "S" };
        Option<bool> json = new("--json") { Description = "One JSON line on standard output." };
        gateways.Validators.Add(static result =>
        {
            if (Sizes(result.GetValueOrDefault<string>()) is null)
            {
                result.AddError($"--gateways: '{result.GetValueOrDefault<string>()}' is no list of numbers from {GatewaysMin} to {UpCommand.GatewaysMax}, like {GatewaysDefault}");
            }
        });
        seconds.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && value is < 1 or > SecondsMax)
            {
                result.AddError($"--seconds: {value} is not between 1 and {SecondsMax}");
            }
        });

        Command command = new("network", "Frames a second that networks of real gateways attest, bytes between them, time to certificate and anchor.") { gateways, seconds, json };
        command.SetAction((parsed, cancel) => RunAsync(Sizes(parsed.GetValue(gateways)!)!, parsed.GetValue(seconds), parsed.GetValue(json), cancel));
        return command;
    }

    private static async Task<int> RunAsync(int[] sizes, int seconds, bool json, CancellationToken cancel)
    {
        BenchCommand.WarnOfDebug();
        List<NetworkBenchResult> runs = [];
        List<(int Gateways, CliError Error)> failed = [];
        foreach (int size in sizes)
        {
            try
            {
                runs.Add(await new NetworkBench(size, TimeSpan.FromSeconds(seconds), Console.Error.WriteLine).RunAsync(cancel).ConfigureAwait(false));
            }
            catch (CliError error)
            {
                await Console.Error.WriteLineAsync($"{size} gateways: not measured: {error.Message}").ConfigureAwait(false);
                failed.Add((size, error));
            }
            catch (DevnetException error)
            {
                throw new CliError(ExitCode.Unreachable, error.Message, "mend what it names and run it again");
            }
        }

        if (runs.Count == 0)
        {
            throw failed[0].Error;
        }

        Console.WriteLine(json ? Json(runs, failed) : Table(runs, failed));
        return failed.Count == 0 ? ExitCode.Ok : ExitCode.Failed;
    }

    private static string Json(List<NetworkBenchResult> runs, List<(int Gateways, CliError Error)> failed)
    {
        JsonObject line = new() { ["runs"] = JsonSerializer.SerializeToNode(runs) };
        if (failed.Count > 0)
        {
            line["failed"] = new JsonArray([.. failed.Select(static one => new JsonObject { ["gateways"] = one.Gateways, ["reason"] = one.Error.Message })]);
        }

        return line.ToJsonString();
    }

    private static string Table(List<NetworkBenchResult> runs, List<(int Gateways, CliError Error)> failed)
    {
        IEnumerable<string> lines = runs.SelectMany(static run => JsonSerializer.SerializeToNode(run)!.AsObject()).GroupBy(static cell => cell.Key)
            .Select(static row => $"{row.Key,-18}{string.Concat(row.Select(static cell => $"{cell.Value,12}"))}");
        return string.Join(Environment.NewLine, lines.Concat(failed.Select(static one => $"not measured: {one.Gateways} gateways: {one.Error.Message}")));
    }

    /// <summary>Null when it is no list of sizes.</summary>
    private static int[]? Sizes(string? text)
    {
        List<int> sizes = [];
        foreach (string part in (text ?? "").Split(','))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int size) || size is < GatewaysMin or > UpCommand.GatewaysMax)
            {
                return null;
            }

            sizes.Add(size);
        }

        return [.. sizes];
    }
}

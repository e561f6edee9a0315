using System.CommandLine;
using System.CommandLine.Parsing;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Up;

/// <summary>`depin up`: the whole way on this machine, as real processes.</summary>
public static class UpCommand
{
    public const int DevicesMax = 64;

    public const int GatewaysMax = 16;

    private const int DevicesDefault = 3;
    private const int GatewaysDefault = 3;
    private const int SecondsMax = 86_400;

    public static Command Create()
    {
        Option<int> devices = new("--devices") { Description = $"Virtual boards, 1 to {DevicesMax}.", DefaultValueFactory = _ => DevicesDefault, HelpName = "N" };
        Option<int> gateways = new("--gateways") { Description = $"Gateways, 1 to {GatewaysMax}, each a process with its own keys; the boards are spread over them.", DefaultValueFactory = _ => GatewaysDefault, HelpName = "N" };
        Option<string?> sense = new("--sense") { Description = "What every board senses: host (this computer's own measurements), model (noise and drift), or a CSV file of time_ms,channel,value. Default: the first board host, the others model.", HelpName = "host|model|FILE" };
        Option<bool> once = new("--once") { Description = "End with 0 as soon as every board has a frame proven on chain; with 1 if that takes too long." };
        Option<int?> seconds = new("--seconds") { Description = $"End after this time, 1 to {SecondsMax}. Without it and --once: until Ctrl-C.", HelpName = "N" };
        Option<bool> json = new("--json") { Description = "Progress on standard error; standard output is one JSON line: devices, gateways, frames, anchors, proven, failed." };
        Option<string?> data = new("--data") { Description = "An empty folder to keep everything in. Default: .depin/up below this folder, emptied at each start.", HelpName = "DIR" };
        devices.Validators.Add(result => Bound(result, 1, DevicesMax));
        gateways.Validators.Add(result => Bound(result, 1, GatewaysMax));
        seconds.Validators.Add(result => Bound(result, 1, SecondsMax));
        sense.Validators.Add(result =>
        {
            string? value = result.GetValueOrDefault<string?>();
            if (value is not (null or "host" or "model") && !File.Exists(value))
            {
                result.AddError($"--sense: '{value}' is neither 'host' nor 'model' nor a file that exists");
            }
        });

        Command command = new("up", "Starts a chain, gateways and virtual boards on this machine and proves what the boards sense.") { devices, gateways, sense, once, seconds, json, data };
        command.SetAction((parsed, cancel) => UpRun.RunAsync(
            new UpOptions(parsed.GetValue(devices), parsed.GetValue(gateways), parsed.GetValue(sense), parsed.GetValue(once), parsed.GetValue(seconds), parsed.GetValue(json), parsed.GetValue(data)), cancel));
        return command;
    }

    private static void Bound(OptionResult result, int from, int to)
    {
        // What is no number at all, the parser complains about by itself.
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && (value < from || value > to))
        {
            result.AddError($"{result.Option.Name}: {value} is not between {from} and {to}");
        }
    }
}

/// <summary>What the person asked of `up`.</summary>
public sealed record UpOptions(int Devices, int Gateways, string? Sense, bool Once, int? Seconds, bool Json, string? Data);

using System.CommandLine;
using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Status;

/// <summary>`depin status`: what moves at a gateway, what waits, and what to do about it.</summary>
public static class StatusCommand
{
    public static Command Create()
    {
        Option<string?> gateway = GatewayOption.Create();
        Option<bool> json = new("--json") { Description = "One JSON line with the gateway's own status and health." };
        Command command = new("status", "What moves at a gateway, and what waits. Ends with 1 when it is not healthy.") { gateway, json };
        command.SetAction(async (parsed, cancel) =>
        {
            using GatewayApi api = GatewayOption.Open(parsed.GetValue(gateway));
            GatewayStatus read = await GatewayStatus.ReadAsync(api, cancel).ConfigureAwait(false);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(new { status = read.Status, health = read.Health }) : read.Text(api.Url));
            return read.IsHealthy ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }
}

using System.CommandLine;
using System.Text.Json;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Protocol;

namespace DePIN.Cli.Device;

/// <summary>`depin device`: what a gateway knows of its devices, what the registry on chain says of one, and what its owner does with it there.</summary>
public static class DeviceCommand
{
    public static Command Create()
    {
        Command command = new("device", "The devices a gateway knows, and the registry's tokens of them.") { CreateList(), CreateShow() };
        foreach (Command owners in DeviceOwnerCommands.Create()) command.Subcommands.Add(owners);
        return command;
    }

    public static Argument<string> DeviceArgument() => new("device") { Description = "The device id: 40 hex digits.", HelpName = "DEVICE" };

    /// <summary>The device id as paths have it.</summary>
    public static string Parse(string text)
    {
        string hex = (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text).ToLowerInvariant();
        return DeviceId.TryParse(hex, new byte[DeviceId.Bytes]) ? hex
            : throw new CliError(ExitCode.BadInput, $"'{text}' is no device id", "give its 40 hex digits; 'depin device list' has them");
    }

    private static Command CreateList()
    {
        Option<string?> gateway = GatewayOption.Create();
        Option<bool> json = new("--json") { Description = "The gateway's own JSON." };
        Command command = new("list", "Every device: its last frame, when it came, and its state in the registry.") { gateway, json };
        command.SetAction(async (parsed, cancel) =>
        {
            using GatewayApi api = GatewayOption.Open(parsed.GetValue(gateway));
            await ListAsync(api, parsed.GetValue(json), cancel).ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command CreateShow()
    {
        Argument<string> device = DeviceArgument();
        Option<string?> gateway = GatewayOption.Create();
        Command command = new("show", "One device, as the gateway has it.") { device, gateway };
        command.SetAction(async (parsed, cancel) =>
        {
            string id = Parse(parsed.GetValue(device)!);
            using GatewayApi api = GatewayOption.Open(parsed.GetValue(gateway));
            JsonElement? found = await api.TryGetAsync($"/api/devices/{id}", cancel).ConfigureAwait(false);
            Console.WriteLine(found is { } shown ? JsonText.Indented(shown)
                : throw new CliError(ExitCode.BadInput, $"the gateway at {api.Url} does not know device {id}", "register it on chain first ('depin device list' shows whom it knows); a new registration takes a poll or two to arrive"));
            return ExitCode.Ok;
        });
        return command;
    }

    private static async Task ListAsync(GatewayApi api, bool json, CancellationToken cancel)
    {
        if (!json)
        {
            Console.WriteLine($"{"device",-40}  {"last frame",10}  {"received",-24}  {"key",-14}  state");
        }

        string? page = "/api/devices";
        while (page is not null)
        {
            JsonElement list = await api.GetAsync(page, cancel).ConfigureAwait(false);
            if (json)
            {
                Console.WriteLine(JsonText.Indented(list));
            }
            else
            {
                foreach (DeviceView device in DeviceView.ReadList(list))
                {
                    Console.WriteLine($"{device.Id,-40}  {device.LastSequence,10}  {Received(device),-24}  {device.KeyKind,-14}  {(device.Revoked ? "revoked" : "registered")}");
                }
            }

            page = list.TryGetProperty("next", out JsonElement next) && next.ValueKind == JsonValueKind.String ? "/api/devices?after=" + next.GetString() : null;
        }
    }

    private static string Received(DeviceView device) => device.LastReceivedMs is { } ms ? DateTimeOffset.FromUnixTimeMilliseconds(ms).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture) : "never";
}

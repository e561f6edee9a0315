using System.CommandLine;
using System.Text.Json;
using DePIN.Cli.Up;

namespace DePIN.Cli.Gateway;

/// <summary>
/// The --gateway option that every command about a gateway takes, and what it means when it is not given: the environment, then
/// the `up` that runs in this folder, then the default port.
/// </summary>
public static class GatewayOption
{
    public static Option<string?> Create() => new("--gateway") { Description = $"The gateway's API. Default: {GatewayApi.Variable}, else the 'up' that runs here, else {GatewayApi.DefaultUrl}.", HelpName = "URL" };

    public static GatewayApi Open(string? given) =>
        new(given ?? Environment.GetEnvironmentVariable(GatewayApi.Variable) ?? RunningUp() ?? GatewayApi.DefaultUrl);

    private static string? RunningUp()
    {
        try
        {
            using JsonDocument note = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(UpFolder.DefaultPath, UpFolder.NoteName)));
            return note.RootElement.GetProperty("gateway").GetString();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null; // no 'up' runs here
        }
    }
}

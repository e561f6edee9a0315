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
        new(given ?? Environment.GetEnvironmentVariable(GatewayApi.Variable) ?? RunningUp().FirstOrDefault() ?? GatewayApi.DefaultUrl);

    /// <summary>The same option for commands that can ask several gateways.</summary>
    public static Option<string[]> CreateMany() => new("--gateway") { Description = $"A gateway's API; may be given several times. Default: {GatewayApi.Variable}, else the 'up' that runs here, else {GatewayApi.DefaultUrl}.", HelpName = "URL" };

    /// <param name="given">URLs; none: the default.</param>
    /// <param name="everyOfUp">Whether the default is every gateway of the `up` that runs here, or the first of them.</param>
    public static IReadOnlyList<GatewayApi> OpenMany(IReadOnlyList<string> given, bool everyOfUp)
    {
        if (given.Count == 0 && everyOfUp && Environment.GetEnvironmentVariable(GatewayApi.Variable) is null && RunningUp() is { Count: > 0 } running)
        {
            given = running;
        }

        return given.Count == 0 ? [Open(null)] : [.. given.Select(url => new GatewayApi(url))];
    }

    /// <summary>The gateways of the `up` that runs here.</summary>
    private static List<string> RunningUp()
    {
        try
        {
            using JsonDocument note = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(UpFolder.DefaultPath, UpFolder.NoteName)));
            return [.. note.RootElement.GetProperty("gateways").EnumerateArray().Select(url => url.GetString()).OfType<string>()];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return []; // no 'up' runs here
        }
    }
}

using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Bench;

/// <summary>`depin bench network` measures real gateways; what it measures is this machine's matter and no test's.</summary>
public sealed class NetworkBenchTests
{
    private static readonly string[] Keys =
    [
        "gateways", "framesPerSecond", "bytesPerFrame", "certificateP50Ms", "certificateP99Ms", "anchorP50Ms", "anchorP99Ms", "rssMiB",
        "cpuUsPerFrame", "batchAgeS", "epochSeconds",
    ];

    [Test]
    public async Task One_line_has_every_figure_of_every_network()
    {
        using TempFolder folder = new();
        CliProcess run = await CliProcess.RunAsync(folder.Path, "bench", "network", "--gateways", "4", "--seconds", "3", "--json");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        Assert.That(run.Output.Trim(), Does.Not.Contain('\n'), "one JSON line");
        using JsonDocument result = JsonDocument.Parse(run.Output);
        Assert.That(result.RootElement.EnumerateObject().Select(member => member.Name), Is.EqualTo(new[] { "runs" }), run.Output);
        JsonElement[] runs = [.. result.RootElement.GetProperty("runs").EnumerateArray()];
        Assert.That(runs, Has.Length.EqualTo(1));
        Dictionary<string, double> figures = runs[0].EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetDouble());
        Assert.Multiple(() =>
        {
            Assert.That(figures.Keys, Is.EqualTo(Keys));
            Assert.That(figures.Values, Has.All.GreaterThan(0).And.All.LessThan(double.PositiveInfinity), run.Output);
            Assert.That(figures["gateways"], Is.EqualTo(4));
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty, "nothing is left where it was run");
        });
    }
}

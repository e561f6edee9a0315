using System.Text.Json;
using DePIN.BoardCost;
using DePIN.Cli.Terminal;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Bench;

/// <summary>`depin bench sign`: this machine's rates are no test's matter, what is counted is.</summary>
public sealed class SignBenchTests
{
    private static readonly string[] Keys =
    [
        "signaturesPerSecond", "nativeSignaturesPerSecond", "signRatio", "hashMiBPerSecond", "hashRatio", "ilPerSignature", "hmacsPerSignature",
        "ilPerHashBlock", "ilPerFrame", "secondsPerSignature", "secondsPerSignatureFast", "secondsPerFrame", "secondsPerFrameFast", "firmwareBytes", "heapBytes",
    ];

    [Test]
    public async Task One_line_has_every_figure_within_its_bound()
    {
        using TempFolder folder = new();
        CliProcess run = await CliProcess.RunAsync(folder.Path, "bench", "sign", "--json");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        Assert.That(run.Output.Trim(), Does.Not.Contain('\n'), "one JSON line, and none of the node's log");
        using JsonDocument result = JsonDocument.Parse(run.Output);
        Dictionary<string, double> figures = result.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetDouble());
        Assert.Multiple(() =>
        {
            Assert.That(figures.Keys, Is.EqualTo(Keys));
            Assert.That(figures.Values, Has.All.GreaterThan(0).And.All.LessThan(double.PositiveInfinity), run.Output);
            Assert.That(figures["ilPerSignature"], Is.LessThanOrEqualTo(1_600_000));
            Assert.That(figures["ilPerHashBlock"], Is.LessThanOrEqualTo(6_000));
            Assert.That(figures["ilPerFrame"], Is.GreaterThan(figures["ilPerSignature"]));
            Assert.That(figures["secondsPerSignature"], Is.EqualTo(figures["ilPerSignature"] / SignCost.IlPerSecondSlow).Within(0.001));
            Assert.That(figures["secondsPerSignatureFast"], Is.EqualTo(figures["ilPerSignature"] / SignCost.IlPerSecondFast).Within(0.001));
            Assert.That(figures["heapBytes"], Is.LessThanOrEqualTo(HeapCost.BytesMax));
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty, "nothing is left where it was run");
        });
    }

    [Test]
    public async Task A_person_reads_every_figure_with_what_it_assumes()
    {
        using TempFolder folder = new();
        CliProcess run = await CliProcess.RunAsync(folder.Path, "bench", "sign");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        Assert.Multiple(() =>
        {
            Assert.That(Keys.Where(key => !run.Output.Contains(key, StringComparison.Ordinal)), Is.Empty, run.Output);
            Assert.That(run.Output, Does.Contain("240 MHz").And.Contain("80 native instructions").And.Contain("not measured on a board"));
        });
    }
}

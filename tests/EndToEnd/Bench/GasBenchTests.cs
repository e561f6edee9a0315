using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Bench;

/// <summary>`depin bench gas`: gas is counted, not timed, so every figure is held to its target.</summary>
public sealed class GasBenchTests
{
    private static readonly string[] Keys = ["anchor", "perSignature", "prove", "register", "registerBatchEach", "claim", "perFrameAt10000"];
    private static readonly string[] Gateways = ["4", "7", "10", "16", "31"];

    [Test]
    public async Task One_line_has_every_figure_within_its_target()
    {
        using TempFolder folder = new();
        CliProcess run = await CliProcess.RunAsync(folder.Path, "bench", "gas", "--json");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        Assert.That(run.Output.Trim(), Does.Not.Contain('\n'), "one JSON line, and none of the node's log");
        using JsonDocument result = JsonDocument.Parse(run.Output);
        JsonElement root = result.RootElement;
        Assert.That(root.EnumerateObject().Select(member => member.Name), Is.EqualTo(Keys));
        JsonElement anchor = root.GetProperty("anchor");
        double Of(string key) => root.GetProperty(key).GetDouble();
        Assert.Multiple(() =>
        {
            Assert.That(anchor.EnumerateObject().Select(member => member.Name), Is.EqualTo(Gateways));
            Assert.That(anchor.EnumerateObject().Select(member => member.Value.GetInt64()), Is.Ordered.Ascending);
            // Nothing costs less than a transaction.
            Assert.That(anchor.GetProperty("4").GetInt64(), Is.InRange(21_000, 62_000));
            Assert.That(Of("perSignature"), Is.InRange(3_000, 4_700));
            Assert.That(Of("prove"), Is.InRange(21_000, 110_000));
            Assert.That(Of("register"), Is.InRange(21_000, 130_000));
            Assert.That(Of("registerBatchEach"), Is.InRange(21, 100));
            Assert.That(Of("claim"), Is.InRange(21_000, 70_000));
            Assert.That(Of("perFrameAt10000"), Is.EqualTo(anchor.GetProperty("4").GetInt64() / 10_000.0).Within(0.01).And.LessThan(8));
        });
    }
}

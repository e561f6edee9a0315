using DePIN.Devnet;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>One of four gateways lies: its lies are refused, kept as evidence, and visible; the other three go on.</summary>
public sealed class ByzantineTests
{
    private const int Liar = 3;

    [TestCase("badFrame", "badBatch")]
    [TestCase("equivocate", "batchEquivocation")]
    public async Task A_gateway_that_lies_is_refused_and_accused(string how, string kind)
    {
        string program = Path.Combine(Repository.Root, "tests", "Byzantine", "bin", Configuration(), "net10.0", "DePIN.Byzantine.dll");
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4, (i, options) => i != Liar ? options : options with
        {
            Program = program, Environment = new Dictionary<string, string> { ["DEPIN_BYZANTINE"] = how },
        });
        string liar = network.Gateways[Liar].Identity.Address.ToString();
        network.StartLoad();
        await network.UntilAnchorsAsync(2, "the honest three anchor");
        await network.UntilAsync(async () =>
        {
            for (int i = 0; i < Liar; i++)
                if (!(await network.EvidenceAsync(i)).Contains((kind, liar))) return false;
            return true;
        }, "every honest gateway keeps the evidence");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync(Enumerable.Range(0, Liar));

        long honest = network.Devices.Take(Liar).Sum(device => device.Acknowledged);
        long anchored = (await network.AnchorsAsync()).Sum(anchor => (long)anchor.Header.Frames);
        Assert.That(anchored, Is.EqualTo(honest), "nothing of the liar's was certified, everything of the others is anchored once");
        for (int i = 0; i < Liar; i++)
            Assert.That((await network.EvidenceAsync(i)).Select(e => e.Gateway).Distinct(), Is.EqualTo(new[] { liar }), "nobody else is accused");
        Cli.CliProcess shown = await Cli.CliProcess.RunAsync(network.Folder(0), "network", "--gateway", network.Gateways[0].Api.Url.ToString());
        Assert.That(shown.Output, Does.Contain(liar[..8]).IgnoreCase, $"depin network shows it (exit {shown.ExitCode}: {shown.Errors})");
    }

    private static string Configuration() => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal) ? "Release" : "Debug";
}

using System.Numerics;
using System.Text;
using System.Text.Json.Nodes;
using DePIN.Cli.Gateway;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.Evidence;
using DePIN.Gateway.Web;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>One of four gateways lies: its lies are refused, kept as evidence, visible, and punished on chain without anybody's doing; the other three go on.</summary>
public sealed class ByzantineTests
{
    private const int Liar = 3;

    [TestCase("badFrame", "badBatch")]
    [TestCase("equivocate", "batchEquivocation")]
    public async Task A_gateway_that_lies_is_refused_accused_and_slashed_by_its_peers(string how, string kind)
    {
        string program = Path.Combine(Repository.Root, "tests", "Byzantine", "bin", Configuration(), "net10.0", "DePIN.Byzantine.dll");
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4, (i, options) => i != Liar ? options : options with
        {
            Program = program, Environment = new Dictionary<string, string> { ["DEPIN_BYZANTINE"] = how },
        });
        string liar = network.Gateways[Liar].Identity.Address.ToString();
        BigInteger amount = 5_000 * BigInteger.Pow(10, 18);
        CommunityContracts community = network.Chain.Deployment.Community!;
        await network.SendAsAsync(Liar, community.Token, NetworkToken.EncodeApprove(network.Chain.Deployment.GatewayRegistry, amount));
        await network.SendAsAsync(Liar, network.Chain.Deployment.GatewayRegistry, GatewayRegistry.EncodeJoin(network.Gateways[Liar].Identity.Record, amount, [])); // it was added at the deployment; now it has a stake, too
        network.StartLoad();
        await network.UntilAnchorsAsync(2, "the honest three anchor");
        await network.UntilAsync(async () =>
        {
            for (int i = 0; i < Liar; i++)
                if (!(await network.EvidenceAsync(i)).Contains((kind, liar))) return false;
            return true;
        }, "every honest gateway keeps the evidence");
        await network.UntilAsync(async () => await StakeAsync(network) is { Active: false, JailedUntil: > 0 }, "it is slashed, jailed and out of the set");
        Assert.That((await StakeAsync(network)).Amount, Is.EqualTo(amount - amount * (how == "badFrame" ? 1_000 : 5_000) / 10_000), "what the community set as the share of the stake");
        await network.UntilAsync(async () => await network.ConnectedAsync(0) == 2, "from the next epoch on nobody speaks with it");
        await network.UntilAnchorsAsync(1, "the honest three go on");
        await network.StopLoadAsync();
        await network.UntilAnchoredAsync(Enumerable.Range(0, Liar));

        long honest = network.Devices.Take(Liar).Sum(device => device.Acknowledged);
        // A batch before the last one may be the later to be certified, when its attesters changed meanwhile.
        await network.UntilAsync(async () => (await network.AnchorsAsync()).Sum(anchor => (long)anchor.Header.Frames) >= honest, "everything of the others is anchored");
        long anchored = (await network.AnchorsAsync()).Sum(anchor => (long)anchor.Header.Frames);
        Assert.That(anchored, Is.EqualTo(honest), "and once, and nothing of the liar's was certified");
        for (int i = 0; i < Liar; i++)
            Assert.That((await network.EvidenceAsync(i)).Select(e => e.Gateway).Distinct(), Is.EqualTo(new[] { liar }), "nobody else is accused");
        Cli.CliProcess shown = await Cli.CliProcess.RunAsync(network.Folder(0), "network", "--gateway", network.Gateways[0].Api.Url.ToString());
        Assert.That(shown.Output, Does.Contain(liar[..8]).IgnoreCase, $"depin network shows it (exit {shown.ExitCode}: {shown.Errors})");
        Cli.CliProcess judged = await Cli.CliProcess.RunAsync(network.Folder(0), "disputes", "--rpc", network.Chain.Node.RpcUrl.ToString(), "--deployment", network.Chain.DeploymentFile);
        Assert.That(judged.Output, Does.Contain(liar).IgnoreCase.And.Contain(how == "badFrame" ? "badFrame" : "twoBatches"), $"depin disputes shows what was judged (exit {judged.ExitCode}: {judged.Errors})");
        for (int i = 0; i < Liar; i++)
        {
            Cli.CliProcess brought = await Cli.CliProcess.RunAsync(network.Folder(0), "disputes", "--gateway", network.Gateways[i].Api.Url.ToString());
            Assert.That(brought.Output, Does.Contain(liar).IgnoreCase, $"and what gateway {i} did (exit {brought.ExitCode}: {brought.Errors})");
        }
    }

    [Test]
    public async Task Who_is_killed_between_commitment_and_report_reports_when_it_is_back()
    {
        string program = Path.Combine(Repository.Root, "tests", "Byzantine", "bin", Configuration(), "net10.0", "DePIN.Byzantine.dll");
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4, (i, options) => i != Liar ? options : options with
        {
            Program = program, Environment = new Dictionary<string, string> { ["DEPIN_BYZANTINE"] = "badFrame" },
        });
        AnvilNode node = network.Chain.Node;
        Address disputes = network.Chain.Deployment.Community!.Disputes;
        network.StartLoad();
        JsonNode? commitment = null;
        await network.UntilAsync(async () => (commitment = await PendingAsync(node, disputes)) is not null, "somebody commits to evidence");
        await node.CallAsync("evm_setIntervalMining", [0]); // nothing more is mined: no report is sent before its commitment is on chain
        await Task.WhenAll(network.Gateways.Select(gateway => gateway.KillAsync()));
        await node.MineAsync();
        Address reporter = Address.Parse(commitment!["from"]!.GetValue<string>());
        Assert.That(Enumerable.Range(0, Liar).Select(i => network.Gateways[i].Identity.Address), Does.Contain(reporter));

        await node.CallAsync("evm_setIntervalMining", [1]);
        LocalGateway back = network.Gateways.Single(gateway => gateway.Identity.Address == reporter);
        await back.LaunchAsync(CancellationToken.None);
        await network.UntilAsync(async () => await StakeAsync(network) is { Active: false, JailedUntil: > 0 }, "who committed reports, alone, with the salt it saved");
        await Task.WhenAll(network.Gateways.Where(gateway => gateway != back).Select(gateway => gateway.LaunchAsync(CancellationToken.None)));
        await network.UntilAnchorsAsync(1, "the honest three go on");
        await network.StopLoadAsync();
        List<Disputes.OffenceProvenEvent> proven = [];
        await foreach (EventLog log in network.Chain.Client.GetLogsAsync(new LogFilter([disputes], [[Disputes.OffenceProvenEvent.Topic]], 0, await network.Chain.Client.GetBlockNumberAsync())))
            if (Disputes.OffenceProvenEvent.TryDecode(log.Topics, log.Data, out Disputes.OffenceProvenEvent? one)) proven.Add(one);
        Assert.That(proven[0].Reporter, Is.EqualTo(reporter));
        Assert.That(proven.Select(one => one.Offence), Is.Unique, "no offence counts twice");
    }

    /// <summary>A transaction to the contract that waits to be mined; null when there is none.</summary>
    private static async Task<JsonNode?> PendingAsync(AnvilNode node, Address contract) =>
        (await node.CallAsync("txpool_content"))!["pending"]!.AsObject().SelectMany(account => account.Value!.AsObject().Select(transaction => transaction.Value))
            .FirstOrDefault(transaction => Address.TryParse(transaction!["to"]?.GetValue<string>() ?? "", out Address to) && to == contract);

    [Test]
    public async Task A_gateway_that_signs_for_a_device_nobody_registered_is_accused_and_the_case_is_upheld()
    {
        string program = Path.Combine(Repository.Root, "tests", "Byzantine", "bin", Configuration(), "net10.0", "DePIN.Byzantine.dll");
        NetworkPlan plan = NetworkPlan.Default.With(Parameter.ResponseSeconds, 8);
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(4, (i, options) => i != Liar ? options : options with
        {
            Program = program, Environment = new Dictionary<string, string> { ["DEPIN_BYZANTINE"] = "stranger" },
        }, plan: plan);
        BigInteger amount = 5_000 * BigInteger.Pow(10, 18);
        CommunityContracts community = network.Chain.Deployment.Community!;
        await network.SendAsAsync(Liar, community.Token, NetworkToken.EncodeApprove(network.Chain.Deployment.GatewayRegistry, amount));
        await network.SendAsAsync(Liar, network.Chain.Deployment.GatewayRegistry, GatewayRegistry.EncodeJoin(network.Gateways[Liar].Identity.Record, amount, []));
        network.StartLoad();
        Address[] honest = [.. Enumerable.Range(0, Liar).Select(i => network.Gateways[i].Identity.Address)];
        await network.UntilAsync(async () => (await OpenedAsync(network)).Count > 0, "a case is opened");
        Disputes.CaseOpenedEvent opened = (await OpenedAsync(network))[0];
        Assert.That((opened.Offender, honest.Contains(opened.Reporter)), Is.EqualTo((network.Gateways[Liar].Identity.Address, true)));
        await network.UntilAsync(async () => await StakeAsync(network) is { Active: false, JailedUntil: > 0 }, "nobody answers, it is upheld: slashed, jailed and out of the set");
        Assert.That((await StakeAsync(network)).Amount, Is.LessThanOrEqualTo(amount - amount * 1_000 / 10_000));
        await network.UntilAnchorsAsync(1, "the honest three go on");
        for (int i = 0; i < Liar; i++)
        {
            GatewayApi gateway = network.Gateways[i].Api;
            await network.UntilAsync(async () => DisputesJson.Read(await gateway.GetBytesAsync("/api/disputes", "application/json", CancellationToken.None)).Cases.Any(
                one => (one.Case, one.Accused, one.Reporter, one.State) == (opened.Id.ToString(), opened.Offender.ToString(), opened.Reporter.ToString(), "upheld")), $"gateway {i} says how the case ended");
        }

        Cli.CliProcess shown = await Cli.CliProcess.RunAsync(network.Folder(0), "disputes", "--gateway", network.Gateways[0].Api.Url.ToString());
        Assert.That(shown.Output, Does.Contain("case upheld").And.Contain(new Address(opened.Device).ToString()), $"and so does depin disputes (exit {shown.ExitCode}: {shown.Errors})");
        string page = Encoding.UTF8.GetString(await network.Gateways[0].Api.GetBytesAsync("/disputes", "text/html", CancellationToken.None));
        Assert.That(page, Does.Contain(new Address(opened.Device).ToString()).And.Contain("data-label=\"State\">upheld<"), "and the page");
        await network.StopLoadAsync();
        Assert.That((await OpenedAsync(network)).Select(one => one.Offender).Distinct(), Is.EqualTo(new[] { opened.Offender }), "nobody else is accused");
    }

    private static async Task<List<Disputes.CaseOpenedEvent>> OpenedAsync(GatewayNetwork network)
    {
        List<Disputes.CaseOpenedEvent> all = [];
        LogFilter filter = new([network.Chain.Deployment.Community!.Disputes], [[Disputes.CaseOpenedEvent.Topic]], network.Chain.Deployment.DeployedAtBlock, await network.Chain.Client.GetBlockNumberAsync());
        await foreach (EventLog log in network.Chain.Client.GetLogsAsync(filter))
            if (Disputes.CaseOpenedEvent.TryDecode(log.Topics, log.Data, out Disputes.CaseOpenedEvent? one)) all.Add(one);
        return all;
    }

    private static async Task<GatewayRegistry.Stake> StakeAsync(GatewayNetwork network) =>
        GatewayRegistry.TryDecodeStakeOf(await network.Chain.Client.CallAsync(new CallRequest(network.Chain.Deployment.GatewayRegistry, GatewayRegistry.EncodeStakeOf(network.Gateways[Liar].Identity.Address))), out GatewayRegistry.Stake? stake)
            ? stake : throw new InvalidOperationException("stakeOf()");

    private static string Configuration() => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal) ? "Release" : "Debug";
}

using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.EndToEnd.Tests.Chaos;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Evidence;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Peers;

/// <summary>A fleet registered by one root: claims, one transaction, a list for one gateway; a member's frames are attested, anchored, and proven on chain once it has its token.</summary>
public sealed class MemberTests
{
    private const int Fleet = 64;

    [Test]
    public async Task A_fleet_in_one_transaction_is_attested_by_gateways_that_get_the_list_from_each_other_and_proven_on_chain()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(3);
        (string deployment, string rpc, string folder) = (network.Chain.DeploymentFile, network.Chain.Node.RpcUrl.ToString(), network.Folder(0));
        string ownerKey = Path.Combine(Path.GetDirectoryName(deployment)!, LocalChain.OwnerKeyFile);
        string[] access = ["--deployment", deployment, "--rpc", rpc, "--key", ownerKey];
        string claims = Path.Combine(folder, "claims.jsonl"), list = Path.Combine(folder, "fleet.members");
        SampleDevice[] fleet = [.. Enumerable.Range(0, Fleet).Select(_ => new SampleDevice())];
        using (ClaimCollector collector = new(claims, network.Chain.Deployment.ChainId, network.Chain.Deployment.DeviceRegistry, network.Chain.Owner))
        {
            foreach (SampleDevice one in fleet)
            {
                byte[] claim = one.Sign(DeviceClaim.Message(one.KeyKind, network.Chain.Deployment.ChainId, network.Chain.Deployment.DeviceRegistry, network.Chain.Owner));
                await collector.FileAsync(new BoardIdentity(one.KeyKind, one.PublicKey, one.Text, 0, "", ""), claim, CancellationToken.None);
            }
        }

        CliProcess batch = await CliProcess.RunAsync(folder, ["provision", "batch", claims, "--list", list, .. access]);
        Assert.That((batch.ExitCode, batch.Output.Contains($"device batch 0: {Fleet} devices", StringComparison.Ordinal)), Is.EqualTo((ExitCode.Ok, true)), batch.Output + batch.Errors);
        CliProcess again = await CliProcess.RunAsync(folder, ["provision", "batch", claims, "--list", list, .. access]);
        Assert.That((again.ExitCode, again.Output.Contains("device batch 0:", StringComparison.Ordinal), again.Errors.Contains("nothing was sent", StringComparison.Ordinal)), Is.EqualTo((ExitCode.Ok, true, true)), again.Output + again.Errors);

        LoadingDevice member = new(fleet[^1], () => network.Gateways[0].MqttPort, () => network.Links.Host(0), TimeSpan.FromMilliseconds(500));
        network.Devices.Add(member);
        Directory.CreateDirectory(Path.Combine(folder, "members"));
        File.Copy(list, Path.Combine(folder, "members", "fleet.members")); // to one gateway only
        await network.UntilAsync(() => Task.FromResult(File.ReadAllText(network.LogFile(0)).Contains($"{Fleet} members", StringComparison.Ordinal)), "the list is taken: before that its members are strangers");
        network.StartLoad(3);
        await network.UntilAsync(() => Task.FromResult(member.Acknowledged >= 30), "the member's frames are taken");
        await network.StopLoadAsync();
        await network.UntilAsync(async () =>
        {
            try
            {
                return (await network.Gateways[0].Api.GetAsync($"/api/devices/{fleet[^1].Text}/frames/{member.Acknowledged}", CancellationToken.None)).GetProperty("state").GetString() == "anchored";
            }
            catch (CliError)
            {
                return false;
            }
        }, "they are attested by the others and anchored");
        Assert.That(MemberList.TryParse(await File.ReadAllBytesAsync(list), out MemberList? written, out string problem), Is.True, problem);
        for (int i = 1; i < 3; i++)
            Assert.That(File.Exists(Path.Combine(network.Folder(i), "members", written!.Root.ToString()[2..] + MemberList.FileSuffix)), Is.True, $"gateway {i} got the list from a peer");

        string proof = Path.Combine(folder, "proof.json");
        CliProcess prove = await CliProcess.RunAsync(folder, "prove", fleet[^1].Text, "7", "-o", proof, "--gateway", network.Gateways[0].Api.Url.ToString());
        Assert.That(prove.ExitCode, Is.Zero, prove.Output + prove.Errors);
        Assert.That((await CliProcess.RunAsync(folder, "verify", proof)).ExitCode, Is.EqualTo(ExitCode.Ok), "without the chain");
        CliProcess early = await CliProcess.RunAsync(folder, "verify", proof, "--rpc", rpc);
        Assert.That(early.ExitCode, Is.EqualTo(ExitCode.Ok), "Ledger.verify needs no token: the id is the hash of the key: " + early.Output + early.Errors);
        CliProcess stranger = await CliProcess.RunAsync(folder, ["device", "record", fleet[^1].Text, "--deployment", deployment, "--rpc", rpc]);
        Assert.That((stranger.ExitCode, stranger.Errors.Contains("not registered", StringComparison.Ordinal)), Is.EqualTo((ExitCode.Failed, true)), stranger.Output + stranger.Errors);
        CliProcess token = await CliProcess.RunAsync(folder, ["provision", "member", list, fleet[^1].Text, "--batch", "0", .. access]);
        Assert.That((token.ExitCode, token.Output.Contains("registered", StringComparison.Ordinal)), Is.EqualTo((ExitCode.Ok, true)), token.Output + token.Errors);
        CliProcess proven = await CliProcess.RunAsync(folder, "verify", proof, "--rpc", rpc);
        Assert.That(proven.ExitCode, Is.EqualTo(ExitCode.Ok), "and still is with one: " + proven.Output + proven.Errors);
        CliProcess owned = await CliProcess.RunAsync(folder, ["device", "record", fleet[^1].Text, "--deployment", deployment, "--rpc", rpc]);
        Assert.That((owned.ExitCode, owned.Output.Contains(network.Chain.Owner.ToChecksumString(), StringComparison.Ordinal)), Is.EqualTo((ExitCode.Ok, true)), owned.Output + owned.Errors);
        CliProcess passed = await CliProcess.RunAsync(folder, ["provision", "member", list, fleet[^1].Text, "--batch", "0", .. access]);
        Assert.That((passed.ExitCode, passed.Output.Contains("has its token already", StringComparison.Ordinal)), Is.EqualTo((ExitCode.Ok, true)), passed.Output + passed.Errors);
        foreach (SampleDevice one in fleet[..^1]) one.Dispose();
    }
}

using System.Globalization;
using System.Numerics;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.EndToEnd.Tests.Peers;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using Microsoft.Data.Sqlite;

namespace DePIN.EndToEnd.Tests.Reward;

/// <summary>Three gateways compute rewards, agree and publish; an owner claims them; an audit agrees, until one stored number is altered.</summary>
public sealed class RewardTests
{
    [Test]
    public async Task An_owner_claims_rewards_and_an_audit_agrees_until_one_stored_number_is_altered()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(3, plan: NetworkPlan.Default.With(Parameter.EscrowSeconds, 1));
        (string deployment, string rpc, string folder) = (network.Chain.DeploymentFile, network.Chain.Node.RpcUrl.ToString(), network.Folder(0));
        string ownerKey = Path.Combine(Path.GetDirectoryName(deployment)!, LocalChain.OwnerKeyFile);
        network.StartLoad();
        List<Rewards.PayoutPublishedEvent> published = [];
        await network.UntilAsync(async () => (published = await PublishedAsync(network)).Count >= 3, "three roots are published");
        await network.StopLoadAsync();

        CliProcess claim = await CliProcess.RunAsync(folder, "claim", "--deployment", deployment, "--rpc", rpc, "--key", ownerKey, "--gateway", network.Gateways[1].Api.Url.ToString());
        Assert.That(claim.ExitCode, Is.Zero, claim.Output + claim.Errors);
        BigInteger balance = await ContractCall.ReadAsync<BigInteger>(network.Chain.Client, network.Chain.Deployment.Community!.Token, "balanceOf()",
            NetworkToken.EncodeBalanceOf(network.Chain.Owner), NetworkToken.TryDecodeBalanceOf, default, default);
        Assert.That(balance, Is.GreaterThan(BigInteger.Zero), "it was paid");

        string[] audit = ["audit", "--deployment", deployment, "--rpc", rpc, .. network.Gateways.SelectMany(gateway => (string[])["--gateway", gateway.Api.Url.ToString()])];
        CliProcess agrees = await CliProcess.RunAsync(folder, [.. audit, "--bodies"]);
        Assert.That(agrees.ExitCode, Is.Zero, agrees.Output + agrees.Errors);
        Assert.That(agrees.Output, Does.Contain("the same for each of"));

        // One number in what a gateway keeps of a root before the last one.
        string epoch = published[^2].Epoch.ToString(CultureInfo.InvariantCulture);
        await network.Gateways[2].KillAsync();
        Alter(Path.Combine(network.Folder(2), ChainDatabase.FileName), $"reward.payout.{epoch}");
        await network.Gateways[2].LaunchAsync(CancellationToken.None);
        CliProcess differs = await CliProcess.RunAsync(folder, [.. audit, "--epoch", epoch]);
        Assert.That(differs.ExitCode, Is.EqualTo(ExitCode.Failed), differs.Output + differs.Errors);
        Assert.That(differs.Errors, Does.Contain(network.Gateways[2].Api.Url.Authority).And.Contain("earned"), "it names who says what of whom");
        CliProcess others = await CliProcess.RunAsync(folder, [.. audit[..9], "--epoch", epoch]);
        Assert.That(others.ExitCode, Is.Zero, "the other two say what was computed: " + others.Output + others.Errors);
    }

    private static async Task<List<Rewards.PayoutPublishedEvent>> PublishedAsync(GatewayNetwork network)
    {
        List<Rewards.PayoutPublishedEvent> all = [];
        LogFilter filter = new([network.Chain.Deployment.Community!.Rewards], [[Rewards.PayoutPublishedEvent.Topic]], network.Chain.Deployment.DeployedAtBlock, await network.Chain.Client.GetBlockNumberAsync());
        await foreach (EventLog log in network.Chain.Client.GetLogsAsync(filter))
            if (Rewards.PayoutPublishedEvent.TryDecode(log.Topics, log.Data, out Rewards.PayoutPublishedEvent? one)) all.Add(one);
        return all;
    }

    /// <summary>Changes the first digit of the first account's sum.</summary>
    private static void Alter(string file, string key)
    {
        using SqliteConnection database = new(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ConnectionString);
        database.Open();
        using SqliteCommand read = new("SELECT value FROM meta WHERE key = $key", database);
        read.Parameters.AddWithValue("$key", key);
        string text = (string)read.ExecuteScalar()!;
        int at = text.IndexOf("\"sum\":\"", StringComparison.Ordinal) + "\"sum\":\"".Length;
        string altered = text[..at] + (text[at] == '9' ? '8' : (char)(text[at] + 1)) + text[(at + 1)..];
        using SqliteCommand write = new("UPDATE meta SET value = $value WHERE key = $key", database);
        write.Parameters.AddWithValue("$key", key);
        write.Parameters.AddWithValue("$value", altered);
        Assert.That(write.ExecuteNonQuery(), Is.EqualTo(1));
    }
}

using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.RegularExpressions;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.EndToEnd.Tests.Peers;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Web;
using Microsoft.Data.Sqlite;

namespace DePIN.EndToEnd.Tests.Reward;

/// <summary>Three gateways compute rewards, agree and publish; a vote changes a rate; an owner claims; an audit agrees, until one stored number is altered.</summary>
public sealed class RewardTests
{
    // A vote takes as long as two or three payouts: the load goes on meanwhile.
    private static readonly NetworkPlan Quick =
        NetworkPlan.Default.With(Parameter.EscrowSeconds, 1) with { VotingDelaySeconds = 1, VotingPeriodSeconds = 30, TimelockSeconds = 1, ProposalThreshold = 1 };

    [Test]
    public async Task A_vote_changes_a_rate_an_owner_claims_and_an_audit_agrees_until_one_stored_number_is_altered()
    {
        await using GatewayNetwork network = await GatewayNetwork.StartAsync(3, plan: Quick);
        (string deployment, string rpc, string folder) = (network.Chain.DeploymentFile, network.Chain.Node.RpcUrl.ToString(), network.Folder(0));
        string ownerKey = Path.Combine(Path.GetDirectoryName(deployment)!, LocalChain.OwnerKeyFile);
        for (int i = 0; i < 3; i++) await network.SendAsAsync(i, network.Chain.Deployment.Community!.Token, NetworkToken.EncodeDelegate(network.Chain.Owner)); // before they anchor
        network.StartLoad();
        ulong since = await VoteAsync(network, folder, ["--deployment", deployment, "--rpc", rpc, "--key", ownerKey]);
        List<Rewards.PayoutPublishedEvent> published = [];
        int last = 0; // of the payouts before the new share rules alone
        await network.UntilAsync(async () => (last = (published = await PublishedAsync(network)).FindIndex(one => one.Epoch >= since)) >= 0 && published.Count > Math.Max(last + 1, 2), "a payout of epochs after the vote is published");
        CliProcess claim = await ClaimBetweenRootsAsync(network, folder, ["--deployment", deployment, "--rpc", rpc, "--key", ownerKey, "--gateway", network.Gateways[1].Api.Url.ToString()]);
        Assert.That(claim.ExitCode, Is.Zero, claim.Output + claim.Errors);
        await network.StopLoadAsync();
        RewardSums before = await EarnedAsync(network, 1, published[last].Epoch), after = await EarnedAsync(network, 1, published[last + 1].Epoch);
        Assert.That(after.Root(), Is.EqualTo(published[last + 1].Root), "as every gateway computed it");
        BigInteger share = (after.Of(network.Chain.Owner) - before.Of(network.Chain.Owner)) * 10_000 / (after.Total - before.Total);
        Assert.That(share, Is.InRange((BigInteger)8_999, (BigInteger)9_001), "owners get what the vote gave them, with no gateway restarted");

        await network.UntilAsync(async () =>
        {
            string page = Encoding.UTF8.GetString(await network.Gateways[1].Api.GetBytesAsync("/rewards", "text/html", CancellationToken.None));
            return page.Contains($"title=\"{published[last + 1].Root}\"", StringComparison.Ordinal) && page.Contains("data-label=\"Accounts\">4</td><td data-label=\"State\">claimable<", StringComparison.Ordinal);
        }, "the gateway's page shows it");

        BigInteger balance = await ContractCall.ReadAsync<BigInteger>(network.Chain.Client, network.Chain.Deployment.Community!.Token, "balanceOf()",
            NetworkToken.EncodeBalanceOf(network.Chain.Owner), NetworkToken.TryDecodeBalanceOf, default, default);
        Assert.That(balance, Is.GreaterThan(BigInteger.Zero), "it was paid");

        string[] audit = ["audit", "--deployment", deployment, "--rpc", rpc, .. network.Gateways.SelectMany(gateway => (string[])["--gateway", gateway.Api.Url.ToString()])];
        CliProcess agrees = await CliProcess.RunAsync(folder, [.. audit, "--bodies"]);
        Assert.That(agrees.ExitCode, Is.Zero, agrees.Output + agrees.Errors);
        Assert.That(agrees.Output, Does.Contain("the same for each of"));

        (string earlier, string later) = (published[^2].Epoch.ToString(CultureInfo.InvariantCulture), published[^1].Epoch.ToString(CultureInfo.InvariantCulture));
        CliProcess lastOnly = await CliProcess.RunAsync(folder, [.. audit, "--from", earlier, "--epoch", later]);
        Assert.That(lastOnly.ExitCode, Is.Zero, lastOnly.Output + lastOnly.Errors);
        Assert.That(lastOnly.Output, Does.Contain($"1 published root after epoch {earlier} up to epoch {later}"));
        Assert.That(Batches(lastOnly), Is.InRange(1, Batches(agrees) - 1), "it asks for the batches of that payout only");
        CliProcess none = await CliProcess.RunAsync(folder, [.. audit, "--from", later, "--epoch", later]);
        Assert.That(none.ExitCode, Is.EqualTo(ExitCode.BadInput), none.Output + none.Errors);

        // One number in what a gateway keeps of a root before the last one.
        await network.Gateways[2].KillAsync();
        Alter(Path.Combine(network.Folder(2), ChainDatabase.FileName), $"reward.payout.{earlier}");
        await network.Gateways[2].LaunchAsync(CancellationToken.None);
        CliProcess differs = await CliProcess.RunAsync(folder, [.. audit, "--epoch", earlier]);
        Assert.That(differs.ExitCode, Is.EqualTo(ExitCode.Failed), differs.Output + differs.Errors);
        Assert.That(differs.Errors, Does.Contain(network.Gateways[2].Api.Url.Authority).And.Contain("earned"), "it names who says what of whom");
        CliProcess started = await CliProcess.RunAsync(folder, [.. audit, "--from", earlier, "--epoch", later]);
        Assert.That(started.ExitCode, Is.EqualTo(ExitCode.Failed), started.Output + started.Errors);
        Assert.That(started.Errors, Does.Contain(network.Gateways[2].Api.Url.Authority).And.Contain(published[^2].Root.ToString()), "nothing is started from accounts that do not give the root on chain");
        CliProcess others = await CliProcess.RunAsync(folder, [.. audit[..9], "--epoch", earlier]);
        Assert.That(others.ExitCode, Is.Zero, "the other two say what was computed: " + others.Output + others.Errors);
    }

    /// <summary>Gives owners 90 % of the emission by propose, vote and execute; ends with the first epoch that is all of it.</summary>
    private static async Task<ulong> VoteAsync(GatewayNetwork network, string folder, string[] access)
    {
        string proposal = "";
        int attempts = 0;
        await network.UntilAsync(async () =>
        {
            if (proposal.Length == 0)
            {
                CliProcess proposed = await CliProcess.RunAsync(folder, ["propose", "DeviceShare", "90%", "--why", $"Attempt {++attempts}.", .. access]);
                if (proposed.ExitCode != ExitCode.Ok) return false;
                proposal = proposed.Output.Split('\n')[0].Trim();
            }

            CliProcess voted = await CliProcess.RunAsync(folder, ["vote", proposal, "for", .. access]);
            if (voted.Errors.Contains("defeated", StringComparison.Ordinal)) proposal = ""; // this machine was too slow for it
            return voted.ExitCode == ExitCode.Ok;
        }, "the owner proposes and votes");
        await network.UntilAsync(async () => (await CliProcess.RunAsync(folder, ["execute", proposal, .. access])).Output.Contains("executed", StringComparison.Ordinal), "the vote is carried out");
        Block head = (await network.Chain.Client.GetBlockAsync(BlockTag.Latest))!;
        return (await new LedgerReader(network.Chain.Client, network.Chain.Deployment.Ledger).ReadEpochsAsync()).EpochAt(head.Timestamp);
    }

    /// <summary>
    /// Claims while the newest block still says that one root is good and the next block's time that another one is: no block is made in between, long enough for the command to be refused once.
    /// </summary>
    private static async Task<CliProcess> ClaimBetweenRootsAsync(GatewayNetwork network, string folder, string[] access)
    {
        AnvilNode node = network.Chain.Node;
        await network.UntilAsync(async () =>
        {
            if ((await WaitingAsync(network)).Root.IsZero) return false;
            await node.CallAsync("evm_setIntervalMining", [0]);
            if ((await WaitingAsync(network)).ClaimableFrom > (await network.Chain.Client.GetBlockAsync(BlockTag.Latest))!.Timestamp) return true;
            await node.CallAsync("evm_setIntervalMining", [1]);
            return false;
        }, "a root waits and no block comes");
        Task<CliProcess> claiming = CliProcess.RunAsync(folder, ["claim", .. access]);
        await Task.WhenAny(claiming, Task.Delay(TimeSpan.FromSeconds(6)));
        await node.CallAsync("evm_setIntervalMining", [1]);
        return await claiming;
    }

    /// <summary>The root that is not good for claims yet; zero when there is none.</summary>
    private static Task<Rewards.Published> WaitingAsync(GatewayNetwork network) => ContractCall.ReadAsync<Rewards.Published>(
        network.Chain.Client, network.Chain.Deployment.Community!.Rewards, "pending()", Rewards.EncodePending(), Rewards.TryDecodePending, default, default);

    /// <summary>What a gateway says of a payout.</summary>
    private static async Task<RewardSums> EarnedAsync(GatewayNetwork network, int gateway, ulong epoch) =>
        new(PayoutAccountsJson.Read(await network.Gateways[gateway].Api.GetBytesAsync($"/api/rewards/payouts/{epoch}", "application/json", CancellationToken.None))
            .Accounts.Select(one => KeyValuePair.Create(Address.Parse(one.Account), BigInteger.Parse(one.Cumulative, CultureInfo.InvariantCulture))));

    private static int Batches(CliProcess audit) => int.Parse(Regex.Match(audit.Output, "computed from ([0-9]+) batches").Groups[1].Value, CultureInfo.InvariantCulture);

    private static async Task<List<Rewards.PayoutPublishedEvent>> PublishedAsync(GatewayNetwork network)
    {
        List<Rewards.PayoutPublishedEvent> all = [];
        LogFilter filter = new([network.Chain.Deployment.Community!.Rewards], [[Rewards.PayoutPublishedEvent.Topic]], network.Chain.Deployment.DeployedAtBlock, await network.Chain.Client.GetBlockNumberAsync());
        await foreach (EventLog log in network.Chain.Client.GetLogsAsync(filter))
            if (Rewards.PayoutPublishedEvent.TryDecode(log.Topics, log.Data, out Rewards.PayoutPublishedEvent? one)) all.Add(one);
        return [.. all.DistinctBy(one => one.Root)]; // two gateways may publish the same at once
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

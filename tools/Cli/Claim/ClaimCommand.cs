using System.CommandLine;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using DePIN.Cli.Contracts;
using DePIN.Cli.Gateway;
using DePIN.Cli.Stake;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Claim;

/// <summary>`depin claim`: gets an account's leaf and path from a gateway, checks them against the root on chain, and only then pays gas.</summary>
public static class ClaimCommand
{
    private const int AttemptsMax = 4;
    private const int NextBlockS = 60; // the longest a chain's next block is waited for
    private const ulong ClockErrorS = 5; // a chain's clock may be ahead by as much

    public static Command Create()
    {
        NetworkOptions network = new();
        Option<string?> account = new("--account") { Description = "Whose rewards; they go to that account whoever sends this. Default: the account of --key.", HelpName = "ADDRESS" };
        Option<string?> gateway = GatewayOption.Create();
        Command command = new("claim", "Claims what an owner of devices or an operator of a gateway earned.") { account, gateway };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => RunAsync(network, parsed, parsed.GetValue(account) is { } text ? StakeCommand.Parse(text) : null, parsed.GetValue(gateway), cancel));
        return command;
    }

    private static async Task<int> RunAsync(NetworkOptions options, ParseResult parsed, Address? given, string? gatewayUrl, CancellationToken cancel)
    {
        using GatewayApi gateway = GatewayOption.Open(gatewayUrl);
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        for (int attempts = 1; ; attempts++)
        {
            Rewards.Published good = await RootAsync(network, cancel).ConfigureAwait(false);
            try
            {
                return await ClaimAsync(network, gateway, given ?? network.Account, good, cancel).ConfigureAwait(false);
            }
            catch (CliError error) when (error.ExitCode == ExitCode.Failed && attempts < AttemptsMax)
            {
                // The next root may have become good for claims in between; then, and only then, it is worth another attempt.
                if (!await IsReplacedAsync(network, good, cancel).ConfigureAwait(false)) throw;
            }
        }
    }

    private static async Task<int> ClaimAsync(NetworkAccess network, GatewayApi gateway, Address account, Rewards.Published good, CancellationToken cancel)
    {
        Address rewards = network.Contracts.Rewards;
        Rewards.Published waiting = await PendingAsync(network, cancel).ConfigureAwait(false);
        string later = waiting.Root.IsZero ? "" : $"; the root up to epoch {waiting.Epoch} is good for claims from {UnstakeCommand.Time(waiting.ClaimableFrom)} on";
        if (good.Root.IsZero) throw new CliError(ExitCode.Failed, $"no root is good for claims yet{later}", "claim then: nothing is lost by waiting");
        BigInteger paid = await network.ReadAsync<BigInteger>(rewards, "claimed()", Rewards.EncodeClaimed(account), Rewards.TryDecodeClaimed, cancel).ConfigureAwait(false);

        (BigInteger cumulative, List<Hash32> path) = await LeafAsync(gateway, account, good, cancel).ConfigureAwait(false);
        if (!MerkleTree.Verify(good.Root, RewardSums.Leaf(account, cumulative), path.ToArray()))
            throw new CliError(ExitCode.NotProven, $"{gateway.Url} says that {account.ToChecksumString()} earned {TokenAmount.Format(cumulative)}, but its path does not lead to the root on chain", "ask another gateway with --gateway; nothing was sent");
        if (cumulative <= paid)
            throw new CliError(ExitCode.Failed, $"{account.ToChecksumString()} was paid {TokenAmount.Format(paid)} tokens, all it earned up to epoch {good.Epoch}{later}", "claim after the next root");
        await network.SendAsync(rewards, Rewards.EncodeClaim(account, cumulative, path), cancel).ConfigureAwait(false);
        Console.WriteLine($"{account.ToChecksumString()} was paid {TokenAmount.Format(cumulative - paid)} tokens: all it earned up to epoch {good.Epoch}{later}");
        return ExitCode.Ok;
    }

    /// <summary>
    /// Whether another root is good for claims now. What is read is as of the newest block, what is sent is judged at the time of the next one: a root that is good by the clock
    /// is waited for until a block says so.
    /// </summary>
    private static async Task<bool> IsReplacedAsync(NetworkAccess network, Rewards.Published good, CancellationToken cancel)
    {
        for (int looks = 0; looks < NextBlockS; looks++)
        {
            if ((await RootAsync(network, cancel).ConfigureAwait(false)).Root != good.Root) return true;
            Rewards.Published waiting = await PendingAsync(network, cancel).ConfigureAwait(false);
            ulong now = Math.Max((ulong)TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(), await network.TimeAsync(cancel).ConfigureAwait(false));
            if (waiting.Root.IsZero || waiting.ClaimableFrom > now + ClockErrorS) return false;
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancel).ConfigureAwait(false);
        }

        return false;
    }

    private static Task<Rewards.Published> PendingAsync(NetworkAccess network, CancellationToken cancel) =>
        network.ReadAsync<Rewards.Published>(network.Contracts.Rewards, "pending()", Rewards.EncodePending(), Rewards.TryDecodePending, cancel);

    private static Task<Rewards.Published> RootAsync(NetworkAccess network, CancellationToken cancel) =>
        network.ReadAsync<Rewards.Published>(network.Contracts.Rewards, "inForce()", Rewards.EncodeInForce(), Rewards.TryDecodeInForce, cancel);

    private static async Task<(BigInteger Cumulative, List<Hash32> Path)> LeafAsync(GatewayApi gateway, Address account, Rewards.Published good, CancellationToken cancel)
    {
        byte[] answer = await gateway.GetBytesAsync($"/api/rewards/{account}", "application/json", cancel).ConfigureAwait(false);
        ClaimJson? claim;
        try
        {
            claim = ClaimsJson.Read(answer).Claims.FirstOrDefault(one => one.Root == good.Root.ToString());
            if (claim is not null) return (BigInteger.Parse(claim.Cumulative, NumberStyles.None, CultureInfo.InvariantCulture), [.. claim.Path.Select(Hash32.Parse)]);
        }
        catch (Exception wrong) when (wrong is JsonException or FormatException or ArgumentException or NullReferenceException)
        {
            throw new CliError(ExitCode.Unreachable, $"{gateway.Url} answered with what are no claims: {wrong.Message}", "ask another gateway with --gateway");
        }

        throw new CliError(ExitCode.Failed, $"{account.ToChecksumString()} earned nothing up to epoch {good.Epoch}, as far as {gateway.Url} computed it", "check --account; a gateway that was away computes it anew, or ask another one with --gateway");
    }
}

using System.CommandLine;
using System.Numerics;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Contracts;

namespace DePIN.Cli.Govern;

/// <summary>`depin vote`: lists proposals, votes, or delegates the account's tokens to itself so that they count at the next vote.</summary>
public static class VoteCommand
{
    private static readonly string[] Choices = ["against", "for", "abstain"]; // the numbers of GovernorCountingSimple

    public static Command Create()
    {
        NetworkOptions network = new();
        Argument<string> proposal = new("proposal") { Description = "Its number, or the first digits of it.", HelpName = "PROPOSAL" };
        Argument<string> choice = new("choice") { Description = "for, against or abstain.", HelpName = "CHOICE" };
        choice.AcceptOnlyFromAmong(Choices);
        Command command = new("vote", "Votes on a proposal with the weight that was delegated when the vote opened.") { proposal, choice };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => VoteAsync(network, parsed, parsed.GetValue(proposal)!, parsed.GetValue(choice)!, cancel));
        command.Subcommands.Add(CreateList());
        command.Subcommands.Add(CreateDelegate());
        return command;
    }

    private static Command CreateList()
    {
        NetworkOptions network = new();
        Command command = new("list", "All proposals and how they stand.");
        network.AddTo(command, acts: false);
        command.SetAction((parsed, cancel) => ListAsync(network, parsed, cancel));
        return command;
    }

    private static Command CreateDelegate()
    {
        NetworkOptions network = new();
        Argument<string?> to = new("account") { Description = "To whom. Default: the account itself.", HelpName = "ADDRESS", Arity = ArgumentArity.ZeroOrOne };
        Command command = new("delegate", "Lets the account's tokens count in votes that open from now on.") { to };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => DelegateAsync(network, parsed, parsed.GetValue(to), cancel));
        return command;
    }

    private static async Task<int> ListAsync(NetworkOptions options, ParseResult parsed, CancellationToken cancel)
    {
        using NetworkAccess network = options.Look(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        List<Proposal> all = await Proposal.AllAsync(network, cancel).ConfigureAwait(false);
        foreach (Proposal proposal in all) Console.WriteLine(proposal.Describe());
        if (all.Count == 0) Console.WriteLine("no proposals yet");
        return ExitCode.Ok;
    }

    private static async Task<int> DelegateAsync(NetworkOptions options, ParseResult parsed, string? to, CancellationToken cancel)
    {
        Evidence.Address? given = to is null ? null : Stake.StakeCommand.Parse(to);
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        Evidence.Address delegatee = given ?? network.Account;
        await network.SendAsync(network.Contracts.Token, NetworkToken.EncodeDelegate(delegatee), cancel).ConfigureAwait(false);
        BigInteger balance = await network.ReadAsync<BigInteger>(network.Contracts.Token, "balanceOf()", NetworkToken.EncodeBalanceOf(network.Account), NetworkToken.TryDecodeBalanceOf, cancel).ConfigureAwait(false);
        Console.WriteLine($"{TokenAmount.Format(balance)} tokens of {network.Account.ToChecksumString()} count for {delegatee.ToChecksumString()} in votes that open from now on");
        return ExitCode.Ok;
    }

    private static async Task<int> VoteAsync(NetworkOptions options, ParseResult parsed, string which, string choice, CancellationToken cancel)
    {
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        Proposal proposal = await Proposal.FindAsync(network, which, cancel).ConfigureAwait(false);
        if (proposal.State != ProposalState.Active) throw new CliError(ExitCode.Failed, $"no vote goes on: the proposal is {proposal.State.ToString().ToLowerInvariant()}", proposal.State == ProposalState.Pending ? "vote when it has opened: 'depin vote list' says when" : "'depin vote list' shows those that are open");
        BigInteger id = proposal.Created.ProposalId;
        if (await network.ReadAsync<bool>(network.Contracts.Governor, "hasVoted()", NetworkGovernor.EncodeHasVoted(id, network.Account), NetworkGovernor.TryDecodeHasVoted, cancel).ConfigureAwait(false))
            throw new CliError(ExitCode.Failed, $"{network.Account.ToChecksumString()} has voted on it", "a vote cannot be changed");
        BigInteger weight = await network.ReadAsync<BigInteger>(
            network.Contracts.Token, "getPastVotes()", NetworkToken.EncodeGetPastVotes(network.Account, proposal.Created.VoteStart), NetworkToken.TryDecodeGetPastVotes, cancel).ConfigureAwait(false);
        if (weight.IsZero) throw new CliError(ExitCode.Failed, $"{network.Account.ToChecksumString()} had no weight when this vote opened", "delegate before the next one opens: 'depin vote delegate'");
        await network.SendAsync(network.Contracts.Governor, NetworkGovernor.EncodeCastVote(id, (byte)Array.IndexOf(Choices, choice)), cancel).ConfigureAwait(false);
        Console.WriteLine($"{TokenAmount.Format(weight)} tokens {choice}: {proposal.Created.Description}");
        return ExitCode.Ok;
    }
}

using System.CommandLine;
using System.Numerics;
using DePIN.Cli.Contracts;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Govern;

/// <summary>`depin propose`: one number of the network, in plain units, checked against the bounds before it costs gas.</summary>
public static class ProposeCommand
{
    private const int WhyCharsMax = 500;

    public static Command Create()
    {
        NetworkOptions network = new();
        Argument<string> name = new("parameter") { Description = "Which number; 'depin propose list' shows all with their bounds.", HelpName = "PARAMETER" };
        Argument<string> value = new("value") { Description = "Tokens, seconds (or 90m, 12h, 14d), per cent or a count, as the parameter is.", HelpName = "VALUE" };
        Option<string?> why = new("--why") { Description = "A reason, which the chain keeps for those who vote.", HelpName = "TEXT" };
        Command command = new("propose", "Proposes another value of a number that governance sets.") { name, value, why };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => RunAsync(network, parsed, parsed.GetValue(name)!, parsed.GetValue(value)!, parsed.GetValue(why), cancel));
        command.Subcommands.Add(CreateList());
        return command;
    }

    private static Command CreateList()
    {
        NetworkOptions network = new();
        Command command = new("list", "Every number that governance sets: its value and its bounds.");
        network.AddTo(command, acts: false);
        command.SetAction((parsed, cancel) => ListAsync(network, parsed, cancel));
        return command;
    }

    private static async Task<int> ListAsync(NetworkOptions options, ParseResult parsed, CancellationToken cancel)
    {
        using NetworkAccess network = options.Look(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        foreach (GovernedValue value in GovernedValue.All)
        {
            (BigInteger now, BigInteger min, BigInteger max) = await value.ReadAsync(network, cancel).ConfigureAwait(false);
            Console.WriteLine($"{value.Name,-26} {value.Format(now),-18} from {value.Format(min)} to {value.Format(max)}");
        }

        return ExitCode.Ok;
    }

    private static async Task<int> RunAsync(NetworkOptions options, ParseResult parsed, string name, string text, string? why, CancellationToken cancel)
    {
        GovernedValue value = GovernedValue.Find(name);
        BigInteger wanted = value.Parse(text);
        if (why?.Length > WhyCharsMax) throw new CliError(ExitCode.BadInput, $"--why has {why.Length} characters", $"keep it below {WhyCharsMax}: the chain stores it");
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        (BigInteger now, BigInteger min, BigInteger max) = await value.ReadAsync(network, cancel).ConfigureAwait(false);
        if (wanted < min || wanted > max)
            throw new CliError(ExitCode.BadInput, $"VALUE: {value.Format(wanted)} is outside the bounds of {value.Name}", $"give a value from {value.Format(min)} to {value.Format(max)}; no vote can change these bounds");
        if (wanted == now) throw new CliError(ExitCode.BadInput, $"VALUE: {value.Name} is {value.Format(now)} already", "propose another value");
        await CheckWeightAsync(network, cancel).ConfigureAwait(false);

        (Address target, byte[] call) = value.CallOf(network, wanted);
        string description = $"Set {value.Name} from {value.Format(now)} to {value.Format(wanted)}.{(why is null ? "" : " " + why)}";
        TransactionReceipt receipt = await network.SendAsync(network.Contracts.Governor, NetworkGovernor.EncodePropose([target], [BigInteger.Zero], [call], description), cancel).ConfigureAwait(false);
        foreach (EventLog log in receipt.Logs)
        {
            if (!NetworkGovernor.ProposalCreatedEvent.TryDecode(log.Topics, log.Data, out NetworkGovernor.ProposalCreatedEvent? created)) continue;
            Console.WriteLine(Proposal.IdText(created.ProposalId));
            Console.WriteLine($"{description} The vote opens {Stake.UnstakeCommand.Time((ulong)created.VoteStart)} and ends {Stake.UnstakeCommand.Time((ulong)created.VoteEnd)}; tokens count that are delegated before it opens ('depin vote delegate').");
        }

        return ExitCode.Ok;
    }

    /// <summary>Weight counts a second ago, once delegated: said here rather than by a revert.</summary>
    private static async Task CheckWeightAsync(NetworkAccess network, CancellationToken cancel)
    {
        BigInteger threshold = await network.ReadAsync<BigInteger>(network.Contracts.Governor, "proposalThreshold()", NetworkGovernor.EncodeProposalThreshold(), NetworkGovernor.TryDecodeProposalThreshold, cancel).ConfigureAwait(false);
        BigInteger weight = await network.ReadAsync<BigInteger>(network.Contracts.Token, "getVotes()", NetworkToken.EncodeGetVotes(network.Account), NetworkToken.TryDecodeGetVotes, cancel).ConfigureAwait(false);
        if (weight < threshold)
            throw new CliError(ExitCode.Failed, $"{network.Account.ToChecksumString()} has a weight of {TokenAmount.Format(weight)} tokens, proposing takes {TokenAmount.Format(threshold)}", "delegate its tokens to itself with 'depin vote delegate', or let others delegate to it");
    }
}

using System.CommandLine;
using DePIN.Cli.Contracts;
using DePIN.Cli.Stake;
using DePIN.Cli.Terminal;
using DePIN.Contracts;

namespace DePIN.Cli.Govern;

/// <summary>`depin execute`: brings a proposal that won a step on: into the timelock, or, after its delay, into force. Anyone may.</summary>
public static class ExecuteCommand
{
    public static Command Create()
    {
        NetworkOptions network = new();
        Argument<string> proposal = new("proposal") { Description = "Its number, or the first digits of it.", HelpName = "PROPOSAL" };
        Command command = new("execute", "Queues a proposal that won, and executes it once the timelock's delay is over.") { proposal };
        network.AddTo(command);
        command.SetAction((parsed, cancel) => RunAsync(network, parsed, parsed.GetValue(proposal)!, cancel));
        return command;
    }

    private static async Task<int> RunAsync(NetworkOptions options, ParseResult parsed, string which, CancellationToken cancel)
    {
        using NetworkAccess network = options.Act(parsed);
        await network.CheckAsync(cancel).ConfigureAwait(false);
        Proposal proposal = await Proposal.FindAsync(network, which, cancel).ConfigureAwait(false);
        NetworkGovernor.ProposalCreatedEvent what = proposal.Created;
        if (proposal.State == ProposalState.Succeeded)
        {
            await network.SendAsync(network.Contracts.Governor, NetworkGovernor.EncodeQueue(what.Targets, what.Values, what.Calldatas, proposal.DescriptionHash), cancel).ConfigureAwait(false);
            proposal = await Proposal.FindAsync(network, proposal.Id, cancel).ConfigureAwait(false);
            Console.WriteLine($"queued: {what.Description}");
        }

        if (proposal.State != ProposalState.Queued)
            throw new CliError(ExitCode.Failed, $"the proposal is {proposal.State.ToString().ToLowerInvariant()}", proposal.State is ProposalState.Pending or ProposalState.Active ? "wait for the end of the vote: 'depin vote list' says when" : "only a proposal that won can be executed, once");
        if (await network.TimeAsync(cancel).ConfigureAwait(false) < proposal.EtaS)
        {
            Console.WriteLine($"run this again after {UnstakeCommand.Time(proposal.EtaS)}: who disagrees may leave until then");
            return ExitCode.Ok;
        }

        await network.SendAsync(network.Contracts.Governor, NetworkGovernor.EncodeExecute(what.Targets, what.Values, what.Calldatas, proposal.DescriptionHash), cancel).ConfigureAwait(false);
        Console.WriteLine($"executed: {what.Description}");
        return ExitCode.Ok;
    }
}

using System.Globalization;
using System.Numerics;
using DePIN.Cli.Contracts;
using DePIN.Cli.Stake;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Govern;

/// <summary>Where a proposal stands; the numbers of OpenZeppelin's IGovernor.ProposalState.</summary>
public enum ProposalState
{
    Pending,
    Active,
    Canceled,
    Defeated,
    Succeeded,
    Queued,
    Expired,
    Executed,
}

/// <summary>One proposal, as the governor's events tell it, and its state now.</summary>
public sealed record Proposal(NetworkGovernor.ProposalCreatedEvent Created, ProposalState State, NetworkGovernor.ProposalVotesResult Votes, ulong EtaS)
{
    private const int PrefixDigitsMin = 6;

    /// <summary>Its number as people write it: 64 hex digits.</summary>
    public string Id => IdText(Created.ProposalId);

    public Hash32 DescriptionHash => EthereumCrypto.Keccak256(System.Text.Encoding.UTF8.GetBytes(Created.Description));

    public static string IdText(BigInteger id) => new Hash32(new AbiEncoder().UInt(id).ToArray()).ToString();

    /// <summary>All proposals, the oldest first.</summary>
    public static async Task<List<Proposal>> AllAsync(NetworkAccess network, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(network);
        return await ChainClient.AskAsync(async () =>
        {
            ulong head = await network.Client.GetBlockNumberAsync(cancel).ConfigureAwait(false);
            LogFilter filter = new([network.Contracts.Governor], [[NetworkGovernor.ProposalCreatedEvent.Topic]], network.Record.DeployedAtBlock, head);
            List<Proposal> all = [];
            await foreach (EventLog log in network.Client.GetLogsAsync(filter, cancel).ConfigureAwait(false))
            {
                if (!NetworkGovernor.ProposalCreatedEvent.TryDecode(log.Topics, log.Data, out NetworkGovernor.ProposalCreatedEvent? created))
                    throw new RpcAnswerException("result", $"a log of block {log.BlockNumber} is no proposal");
                all.Add(await ReadAsync(network, created, cancel).ConfigureAwait(false));
            }

            return all;
        }).ConfigureAwait(false);
    }

    /// <summary>The proposal that a person means: by its number, or by its first digits when they are one's alone.</summary>
    public static async Task<Proposal> FindAsync(NetworkAccess network, string text, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(text);
        string digits = text.StartsWith("0x", StringComparison.Ordinal) ? text : "0x" + text;
        if (digits.Length < 2 + PrefixDigitsMin || digits[2..].Any(digit => !char.IsAsciiHexDigit(digit)))
            throw new CliError(ExitCode.BadInput, $"'{text}' is no proposal's number", $"give at least its first {PrefixDigitsMin} digits; 'depin vote list' shows all");
        List<Proposal> found = [.. (await AllAsync(network, cancel).ConfigureAwait(false)).Where(one => one.Id.StartsWith(digits, StringComparison.OrdinalIgnoreCase))];
        return found.Count == 1 ? found[0]
            : throw new CliError(ExitCode.BadInput, found.Count == 0 ? $"there is no proposal {text}" : $"{found.Count} proposals begin with {text}", "'depin vote list' shows all");
    }

    /// <summary>Two lines for a person.</summary>
    public string Describe() =>
        $"{Id[..10]}  {State.ToString().ToLowerInvariant(),-9}  {Created.Description}\n" +
        $"            for {TokenAmount.Format(Votes.ForVotes)}, against {TokenAmount.Format(Votes.AgainstVotes)}, abstained {TokenAmount.Format(Votes.AbstainVotes)}; " +
        State switch
        {
            ProposalState.Pending => $"the vote opens {Time(Created.VoteStart)}",
            ProposalState.Active => $"the vote ends {Time(Created.VoteEnd)}",
            ProposalState.Succeeded => "won: 'depin execute' queues it",
            ProposalState.Queued => $"may be executed from {UnstakeCommand.Time(EtaS)} on",
            _ => $"the vote ended {Time(Created.VoteEnd)}",
        };

    private static async Task<Proposal> ReadAsync(NetworkAccess network, NetworkGovernor.ProposalCreatedEvent created, CancellationToken cancel)
    {
        (Address governor, BigInteger id) = (network.Contracts.Governor, created.ProposalId);
        byte state = await network.ReadAsync<byte>(governor, "state()", NetworkGovernor.EncodeState(id), NetworkGovernor.TryDecodeState, cancel).ConfigureAwait(false);
        NetworkGovernor.ProposalVotesResult votes = await network.ReadAsync<NetworkGovernor.ProposalVotesResult>(
            governor, "proposalVotes()", NetworkGovernor.EncodeProposalVotes(id), NetworkGovernor.TryDecodeProposalVotes, cancel).ConfigureAwait(false);
        BigInteger eta = await network.ReadAsync<BigInteger>(governor, "proposalEta()", NetworkGovernor.EncodeProposalEta(id), NetworkGovernor.TryDecodeProposalEta, cancel).ConfigureAwait(false);
        return new Proposal(created, (ProposalState)state, votes, (ulong)eta);
    }

    private static string Time(BigInteger seconds) => seconds <= int.MaxValue ? UnstakeCommand.Time((ulong)seconds) : seconds.ToString(CultureInfo.InvariantCulture);
}

using System.CommandLine;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Cli.Verify;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Contracts;

/// <summary>Options of every command that speaks with the contracts of stake, rewards and votes.</summary>
public sealed class NetworkOptions
{
    public Option<string> Deployment { get; } = new("--deployment") { Description = "The network's deployment record, as gateways have it.", HelpName = "FILE", Required = true };

    public Option<string> Rpc { get; } = new("--rpc") { Description = "The chain's endpoint.", HelpName = "URL", Required = true };

    public Option<string> Key { get; } = new("--key") { Description = "The acting and paying account's key: a file of 64 hex digits or an Ethereum keystore, mode 0600.", HelpName = "FILE", Required = true };

    public Option<string?> Passphrase { get; } = KeyCommand.PassphraseOption();

    /// <summary>Adds them; without the key for commands that only look.</summary>
    public void AddTo(Command command, bool acts = true)
    {
        ArgumentNullException.ThrowIfNull(command);
        command.Options.Add(Deployment);
        command.Options.Add(Rpc);
        if (!acts) return;
        command.Options.Add(Key);
        command.Options.Add(Passphrase);
    }

    /// <summary>Opens the network to look at.</summary>
    public NetworkAccess Look(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        return new NetworkAccess(ReadRecord(parsed.GetValue(Deployment)!), parsed.GetValue(Rpc)!, null);
    }

    /// <summary>Opens the network to act in. The record is read before a passphrase is asked for.</summary>
    public NetworkAccess Act(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        DeploymentRecord record = ReadRecord(parsed.GetValue(Deployment)!);
        return new NetworkAccess(record, parsed.GetValue(Rpc)!, PrivateKeyFile.Read(parsed.GetValue(Key)!, parsed.GetValue(Passphrase)));
    }

    /// <summary>The record of a network that has the contracts of stake, rewards and votes.</summary>
    internal static DeploymentRecord ReadRecord(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--deployment: {path} cannot be read: {error.Message}", "name the file that 'depin contracts deploy' wrote");
        }

        DeploymentRecord record = DeploymentRecord.FromJson(text, out string problem) ?? throw new CliError(ExitCode.BadInput, $"--deployment: {path}: {problem}", "name the file that 'depin contracts deploy' wrote");
        return record.Community is not null ? record
            : throw new CliError(ExitCode.BadInput, $"--deployment: {path} names no contracts of stake, rewards and votes", "name the record of a network that has them");
    }
}

/// <summary>A network's contracts over one endpoint, with an account that acts or without. Everything the chain does wrong is a <see cref="CliError"/>.</summary>
public sealed class NetworkAccess : IDisposable
{
    private readonly ChainClient _chain;
    private readonly GatewaySigner? _key;
    private readonly TransactionSender? _sender;

    internal NetworkAccess(DeploymentRecord record, string rpc, GatewaySigner? key)
    {
        (Record, _key) = (record, key);
        _chain = new ChainClient(rpc);
        if (key is not null) _sender = new TransactionSender(_chain.Client, key, TimeProvider.System);
    }

    public DeploymentRecord Record { get; }

    public CommunityContracts Contracts => Record.Community!;

    public EthereumClient Client => _chain.Client;

    /// <summary>The acting account.</summary>
    public Address Account => _key!.Address;

    /// <summary>Refuses an endpoint of another chain: signatures and addresses would mean nothing there.</summary>
    public async Task CheckAsync(CancellationToken cancel)
    {
        ulong chain = await ChainClient.AskAsync(() => Client.GetChainIdAsync(cancel)).ConfigureAwait(false);
        if (chain != Record.ChainId) throw new CliError(ExitCode.BadInput, $"--rpc serves chain {chain}, the deployment record is of chain {Record.ChainId}", "name an endpoint of that chain, or this chain's record");
    }

    public Task<T> ReadAsync<T>(Address contract, string what, byte[] call, ContractCall.TryDecode<T> decode, CancellationToken cancel) =>
        ChainClient.AskAsync(() => ContractCall.ReadAsync(Client, contract, what, call, decode, default, cancel));

    /// <summary>Time of the newest block, seconds.</summary>
    public async Task<ulong> TimeAsync(CancellationToken cancel) => (await ChainClient.AskAsync(() => Client.GetBlockAsync(BlockTag.Latest, cancel)).ConfigureAwait(false))!.Timestamp;

    /// <summary>Sends and waits until it is mined. What would revert is not sent.</summary>
    public async Task<TransactionReceipt> SendAsync(Address to, byte[] call, CancellationToken cancel)
    {
        try
        {
            return await ChainClient.AskAsync(() => _sender!.SendAsync(to, call, cancel)).ConfigureAwait(false);
        }
        catch (Exception error) when (error is TransactionFailedException or TimeoutException)
        {
            throw new CliError(ExitCode.Failed, error.Message, $"check that {Account.ToChecksumString()} has ether for gas on that chain, then run this again");
        }
    }

    public void Dispose()
    {
        _key?.Dispose();
        _chain.Dispose();
    }
}

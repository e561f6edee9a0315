using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>What <see cref="RewardHistory"/> asks of a chain: of one endpoint, or of several that must agree.</summary>
public interface IRewardChain
{
    /// <summary>The contracts that rewards are computed from and paid by; null where the network pays none.</summary>
    Task<RewardContracts?> ContractsAsync(Address devices, Address gateways, Address ledger, CancellationToken ct = default);

    /// <summary>A block; null when the chain has no such one (yet).</summary>
    Task<Block?> BlockAsync(ulong number, CancellationToken ct = default);

    /// <summary>Events, in their order on the chain.</summary>
    Task<IReadOnlyList<EventLog>> LogsAsync(LogFilter filter, CancellationToken ct = default);

    /// <summary>A transaction; null when it is not known.</summary>
    Task<TransactionInfo?> TransactionAsync(Hash32 hash, CancellationToken ct = default);

    /// <summary>The signers of a version of the set.</summary>
    Task<GatewaySet> SetAsync(Address registry, ulong version, CancellationToken ct = default);
}

/// <summary>One client, which is believed. Every method throws as <see cref="EthereumClient"/> does.</summary>
public sealed class RewardChain(EthereumClient client) : IRewardChain
{
    /// <inheritdoc/>
    public async Task<RewardContracts?> ContractsAsync(Address devices, Address gateways, Address ledger, CancellationToken ct = default)
    {
        try
        {
            return await RewardContracts.FindAsync(client, devices, gateways, ledger, ct).ConfigureAwait(false);
        }
        catch (Exception none) when (none is RpcAnswerException or ExecutionRevertedException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public Task<Block?> BlockAsync(ulong number, CancellationToken ct = default) => client.GetBlockAsync(BlockTag.At(number), ct);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<EventLog>> LogsAsync(LogFilter filter, CancellationToken ct = default)
    {
        List<EventLog> logs = [];
        await foreach (EventLog log in client.GetLogsAsync(filter, ct).ConfigureAwait(false))
            if (!log.Removed) logs.Add(log);
        return logs;
    }

    /// <inheritdoc/>
    public Task<TransactionInfo?> TransactionAsync(Hash32 hash, CancellationToken ct = default) => client.GetTransactionAsync(hash, ct);

    /// <inheritdoc/>
    public Task<GatewaySet> SetAsync(Address registry, ulong version, CancellationToken ct = default) => new GatewayRegistryReader(client, registry).ReadActiveAtAsync(version, ct);
}

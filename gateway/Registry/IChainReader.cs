using DePIN.Evidence;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Registry;

/// <summary>
/// What following the chain needs of it. All methods throw <see cref="RpcException"/> when the chain cannot be asked,
/// and <see cref="ChainMismatchException"/> when it is another chain than configured.
/// </summary>
public interface IChainReader
{
    /// <summary>Checks chain id and that the contracts are there; called once per connection loss.</summary>
    Task CheckAsync(CancellationToken stopping);

    /// <summary>The newest block.</summary>
    Task<BlockMark> HeadAsync(CancellationToken stopping);

    /// <summary>A block, or null when the endpoint has none of that number.</summary>
    Task<BlockMark?> BlockAsync(ulong number, CancellationToken stopping);

    /// <summary>Chain time with <paramref name="head"/> as the newest block, seconds since the Unix epoch: the block's, or that of the block being built.</summary>
    Task<ulong> TimeAsync(BlockMark head, CancellationToken stopping);

    /// <summary>The events of our contracts in these blocks, in chain order.</summary>
    Task<IReadOnlyList<ChainEvent>> EventsAsync(ulong from, ulong to, CancellationToken stopping);

    /// <summary>One device as of the newest block, or null when the registry does not know it.</summary>
    Task<RegisteredDevice?> DeviceAsync(DeviceIdValue device, CancellationToken stopping);
}

/// <summary>The endpoint serves another chain, or the contracts are not there. The message says what to change.</summary>
public sealed class ChainMismatchException(string message, string nextStep) : Exception(message)
{
    /// <summary>What a person should do.</summary>
    public string NextStep { get; } = nextStep;
}

/// <summary>Where our contracts are.</summary>
public sealed record ChainAddresses(ulong ChainId, Address DeviceRegistry, Address GatewayRegistry, Address Ledger, ulong EpochSeconds, ulong DeployedAtBlock);

using System.Numerics;

namespace DePIN.Evidence;

/// <summary>A point of the chain: a number, or latest (the default), pending, safe or finalized.</summary>
public readonly record struct BlockTag
{
    private readonly string? _name;

    private BlockTag(string name) => _name = name;

    private BlockTag(ulong number) => Number = number;

    /// <summary>The newest block; what <c>default</c> means.</summary>
    public static BlockTag Latest => default;

    /// <summary>The newest block and what waits in the node's pool.</summary>
    public static BlockTag Pending => new("pending");

    /// <summary>Will not be reorganised unless a third of the stake misbehaves (the justified block).</summary>
    public static BlockTag Safe => new("safe");

    /// <summary>Will not be reorganised.</summary>
    public static BlockTag Finalized => new("finalized");

    /// <summary>A block by number.</summary>
    public static BlockTag At(ulong number) => new(number);

    /// <summary>The number, when one was given.</summary>
    public ulong? Number { get; }

    /// <summary>As JSON-RPC writes it.</summary>
    public override string ToString() => Number is { } number ? EthereumClient.Quantity(number) : _name ?? "latest";
}

/// <summary>A block's header.</summary>
/// <param name="Number">Height.</param>
/// <param name="Hash">Hash.</param>
/// <param name="ParentHash">Hash of the block before.</param>
/// <param name="Timestamp">Seconds since the Unix epoch.</param>
/// <param name="BaseFeePerGas">Wei; zero on chains without EIP-1559.</param>
public sealed record Block(ulong Number, Hash32 Hash, Hash32 ParentHash, ulong Timestamp, BigInteger BaseFeePerGas);

/// <summary>A call or a transaction to estimate.</summary>
/// <param name="To">The callee; null for contract creation.</param>
/// <param name="Data">Call data.</param>
/// <param name="From">The caller; null for the zero address.</param>
/// <param name="Value">Wei sent along.</param>
/// <param name="Gas">Gas at most; null for the node's bound.</param>
public sealed record CallRequest(Address? To, ReadOnlyMemory<byte> Data, Address? From = null, BigInteger Value = default, ulong? Gas = null);

/// <summary>Fees of recent blocks.</summary>
/// <param name="OldestBlock">First block covered.</param>
/// <param name="BaseFeePerGas">Wei, one per block and one for the block to come.</param>
/// <param name="Rewards">Wei per gas, per block and percentile; empty when none were asked for.</param>
public sealed record FeeHistory(ulong OldestBlock, IReadOnlyList<BigInteger> BaseFeePerGas, IReadOnlyList<IReadOnlyList<BigInteger>> Rewards);

/// <summary>What became of a transaction handed to a node.</summary>
public enum SendOutcome
{
    /// <summary>In the node's pool.</summary>
    Accepted = 0,

    /// <summary>It was there already: as good as accepted.</summary>
    AlreadyKnown,

    /// <summary>The nonce was used: by this very transaction (see its receipt) or by another.</summary>
    NonceTooLow,

    /// <summary>Nonces between are missing.</summary>
    NonceTooHigh,

    /// <summary>Another transaction with this nonce waits, and this one does not pay about 10 % more in both fees.</summary>
    ReplacementUnderpriced,

    /// <summary>The fees are below the base fee or the node's floor.</summary>
    Underpriced,

    /// <summary>The account cannot pay value and gas.</summary>
    InsufficientFunds,

    /// <summary>Another reason: see the message.</summary>
    Rejected,
}

/// <summary>The node's word on a transaction.</summary>
/// <param name="Outcome">Its kind.</param>
/// <param name="Hash">The transaction's hash, computed here.</param>
/// <param name="Message">The node's own text; empty when accepted.</param>
public sealed record SendResult(SendOutcome Outcome, Hash32 Hash, string Message);

/// <summary>A mined transaction's outcome.</summary>
/// <param name="TransactionHash">Which.</param>
/// <param name="BlockNumber">Where.</param>
/// <param name="BlockHash">Of the block it was seen in.</param>
/// <param name="Succeeded">False: it reverted, and its gas is spent.</param>
/// <param name="GasUsed">Gas.</param>
/// <param name="EffectiveGasPrice">Wei per gas paid.</param>
/// <param name="ContractAddress">The contract created, if one was.</param>
/// <param name="Logs">Events.</param>
public sealed record TransactionReceipt(
    Hash32 TransactionHash,
    ulong BlockNumber,
    Hash32 BlockHash,
    bool Succeeded,
    ulong GasUsed,
    BigInteger EffectiveGasPrice,
    Address? ContractAddress,
    IReadOnlyList<EventLog> Logs);

/// <summary>A transaction as a node knows it; block number and hash are null while it waits.</summary>
public sealed record TransactionInfo(
    Hash32 Hash,
    Address From,
    Address? To,
    ulong Nonce,
    ulong? BlockNumber,
    Hash32? BlockHash,
    BigInteger? MaxFeePerGas,
    BigInteger? MaxPriorityFeePerGas,
    ReadOnlyMemory<byte> Input);

/// <summary>An event.</summary>
/// <param name="Address">Contract.</param>
/// <param name="Topics">Up to four; the first is keccak256 of the event's signature.</param>
/// <param name="Data">ABI data of what is not indexed.</param>
/// <param name="BlockNumber">Where.</param>
/// <param name="BlockHash">Of the block it was seen in.</param>
/// <param name="TransactionHash">By which transaction.</param>
/// <param name="LogIndex">Place in the block.</param>
/// <param name="Removed">True when a reorganisation took it back.</param>
public sealed record EventLog(
    Address Address,
    IReadOnlyList<Hash32> Topics,
    ReadOnlyMemory<byte> Data,
    ulong BlockNumber,
    Hash32 BlockHash,
    Hash32 TransactionHash,
    ulong LogIndex,
    bool Removed);

/// <summary>Which events to read.</summary>
/// <param name="Addresses">Contracts; at least one.</param>
/// <param name="Topics">Per position what is accepted; null or empty accepts any.</param>
/// <param name="FromBlock">First block.</param>
/// <param name="ToBlock">Last block.</param>
public sealed record LogFilter(
    IReadOnlyList<Address> Addresses,
    IReadOnlyList<IReadOnlyList<Hash32>?> Topics,
    ulong FromBlock,
    ulong ToBlock)
{
    /// <summary>True when a log is one of these, block range aside.</summary>
    public bool Matches(EventLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        if (!Addresses.Contains(log.Address) || log.Topics.Count < Topics.Count) return false;
        for (int i = 0; i < Topics.Count; i++)
        {
            if (Topics[i] is { Count: > 0 } any && !any.Contains(log.Topics[i])) return false;
        }
        return true;
    }
}

using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace DePIN.Evidence;

/// <summary>
/// The Ethereum methods that this network needs, typed. Every answer is read strictly (<see cref="RpcValue"/>); what the node says
/// about a filter or a hash is checked against what was asked. All methods throw as <see cref="JsonRpc.CallAsync{T}"/> does.
/// </summary>
public sealed class EthereumClient
{
    /// <summary>Bytes of call results, code and transaction input that are read at most.</summary>
    public const int DataBytesMax = 4 * 1024 * 1024;

    /// <summary>Blocks per eth_getLogs request at most; many providers refuse more.</summary>
    public const int LogRangeBlocksMax = 2_000;

    /// <summary>Logs per eth_getLogs answer at most.</summary>
    public const int LogsPerAnswerMax = 20_000;

    private const int TopicsMax = 4;
    private const int FeeHistoryBlocksMax = 1_024;

    private readonly JsonRpc _rpc;

    /// <param name="rpc">Transport.</param>
    public EthereumClient(JsonRpc rpc)
    {
        ArgumentNullException.ThrowIfNull(rpc);
        _rpc = rpc;
    }

    /// <summary>Names of custom errors; contract callers add theirs.</summary>
    public RevertRegistry Reverts => _rpc.Reverts;

    /// <summary>eth_chainId.</summary>
    public Task<ulong> GetChainIdAsync(CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_chainId", null, static result => result.UInt64(), stopping);

    /// <summary>eth_blockNumber.</summary>
    public Task<ulong> GetBlockNumberAsync(CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_blockNumber", null, static result => result.UInt64(), stopping);

    /// <summary>eth_getBlockByNumber without transactions; null when the node has no such block (yet).</summary>
    public Task<Block?> GetBlockAsync(BlockTag tag, CancellationToken stopping = default) =>
        _rpc.CallAsync(
            "eth_getBlockByNumber",
            writer =>
            {
                writer.WriteStringValue(tag.ToString());
                writer.WriteBooleanValue(false);
            },
            result =>
            {
                if (result.IsNull) return null;
                Block block = new(
                    result.Field("number").UInt64(),
                    result.Field("hash").Hash(),
                    result.Field("parentHash").Hash(),
                    result.Field("timestamp").UInt64(),
                    result.Optional("baseFeePerGas")?.UInt256() ?? BigInteger.Zero);
                if (tag.Number is { } asked && block.Number != asked) throw new RpcAnswerException("result.number", "result.number is another block than asked for");
                return block;
            },
            stopping);

    /// <summary>eth_getBalance, wei.</summary>
    public Task<BigInteger> GetBalanceAsync(Address account, BlockTag tag = default, CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_getBalance", AccountAt(account, tag), static result => result.UInt256(), stopping);

    /// <summary>eth_getTransactionCount: the next nonce; with <see cref="BlockTag.Pending"/> beyond what waits in the node's pool.</summary>
    public Task<ulong> GetTransactionCountAsync(Address account, BlockTag tag = default, CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_getTransactionCount", AccountAt(account, tag), static result => result.UInt64(), stopping);

    /// <summary>eth_getCode; empty for an account without code.</summary>
    public Task<byte[]> GetCodeAsync(Address account, BlockTag tag = default, CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_getCode", AccountAt(account, tag), static result => result.Bytes(DataBytesMax), stopping);

    /// <summary>eth_maxPriorityFeePerGas, wei.</summary>
    public Task<BigInteger> GetMaxPriorityFeeAsync(CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_maxPriorityFeePerGas", null, static result => result.UInt256(), stopping);

    /// <summary>eth_feeHistory.</summary>
    /// <param name="blocks">1 to 1,024.</param>
    /// <param name="newest">Last block.</param>
    /// <param name="percentiles">Of the tips paid, 0 to 100, ascending.</param>
    /// <param name="stopping">Ends the call.</param>
    public Task<FeeHistory> GetFeeHistoryAsync(
        int blocks, BlockTag newest, IReadOnlyList<double> percentiles, CancellationToken stopping = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(blocks, FeeHistoryBlocksMax);
        return _rpc.CallAsync(
            "eth_feeHistory",
            writer =>
            {
                writer.WriteStringValue(Quantity(blocks));
                writer.WriteStringValue(newest.ToString());
                writer.WriteStartArray();
                foreach (double percentile in percentiles) writer.WriteNumberValue(percentile);
                writer.WriteEndArray();
            },
            result => new FeeHistory(
                result.Field("oldestBlock").UInt64(),
                [.. result.Field("baseFeePerGas").Items(FeeHistoryBlocksMax + 1).Select(static fee => fee.UInt256())],
                result.Optional("reward") is { IsNull: false } rewards
                    ? [.. rewards.Items(FeeHistoryBlocksMax).Select(block => block.Items(percentiles.Count).Select(static tip => tip.UInt256()).ToArray())]
                    : []),
            stopping);
    }

    /// <summary>eth_estimateGas against the latest block.</summary>
    /// <exception cref="ExecutionRevertedException">It would revert.</exception>
    public Task<ulong> EstimateGasAsync(CallRequest call, CancellationToken stopping = default) =>
        _rpc.CallAsync("eth_estimateGas", writer => Write(writer, call), static result => result.UInt64(), stopping);

    /// <summary>eth_call.</summary>
    /// <exception cref="ExecutionRevertedException">It reverted.</exception>
    public Task<byte[]> CallAsync(CallRequest call, BlockTag tag = default, CancellationToken stopping = default) =>
        _rpc.CallAsync(
            "eth_call",
            writer =>
            {
                Write(writer, call);
                writer.WriteStringValue(tag.ToString());
            },
            static result => result.Bytes(DataBytesMax),
            stopping);

    /// <summary>
    /// eth_sendRawTransaction. A send whose answer was lost is sent again by the transport, so a transaction of ours may come back as
    /// AlreadyKnown, or as NonceTooLow when it was mined meanwhile: ask for the receipt of its hash before doing anything else.
    /// </summary>
    public async Task<SendResult> SendRawTransactionAsync(ReadOnlyMemory<byte> raw, CancellationToken stopping = default)
    {
        Hash32 hash = EthereumCrypto.Keccak256(raw.Span);
        try
        {
            await _rpc.CallAsync(
                "eth_sendRawTransaction",
                writer => writer.WriteStringValue(HexText.Encode(raw.Span)),
                result => result.Hash() == hash ? hash : throw new RpcAnswerException("result", "result is the hash of another transaction"),
                stopping).ConfigureAwait(false);
            return new SendResult(SendOutcome.Accepted, hash, "");
        }
        catch (RpcRejectedException e)
        {
            return new SendResult(OutcomeOf(e.NodeMessage), hash, e.NodeMessage);
        }
    }

    /// <summary>eth_getTransactionReceipt; null when not mined (or not known).</summary>
    public Task<TransactionReceipt?> GetTransactionReceiptAsync(Hash32 hash, CancellationToken stopping = default) =>
        _rpc.CallAsync(
            "eth_getTransactionReceipt",
            writer => writer.WriteStringValue(hash.ToString()),
            result =>
            {
                if (result.IsNull) return null;
                if (result.Field("transactionHash").Hash() != hash)
                    throw new RpcAnswerException("result.transactionHash", "result.transactionHash is another transaction than asked for");
                return new TransactionReceipt(
                    hash,
                    result.Field("blockNumber").UInt64(),
                    result.Field("blockHash").Hash(),
                    result.Field("status").UInt64() == 1,
                    result.Field("gasUsed").UInt64(),
                    result.Optional("effectiveGasPrice")?.UInt256() ?? BigInteger.Zero,
                    result.Optional("contractAddress") is { IsNull: false } created ? created.Address() : null,
                    [.. result.Field("logs").Items(LogsPerAnswerMax).Select(ReadLog)]);
            },
            stopping);

    /// <summary>eth_getTransactionByHash; null when the node does not know it.</summary>
    public Task<TransactionInfo?> GetTransactionAsync(Hash32 hash, CancellationToken stopping = default) =>
        _rpc.CallAsync(
            "eth_getTransactionByHash",
            writer => writer.WriteStringValue(hash.ToString()),
            result =>
            {
                if (result.IsNull) return null;
                if (result.Field("hash").Hash() != hash) throw new RpcAnswerException("result.hash", "result.hash is another transaction than asked for");
                return new TransactionInfo(
                    hash,
                    result.Field("from").Address(),
                    result.Field("to") is { IsNull: false } to ? to.Address() : null,
                    result.Field("nonce").UInt64(),
                    result.Field("blockNumber") is { IsNull: false } number ? number.UInt64() : null,
                    result.Field("blockHash") is { IsNull: false } block ? block.Hash() : null,
                    result.Optional("maxFeePerGas")?.UInt256(),
                    result.Optional("maxPriorityFeePerGas")?.UInt256(),
                    result.Field("input").Bytes(DataBytesMax));
            },
            stopping);

    /// <summary>
    /// eth_getLogs over any span of blocks, oldest first, asked for in ranges of at most <see cref="LogRangeBlocksMax"/> blocks; a range
    /// that the node refuses as too large is halved. Each log is checked against the filter.
    /// </summary>
    public async IAsyncEnumerable<EventLog> GetLogsAsync(LogFilter filter, [EnumeratorCancellation] CancellationToken stopping = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        ulong range = LogRangeBlocksMax;
        for (ulong from = filter.FromBlock; from <= filter.ToBlock;)
        {
            ulong to = Math.Min(filter.ToBlock, from + range - 1);
            EventLog[] logs;
            try
            {
                logs = await GetLogRangeAsync(filter, from, to, stopping).ConfigureAwait(false);
            }
            catch (RpcException e) when (to > from && e is RpcRejectedException or RpcAnswerException { IsTooLong: true })
            {
                range = (to - from + 1) / 2;
                continue;
            }
            foreach (EventLog log in logs) yield return log;
            if (to == ulong.MaxValue) yield break;
            from = to + 1;
            range = Math.Min(LogRangeBlocksMax, 2 * range);
        }
    }

    private Task<EventLog[]> GetLogRangeAsync(LogFilter filter, ulong from, ulong to, CancellationToken stopping) =>
        _rpc.CallAsync(
            "eth_getLogs",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("fromBlock", Quantity(from));
                writer.WriteString("toBlock", Quantity(to));
                writer.WriteStartArray("address");
                foreach (Address address in filter.Addresses) writer.WriteStringValue(address.ToString());
                writer.WriteEndArray();
                writer.WriteStartArray("topics");
                foreach (IReadOnlyList<Hash32>? any in filter.Topics)
                {
                    if (any is null || any.Count == 0)
                    {
                        writer.WriteNullValue();
                        continue;
                    }
                    writer.WriteStartArray();
                    foreach (Hash32 topic in any) writer.WriteStringValue(topic.ToString());
                    writer.WriteEndArray();
                }
                writer.WriteEndArray();
                writer.WriteEndObject();
            },
            result =>
            {
                RpcValue[] items = result.Items(LogsPerAnswerMax);
                EventLog[] logs = new EventLog[items.Length];
                for (int i = 0; i < logs.Length; i++)
                {
                    logs[i] = ReadLog(items[i]);
                    if (!filter.Matches(logs[i]) || logs[i].BlockNumber < from || logs[i].BlockNumber > to)
                        throw new RpcAnswerException(items[i].Path, $"{items[i].Path} does not match the filter");
                    if (i > 0 && (logs[i].BlockNumber, logs[i].LogIndex).CompareTo((logs[i - 1].BlockNumber, logs[i - 1].LogIndex)) <= 0)
                        throw new RpcAnswerException(items[i].Path, $"{items[i].Path} is out of order");
                }
                return logs;
            },
            stopping);

    private static EventLog ReadLog(RpcValue log) => new(
        log.Field("address").Address(),
        [.. log.Field("topics").Items(TopicsMax).Select(static topic => topic.Hash())],
        log.Field("data").Bytes(DataBytesMax),
        log.Field("blockNumber").UInt64(),
        log.Field("blockHash").Hash(),
        log.Field("transactionHash").Hash(),
        log.Field("logIndex").UInt64(),
        log.Optional("removed")?.Bool() ?? false);

    private static Action<Utf8JsonWriter> AccountAt(Address account, BlockTag tag) => writer =>
    {
        writer.WriteStringValue(account.ToString());
        writer.WriteStringValue(tag.ToString());
    };

    private static void Write(Utf8JsonWriter writer, CallRequest call)
    {
        writer.WriteStartObject();
        if (call.From is { } from) writer.WriteString("from", from.ToString());
        if (call.To is { } to) writer.WriteString("to", to.ToString());
        if (!call.Value.IsZero) writer.WriteString("value", Quantity(call.Value));
        if (call.Gas is { } gas) writer.WriteString("gas", Quantity(gas));
        writer.WriteString("data", HexText.Encode(call.Data.Span));
        writer.WriteEndObject();
    }

    internal static string Quantity(BigInteger value)
    {
        string digits = value.ToString("x", CultureInfo.InvariantCulture).TrimStart('0');
        return digits.Length == 0 ? "0x0" : "0x" + digits;
    }

    // There are no codes for these: words of geth, anvil, reth, Nethermind, Besu and Erigon.
    private static SendOutcome OutcomeOf(string message)
    {
        foreach ((string words, SendOutcome outcome) in RefusalWords)
        {
            if (message.Contains(words, StringComparison.OrdinalIgnoreCase)) return outcome;
        }
        return SendOutcome.Rejected;
    }

    private static readonly (string Words, SendOutcome Outcome)[] RefusalWords =
    [
        ("already known", SendOutcome.AlreadyKnown),
        ("known transaction", SendOutcome.AlreadyKnown),
        ("alreadyknown", SendOutcome.AlreadyKnown),
        ("already imported", SendOutcome.AlreadyKnown),
        ("nonce too low", SendOutcome.NonceTooLow),
        ("nonce is too low", SendOutcome.NonceTooLow),
        ("oldnonce", SendOutcome.NonceTooLow),
        ("nonce too high", SendOutcome.NonceTooHigh),
        ("nonce too distant", SendOutcome.NonceTooHigh),
        ("nonce too far", SendOutcome.NonceTooHigh),
        ("replacement", SendOutcome.ReplacementUnderpriced),
        ("could not replace", SendOutcome.ReplacementUnderpriced),
        ("insufficient funds", SendOutcome.InsufficientFunds),
        ("insufficientfunds", SendOutcome.InsufficientFunds),
        ("upfront cost exceeds", SendOutcome.InsufficientFunds),
        ("underpriced", SendOutcome.Underpriced),
        ("less than block base fee", SendOutcome.Underpriced),
        ("max fee per gas", SendOutcome.Underpriced),
        ("fee too low", SendOutcome.Underpriced),
        ("feetoolow", SendOutcome.Underpriced),
    ];
}

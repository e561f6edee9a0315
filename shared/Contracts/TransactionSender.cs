// Sends one transaction after another and waits for each: for deployments, registrations and other acts of a person. The gateway's
// anchors have their own submitter, which survives restarts and replaces fees.
using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>A transaction was mined and reverted, or could not be sent.</summary>
public sealed class TransactionFailedException : Exception
{
    internal TransactionFailedException(string message, Hash32 transactionHash) : base(message) => TransactionHash = transactionHash;

    /// <summary>Hash of the transaction.</summary>
    public Hash32 TransactionHash { get; }
}

/// <summary>One account's transactions. Submit one after another, not concurrently: two would take the same nonce.</summary>
public sealed class TransactionSender
{
    /// <summary>How often a receipt is asked for.</summary>
    public const int ReceiptPollMs = 200;

    /// <summary>How long a transaction may wait to be mined.</summary>
    public const int ReceiptWaitMs = 5 * 60 * 1000;

    private const int GasMarginPercent = 20;

    /// <summary>
    /// One new storage slot: an estimate is made in the newest block's second, and what is counted by the second (a checkpoint of ERC20Votes) is changed in place there, but
    /// written anew in the block that mines it.
    /// </summary>
    private const int GasMarginSlot = 22_100;

    private readonly EthereumClient _client;
    private readonly IEthereumSigner _signer;
    private readonly TimeProvider _clock;
    private ulong? _chainId;

    /// <param name="client">The chain. Its <see cref="EthereumClient.Reverts"/> learns our contracts' errors.</param>
    /// <param name="signer">Who signs and pays; stays the caller's.</param>
    /// <param name="clock">Time between polls.</param>
    public TransactionSender(EthereumClient client, IEthereumSigner signer, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(signer);
        ArgumentNullException.ThrowIfNull(clock);
        _client = client;
        _signer = signer;
        _clock = clock;
        ContractErrors.AddTo(client.Reverts);
    }

    /// <summary>The paying account.</summary>
    public Address Account => _signer.Address;

    /// <summary>Signs, sends and waits until it is mined.</summary>
    /// <param name="to">The callee; null deploys <paramref name="data"/>.</param>
    /// <param name="data">Call data or creation code.</param>
    /// <param name="ct">Ends the wait; a transaction already sent may still be mined.</param>
    /// <exception cref="ExecutionRevertedException">It would revert, so it was not sent.</exception>
    /// <exception cref="TransactionFailedException">It was refused, or was mined and reverted.</exception>
    /// <exception cref="TimeoutException">It was not mined within <see cref="ReceiptWaitMs"/>.</exception>
    public async Task<TransactionReceipt> SendAsync(Address? to, ReadOnlyMemory<byte> data, CancellationToken ct = default) =>
        await WaitAsync(await SubmitAsync(to, data, ct).ConfigureAwait(false), ct).ConfigureAwait(false);

    /// <summary>Signs and sends, and does not wait: the next one may be submitted at once, and takes the next nonce.</summary>
    /// <param name="to">The callee; null deploys <paramref name="data"/>.</param>
    /// <param name="data">Call data or creation code.</param>
    /// <param name="ct">Ends the call; the transaction may have been sent.</param>
    /// <returns>The transaction's hash, for <see cref="WaitAsync"/>.</returns>
    /// <exception cref="ExecutionRevertedException">It would revert, so it was not sent.</exception>
    /// <exception cref="TransactionFailedException">It was refused.</exception>
    public async Task<Hash32> SubmitAsync(Address? to, ReadOnlyMemory<byte> data, CancellationToken ct = default)
    {
        _chainId ??= await _client.GetChainIdAsync(ct).ConfigureAwait(false);
        ulong gas = await _client.EstimateGasAsync(new CallRequest(to, data, Account), ct).ConfigureAwait(false);
        Block head = await _client.GetBlockAsync(BlockTag.Latest, ct).ConfigureAwait(false)
            ?? throw new RpcAnswerException("result", "the node has no latest block");
        BigInteger tip = await _client.GetMaxPriorityFeeAsync(ct).ConfigureAwait(false);
        ulong nonce = await _client.GetTransactionCountAsync(Account, BlockTag.Pending, ct).ConfigureAwait(false);
        Transaction transaction = new(
            _chainId.Value, nonce, tip, (2 * head.BaseFeePerGas) + tip, gas + (gas * GasMarginPercent / 100) + GasMarginSlot, to, BigInteger.Zero, data);
        SignedTransaction signed = transaction.Sign(_signer);

        SendResult sent = await _client.SendRawTransactionAsync(signed.Raw, ct).ConfigureAwait(false);
        // NonceTooLow may be this very transaction, sent twice by the transport and mined in between: its receipt decides.
        if (sent.Outcome is not (SendOutcome.Accepted or SendOutcome.AlreadyKnown or SendOutcome.NonceTooLow))
            throw new TransactionFailedException($"The node refused the transaction ({sent.Outcome}): {sent.Message}", signed.Hash);
        if (sent.Outcome == SendOutcome.NonceTooLow && await _client.GetTransactionReceiptAsync(signed.Hash, ct).ConfigureAwait(false) is null)
            throw new TransactionFailedException($"Another transaction of {Account} took nonce {nonce}: run this again.", signed.Hash);
        return signed.Hash;
    }

    /// <summary>Waits until a submitted transaction is mined. Safe for concurrent use.</summary>
    /// <exception cref="TransactionFailedException">It was mined and reverted.</exception>
    /// <exception cref="TimeoutException">It was not mined within <see cref="ReceiptWaitMs"/>.</exception>
    public async Task<TransactionReceipt> WaitAsync(Hash32 hash, CancellationToken ct)
    {
        for (int waitedMs = 0; waitedMs <= ReceiptWaitMs; waitedMs += ReceiptPollMs)
        {
            if (await _client.GetTransactionReceiptAsync(hash, ct).ConfigureAwait(false) is TransactionReceipt receipt)
            {
                return receipt.Succeeded
                    ? receipt
                    : throw new TransactionFailedException($"Transaction {hash} was mined in block {receipt.BlockNumber} and reverted.", hash);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(ReceiptPollMs), _clock, ct).ConfigureAwait(false);
        }
        throw new TimeoutException($"Transaction {hash} was not mined within {ReceiptWaitMs / 1000} s: look for it before sending another.");
    }
}

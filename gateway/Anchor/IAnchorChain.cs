using System.Numerics;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Registry;

namespace DePIN.Gateway.Anchor;

/// <summary>The account and the block the anchorer decides on.</summary>
/// <param name="BlockHash">The block these values belong to.</param>
/// <param name="TimeS">Chain time: the block's, or that of the block being built when the endpoint tells it.</param>
public sealed record AccountView(Hash32 BlockHash, ulong TimeS, BigInteger BaseFeePerGas, ulong MinedNonce, BigInteger Balance);

/// <summary>What anchoring needs of the chain. Throws <see cref="RpcException"/> when it cannot be asked; tests put faults in between.</summary>
public interface IAnchorChain
{
    /// <summary>The account as of block <paramref name="block"/>; null when the endpoint does not have that block.</summary>
    Task<AccountView?> ViewAsync(Address account, ulong block, CancellationToken stopping);

    /// <summary>Gas of the call; null when no contract is at the ledger's address. Throws <see cref="ExecutionRevertedException"/> when the ledger would refuse it.</summary>
    Task<ulong?> EstimateAsync(Address from, byte[] call, CancellationToken stopping);

    /// <summary>Hands a signed transaction to an endpoint.</summary>
    Task<SendResult> SendAsync(byte[] raw, CancellationToken stopping);
}

/// <summary>The Ledger contract through JSON-RPC.</summary>
public sealed class AnchorChain(EthereumClient client, Address ledger) : IAnchorChain
{
    /// <inheritdoc/>
    public async Task<AccountView?> ViewAsync(Address account, ulong block, CancellationToken stopping)
    {
        if (await client.GetBlockAsync(BlockTag.At(block), stopping).ConfigureAwait(false) is not { } at) return null;
        ulong nonce = await client.GetTransactionCountAsync(account, BlockTag.At(block), stopping).ConfigureAwait(false);
        BigInteger balance = await client.GetBalanceAsync(account, BlockTag.At(block), stopping).ConfigureAwait(false);
        return new AccountView(at.Hash, await ChainTime.ReadAsync(client, at.Number, at.Timestamp, stopping).ConfigureAwait(false), at.BaseFeePerGas, nonce, balance);
    }

    /// <inheritdoc/>
    public async Task<ulong?> EstimateAsync(Address from, byte[] call, CancellationToken stopping)
    {
        // A call to an address without code succeeds and costs gas: the chain may have gone back to before the deployment.
        if ((await client.GetCodeAsync(ledger, default, stopping).ConfigureAwait(false)).Length == 0) return null;
        return await client.EstimateGasAsync(new CallRequest(ledger, call, from), stopping).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<SendResult> SendAsync(byte[] raw, CancellationToken stopping) => client.SendRawTransactionAsync(raw, stopping);

    /// <summary>The call that appends an anchor.</summary>
    public static byte[] Call(AnchorHeader header, IEnumerable<Attestation> attestations, GatewaySet active)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(active);
        // Of more than a quorum those who come first in the epoch's order: who signed is paid for it, and no place in the set may be better than another.
        Address[] order = active.LeadersOf(header.Epoch);
        (BigInteger signers, byte[] signatures) = active.Pack(attestations.Where(a => active.Contains(a.Gateway)).OrderBy(a => Array.IndexOf(order, a.Gateway)).Take(active.Quorum));
        return Ledger.EncodeAnchor(header, signers, signatures);
    }
}

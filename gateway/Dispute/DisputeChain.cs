using System.Numerics;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Gateway.Dispute;

/// <summary>What disputing needs of the chain. Throws <see cref="RpcException"/> when it cannot be asked; tests put faults in between.</summary>
public interface IDisputeChain
{
    /// <summary>What the chain says of a dispute as of its newest block; <paramref name="settled"/>: the last block that counts as final.</summary>
    Task<DisputeView> ViewAsync(DisputeRecord record, ulong settled, CancellationToken stopping);

    /// <summary>Base fee of the newest block, wei.</summary>
    Task<BigInteger> BaseFeeAsync(CancellationToken stopping);

    /// <summary>Sends a call from this gateway's account; does not wait for it. Throws <see cref="ExecutionRevertedException"/> when the contract would refuse, <see cref="TransactionFailedException"/> when an endpoint does.</summary>
    Task<Hash32> SendAsync(byte[] call, CancellationToken stopping);

    /// <summary>On whose evidence an offence was judged, since a block; null when it was before.</summary>
    Task<Address?> ReporterAsync(DisputeRecord record, ulong fromBlock, ulong toBlock, CancellationToken stopping);
}

/// <summary>The Disputes contract through JSON-RPC.</summary>
public sealed class DisputeChain : IDisputeChain
{
    private readonly EthereumClient _client;
    private readonly Address _registry;
    private readonly TransactionSender _sender;
    private Address? _disputes;

    /// <param name="client">The chain.</param>
    /// <param name="registry">The GatewayRegistry, which names the Disputes contract.</param>
    /// <param name="signer">This gateway's account.</param>
    /// <param name="time">For the sender.</param>
    public DisputeChain(EthereumClient client, Address registry, IEthereumSigner signer, TimeProvider time) =>
        (_client, _registry, _sender) = (client, registry, new TransactionSender(client, signer, time));

    /// <inheritdoc/>
    public async Task<DisputeView> ViewAsync(DisputeRecord record, ulong settled, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(record);
        Address disputes = await AddressAsync(stopping).ConfigureAwait(false);
        bool judged = await JudgedAsync(default).ConfigureAwait(false);
        if (judged) return new DisputeView(true, settled >= record.MadeBlock && await JudgedAsync(BlockTag.At(settled)).ConfigureAwait(false), false);
        byte[] answer = await _client.CallAsync(new CallRequest(disputes, Disputes.EncodeCommitments(record.Commitment)), default, stopping).ConfigureAwait(false);
        return Disputes.TryDecodeCommitments(answer, out BigInteger block) ? new DisputeView(false, false, !block.IsZero) : throw Misshapen("commitments()");

        async Task<bool> JudgedAsync(BlockTag at) =>
            Disputes.TryDecodeJudged(await _client.CallAsync(new CallRequest(disputes, Disputes.EncodeJudged(record.Id)), at, stopping).ConfigureAwait(false), out bool is_) ? is_ : throw Misshapen("judged()");
    }

    /// <inheritdoc/>
    public async Task<BigInteger> BaseFeeAsync(CancellationToken stopping) =>
        (await _client.GetBlockAsync(BlockTag.Latest, stopping).ConfigureAwait(false) ?? throw Misshapen("latest block")).BaseFeePerGas;

    /// <inheritdoc/>
    public async Task<Hash32> SendAsync(byte[] call, CancellationToken stopping) => await _sender.SubmitAsync(await AddressAsync(stopping).ConfigureAwait(false), call, stopping).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<Address?> ReporterAsync(DisputeRecord record, ulong fromBlock, ulong toBlock, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(record);
        Address disputes = await AddressAsync(stopping).ConfigureAwait(false);
        LogFilter filter = new([disputes], [[Disputes.OffenceProvenEvent.Topic, Disputes.DeviceOffenceProvenEvent.Topic]], fromBlock, toBlock);
        await foreach (EventLog log in _client.GetLogsAsync(filter, stopping).ConfigureAwait(false))
        {
            if (Disputes.OffenceProvenEvent.TryDecode(log.Topics, log.Data, out Disputes.OffenceProvenEvent? proven) && proven.Offence == record.Id) return proven.Reporter;
            if (Disputes.DeviceOffenceProvenEvent.TryDecode(log.Topics, log.Data, out Disputes.DeviceOffenceProvenEvent? device) && record.Kind == Offence.TwoFrames && new Address(device.Device) == record.Accused)
                return device.Reporter;
        }

        return null;
    }

    private async Task<Address> AddressAsync(CancellationToken stopping)
    {
        if (_disputes is { } known) return known;
        byte[] answer = await _client.CallAsync(new CallRequest(_registry, GatewayRegistry.EncodeDisputes()), default, stopping).ConfigureAwait(false);
        if (!GatewayRegistry.TryDecodeDisputes(answer, out Address found)) throw Misshapen("disputes()");
        _disputes = found;
        return found;
    }

    private static RpcAnswerException Misshapen(string what) => new(what, $"the RPC endpoint's answer for {what} does not decode");
}

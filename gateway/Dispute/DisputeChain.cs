using System.Numerics;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Gateway.Dispute;

/// <summary>Whom a transaction is for.</summary>
public enum DisputeTarget
{
    /// <summary>The Disputes contract.</summary>
    Disputes,

    /// <summary>The DeviceRegistry.</summary>
    Devices,

    /// <summary>The token in which bonds are put down.</summary>
    Token,
}

/// <summary>What an accusation costs its maker until it is upheld, and what the account has.</summary>
/// <param name="Bond">What must be put down.</param>
/// <param name="Balance">What the account has.</param>
/// <param name="Allowance">What the Disputes contract may take of it.</param>
public sealed record BondView(BigInteger Bond, BigInteger Balance, BigInteger Allowance);

/// <summary>What disputing needs of the chain. Throws <see cref="RpcException"/> when it cannot be asked; tests put faults in between.</summary>
public interface IDisputeChain
{
    /// <summary>What the chain says of a dispute as of its newest block; <paramref name="settled"/>: the last block that counts as final.</summary>
    Task<DisputeView> ViewAsync(DisputeRecord record, ulong settled, CancellationToken stopping);

    /// <summary>Base fee of the newest block, wei.</summary>
    Task<BigInteger> BaseFeeAsync(CancellationToken stopping);

    /// <summary>Sends a call from this gateway's account; does not wait for it. Throws <see cref="ExecutionRevertedException"/> when the contract would refuse, <see cref="TransactionFailedException"/> when an endpoint does.</summary>
    Task<Hash32> SendAsync(DisputeTarget to, byte[] call, CancellationToken stopping);

    /// <summary>The Disputes contract's address: who is allowed to take a bond.</summary>
    Task<Address> AddressAsync(CancellationToken stopping);

    /// <summary>The bond of an accusation, and what this gateway's account has.</summary>
    Task<BondView> BondAsync(CancellationToken stopping);

    /// <summary>Cases opened in these blocks, as new records.</summary>
    Task<IReadOnlyList<CaseRecord>> CasesAsync(ulong fromBlock, ulong toBlock, long nowMs, CancellationToken stopping);

    /// <summary>What the chain says of a case as of its newest block; <paramref name="settled"/>: the last block that counts as final.</summary>
    Task<CaseView> CaseAsync(CaseRecord record, ulong settled, CancellationToken stopping);

    /// <summary>On whose evidence an offence was judged, since a block; null when it was before.</summary>
    Task<Address?> ReporterAsync(DisputeRecord record, ulong fromBlock, ulong toBlock, CancellationToken stopping);
}

/// <summary>The Disputes contract through JSON-RPC.</summary>
public sealed class DisputeChain : IDisputeChain
{
    private readonly EthereumClient _client;
    private readonly Address _registry;
    private readonly Address _devices;
    private readonly TransactionSender _sender;
    private Address? _disputes;
    private Address? _token;

    /// <param name="client">The chain.</param>
    /// <param name="registry">The GatewayRegistry, which names the Disputes contract.</param>
    /// <param name="devices">The DeviceRegistry.</param>
    /// <param name="signer">This gateway's account.</param>
    /// <param name="time">For the sender.</param>
    public DisputeChain(EthereumClient client, Address registry, Address devices, IEthereumSigner signer, TimeProvider time) =>
        (_client, _registry, _devices, _sender) = (client, registry, devices, new TransactionSender(client, signer, time));

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
    public async Task<Hash32> SendAsync(DisputeTarget to, byte[] call, CancellationToken stopping) => await _sender.SubmitAsync(to switch
    {
        DisputeTarget.Devices => _devices,
        DisputeTarget.Token => await TokenAsync(stopping).ConfigureAwait(false),
        _ => await AddressAsync(stopping).ConfigureAwait(false),
    }, call, stopping).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<BondView> BondAsync(CancellationToken stopping)
    {
        Address disputes = await AddressAsync(stopping).ConfigureAwait(false), token = await TokenAsync(stopping).ConfigureAwait(false);
        Address parameters = await ReadAsync<Address>(disputes, "parameters()", Disputes.EncodeParameters(), Disputes.TryDecodeParameters, default, stopping).ConfigureAwait(false);
        return new BondView(
            await ReadAsync<BigInteger>(parameters, "valueOf()", Parameters.EncodeValueOf((byte)Parameter.DisputeBond), Parameters.TryDecodeValueOf, default, stopping).ConfigureAwait(false),
            await ReadAsync<BigInteger>(token, "balanceOf()", NetworkToken.EncodeBalanceOf(_sender.Account), NetworkToken.TryDecodeBalanceOf, default, stopping).ConfigureAwait(false),
            await ReadAsync<BigInteger>(token, "allowance()", NetworkToken.EncodeAllowance(_sender.Account, disputes), NetworkToken.TryDecodeAllowance, default, stopping).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<CaseRecord>> CasesAsync(ulong fromBlock, ulong toBlock, long nowMs, CancellationToken stopping)
    {
        List<CaseRecord> cases = [];
        LogFilter filter = new([await AddressAsync(stopping).ConfigureAwait(false)], [[Disputes.CaseOpenedEvent.Topic]], fromBlock, toBlock);
        await foreach (EventLog log in _client.GetLogsAsync(filter, stopping).ConfigureAwait(false))
        {
            if (log.Removed) continue;
            if (!Disputes.CaseOpenedEvent.TryDecode(log.Topics, log.Data, out Disputes.CaseOpenedEvent? opened) || opened.Deadline > long.MaxValue) throw Misshapen("CaseOpened event");
            cases.Add(new CaseRecord(opened.Id, new Address(opened.Device), opened.Offender, opened.Reporter, opened.Deadline, log.BlockNumber, CaseState.Open, nowMs, CaseAction.Wait, 0, 0, 0, ""));
        }

        return cases;
    }

    /// <inheritdoc/>
    public async Task<CaseView> CaseAsync(CaseRecord record, ulong settled, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(record);
        Address disputes = await AddressAsync(stopping).ConfigureAwait(false);
        bool open = await IsOpenAsync(default).ConfigureAwait(false);
        DeviceRegistry.Device device = await ReadAsync<DeviceRegistry.Device>(_devices, "deviceOf()", DeviceRegistry.EncodeDeviceOf(record.Device.ToArray()), DeviceRegistry.TryDecodeDeviceOf, default, stopping).ConfigureAwait(false);
        return new CaseView(open, !open && settled >= record.Block && !await IsOpenAsync(BlockTag.At(settled)).ConfigureAwait(false), device.RegisteredAt != 0);

        async Task<bool> IsOpenAsync(BlockTag at) =>
            !(await ReadAsync<Disputes.Case>(disputes, "caseOf()", Disputes.EncodeCaseOf(record.Id), Disputes.TryDecodeCaseOf, at, stopping).ConfigureAwait(false)).Reporter.IsZero;
    }

    /// <inheritdoc/>
    public async Task<Address?> ReporterAsync(DisputeRecord record, ulong fromBlock, ulong toBlock, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(record);
        Address disputes = await AddressAsync(stopping).ConfigureAwait(false);
        LogFilter filter = new([disputes], [[Disputes.OffenceProvenEvent.Topic, Disputes.DeviceOffenceProvenEvent.Topic, Disputes.CaseOpenedEvent.Topic]], fromBlock, toBlock);
        await foreach (EventLog log in _client.GetLogsAsync(filter, stopping).ConfigureAwait(false))
        {
            if (Disputes.CaseOpenedEvent.TryDecode(log.Topics, log.Data, out Disputes.CaseOpenedEvent? opened) && opened.Id == record.Id) return opened.Reporter;
            if (Disputes.OffenceProvenEvent.TryDecode(log.Topics, log.Data, out Disputes.OffenceProvenEvent? proven) && proven.Offence == record.Id) return proven.Reporter;
            if (Disputes.DeviceOffenceProvenEvent.TryDecode(log.Topics, log.Data, out Disputes.DeviceOffenceProvenEvent? device) && record.Kind == Offence.TwoFrames && new Address(device.Device) == record.Accused)
                return device.Reporter;
        }

        return null;
    }

    /// <inheritdoc/>
    public async Task<Address> AddressAsync(CancellationToken stopping)
    {
        if (_disputes is { } known) return known;
        byte[] answer = await _client.CallAsync(new CallRequest(_registry, GatewayRegistry.EncodeDisputes()), default, stopping).ConfigureAwait(false);
        if (!GatewayRegistry.TryDecodeDisputes(answer, out Address found)) throw Misshapen("disputes()");
        _disputes = found;
        return found;
    }

    private async Task<Address> TokenAsync(CancellationToken stopping) =>
        _token ??= await ReadAsync<Address>(await AddressAsync(stopping).ConfigureAwait(false), "token()", Disputes.EncodeToken(), Disputes.TryDecodeToken, default, stopping).ConfigureAwait(false);

    private Task<T> ReadAsync<T>(Address contract, string what, byte[] call, ContractCall.TryDecode<T> decode, BlockTag at, CancellationToken stopping) =>
        ContractCall.ReadAsync(_client, contract, what, call, decode, at, stopping);

    private static RpcAnswerException Misshapen(string what) => new(what, $"the RPC endpoint's answer for {what} does not decode");
}

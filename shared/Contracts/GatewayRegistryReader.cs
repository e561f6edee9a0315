using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>Typed reads of one GatewayRegistry. Every method throws as <see cref="EthereumClient"/> does. Safe for concurrent use.</summary>
public sealed class GatewayRegistryReader
{
    private readonly EthereumClient _client;

    /// <param name="client">The chain. Its <see cref="EthereumClient.Reverts"/> learns the registry's errors.</param>
    /// <param name="registry">Address of the GatewayRegistry.</param>
    public GatewayRegistryReader(EthereumClient client, Address registry)
    {
        ArgumentNullException.ThrowIfNull(client);
        _client = client;
        Address = registry;
        GatewayRegistry.AddErrors(client.Reverts);
    }

    /// <summary>Address of the GatewayRegistry.</summary>
    public Address Address { get; }

    /// <summary>Version of the active set, from 1.</summary>
    public Task<ulong> ReadVersionAsync(BlockTag at = default, CancellationToken ct = default) =>
        ContractCall.ReadAsync<ulong>(_client, Address, "version()", GatewayRegistry.EncodeVersion(), GatewayRegistry.TryDecodeVersion, at, ct);

    /// <summary>The signers of the active set, in the order of the signer mask.</summary>
    public async Task<GatewaySet> ReadActiveAsync(BlockTag at = default, CancellationToken ct = default)
    {
        Address[] signers = await ContractCall.ReadAsync<Address[]>(
            _client, Address, "active()", GatewayRegistry.EncodeActive(), GatewayRegistry.TryDecodeActive, at, ct).ConfigureAwait(false);
        return ToSet(signers);
    }

    /// <summary>The active gateways with TLS keys and endpoints, in the order of the signer mask.</summary>
    public Task<GatewayRegistry.Gateway[]> ReadGatewaysAsync(BlockTag at = default, CancellationToken ct = default) =>
        ContractCall.ReadAsync<GatewayRegistry.Gateway[]>(
            _client, Address, "gateways()", GatewayRegistry.EncodeGateways(), GatewayRegistry.TryDecodeGateways, at, ct);

    /// <summary>The signers of an earlier version: who could sign then.</summary>
    public async Task<GatewaySet> ReadActiveAtAsync(ulong version, CancellationToken ct = default)
    {
        Address[] signers = await ContractCall.ReadAsync<Address[]>(
            _client, Address, "activeAt()", GatewayRegistry.EncodeActiveAt(version), GatewayRegistry.TryDecodeActiveAt, default, ct).ConfigureAwait(false);
        return ToSet(signers);
    }

    private GatewaySet ToSet(Address[] signers)
    {
        try
        {
            return new GatewaySet(signers);
        }
        catch (ArgumentException impossible)
        {
            throw new RpcAnswerException("result", $"{Address.ToChecksumString()} gives an active set that the contract cannot have: {impossible.Message}");
        }
    }
}

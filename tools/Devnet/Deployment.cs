// Puts a network on a chain: the three contracts, in the order of their dependence, and the record of where they are.
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Devnet;

/// <summary>Deploys a network's contracts and keeps the record as a file.</summary>
public static class Deployment
{
    /// <summary>Deploys GatewayRegistry, DeviceRegistry and Ledger, waiting for each receipt.</summary>
    /// <param name="client">The chain.</param>
    /// <param name="deployer">Who pays. It gets no rights: the contracts have no owner.</param>
    /// <param name="gateways">The first active set, 1 to 256, in the order of the signer mask.</param>
    /// <param name="epochSeconds">Length of an epoch, seconds, at least 1.</param>
    /// <param name="clock">Time between polls.</param>
    /// <param name="ct">Ends the wait; what was sent may still be mined.</param>
    /// <exception cref="ExecutionRevertedException">A constructor refused its arguments.</exception>
    public static async Task<DeploymentRecord> DeployAsync(
        EthereumClient client,
        GatewaySigner deployer,
        IReadOnlyCollection<GatewayRegistry.Gateway> gateways,
        ulong epochSeconds,
        TimeProvider clock,
        CancellationToken ct = default)
    {
        TransactionSender sender = new(client, deployer, clock);
        (Address registry, ulong firstBlock) = await CreateAsync(sender, GatewayRegistry.EncodeDeployment(gateways), ct).ConfigureAwait(false);
        (Address devices, _) = await CreateAsync(sender, ContractArtifact.Bytecode(nameof(DeviceRegistry)), ct).ConfigureAwait(false);
        (Address ledger, _) = await CreateAsync(sender, Ledger.EncodeDeployment(registry, epochSeconds), ct).ConfigureAwait(false);
        ulong chainId = await client.GetChainIdAsync(ct).ConfigureAwait(false);
        return new DeploymentRecord(chainId, devices, registry, ledger, epochSeconds, firstBlock);
    }

    /// <summary>Writes a record, whole or not at all.</summary>
    public static async Task WriteAsync(DeploymentRecord record, string file, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(record);
        string partial = file + ".new";
        await File.WriteAllTextAsync(partial, record.ToJson(), ct).ConfigureAwait(false);
        File.Move(partial, file, overwrite: true);
    }

    /// <summary>Reads a record.</summary>
    /// <exception cref="DevnetException">The file is missing or is no record; the message says what to do.</exception>
    public static async Task<DeploymentRecord> ReadAsync(string file, CancellationToken ct = default)
    {
        if (!File.Exists(file))
            throw new DevnetException($"{file} does not exist: deploy the contracts first, or ask the network's operator for its record.");
        string json = await File.ReadAllTextAsync(file, ct).ConfigureAwait(false);
        return DeploymentRecord.FromJson(json, out string problem)
            ?? throw new DevnetException($"{file} is not a deployment record ({problem}).");
    }

    private static async Task<(Address Contract, ulong Block)> CreateAsync(TransactionSender sender, byte[] code, CancellationToken ct)
    {
        TransactionReceipt receipt = await sender.SendAsync(null, code, ct).ConfigureAwait(false);
        Address contract = receipt.ContractAddress
            ?? throw new DevnetException($"Transaction {receipt.TransactionHash} created no contract, says the node.");
        return (contract, receipt.BlockNumber);
    }
}

// Puts a network on a chain: all its contracts, in the order of their dependence, and the record of where they are.
using System.Numerics;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Devnet;

/// <summary>Deploys a network's contracts and keeps the record as a file.</summary>
public static class Deployment
{
    /// <summary>
    /// Deploys the nine contracts, waiting for each receipt. Those that need each other are named by the address they will have, which follows
    /// from the deployer's nonce: it must send nothing else meanwhile. If it does, a constructor refuses, and the network is deployed anew.
    /// </summary>
    /// <param name="client">The chain.</param>
    /// <param name="deployer">Who pays. It gets no rights: the contracts have no owner.</param>
    /// <param name="gateways">The first active set, 1 to 256, in the order of the signer mask.</param>
    /// <param name="epochSeconds">Length of an epoch, seconds, at least 1.</param>
    /// <param name="clock">Time between polls.</param>
    /// <param name="plan">First values of what governance may change; null takes <see cref="NetworkPlan.Default"/>.</param>
    /// <param name="ct">Ends the wait; what was sent may still be mined.</param>
    /// <exception cref="ExecutionRevertedException">A constructor refused its arguments.</exception>
    public static async Task<DeploymentRecord> DeployAsync(
        EthereumClient client,
        GatewaySigner deployer,
        IReadOnlyCollection<GatewayRegistry.Gateway> gateways,
        ulong epochSeconds,
        TimeProvider clock,
        NetworkPlan? plan = null,
        CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(gateways);
        plan ??= NetworkPlan.Default;
        TransactionSender sender = new(client, deployer, clock);
        ulong nonce = await client.GetTransactionCountAsync(deployer.Address, BlockTag.Pending, ct).ConfigureAwait(false);
        Address At(ulong index) => ContractAddress(deployer.Address, nonce + index);
        CommunityContracts community = new(Token: At(1), Timelock: At(0), Governor: At(2), Parameters: At(3), Disputes: At(7), Rewards: At(8));
        (Address registry, Address devices, Address ledger) = (At(4), At(5), At(6));
        Block head = await client.GetBlockAsync(BlockTag.Latest, ct).ConfigureAwait(false) ?? throw new DevnetException("The node has no latest block.");
        // The first tokens are the first gateways', in equal parts: whoever deploys gets nothing.
        BigInteger each = gateways.Count == 0 ? BigInteger.Zero : plan.FirstSupply / gateways.Count;

        byte[][] codes =
        [
            NetworkTimelock.EncodeDeployment(plan.TimelockSeconds, community.Governor),
            NetworkToken.EncodeDeployment(community.Rewards, [.. gateways.Select(g => g.Signer)], [.. gateways.Select(_ => each)]),
            NetworkGovernor.EncodeDeployment(community.Token, community.Timelock, plan.VotingDelaySeconds, plan.VotingPeriodSeconds, plan.ProposalThreshold, plan.QuorumPercent),
            Parameters.EncodeDeployment(community.Timelock, [.. plan.Values]),
            GatewayRegistry.EncodeDeployment(
                gateways, new GatewayRegistry.Wiring(community.Token, community.Parameters, ledger, community.Disputes, head.Timestamp + plan.BootstrapSeconds)),
            DeviceRegistry.EncodeDeployment(community.Parameters, community.Disputes),
            Ledger.EncodeDeployment(registry, devices, community.Timelock, epochSeconds),
            Disputes.EncodeDeployment(ledger, community.Parameters, community.Token, community.Rewards),
            Rewards.EncodeDeployment(ledger, community.Parameters, community.Token, community.Disputes),
        ];
        ulong firstBlock = 0;
        for (int i = 0; i < codes.Length; i++)
        {
            (Address contract, ulong block) = await CreateAsync(sender, codes[i], ct).ConfigureAwait(false);
            if (contract != At((ulong)i))
                throw new DevnetException($"{deployer.Address.ToChecksumString()} sent another transaction meanwhile: deploy again, and let it send nothing else.");
            if (i == 0)
                firstBlock = block;
        }
        ulong chainId = await client.GetChainIdAsync(ct).ConfigureAwait(false);
        return new DeploymentRecord(chainId, devices, registry, ledger, epochSeconds, firstBlock) { Community = community };
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

    // Of CREATE: the last 20 bytes of keccak256(rlp([sender, nonce])).
    private static Address ContractAddress(Address sender, ulong nonce) =>
        new(EthereumCrypto.Keccak256(new RlpWriter().List(list => list.Bytes(sender.ToArray()).UInt(nonce)).ToArray()).ToArray().AsSpan(12));

    private static async Task<(Address Contract, ulong Block)> CreateAsync(TransactionSender sender, byte[] code, CancellationToken ct)
    {
        TransactionReceipt receipt = await sender.SendAsync(null, code, ct).ConfigureAwait(false);
        Address contract = receipt.ContractAddress
            ?? throw new DevnetException($"Transaction {receipt.TransactionHash} created no contract, says the node.");
        return (contract, receipt.BlockNumber);
    }
}

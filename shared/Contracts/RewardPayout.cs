using System.Numerics;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>What gateways sign so that rewards are paid: the Rewards contract's <c>Payout</c>.</summary>
public static class RewardPayout
{
    private static readonly Hash32 Type = Eip712Struct.TypeHash("Payout(uint64 epoch,bytes32 previous,bytes32 root,uint256 total)");

    /// <summary>The EIP-712 digest.</summary>
    /// <param name="payout">The payout; its total is below 2^256.</param>
    /// <param name="domain">Of the Rewards contract.</param>
    public static Hash32 Digest(Rewards.Payout payout, Eip712Domain domain)
    {
        ArgumentNullException.ThrowIfNull(payout);
        ArgumentNullException.ThrowIfNull(domain);
        return domain.Digest(new Eip712Struct(Type).UInt(payout.Epoch).Word(payout.Previous).Word(payout.Root).Word(Word(payout.Total)).Hash());
    }

    private static Hash32 Word(BigInteger value) => new(new AbiEncoder().UInt(value).ToArray());
}

/// <summary>The contracts that rewards are computed from and paid by.</summary>
public sealed record RewardContracts(Address DeviceRegistry, Address GatewayRegistry, Address Ledger, Address Parameters, Address Rewards)
{
    /// <summary>Those of a record; null when it names none.</summary>
    public static RewardContracts? Of(DeploymentRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return record.Community is not { } community ? null : new(record.DeviceRegistry, record.GatewayRegistry, record.Ledger, community.Parameters, community.Rewards);
    }

    /// <summary>Those that the network's registry works with, asked on chain.</summary>
    /// <exception cref="RpcAnswerException">The registry is of a network without rewards.</exception>
    public static async Task<RewardContracts> FindAsync(EthereumClient client, Address devices, Address gateways, Address ledger, CancellationToken ct = default)
    {
        Address parameters = await ContractCall.ReadAsync<Address>(
            client, gateways, "parameters()", Contracts.GatewayRegistry.EncodeParameters(), Contracts.GatewayRegistry.TryDecodeParameters, default, ct).ConfigureAwait(false);
        Address disputes = await ContractCall.ReadAsync<Address>(
            client, gateways, "disputes()", Contracts.GatewayRegistry.EncodeDisputes(), Contracts.GatewayRegistry.TryDecodeDisputes, default, ct).ConfigureAwait(false);
        Address rewards = await ContractCall.ReadAsync<Address>(client, disputes, "rewards()", Disputes.EncodeRewards(), Disputes.TryDecodeRewards, default, ct).ConfigureAwait(false);
        return new RewardContracts(devices, gateways, ledger, parameters, rewards);
    }
}

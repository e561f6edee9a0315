using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>
/// Where a network's contracts are: what an operator, a device and a verifier must agree on. As JSON:
/// <c>{"chainId":…,"deviceRegistry":"0x…","gatewayRegistry":"0x…","ledger":"0x…","epochSeconds":…,"deployedAtBlock":…}</c>, and
/// <c>"token"</c>, <c>"timelock"</c>, <c>"governor"</c>, <c>"parameters"</c>, <c>"disputes"</c>, <c>"rewards"</c>: all of them or, in a record of before, none.
/// </summary>
/// <param name="ChainId">EIP-155 chain id.</param>
/// <param name="DeviceRegistry">Address.</param>
/// <param name="GatewayRegistry">Address.</param>
/// <param name="Ledger">Address.</param>
/// <param name="EpochSeconds">Length of an epoch at deployment, seconds.</param>
/// <param name="DeployedAtBlock">Block of the first of them: nothing of the network is before it.</param>
public sealed record DeploymentRecord(
    ulong ChainId,
    Address DeviceRegistry,
    Address GatewayRegistry,
    Address Ledger,
    ulong EpochSeconds,
    ulong DeployedAtBlock)
{
    /// <summary>Where stake, rewards and votes are; null in a record that does not say.</summary>
    public CommunityContracts? Community { get; init; }

    /// <summary>The JSON text, with a newline at the end.</summary>
    public string ToJson() =>
        JsonSerializer.Serialize(
            new DeploymentJson(
                ChainId, DeviceRegistry.ToString(), GatewayRegistry.ToString(), Ledger.ToString(), EpochSeconds, DeployedAtBlock,
                Community?.Token.ToString(), Community?.Timelock.ToString(), Community?.Governor.ToString(),
                Community?.Parameters.ToString(), Community?.Disputes.ToString(), Community?.Rewards.ToString()),
            DeploymentJsonContext.Default.DeploymentJson) + "\n";

    /// <summary>Reads the JSON text.</summary>
    /// <param name="json">As <see cref="ToJson"/> writes it.</param>
    /// <param name="problem">What is wrong, for a person; empty when nothing is.</param>
    /// <returns>The record, or null when it is not one.</returns>
    public static DeploymentRecord? FromJson(string json, out string problem)
    {
        DeploymentJson? read;
        try
        {
            read = JsonSerializer.Deserialize(json, DeploymentJsonContext.Default.DeploymentJson);
        }
        catch (JsonException malformed)
        {
            problem = malformed.Message;
            return null;
        }
        problem = "";
        if (read is null || read.ChainId == 0)
            problem = "chainId is missing";
        else if (read.EpochSeconds == 0)
            problem = "epochSeconds is missing";
        if (problem.Length == 0 & TryAddress(read?.DeviceRegistry, "deviceRegistry", ref problem, out Address devices)
            & TryAddress(read?.GatewayRegistry, "gatewayRegistry", ref problem, out Address gateways)
            & TryAddress(read?.Ledger, "ledger", ref problem, out Address ledger))
        {
            DeploymentRecord record = new(read!.ChainId, devices, gateways, ledger, read.EpochSeconds, read.DeployedAtBlock);
            if (read.Token is null)
                return record;
            if (TryAddress(read.Token, "token", ref problem, out Address token)
                & TryAddress(read.Timelock, "timelock", ref problem, out Address timelock)
                & TryAddress(read.Governor, "governor", ref problem, out Address governor)
                & TryAddress(read.Parameters, "parameters", ref problem, out Address parameters)
                & TryAddress(read.Disputes, "disputes", ref problem, out Address disputes)
                & TryAddress(read.Rewards, "rewards", ref problem, out Address rewards))
            {
                return record with { Community = new CommunityContracts(token, timelock, governor, parameters, disputes, rewards) };
            }
        }
        return null;
    }

    private static bool TryAddress(string? text, string field, ref string problem, out Address address)
    {
        if (Address.TryParse(text, out address))
            return true;
        if (problem.Length == 0)
            problem = $"{field} is not an address";
        return false;
    }
}

/// <summary>The contracts of stake, rewards and votes.</summary>
/// <param name="Token">NetworkToken.</param>
/// <param name="Timelock">NetworkTimelock: whom all contracts obey.</param>
/// <param name="Governor">NetworkGovernor.</param>
/// <param name="Parameters">Parameters.</param>
/// <param name="Disputes">Disputes.</param>
/// <param name="Rewards">Rewards.</param>
public sealed record CommunityContracts(Address Token, Address Timelock, Address Governor, Address Parameters, Address Disputes, Address Rewards);

internal sealed record DeploymentJson(
    ulong ChainId, string DeviceRegistry, string GatewayRegistry, string Ledger, ulong EpochSeconds, ulong DeployedAtBlock,
    string? Token = null, string? Timelock = null, string? Governor = null, string? Parameters = null, string? Disputes = null, string? Rewards = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, NewLine = "\n")]
[JsonSerializable(typeof(DeploymentJson))]
internal sealed partial class DeploymentJsonContext : JsonSerializerContext;

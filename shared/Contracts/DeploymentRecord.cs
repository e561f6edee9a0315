using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Evidence;

namespace DePIN.Contracts;

/// <summary>
/// Where a network's contracts are: what an operator, a device and a verifier must agree on. As JSON:
/// <c>{"chainId":…,"deviceRegistry":"0x…","gatewayRegistry":"0x…","ledger":"0x…","epochSeconds":…,"deployedAtBlock":…}</c>.
/// </summary>
/// <param name="ChainId">EIP-155 chain id.</param>
/// <param name="DeviceRegistry">Address.</param>
/// <param name="GatewayRegistry">Address.</param>
/// <param name="Ledger">Address.</param>
/// <param name="EpochSeconds">Length of an epoch, seconds.</param>
/// <param name="DeployedAtBlock">Block of the first of them: nothing of the network is before it.</param>
public sealed record DeploymentRecord(
    ulong ChainId,
    Address DeviceRegistry,
    Address GatewayRegistry,
    Address Ledger,
    ulong EpochSeconds,
    ulong DeployedAtBlock)
{
    /// <summary>The JSON text, with a newline at the end.</summary>
    public string ToJson() =>
        JsonSerializer.Serialize(
            new DeploymentJson(ChainId, DeviceRegistry.ToString(), GatewayRegistry.ToString(), Ledger.ToString(), EpochSeconds, DeployedAtBlock),
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
            return new DeploymentRecord(read!.ChainId, devices, gateways, ledger, read.EpochSeconds, read.DeployedAtBlock);
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

internal sealed record DeploymentJson(ulong ChainId, string DeviceRegistry, string GatewayRegistry, string Ledger, ulong EpochSeconds, ulong DeployedAtBlock);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, NewLine = "\n")]
[JsonSerializable(typeof(DeploymentJson))]
internal sealed partial class DeploymentJsonContext : JsonSerializerContext;

using System.Text.Json;

namespace DePIN.Cli.Gateway;

/// <summary>One device in the gateway's `/api/devices`: what the lists show.</summary>
/// <param name="LastSequence">Highest sequence stored; 0 = none.</param>
/// <param name="LastReceivedMs">When that frame came, ms since the Unix epoch; null = never.</param>
public sealed record DeviceView(string Id, string KeyKind, ulong LastSequence, long? LastReceivedMs, bool Revoked)
{
    public static DeviceView Read(JsonElement device) => new(
        device.GetProperty("device").GetString()!,
        device.GetProperty("keyKind").GetString()!,
        device.GetProperty("lastSequence").GetUInt64(),
        device.GetProperty("lastReceivedMs") is { ValueKind: JsonValueKind.Number } received ? received.GetInt64() : null,
        device.GetProperty("revokedAtS").ValueKind == JsonValueKind.Number);

    public static IEnumerable<DeviceView> ReadList(JsonElement list) => list.GetProperty("devices").EnumerateArray().Select(Read);
}

using System.Text.Json;

namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>How the gateway stands, as the light tells it.</summary>
public enum Standing
{
    /// <summary>/health says "healthy".</summary>
    Healthy,

    /// <summary>It says something else, or has problems.</summary>
    Degraded,

    /// <summary>It says "failed".</summary>
    Failed,

    /// <summary>It does not answer.</summary>
    Silent,
}

/// <summary>What the panel shows of /health. The light never says more than the gateway does: no answer is not "healthy".</summary>
public sealed record GatewayView(Standing Standing, string Gateway = "", string Problem = "", string NextStep = "", long Connections = 0, long Waiting = 0, long? LastFrameAgeMs = null)
{
    /// <summary>The gateway does not answer, or not as it should.</summary>
    public static GatewayView None { get; } = new(Standing.Silent);

    /// <summary>Reads an answer of /health.</summary>
    public static GatewayView Parse(ReadOnlyMemory<byte> health)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(health);
            JsonElement root = document.RootElement, queues = root.GetProperty("queues"), problems = root.GetProperty("problems");
            Standing standing = root.GetProperty("status").GetString() switch
            {
                "healthy" => Standing.Healthy, "failed" => Standing.Failed, _ => Standing.Degraded,
            };
            JsonElement? first = problems.GetArrayLength() > 0 ? problems[0] : null;
            return new GatewayView(
                standing, root.GetProperty("gateway").GetString() ?? "", first is { } problem ? $"{problem.GetProperty("name").GetString()}: {problem.GetProperty("reason").GetString()}" : "",
                first?.GetProperty("nextStep").GetString() ?? "", root.GetProperty("mqttConnections").GetInt64(),
                queues.GetProperty("framesUnbatched").GetInt64() + queues.GetProperty("certificatesPending").GetInt64(),
                root.TryGetProperty("lastFrameAgeMs", out JsonElement age) && age.ValueKind == JsonValueKind.Number ? age.GetInt64() : null);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return None;
        }
    }
}

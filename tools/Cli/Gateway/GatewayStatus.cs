using System.Text;
using System.Text.Json;

namespace DePIN.Cli.Gateway;

/// <summary>The gateway's `/api/status` and `/health`, as `depin status` and `depin up` show them.</summary>
public sealed record GatewayStatus(JsonElement Status, JsonElement Health)
{
    public long Frames => Status.GetProperty("frames").GetInt64();

    public long Batches => Status.GetProperty("lastBatch").GetInt64();

    public long Anchors => Status.GetProperty("ledgerSize").GetInt64();

    public string HealthState => Health.GetProperty("status").GetString() ?? "unknown";

    public bool IsHealthy => HealthState == "healthy";

    public static async Task<GatewayStatus> ReadAsync(GatewayApi api, CancellationToken cancel) => new(
        await api.GetAsync("/api/status", cancel).ConfigureAwait(false), await api.GetHealthAsync(cancel).ConfigureAwait(false));

    /// <summary>What a person reads: the numbers that move, what waits, and for every problem its reason and the next step.</summary>
    public string Text(Uri url)
    {
        StringBuilder text = new();
        text.AppendLine($"gateway {Field(Status, "gateway")} at {url}: {HealthState}");
        text.AppendLine($"  chain        {Field(Status, "chainId")}, block {Field(Status.GetProperty("chain"), "read")} of {Field(Status.GetProperty("chain"), "head")}, ledger {Field(Status, "ledger")}");
        text.AppendLine($"  devices      {Field(Status, "devices")}");
        text.AppendLine($"  frames       {Frames} stored, {Field(Health.GetProperty("queues"), "framesUnbatched")} not in a batch yet");
        text.AppendLine($"  batches      {Batches} made, {Field(Status, "lastCertificate")} certified, {Field(Status, "certificatesPending")} wait for an anchor");
        text.Append($"  anchors      {Anchors}, the last in epoch {Field(Status, "lastEpoch")}");
        foreach (JsonElement problem in Health.GetProperty("problems").EnumerateArray())
        {
            text.AppendLine();
            text.AppendLine($"  {Field(problem, "name")}: {Field(problem, "state")}: {Field(problem, "reason")}");
            text.Append($"    → {Field(problem, "nextStep")}");
        }

        return text.ToString();
    }

    private static string Field(JsonElement of, string name) => of.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : "-";
}

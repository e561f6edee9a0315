using System.Globalization;
using System.Text.Json.Nodes;
using DePIN.Devnet;

namespace DePIN.Cli.Bench;

/// <summary>Gas of the acts that cost money, measured as transactions on a real node with osaka rules.</summary>
public static class GasBench
{
    public static async Task<JsonObject> RunAsync(CancellationToken cancel)
    {
        await using AnvilNode node = await AnvilNode.StartAsync(ct: cancel).ConfigureAwait(false);
        GasFigures figures = await GasTable.MeasureAsync(node, cancel).ConfigureAwait(false);
        return new JsonObject
        {
            ["anchor"] = new JsonObject(figures.Anchor.Select(figure =>
                KeyValuePair.Create<string, JsonNode?>(figure.Key.ToString(CultureInfo.InvariantCulture), figure.Value))),
            ["perSignature"] = figures.PerSignature,
            ["prove"] = figures.Prove,
            ["register"] = figures.Register,
            ["registerBatchEach"] = figures.RegisterBatchEach,
            ["claim"] = figures.Claim,
            ["perFrameAt10000"] = figures.PerFrameAt10000,
        };
    }
}

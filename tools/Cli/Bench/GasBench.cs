using System.Text.Json.Nodes;
using DePIN.Devnet;

namespace DePIN.Cli.Bench;

/// <summary>Gas of the acts that cost money, measured as transactions on a real node with osaka rules.</summary>
public static class GasBench
{
    public static async Task<JsonObject> RunAsync(CancellationToken cancel)
    {
        await using AnvilNode node = await AnvilNode.StartAsync(ct: cancel).ConfigureAwait(false);
        IReadOnlyList<GasFigure> figures = await GasTable.MeasureAsync(node, cancel).ConfigureAwait(false);
        return new JsonObject(figures.Select(figure => KeyValuePair.Create<string, JsonNode?>(figure.Name, figure.Gas)));
    }
}

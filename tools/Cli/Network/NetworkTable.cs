using DePIN.Cli.Gateway;
using Spectre.Console;

namespace DePIN.Cli.Network;

/// <summary>The picture as a table: a row a gateway.</summary>
public static class NetworkTable
{
    private const int SaysCharsMax = 60;

    /// <param name="picture">What to draw.</param>
    /// <param name="names">Names that gateways have on this machine, by address.</param>
    public static Table Of(NetworkPicture picture, IReadOnlyDictionary<string, string>? names = null)
    {
        Table table = new Table().Border(TableBorder.Rounded).Title("the network of gateways");
        table.AddColumns("gateway", "role", "connected");
        table.AddColumn(new TableColumn("knows").RightAligned());
        table.AddColumn(new TableColumn("block").RightAligned());
        table.AddColumn("signs");
        table.AddColumn(new TableColumn("score").RightAligned());
        table.AddColumn("waits for");
        foreach (GatewayRow row in picture.Rows)
        {
            table.AddRow(
                Markup.Escape(names?.GetValueOrDefault(row.Gateway) ?? GatewayNetwork.Short(row.Gateway)),
                row.Role == "leads" ? "[green]leads[/]" : Markup.Escape(row.Role),
                row.IsConnected ? Markup.Escape(row.Connection) : "[red]away[/]",
                (row.Entries?.ToString() ?? "?") + (row.Lag is > 0 ? $" [yellow]-{row.Lag}[/]" : ""),
                row.Block?.ToString() ?? "?", Markup.Escape(row.Signs), row.Score == 0 ? "0" : $"[yellow]{row.Score}[/]",
                Markup.Escape(row.Says.Length > SaysCharsMax ? row.Says[..SaysCharsMax] + "…" : row.Says));
        }

        return table;
    }
}

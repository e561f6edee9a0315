using System.Globalization;
using System.Text;

namespace DePIN.Boards.Generate;

/// <summary>hardware/NAME/README.md: what a person needs beside the board.</summary>
public static class WiringPage
{
    public static string Of(Board board, ReferenceNode node)
    {
        ArgumentNullException.ThrowIfNull(board);
        ArgumentNullException.ThrowIfNull(node);
        StringBuilder text = new();
        Line($"<!-- Generated from hardware/boards/{board.Name}.json by 'depin board generate': change that and run it again. -->");
        Line($"# {board.Title}");
        Line();
        Line(BoardText.State(board));
        Line();
        Line("![Wiring of the reference node](wiring.svg)");
        Line();
        Line("## Wiring");
        Line();
        Line("Wire with the power off. All signals are 3.3 V: a 5 V signal destroys the chip.");
        Line();
        Line("| part | pin | through | board |");
        Line("|---|---|---|---|");
        foreach (WireRun run in WireRun.Of(board, node))
        {
            Line($"| {run.Part.Title}{(run.Part.Optional ? " (optional)" : "")} | {run.Wire.Pin} | {run.Wire.Through ?? ""} | {run.ToText} |");
        }

        Line();
        foreach (Part part in node.PartsOf(board))
        {
            Line($"- {part.Title}: {part.Note}");
        }

        foreach (Part part in node.Parts.Except(node.PartsOf(board)))
        {
            Line($"- {part.Title}: not on this board, it has no pin for it.");
        }

        foreach (string note in board.Notes)
        {
            Line($"- {note}");
        }

        Line();
        Line("## Pins");
        Line();
        Line("| function | pin | why |");
        Line("|---|---|---|");
        foreach ((string function, string pin, string why) in BoardText.Pins(board))
        {
            Line($"| {function} | {pin} | {why} |");
        }

        Line();
        Line("## Flash");
        Line();
        Line($"`nanoff --update --target {board.NanoTarget} --serialport PORT --masserase`, with {board.UsbSocket} connected.");
        if (board.OtherTarget is { } other)
        {
            Line($"Target {other.Target} instead {other.When}.");
        }

        Line($"Then `firmware/README.md`, built with `-p:Board={board.Name}`.");
        Line();
        Line("| partition | offset | bytes | |");
        Line("|---|---|---|---|");
        foreach (Partition part in board.Partitions)
        {
            Line($"| {part.Name} | 0x{part.Offset:X} | {part.Bytes / 1024} KiB | {BoardText.Partition(board, part)} |");
        }

        Line();
        Line("## Sources");
        Line();
        foreach (Source source in board.Sources)
        {
            Line($"- {source.Of}: [{source.Document}]({source.At})");
        }

        return text.ToString();

        void Line(string line = "") => text.Append(CultureInfo.InvariantCulture, $"{line}\n");
    }
}

using System.Globalization;
using System.Text;
using DePIN.Boards;
using DePIN.Boards.Generate;

namespace DePIN.Cli.Board;

/// <summary>Boards as a person at a terminal reads them.</summary>
public static class BoardView
{
    public static string List(IReadOnlyList<DePIN.Boards.Board> boards)
    {
        ArgumentNullException.ThrowIfNull(boards);
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{"board",-20}  {"chip",-8}  {"flash",5}  {"nanoff target",-15}  state");
        foreach (DePIN.Boards.Board board in boards)
        {
            text.AppendLine();
            text.Append(CultureInfo.InvariantCulture, $"{board.Name,-20}  {board.Chip.Name,-8}  {board.FlashBytes >> 20,2} MB  {board.NanoTarget,-15}  {BoardText.ShortState(board)}");
        }

        return text.ToString();
    }

    public static string Of(DePIN.Boards.Board board, ReferenceNode node)
    {
        ArgumentNullException.ThrowIfNull(board);
        List<string> lines =
        [
            board.Title,
            BoardText.State(board),
            "",
            $"flash   nanoff --update --target {board.NanoTarget} --serialport PORT --masserase   (through {board.UsbSocket})",
        ];
        if (board.OtherTarget is { } other)
        {
            lines.Add($"        target {other.Target} {other.When}");
        }

        lines.Add($"        or depin flash --board {board.Name} --image FILE, which also sees to it that the application runs");
        lines.Add($"build   with -p:Board={board.Name}");
        lines.Add("");
        lines.Add("pins");
        lines.AddRange(BoardText.Pins(board).Select(pin => $"  {pin.Function,-58}  {pin.Pin,-16}  {pin.Why}".TrimEnd()));
        lines.Add("");
        lines.Add($"wires of the reference node (picture: hardware/{board.Name}/wiring.svg)");
        lines.AddRange(WireRun.Of(board, node).Select(run => $"  {run.Part.Title + (run.Part.Optional ? " (optional)" : ""),-30}  {run.Wire.Pin,-14}  {run.ToText}{Through(run.Wire)}"));
        lines.Add("");
        lines.Add("flash memory");
        lines.AddRange(board.Partitions.Select(part => $"  {part.Name,-10}  0x{part.Offset:X6}  {part.Bytes / 1024,5} KiB  {BoardText.Partition(board, part)}".TrimEnd()));
        lines.Add("");
        lines.AddRange(board.Notes.Select(note => $"note    {note}"));
        lines.AddRange(board.Sources.Select(source => $"source  {source.Of}: {source.Document}: {source.At}"));
        return string.Join(Environment.NewLine, lines);
    }

    private static string Through(Wire wire) => wire.Through is { } through ? $" through {through}" : "";
}

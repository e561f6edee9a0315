using System.Text.Json;
using DePIN.Boards;
using DePIN.Boards.Generate;

namespace DePIN.Cli.Board;

/// <summary>Boards as one line of JSON, for scripts.</summary>
public static class BoardJson
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    public static string List(IReadOnlyList<DePIN.Boards.Board> boards) => JsonSerializer.Serialize(
        boards.Select(board => new { board.Name, board.Title, chip = board.Chip.Name, board.FlashBytes, board.NanoTarget, state = State(board) }), Options);

    public static string Of(DePIN.Boards.Board board, ReferenceNode node)
    {
        ArgumentNullException.ThrowIfNull(board);
        return JsonSerializer.Serialize(
            new
            {
                board.Name,
                board.Title,
                chip = board.Chip.Name,
                state = State(board),
                board.NanoTarget,
                board.OtherTarget,
                board.UsbSocket,
                board.FlashBytes,
                board.Partitions,
                drive = new { root = board.DriveRoot, partition = board.DrivePartition, board.Drive.Bytes },
                board.I2c,
                board.Provisioning,
                board.SensorUart,
                board.PulseInput,
                board.Battery,
                statusLed = Led(board.StatusLed),
                onBoardLed = Led(board.OnBoardLed),
                board.Button,
                runtimeSerial = new { port = Chip.RuntimePort, transmit = board.Chip.RuntimeTransmit, receive = board.Chip.RuntimeReceive },
                headers = board.Headers.Select(header => new { header.Name, side = header.IsLeft ? "left" : "right", header.Pins }),
                board.Reserved,
                board.Sensors,
                wires = WireRun.Of(board, node).Select(run => new { part = run.Part.Id, run.Wire.Pin, function = run.Wire.To, run.Wire.Through, header = run.Header.Name, run.To.Label, run.To.Gpio }),
                board.Notes,
                board.Sources,
            },
            Options);
    }

    private static object Led(Led led) => new { kind = led.Kind.ToString().ToLowerInvariant(), led.Pin, led.Why };

    private static string State(DePIN.Boards.Board board) => board.State.ToString().ToLowerInvariant();
}

using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DePIN.Boards;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Ports;

/// <summary>`depin ports`: the serial ports of this computer and what may be behind them.</summary>
public static class PortsCommand
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    public static Command Create()
    {
        Option<bool> json = new("--json") { Description = "One JSON line: a list." };
        Command command = new("ports", "The serial ports of this computer, who has them, and which boards may be behind them.") { json };
        command.SetAction(parsed =>
        {
            IReadOnlyList<SerialPortInfo> ports = SerialPorts.List();
            Console.WriteLine(parsed.GetValue(json) ? Json(ports, Boards()) : Text(ports, Boards()));
            return ExitCode.Ok;
        });
        return command;
    }

    public static string Json(IReadOnlyList<SerialPortInfo> ports, IReadOnlyList<DePIN.Boards.Board> boards) => JsonSerializer.Serialize(
        ports.Select(port => new
        {
            port.Path,
            port.ById,
            usb = port.UsbId,
            port.SerialNumber,
            port.Product,
            port.Manufacturer,
            port.Location,
            bridge = UsbBridge.Of(port)?.Name,
            boards = Guess(port, boards),
            usedBy = PortHolder.Find(port.Path).Select(holder => new { process = holder.Id, holder.Name }),
        }),
        Options);

    public static string Text(IReadOnlyList<SerialPortInfo> ports, IReadOnlyList<DePIN.Boards.Board> boards)
    {
        ArgumentNullException.ThrowIfNull(ports);
        if (ports.Count == 0)
        {
            return "no serial port is there: plug a board in, with a cable that carries data";
        }

        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{"port",-22}  {"usb",-9}  {"serial number",-20}  what it is");
        foreach (SerialPortInfo port in ports)
        {
            IReadOnlyList<string> guess = Guess(port, boards);
            IReadOnlyList<PortHolder> holders = PortHolder.Find(port.Path);
            text.AppendLine();
            text.Append(CultureInfo.InvariantCulture, $"{port.Path,-22}  {port.UsbId ?? "-",-9}  {port.SerialNumber ?? "-",-20}  {UsbBridge.Of(port)?.Name ?? port.Product ?? "a UART of this computer"}");
            text.Append(guess.Count > 0 ? "; maybe " + string.Join(", ", guess) : "");
            text.Append(holders.Count > 0 ? "; in use by " + string.Join(", ", holders.Select(holder => $"{holder.Name} ({holder.Id})")) : "");
        }

        return text.ToString();
    }

    private static IReadOnlyList<string> Guess(SerialPortInfo port, IReadOnlyList<DePIN.Boards.Board> boards) =>
        UsbBridge.Of(port) is { } bridge ? [.. bridge.Boards(boards).Select(board => board.Name)] : [];

    /// <summary>None outside of a working copy: ports are listed all the same.</summary>
    private static IReadOnlyList<DePIN.Boards.Board> Boards()
    {
        try
        {
            return BoardCatalog.Load(Path.Combine(Repository.Root, "hardware")).Boards;
        }
        catch (Exception error) when (error is DevnetException or BoardException)
        {
            return [];
        }
    }
}

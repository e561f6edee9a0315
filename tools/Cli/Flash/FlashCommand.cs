using System.CommandLine;
using DePIN.Boards;
using DePIN.Cli.Board;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Flash;

/// <summary>`depin flash`: runtime, application and files onto a board, and the proof that the application runs.</summary>
public static class FlashCommand
{
    public static Command Create()
    {
        Option<string> board = new("--board") { Description = "The board, as `depin board list` prints it.", HelpName = "NAME", Required = true };
        Option<string?> port = new("--port") { Description = "Its port (`depin ports`); without it the only USB port that is there.", HelpName = "PORT" };
        Option<string?> image = new("--image") { Description = "The application, a .bin. Without it only the runtime is flashed.", HelpName = "FILE" };
        Option<string?> files = new("--files") { Description = "Files for the board's drive: a list as nanoff --filedeployment takes it.", HelpName = "FILE" };
        Option<string?> archive = new("--archive") { Description = "Take the runtime from this folder of nanoff --updatearchive, without internet.", HelpName = "DIR" };
        Option<string?> target = new("--target") { Description = "Another image of nanoff than the board's, for early chips.", HelpName = "NAME" };
        Option<string?> provisioning = new("--provisioning-port") { Description = "The port of a cable at the board's provisioning pins, on which the application must answer.", HelpName = "PORT" };
        Option<bool> erase = new("--erase") { Description = "Erase the whole flash first: a node's key, settings and unsent frames are gone." };
        Option<bool> skip = new("--skip-runtime") { Description = "The runtime is there: only image, files and the check that the application runs." };
        Option<string> log = new("--log") { Description = "Where all of nanoff's output goes.", HelpName = "FILE", DefaultValueFactory = _ => Path.Combine(".depin", "flash.log") };
        Option<bool> json = new("--json") { Description = "A JSON object a line for every step." };
        Command command = new("flash", "Flashes a board with nanoff and believes only an application that answers.") { board, port, image, files, archive, target, provisioning, erase, skip, log, json };
        command.SetAction(async (parsed, cancel) =>
        {
            string name = parsed.GetValue(board)!;
            BoardCatalog catalog = BoardCommand.Load();
            DePIN.Boards.Board found = catalog.Find(name)
                ?? throw new CliError(ExitCode.BadInput, $"there is no board {name}", $"name one of {string.Join(", ", catalog.Boards.Select(known => known.Name))}", "flash.no-board");
            FlashSettings settings = new()
            {
                Board = found,
                Target = parsed.GetValue(target) ?? found.NanoTarget,
                Port = parsed.GetValue(port) ?? OnlyPort(SerialPorts.List()),
                ProvisioningPort = parsed.GetValue(provisioning),
                Image = parsed.GetValue(image),
                Files = parsed.GetValue(files),
                Archive = parsed.GetValue(archive),
                Erase = parsed.GetValue(erase),
                SkipRuntime = parsed.GetValue(skip),
                Nanoff = Nanoff.Find(),
                LogFile = parsed.GetValue(log)!,
            };
            FlashReport report = new(Console.Out, parsed.GetValue(json), !Console.IsOutputRedirected && !parsed.GetValue(json));
            await new FlashRun(settings, report, SerialPorts.List, TimeProvider.System).RunAsync(cancel).ConfigureAwait(false);
            return ExitCode.Ok;
        });
        return command;
    }

    /// <summary>The one port that can be a board's.</summary>
    public static string OnlyPort(IReadOnlyList<SerialPortInfo> ports)
    {
        SerialPortInfo[] usb = [.. ports.Where(port => port.UsbId is not null)];
        return usb.Length == 1 ? usb[0].ById ?? usb[0].Path
            : throw new CliError(
                ExitCode.BadInput, usb.Length == 0 ? "no USB serial port is there" : $"{usb.Length} USB serial ports are there: {string.Join(", ", usb.Select(port => port.Path))}",
                usb.Length == 0 ? "plug the board in with a cable that carries data; on Linux 'depin ports' shows what the system sees" : "name one with --port", "flash.which-port");
    }
}

// A virtual ESP32 board: the firmware's own sources on simulated hardware. From top to bottom: what to simulate, the console, the
// flash drive, the serial line, the sensors, power.

using DePIN.Firmware.Board;
using DePIN.VirtualBoard;
using DePIN.VirtualBoard.Console;
using DePIN.VirtualBoard.Feed;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

if (BoardOptions.Parse(args, out string error) is not { } options)
{
    System.Console.Error.WriteLine(error);
    System.Console.Error.WriteLine(BoardOptions.Usage);
    return 2;
}

try
{
    using EventLines console = new(System.Console.Out, options.Json);
    System.Console.SetOut(console);
    FolderFlash flash = new(Path.Combine(options.Folder, "flash"));
    using PseudoTerminal serial = PseudoTerminal.Open();
    console.WriteLine($"serial path={serial.Path}");
    VirtualHardware hardware = new();
    hardware.AttachSerial(BoardPins.ProvisionPort, serial);
    SensorWiring.Connect(hardware, options.Sense, options.Seed, TimeProvider.System, console.WriteLine);
    using NamedSensors? named = options.Sense == "model" ? NamedSensors.Connect(hardware, NodeSettings.Open(flash), options.Seed, TimeProvider.System) : null;
    if (options.HasSecureElement)
    {
        SecureElementWiring.Connect(hardware, options.Folder, TimeProvider.System);
    }

    using ControlFile? control = options.Control.Length > 0 ? ControlFile.Follow(hardware, options.Control, console.WriteLine) : null;
    WifiFile.Connect(hardware, options.Folder);
    using BoardRun board = new(hardware, flash, console) { LoaderRoot = options.UseLoader ? Path.Combine(options.Folder, "flash") + Path.DirectorySeparatorChar : null };
    using IDisposable signals = board.SwitchOffOnSignals();
    using DebugPort? debug = options.HasDebugPort ? DebugPort.Open(console, board.Restart) : null;
    board.SwitchOffWithout(options.ParentProcess);
    board.Run();
    return 0;
}
catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException or System.ComponentModel.Win32Exception)
{
    System.Console.Error.WriteLine(e.Message);
    return 1;
}

using System.Runtime.InteropServices;

namespace DePIN.Cli.Serial;

/// <summary>What an errno of a serial port means to a person. Numbers are those of Linux and macOS where they agree.</summary>
public static class UnixFaults
{
    private const int NoEntry = 2;
    private const int InputOutput = 5;
    private const int NoDeviceOrAddress = 6;
    private const int NoAccess = 13;
    private const int NotPermitted = 1;
    private const int Busy = 16;
    private const int NoDevice = 19;
    private const int NoTerminal = 25;
    private const int Interrupted = 4;
    private const int BadDescriptor = 9;

    /// <summary>EAGAIN or EINTR: nothing now, nothing wrong.</summary>
    public static bool IsLater(int error) => error == Interrupted || error == (OperatingSystem.IsMacOS() ? 35 : 11);

    public static bool IsGone(int error) => error is InputOutput or NoDeviceOrAddress or NoDevice or BadDescriptor;

    /// <summary>Why the port could not be opened.</summary>
    /// <param name="path">As it was asked for.</param>
    /// <param name="error">errno.</param>
    /// <param name="root">The file system's root; tests have their own.</param>
    public static SerialException OnOpen(string path, int error, string root = "/") => error switch
    {
        NoEntry => new(SerialFault.NoPort, $"there is no port {path}", "plug the board in with a cable that carries data and run 'depin ports'"),
        NoAccess or NotPermitted => NoPermission(path, root),
        Busy => InUse(path, root),
        NoTerminal => new(SerialFault.NotSerial, $"{path} is no serial port", "run 'depin ports' and name one of those"),
        NoDeviceOrAddress or NoDevice or InputOutput => Gone(path, error),
        _ => new(SerialFault.Failed, $"{path} cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}", "unplug the board, plug it in again and retry"),
    };

    public static SerialException InUse(string path, string root = "/")
    {
        IReadOnlyList<PortHolder> holders = PortHolder.Find(path, root);
        return new(
            SerialFault.InUse,
            $"{path} is in use{(holders.Count > 0 ? " by " + string.Join(", ", holders.Select(holder => $"{holder.Name} (process {holder.Id})")) : "")}",
            holders.Count > 0 ? "close that program (a serial monitor, an IDE, another depin), then run the command again" : $"see who has it: sudo fuser -v {path}");
    }

    public static SerialException NoPermission(string path, string root = "/")
    {
        string group = DeviceGroup.Of(path, root);
        return new(SerialFault.NoPermission, $"this user may not open {path}: it belongs to group {group}", $"run: sudo usermod -aG {group} $USER, then log out and in again");
    }

    public static SerialException Gone(string path, int error) => new(
        SerialFault.Unplugged, $"{path} hung up{(error == 0 ? "" : ": " + Marshal.GetPInvokeErrorMessage(error))}", "check the cable and that the board has power, then run the command again");

    public static SerialException BadBaud(string path, int baud) => new(SerialFault.BadBaud, $"{path} cannot run at {baud} baud", "give a usual rate, as 115200");
}

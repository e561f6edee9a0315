using DePIN.Cli.Terminal;

namespace DePIN.Cli.Serial;

/// <summary>What can be wrong with a serial port; each has its own next step.</summary>
public enum SerialFault
{
    NoPort,
    NoPermission,
    InUse,
    NotSerial,
    BadBaud,
    TimedOut,
    Unplugged,
    Failed,
}

/// <summary>A serial port that cannot be used, or no longer: which fault, in words, and what to do.</summary>
public sealed class SerialException(SerialFault fault, string message, string remedy) : IOException(message)
{
    public SerialFault Fault { get; } = fault;

    public string Remedy { get; } = remedy;

    /// <summary>For programs; never changes.</summary>
    public string Code => Fault switch
    {
        SerialFault.NoPort => "serial.no-port",
        SerialFault.NoPermission => "serial.no-permission",
        SerialFault.InUse => "serial.in-use",
        SerialFault.NotSerial => "serial.not-serial",
        SerialFault.BadBaud => "serial.bad-baud",
        SerialFault.TimedOut => "serial.timed-out",
        SerialFault.Unplugged => "serial.unplugged",
        _ => "serial.failed",
    };

    public CliError ToCliError() => new(Fault is SerialFault.BadBaud or SerialFault.NotSerial ? ExitCode.BadInput : ExitCode.Unreachable, Message, Remedy, Code);
}

namespace DePIN.Cli.Terminal;

/// <summary>
/// An error meant for the person at the keyboard: what happened, and what to do next. Everything a command expects to go
/// wrong is one of these; any other exception is a defect and is shown as such. A code, where one is given, is for programs: it never
/// changes, while words may.
/// </summary>
public class CliError(int exitCode, string message, string remedy, string? code = null) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    public string Remedy { get; } = remedy;

    /// <summary>Stable, as "serial.in-use"; null where only the exit code tells.</summary>
    public string? Code { get; } = code;
}

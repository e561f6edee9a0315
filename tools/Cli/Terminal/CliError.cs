namespace DePIN.Cli.Terminal;

/// <summary>
/// An error meant for the person at the keyboard: what happened, and what to do next. Everything a command expects to go
/// wrong is one of these; any other exception is a defect and is shown as such.
/// </summary>
public class CliError(int exitCode, string message, string remedy) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    public string Remedy { get; } = remedy;
}

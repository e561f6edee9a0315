namespace DePIN.Cli.Terminal;

/// <summary>What `depin` returns to the shell. The README's table and `depin --help` say the same.</summary>
public static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The work was tried and did not succeed: nothing proven in time, a test of the answer failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line, a file or a value given to it is wrong; nothing was tried.</summary>
    public const int BadInput = 2;

    /// <summary>Something that is needed did not answer: gateway, chain endpoint, a missing tool.</summary>
    public const int Unreachable = 3;

    /// <summary>A proof was read and is not valid.</summary>
    public const int NotProven = 4;

    /// <summary>Ended by Ctrl-C (128 + SIGINT), as shells count it.</summary>
    public const int Interrupted = 130;
}

namespace DePIN.Gateway;

/// <summary>What the gateway's process tells a service manager (gateway/README.md has the table with remedies).</summary>
public static class ExitCodes
{
    /// <summary>Stopped as asked, everything drained.</summary>
    public const int Stopped = 0;

    /// <summary>A part failed in a way it could not recover from: restart.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage of the command line (EX_USAGE of sysexits.h). A restart does not help.</summary>
    public const int Usage = 64;

    /// <summary>The data folder or a secret cannot be used as it is (EX_NOPERM). A restart does not help.</summary>
    public const int Identity = 77;

    /// <summary>A setting is wrong (EX_CONFIG). A restart does not help.</summary>
    public const int Settings = 78;
}

namespace DePIN.Cli.Flash;

/// <summary>What is to be flashed, onto what, and how patiently.</summary>
public sealed record FlashSettings
{
    public required DePIN.Boards.Board Board { get; init; }

    /// <summary>The image of nanoff --target: the board's, or the other one for early chips.</summary>
    public required string Target { get; init; }

    /// <summary>The port of the socket that flashes the board; a link of /dev/serial/by-id stays when its number changes.</summary>
    public required string Port { get; init; }

    /// <summary>The port of a cable at the board's provisioning pins; null listens on <see cref="Port"/>.</summary>
    public string? ProvisioningPort { get; init; }

    /// <summary>The application; null flashes the runtime alone, and nothing that runs is waited for.</summary>
    public string? Image { get; init; }

    /// <summary>nanoff's JSON of files for the board's drive.</summary>
    public string? Files { get; init; }

    /// <summary>A folder of nanoff --updatearchive, for a place without internet.</summary>
    public string? Archive { get; init; }

    /// <summary>Wipe the whole flash, key and settings of a node too.</summary>
    public bool Erase { get; init; }

    /// <summary>The runtime is on the board already: only the application.</summary>
    public bool SkipRuntime { get; init; }

    public required string Nanoff { get; init; }

    public required string LogFile { get; init; }

    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>How long a port may be away while the board starts.</summary>
    public TimeSpan ReappearTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan RunningTimeout { get; init; } = TimeSpan.FromSeconds(60);
}

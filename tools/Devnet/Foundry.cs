// The binaries of Foundry (forge, anvil, cast): inside the platform package that npm installed, else on the PATH.
using System.Runtime.InteropServices;

namespace DePIN.Devnet;

/// <summary>
/// Finds Foundry's programs. The npm packages are thin scripts around one package a platform; the binary in that package is
/// run directly, so no install script has to. Where npm has no binary for a platform, Foundry's own installation on the PATH
/// (https://getfoundry.sh) is used.
/// </summary>
public static class Foundry
{
    /// <summary>Path of anvil, the development chain. Packages are installed first when missing.</summary>
    public static Task<string> AnvilAsync(CancellationToken ct = default) => FindAsync("anvil", ct);

    /// <summary>Path of forge, which builds and tests the contracts.</summary>
    public static Task<string> ForgeAsync(CancellationToken ct = default) => FindAsync("forge", ct);

    /// <summary>Path of cast, a command line for a chain.</summary>
    public static Task<string> CastAsync(CancellationToken ct = default) => FindAsync("cast", ct);

    /// <summary>What forge takes as its compiler, relative to shared/Contracts.</summary>
    public static string SolcLauncher => OperatingSystem.IsWindows() ? "./solc.cmd" : "./solc";

    /// <summary>Runs forge in shared/Contracts, offline, with our compiler.</summary>
    /// <param name="arguments">The subcommand and its options, without --offline.</param>
    /// <param name="environment">More FOUNDRY_… settings, or null.</param>
    /// <param name="ct">Kills forge.</param>
    public static async Task<ToolResult> RunForgeAsync(
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        CancellationToken ct = default)
    {
        string forge = await ForgeAsync(ct).ConfigureAwait(false);
        Dictionary<string, string> settings = new(environment ?? new Dictionary<string, string>())
        {
            ["FOUNDRY_SOLC"] = SolcLauncher,
            ["NO_COLOR"] = "1",
        };
        return await ToolProcess.RunAsync(forge, [.. arguments, "--offline"], Repository.ContractsFolder, settings, ct).ConfigureAwait(false);
    }

    private static async Task<string> FindAsync(string tool, CancellationToken ct)
    {
        await NodePackages.EnsureAsync(Repository.ContractsFolder, ct).ConfigureAwait(false);
        string package = $"{tool}-{Platform()}";
        string name = OperatingSystem.IsWindows() ? tool + ".exe" : tool;
        string path = Path.Combine(Repository.ContractsFolder, "node_modules", "@foundry-rs", package, "bin", name);
        if (File.Exists(path))
            return path;
        return ToolProcess.FindOnPath(tool)
            ?? throw new DevnetException($"{tool} is neither in @foundry-rs/{package} nor on the PATH: install Foundry (https://getfoundry.sh), then run this again.");
    }

    // npm has no Windows binary for ARM; the x64 one runs there by emulation.
    private static string Platform()
    {
        string architecture = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "arm64" : "amd64";
        if (OperatingSystem.IsWindows())
            return "win32-amd64";
        return (OperatingSystem.IsMacOS() ? "darwin-" : "linux-") + architecture;
    }
}

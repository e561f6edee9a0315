using System.Diagnostics;
using System.Runtime.InteropServices;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Gateway;

/// <summary>
/// The gateway compiled ahead of time (NativeAOT): half the memory, no runtime to install. Needs clang and zlib's headers, for another architecture
/// its cross compiler too, and NuGet's compiler package. Kept between calls in .depin/native, where only what changed is built again.
/// </summary>
public static class NativeGateway
{
    /// <summary>The program's file name.</summary>
    public const string FileName = "DePIN.Gateway";

    /// <summary>SQLite's library, which lies beside it.</summary>
    public const string SqliteFileName = "libe_sqlite3.so";

    /// <summary>This machine's runtime identifier, e.g. linux-x64.</summary>
    public static string ThisRuntime => RuntimeInformation.RuntimeIdentifier;

    /// <summary>Builds it; returns the folder with the program.</summary>
    /// <param name="runtime">.NET's name of the platform, e.g. linux-arm64.</param>
    /// <param name="cancel">Ends the build.</param>
    /// <exception cref="CliError">What the compiler said, and what it needs.</exception>
    public static async Task<string> PublishAsync(string runtime, CancellationToken cancel)
    {
        string work = Path.Combine(Repository.Root, ".depin", "native"), target = Path.Combine(work, runtime);
        string[] arguments =
        [
            "publish", Path.Combine(Repository.Root, "gateway"), "-c", "Release", "-r", runtime, "-p:PublishAot=true", "-p:StripSymbols=true", "-p:UseSystemZlib=true", "-o", target,
            "--artifacts-path", Path.Combine(work, "build"), $"-p:PathMap={Repository.Root}=/depin", "-v", "quiet", "-nologo", "-nodeReuse:false",
        ];
        ProcessStartInfo start = new("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancel), error = process.StandardError.ReadToEndAsync(cancel);
            await process.WaitForExitAsync(cancel).ConfigureAwait(false);
            if (process.ExitCode == 0) return target;
            throw new CliError(ExitCode.Failed, $"the native gateway for {runtime} was not built: {(await output.ConfigureAwait(false) + await error.ConfigureAwait(false)).Trim()}",
                "install clang and zlib1g-dev (for another architecture its cross compiler and zlib too); the package Microsoft.DotNet.ILCompiler must be on your feed");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }
}

using System.Diagnostics;
using System.Globalization;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;

namespace DePIN.Packaging;

/// <summary>Published files by their path below the program's folder.</summary>
public sealed record Published(IReadOnlyDictionary<string, byte[]> Files);

/// <summary>
/// Publishes gateway and `depin` into one folder. Without an architecture the result is portable: it holds the native parts of every platform, and
/// one build serves all packages.
/// </summary>
public sealed class Publisher(string repository, bool noBuild) : IDisposable
{
    private static readonly string[] Projects = ["gateway", "tools/Cli"];

    private readonly string _folder = Directory.CreateTempSubdirectory("depin-packaging-").FullName;
    private Published? _portable;

    /// <summary>The commit's date, so that the same commit gives the same bytes.</summary>
    public async Task<DateTimeOffset> CommitDateAsync()
    {
        (int code, string output) = await RunAsync("git", ["log", "-1", "--format=%ct"]);
        return code == 0 && long.TryParse(output.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : throw new PackagingException($"The commit's date is unknown ({output.Trim()}): set SOURCE_DATE_EPOCH.");
    }

    /// <summary>The files for one architecture with the runtime inside, or (null) the portable ones.</summary>
    public async Task<Published> PublishAsync(Architecture? selfContained)
    {
        if (selfContained is null && _portable is not null) return _portable;
        SortedDictionary<string, byte[]> files = new(StringComparer.Ordinal);
        foreach (string project in Projects)
        {
            string target = Path.Combine(_folder, selfContained?.Debian ?? "portable", Path.GetFileName(project));
            // PathMap: the folder this was built in is in no program.
            List<string> arguments = ["publish", Path.Combine(repository, project), "-c", "Release", "-o", target, "-v", "quiet", "-nologo", "-nodeReuse:false", $"-p:PathMap={repository}=/depin"];
            if (noBuild) arguments.Add("--no-build");
            if (selfContained is not null) arguments.AddRange(["-r", selfContained.Runtime, "--self-contained", "true", "--artifacts-path", Path.Combine(_folder, "build")]);
            (int code, string output) = await RunAsync("dotnet", arguments);
            if (code != 0)
                throw new PackagingException($"dotnet publish {project} failed:\n{output}" + (selfContained is null ? ""
                    : $"\nThe package with the runtime inside needs the packs Microsoft.NETCore.App.Runtime.{selfContained.Runtime} and Microsoft.AspNetCore.App.Runtime.{selfContained.Runtime}; without them leave out --self-contained."));
            foreach (string file in Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories))
            {
                string path = Path.GetRelativePath(target, file);
                byte[] content = await File.ReadAllBytesAsync(file);
                if (files.TryGetValue(path, out byte[]? other) && !other.AsSpan().SequenceEqual(content))
                    throw new PackagingException($"{path} is not the same for {string.Join(" and ", Projects)}: build both again.");
                files[path] = content;
            }
        }

        Published published = new(files);
        if (selfContained is null) _portable = published;
        return published;
    }

    /// <summary>The portable files with the gateway compiled for this architecture beside them; `start` takes it.</summary>
    public async Task<Published> PublishNativeAsync(Architecture architecture)
    {
        Published portable = await PublishAsync(selfContained: null);
        try
        {
            string folder = await NativeGateway.PublishAsync(architecture.Runtime, CancellationToken.None);
            SortedDictionary<string, byte[]> files = new(portable.Files.ToDictionary(), StringComparer.Ordinal);
            foreach (string file in new[] { NativeGateway.FileName, NativeGateway.SqliteFileName }) files[file] = await File.ReadAllBytesAsync(Path.Combine(folder, file));
            return new Published(files);
        }
        catch (CliError error)
        {
            throw new PackagingException($"{error.Message}\n{error.Remedy}. Without --native the package needs no compiler.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<(int Code, string Output)> RunAsync(string program, IReadOnlyList<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments) { WorkingDirectory = repository, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }
}

using System.Diagnostics;
using DePIN.Devnet;
using DePIN.Tests.Harness;

namespace DePIN.Packaging.Tests;

/// <summary>The packages of all architectures, made once from what is built, and the real programs that read them.</summary>
[SetUpFixture]
internal sealed class Packages
{
    private static TempFolder _folder = null!;

    public static Published Published { get; private set; } = null!;

    public static string Folder => _folder.Path;

    [OneTimeSetUp]
    public async Task MakeAsync()
    {
        _folder = new TempFolder();
        using Publisher publisher = new(Repository.Root, noBuild: true);
        Published = await publisher.PublishAsync(null);
        foreach (Architecture architecture in Architecture.All) Make(architecture, "1.0.0-1", Folder);
        Make(Amd64, "1.1.0-1", Folder);
    }

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    public static Architecture Amd64 => Architecture.All[0];

    public static string Make(Architecture architecture, string version, string folder)
    {
        DebPackage package = PackageContent.Make(Published, architecture, version, DateTimeOffset.FromUnixTimeSeconds(1_790_000_000), Build.Portable, Repository.Root);
        string file = Path.Combine(folder, package.FileName);
        package.Write(file);
        return file;
    }

    public static string FileOf(string architecture, string version = "1.0.0-1") => Path.Combine(Folder, $"depin-gateway_{version}_{architecture}.deb");

    /// <summary>Runs a program to its end; output and errors together.</summary>
    public static async Task<(int Code, string Output)> RunAsync(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C.UTF-8";
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Eventually.Limit);
        return (process.ExitCode, await output + await error);
    }

    /// <summary>A test that needs a program which is not here is skipped, saying what to install.</summary>
    public static void Need(string program, string package)
    {
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin"]);
        if (!folders.Any(f => File.Exists(Path.Combine(f, program)))) Assert.Ignore($"{program} is missing: apt-get install {package}");
    }
}

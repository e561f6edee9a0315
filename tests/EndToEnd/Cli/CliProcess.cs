using System.Diagnostics;
using System.Reflection;
using DePIN.Devnet;

namespace DePIN.EndToEnd.Tests.Cli;

/// <summary>`depin` as a person runs it: the built program, its arguments, its exit code and what it printed.</summary>
public sealed record CliProcess(int ExitCode, string Output, string Errors)
{
    public static string Program { get; } = Path.Combine(
        Repository.Root, "tools", "Cli", "bin", typeof(CliProcess).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration, "net10.0", "DePIN.Cli.dll");

    public static async Task<CliProcess> RunAsync(string folder, params string[] arguments)
    {
        using Process process = Start(folder, arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CliProcess(process.ExitCode, await output, await errors);
    }

    /// <summary>With this search path and an empty home: none of the tools of whoever runs the tests.</summary>
    public static async Task<CliProcess> RunWithPathAsync(string folder, string path, params string[] arguments)
    {
        ProcessStartInfo start = new(Environment.ProcessPath is { } host && Path.GetFileName(host) == "dotnet" ? host : "dotnet", [Program, .. arguments])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        start.Environment["PATH"] = path;
        start.Environment["HOME"] = folder;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new CliProcess(process.ExitCode, await output, await errors);
    }

    public static Process Start(string folder, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [Program, .. arguments])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        start.Environment.Remove("DEPIN_GATEWAY");
        return Process.Start(start)!;
    }
}

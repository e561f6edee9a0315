using System.Runtime.InteropServices;
using System.Text;
using DePIN.Cli.Terminal;
using DePIN.Gateway;

namespace DePIN.Cli.Gateway.Host;

/// <summary>`depin gateway run`: this process becomes the gateway (execve), so that signals and a service manager's socket reach it unchanged.</summary>
public static class GatewayRun
{
    /// <summary>As the gateway's README tells its operators: a first generation that does not grow with the processor's cache.</summary>
    public const string FirstGeneration = "DOTNET_GCgen0size";

    /// <summary>2 MiB.</summary>
    public const string FirstGenerationBytes = "0x200000";

    public static async Task<int> RunAsync(string config, string? data, CancellationToken cancel)
    {
        GatewayCommand.Load(config, data); // what is wrong is said here, in this program's words
        string program = typeof(GatewaySettings).Assembly.Location;
        string[] arguments = ["exec", program, "--config", config, .. data is null ? Array.Empty<string>() : ["--data", data]];
        string host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : ChildProcess.DotnetHost;
        if (!OperatingSystem.IsWindows())
        {
            Exec(host, arguments);
            throw new CliError(ExitCode.Unreachable, $"{host} cannot be started (errno {Marshal.GetLastPInvokeError()})", "install the .NET runtime that README.md names, or set DOTNET_HOST_PATH", "gateway.no-runtime");
        }

        using System.Diagnostics.Process process = new() { StartInfo = new(host, arguments) };
        process.StartInfo.Environment.TryAdd(FirstGeneration, FirstGenerationBytes);
        process.Start();
        await process.WaitForExitAsync(cancel).ConfigureAwait(false);
        return process.ExitCode;
    }

    private static void Exec(string host, string[] arguments)
    {
        Dictionary<string, string> environment = [];
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables()) environment[(string)entry.Key] = (string)entry.Value!;
        environment.TryAdd(FirstGeneration, FirstGenerationBytes);
        string path = host.Contains('/', StringComparison.Ordinal) ? host
            : (environment.GetValueOrDefault("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, host)).FirstOrDefault(File.Exists) ?? host;
        Execve(path, Vector([host, .. arguments]), Vector([.. environment.Select(variable => variable.Key + "=" + variable.Value)]));
    }

    // Never freed: the call returns only when it failed, and then the process ends.
    private static nint[] Vector(string[] texts) => [.. texts.Select(text => Marshal.StringToCoTaskMemUTF8(text)), 0];

    [DllImport("libc", EntryPoint = "execve", SetLastError = true)]
    private static extern int Execve([MarshalAs(UnmanagedType.LPUTF8Str)] string path, nint[] arguments, nint[] environment);
}

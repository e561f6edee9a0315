using System.Net;
using System.Net.Sockets;
using System.Reflection;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Up;

/// <summary>
/// Where the programs that `up` starts are built: this command's project builds them along with itself, in the same configuration.
/// </summary>
public static class Programs
{
    public static string Gateway => Built("gateway", "DePIN.Gateway");

    public static string VirtualBoard => Built(Path.Combine("tools", "VirtualBoard"), "DePIN.VirtualBoard");

    /// <summary>A TCP port on loopback that was free a moment ago.</summary>
    public static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string Built(string folder, string assembly)
    {
        string configuration = typeof(Programs).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration ?? "Debug";
        string path = Path.Combine(Repository.Root, folder, "bin", configuration, "net10.0", assembly + ".dll");
        return File.Exists(path) ? path
            : throw new CliError(ExitCode.Unreachable, $"{path} is not built", "run this command as 'dotnet run --project tools/Cli -- …', which builds it, or 'dotnet build DePIN.Edge.sln'");
    }
}

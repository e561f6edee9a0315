using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using DePIN.Cli.Terminal;
using DePIN.Devnet;

namespace DePIN.Cli.Up;

/// <summary>
/// Where the programs that `up` starts are built: this command's project builds them along with itself, in the same configuration.
/// </summary>
public static class Programs
{
    private const int PortFirst = 20_000;
    private const int PortLast = 32_000;

    private static readonly HashSet<int> Given = [];

    public static string Gateway => Built("gateway", "DePIN.Gateway");

    public static string VirtualBoard => Built(Path.Combine("tools", "VirtualBoard"), "DePIN.VirtualBoard");

    /// <summary>
    /// A TCP port on loopback that was free a moment ago. From below the ports that systems give to outgoing connections, and each only once: some
    /// are named in the registry long before they are listened on.
    /// </summary>
    public static int FreePort()
    {
        lock (Given)
        {
            while (true)
            {
                int port = RandomNumberGenerator.GetInt32(PortFirst, PortLast + 1);
                if (Given.Add(port) && IsFree(port))
                {
                    return port;
                }
            }
        }
    }

    private static bool IsFree(int port)
    {
        try
        {
            using TcpListener listener = new(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static string Built(string folder, string assembly)
    {
        string configuration = typeof(Programs).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration ?? "Debug";
        string path = Path.Combine(Repository.Root, folder, "bin", configuration, "net10.0", assembly + ".dll");
        return File.Exists(path) ? path
            : throw new CliError(ExitCode.Unreachable, $"{path} is not built", "run this command as 'dotnet run --project tools/Cli -- …', which builds it, or 'dotnet build DePIN.Edge.sln'");
    }
}

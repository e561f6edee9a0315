using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace DePIN.Gateway.Operate;

/// <summary>Whoever started this process and watches it.</summary>
public interface IServiceManager
{
    /// <summary>How long it waits for a sign of life before it ends the process; null when it does not watch.</summary>
    TimeSpan? WatchdogTimeout { get; }

    /// <summary>Tells it assignments, one a line (sd_notify(3)): READY=1, WATCHDOG=1, STOPPING=1, STATUS=….</summary>
    void Tell(string assignments);
}

/// <summary>
/// systemd, or whatever speaks its protocol: datagrams to the Unix socket that NOTIFY_SOCKET names, a path or "@name" in the abstract name space.
/// A manager that does not listen is said once in the log and is no failure: the gateway's work is not to talk to it.
/// </summary>
public sealed class ServiceManager : IServiceManager, IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _manager;
    private readonly ILogger _log;
    private bool _complained;

    /// <summary><paramref name="environment"/> gives NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID (sd_watchdog_enabled(3)), or null for what is not set.</summary>
    public ServiceManager(Func<string, string?> environment, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(environment);
        _log = log;
        string? name = environment("NOTIFY_SOCKET");
        if (string.IsNullOrEmpty(name)) return;
        if (name[0] is not ('/' or '@'))
        {
            log.LogWarning("NOTIFY_SOCKET '{Name}' is no path and no abstract name: the service manager is not told anything", name);
            return;
        }

        _manager = new UnixDomainSocketEndPoint(name[0] == '@' ? "\0" + name[1..] : name);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        string self = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        if (environment("WATCHDOG_PID") is { Length: > 0 } watched && watched != self) return; // meant for another process
        if (long.TryParse(environment("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds) && microseconds > 0)
            WatchdogTimeout = TimeSpan.FromMicroseconds(microseconds);
    }

    /// <inheritdoc/>
    public TimeSpan? WatchdogTimeout { get; }

    /// <inheritdoc/>
    public void Tell(string assignments)
    {
        if (_socket is null) return;
        try
        {
            _socket.SendTo(Encoding.UTF8.GetBytes(assignments), _manager!);
            _complained = false;
        }
        catch (SocketException away)
        {
            if (!_complained) _log.LogWarning("the service manager does not listen ({Reason})", away.Message);
            _complained = true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket?.Dispose();
}

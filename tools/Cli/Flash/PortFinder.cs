using DePIN.Cli.Serial;

namespace DePIN.Cli.Flash;

/// <summary>
/// Finds a board's port again after the board started anew and its USB was enumerated anew, maybe under another number: the path that was
/// asked for when it is a lasting link, else the same USB device, else whatever is now at its socket, else the same path.
/// </summary>
public sealed class PortFinder(string asked, Func<IReadOnlyList<SerialPortInfo>> list)
{
    private readonly SerialPortInfo wanted = SerialPorts.Find(asked, list());

    /// <summary>The port's path of now, or null while it is away.</summary>
    public string? TryFind()
    {
        if (!OperatingSystem.IsWindows() && new FileInfo(asked).LinkTarget is not null)
        {
            return Path.Exists(LinkedPath.Final(asked)) ? LinkedPath.Final(asked) : null;
        }

        if (wanted.UsbId is null)
        {
            return OperatingSystem.IsWindows() || Path.Exists(asked) ? asked : null;
        }

        IReadOnlyList<SerialPortInfo> ports = list();
        return (ports.FirstOrDefault(wanted.IsSameDevice) ?? ports.FirstOrDefault(port => wanted.Location is not null && port.Location == wanted.Location))?.Path;
    }

    /// <exception cref="SerialException">It did not come back in time.</exception>
    public async Task<string> FindAsync(TimeSpan within, TimeProvider time, CancellationToken cancel)
    {
        long begun = time.GetTimestamp();
        while (true)
        {
            if (TryFind() is { } path)
            {
                return path;
            }

            if (time.GetElapsedTime(begun) > within)
            {
                throw UnixFaults.OnOpen(asked, 2);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancel).ConfigureAwait(false);
        }
    }
}

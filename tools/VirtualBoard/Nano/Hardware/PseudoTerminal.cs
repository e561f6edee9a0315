// A serial line as a pseudo terminal: the board holds the master end, whoever provisions it opens the slave's path like any serial
// port. Raw mode, no echo. The board keeps the slave open too, so that the line outlives whoever opens and closes it.

using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace DePIN.VirtualBoard.Hardware;

/// <summary>One pseudo terminal (posix_openpt). Reading never waits; writing gives up when the line is full and nobody reads.</summary>
public sealed class PseudoTerminal : ISerialLine, IDisposable
{
    private const int ReadWrite = 2;
    private const int Again = 11;
    private const int AgainMac = 35;
    private const int WriteTriesMax = 100;
    private const int TermiosBytes = 256;

    private readonly int _master;
    private readonly int _slave;
    private readonly Lock _gate = new();
    private bool _disposed;

    private PseudoTerminal(int master, int slave, string path)
    {
        _master = master;
        _slave = slave;
        Path = path;
    }

    /// <summary>The slave's path, for instance /dev/pts/7.</summary>
    public string Path { get; }

    private static int NoControl => OperatingSystem.IsMacOS() ? 0x20000 : 0x100;

    private static int NonBlocking => OperatingSystem.IsMacOS() ? 0x4 : 0x800;

    /// <exception cref="Win32Exception">The system has no pseudo terminal to give.</exception>
    public static PseudoTerminal Open()
    {
        int master = posix_openpt(ReadWrite | NoControl | NonBlocking);
        if (master < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "posix_openpt failed: no pseudo terminal is free");
        }

        byte[] name = new byte[256];
        if (grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, name, name.Length) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            _ = close(master);
            throw new Win32Exception(error, "the pseudo terminal could not be unlocked");
        }

        string path = Encoding.UTF8.GetString(name, 0, Array.IndexOf(name, (byte)0));
        int slave = open(name, ReadWrite | NoControl);
        byte[] termios = new byte[TermiosBytes];
        if (slave < 0 || tcgetattr(slave, termios) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            _ = close(master);
            throw new Win32Exception(error, path + " could not be opened");
        }

        cfmakeraw(termios);
        _ = tcsetattr(slave, 0, termios);
        return new PseudoTerminal(master, slave, path);
    }

    /// <summary>Speed and parity mean nothing on a pseudo terminal.</summary>
    public void Configure(LineFormat format)
    {
    }

    /// <summary>What has arrived, at most a buffer full; 0 when nothing has.</summary>
    public int Read(Span<byte> buffer)
    {
        byte[] bytes = new byte[buffer.Length];
        lock (_gate)
        {
            if (_disposed)
            {
                return 0;
            }

            nint count = read(_master, bytes, bytes.Length);
            if (count <= 0)
            {
                return 0;
            }

            bytes.AsSpan(0, (int)count).CopyTo(buffer);
            return (int)count;
        }
    }

    /// <summary>Sends bytes. Those nobody takes within a second are lost, as on a wire.</summary>
    public void Write(ReadOnlySpan<byte> bytes) => Write(bytes, WriteTriesMax);

    /// <summary>Sends what fits at once; the rest is lost.</summary>
    public void WriteNow(ReadOnlySpan<byte> bytes) => Write(bytes, 1);

    private void Write(ReadOnlySpan<byte> bytes, int triesMax)
    {
        byte[] rest = bytes.ToArray();
        for (int tries = 0; rest.Length > 0 && tries < triesMax; tries++)
        {
            nint count;
            int error;
            lock (_gate)
            {
                if (_disposed)
                {
                    return;
                }

                count = write(_master, rest, rest.Length);
                error = Marshal.GetLastPInvokeError();
            }

            if (count > 0)
            {
                rest = rest[(int)count..];
            }
            else if (error is Again or AgainMac)
            {
                Thread.Sleep(10);
            }
            else
            {
                return;
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _ = close(_slave);
                _ = close(_master);
            }
        }
    }

#pragma warning disable SA1300, CA2101, SYSLIB1054 // The names are libc's; the byte buffers are already UTF-8.
    [DllImport("libc", SetLastError = true)]
    private static extern int posix_openpt(int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int grantpt(int descriptor);

    [DllImport("libc", SetLastError = true)]
    private static extern int unlockpt(int descriptor);

    [DllImport("libc", SetLastError = true)]
    private static extern int ptsname_r(int descriptor, byte[] name, nint size);

    [DllImport("libc", SetLastError = true)]
    private static extern int open(byte[] path, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern nint read(int descriptor, byte[] buffer, nint count);

    [DllImport("libc", SetLastError = true)]
    private static extern nint write(int descriptor, byte[] buffer, nint count);

    [DllImport("libc", SetLastError = true)]
    private static extern int close(int descriptor);

    [DllImport("libc", SetLastError = true)]
    private static extern int tcgetattr(int descriptor, byte[] termios);

    [DllImport("libc", SetLastError = true)]
    private static extern int tcsetattr(int descriptor, int actions, byte[] termios);

    [DllImport("libc")]
    private static extern void cfmakeraw(byte[] termios);
#pragma warning restore SA1300, CA2101, SYSLIB1054
}

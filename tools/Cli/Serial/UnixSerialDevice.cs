using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DePIN.Cli.Serial;

/// <summary>
/// A serial port of Linux or macOS. On Linux the kernel's own termios2 through ioctl, the same on x64, arm64 and arm and free of the
/// C library's changing speed constants; on macOS tcgetattr and tcsetattr, because ioctl is variadic and its arguments lie elsewhere there.
/// Exclusive by TIOCEXCL against others and by flock against ourselves (root passes TIOCEXCL). HUPCL is off, so closing moves no line.
/// </summary>
public sealed class UnixSerialDevice : ISerialDevice
{
    // termios2: c_iflag, c_oflag, c_cflag, c_lflag (4 bytes each), c_line 1, c_cc 19, c_ispeed, c_ospeed (4 each): asm-generic/termbits.h
    private const int LinuxTermiosBytes = 44;
    private const int LinuxSpeedOffset = 36;
    private const int LinuxControlOffset = 17;
    private const uint LinuxFlags = 0x30 | 0x80 | 0x800; // CS8 | CREAD | CLOCAL
    private const uint LinuxGet = 0x802C542A; // TCGETS2
    private const uint LinuxSet = 0x402C542B; // TCSETS2

    private const uint LinuxOtherSpeed = 0x1000; // BOTHER: the rate is in c_ispeed and c_ospeed

    // termios: c_iflag, c_oflag, c_cflag, c_lflag (8 bytes each), c_cc 20, 4 of padding, c_ispeed, c_ospeed (8 each): sys/termios.h
    private const int MacTermiosBytes = 72;
    private const int MacSpeedOffset = 56;
    private const int MacControlOffset = 32;
    private const ulong MacFlags = 0x300 | 0x800 | 0x8000; // CS8 | CREAD | CLOCAL

    private const int Dtr = 2;
    private const int Rts = 4;
    private const int LockExclusive = 2 | 4; // LOCK_EX | LOCK_NB
    private const short PollIn = 1;
    private const short PollOut = 4;
    private const short PollGone = 0x8 | 0x10 | 0x20; // POLLERR | POLLHUP | POLLNVAL
    private const int BaudMin = 50;
    private const int BaudMax = 12_000_000;

    private readonly SafeFileHandle handle;
    private readonly string path;

    private UnixSerialDevice(SafeFileHandle handle, string path)
    {
        this.handle = handle;
        this.path = path;
    }

    private static bool Mac => OperatingSystem.IsMacOS();

    /// <exception cref="SerialException">It cannot be opened; the fault says why.</exception>
    public static UnixSerialDevice Open(string path, int baud)
    {
        if (baud is < BaudMin or > BaudMax)
        {
            throw UnixFaults.BadBaud(path, baud);
        }

        int flags = 2 | (Mac ? 0x20000 | 0x1000000 | 0x4 : 0x100 | 0x80000 | 0x800); // O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK
        int descriptor = NativeMethods.Open(path, flags);
        if (descriptor < 0)
        {
            throw UnixFaults.OnOpen(path, Marshal.GetLastPInvokeError());
        }

        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        try
        {
            if (NativeMethods.IsTerminal(handle) == 0)
            {
                throw new SerialException(SerialFault.NotSerial, $"{path} is no serial port", "run 'depin ports' and name one of those");
            }

            if (NativeMethods.Lock(handle, LockExclusive) != 0)
            {
                throw UnixFaults.InUse(path);
            }

            _ = NativeMethods.Control(handle, Mac ? 0x2000740Du : 0x540Cu, 0); // TIOCEXCL
            UnixSerialDevice device = new(handle, path);
            device.Configure(baud);
            return device;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public int Read(Span<byte> buffer, TimeSpan wait)
    {
        short ready = Wait(PollIn, wait);
        if (ready == 0)
        {
            return 0;
        }

        nint count = NativeMethods.Read(handle, ref MemoryMarshal.GetReference(buffer), buffer.Length);
        int error = Marshal.GetLastPInvokeError();
        return count > 0 ? (int)count
            : count < 0 && UnixFaults.IsLater(error) && (ready & PollGone) == 0 ? 0
            : throw UnixFaults.Gone(path, count < 0 ? error : 0); // 0 of a terminal that is ready is a hang-up
    }

    public int Write(ReadOnlySpan<byte> bytes, TimeSpan wait)
    {
        short ready = Wait(PollOut, wait);
        if (ready == 0)
        {
            return 0;
        }

        nint count = NativeMethods.Write(handle, ref MemoryMarshal.GetReference(bytes), bytes.Length);
        int error = Marshal.GetLastPInvokeError();
        return count >= 0 ? (int)count
            : UnixFaults.IsLater(error) && (ready & PollGone) == 0 ? 0
            : throw UnixFaults.Gone(path, error);
    }

    public void SetLines(bool dtr, bool rts)
    {
        // What goes off goes off first and at once: a driver sends both in one message, so an auto-reset circuit sees no state between.
        int off = (dtr ? 0 : Dtr) | (rts ? 0 : Rts), on = (dtr ? Dtr : 0) | (rts ? Rts : 0);
        if (off != 0)
        {
            SetBits(Mac ? 0x8004746Bu : 0x5417u, off); // TIOCMBIC
        }

        if (on != 0)
        {
            SetBits(Mac ? 0x8004746Cu : 0x5416u, on); // TIOCMBIS
        }
    }

    public void Dispose()
    {
        if (!handle.IsClosed)
        {
            // The kernel forgets it only when nobody has the port any more, and a virtual board keeps its own end of it open.
            _ = NativeMethods.Control(handle, Mac ? 0x2000740Eu : 0x540Du, 0); // TIOCNXCL
            handle.Dispose();
        }
    }

    private void SetBits(uint request, int bits)
    {
        byte[] value = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(value, bits);
        int error = Call(request, value) == 0 ? 0 : Marshal.GetLastPInvokeError();
        if (error != 0 && UnixFaults.IsGone(error))
        {
            throw UnixFaults.Gone(path, error);
        }
    }

    private void Configure(int baud)
    {
        byte[] termios = new byte[Mac ? MacTermiosBytes : LinuxTermiosBytes];
        if ((Mac ? NativeMethods.GetAttributes(handle, termios) : Call(LinuxGet, termios)) != 0)
        {
            throw UnixFaults.OnOpen(path, Marshal.GetLastPInvokeError());
        }

        int control = Mac ? MacControlOffset : LinuxControlOffset;
        termios.AsSpan(0, control).Clear(); // raw: no flag of input, output and local
        if (Mac)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(termios.AsSpan(16), MacFlags);
            termios.AsSpan(control + 16, 2).Clear(); // VMIN, VTIME
            BinaryPrimitives.WriteUInt64LittleEndian(termios.AsSpan(MacSpeedOffset), (ulong)baud);
            BinaryPrimitives.WriteUInt64LittleEndian(termios.AsSpan(MacSpeedOffset + 8), (ulong)baud);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(termios.AsSpan(8), LinuxFlags | LinuxSpeed(baud));
            termios.AsSpan(control + 5, 2).Clear(); // VTIME, VMIN
            BinaryPrimitives.WriteUInt32LittleEndian(termios.AsSpan(LinuxSpeedOffset), (uint)baud);
            BinaryPrimitives.WriteUInt32LittleEndian(termios.AsSpan(LinuxSpeedOffset + 4), (uint)baud);
        }

        if ((Mac ? NativeMethods.SetAttributes(handle, 0, termios) : Call(LinuxSet, termios)) != 0)
        {
            throw UnixFaults.BadBaud(path, baud);
        }
    }

    /// <summary>The kernel's constant of a usual rate, which other programs can read back, else BOTHER.</summary>
    private static uint LinuxSpeed(int baud) => baud switch
    {
        9600 => 0xD,
        19_200 => 0xE,
        38_400 => 0xF,
        57_600 => 0x1001,
        115_200 => 0x1002,
        230_400 => 0x1003,
        460_800 => 0x1004,
        921_600 => 0x1007,
        _ => LinuxOtherSpeed,
    };

    /// <summary>On Apple's arm64 what is variadic lies on the stack, behind eight registers: six that nobody reads fill them.</summary>
    private int Call(uint request, byte[] argument) =>
        Mac && RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            ? NativeMethods.ControlOnStack(handle, request, 0, 0, 0, 0, 0, 0, argument)
            : NativeMethods.Control(handle, request, argument);

    private short Wait(short events, TimeSpan wait)
    {
        PollEntry entry = new() { Descriptor = (int)handle.DangerousGetHandle(), Events = events };
        int ready = NativeMethods.Poll(ref entry, 1, (int)Math.Clamp(wait.TotalMilliseconds, 0, int.MaxValue));
        return ready > 0 ? entry.Ready : (short)0; // an interrupted wait is one without result
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Ready;
    }

    private static class NativeMethods
    {
        private const string Library = "libc";

        [DllImport(Library, EntryPoint = "open", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Open(string path, int flags);

        [DllImport(Library, EntryPoint = "read", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern nint Read(SafeFileHandle handle, ref byte buffer, nint count);

        [DllImport(Library, EntryPoint = "write", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern nint Write(SafeFileHandle handle, ref readonly byte buffer, nint count);

        [DllImport(Library, EntryPoint = "poll", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Poll(ref PollEntry entry, nuint count, int milliseconds);

        [DllImport(Library, EntryPoint = "flock", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Lock(SafeFileHandle handle, int operation);

        [DllImport(Library, EntryPoint = "isatty", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int IsTerminal(SafeFileHandle handle);

        [DllImport(Library, EntryPoint = "ioctl", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Control(SafeFileHandle handle, nuint request, nint none);

        [DllImport(Library, EntryPoint = "ioctl", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Control(SafeFileHandle handle, nuint request, [In, Out] byte[] argument);

        [DllImport(Library, EntryPoint = "ioctl", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int ControlOnStack(SafeFileHandle handle, nuint request, nint a, nint b, nint c, nint d, nint e, nint f, [In, Out] byte[] argument);

        [DllImport(Library, EntryPoint = "tcgetattr", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int GetAttributes(SafeFileHandle handle, [In, Out] byte[] termios);

        [DllImport(Library, EntryPoint = "tcsetattr", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int SetAttributes(SafeFileHandle handle, int actions, byte[] termios);
    }
}

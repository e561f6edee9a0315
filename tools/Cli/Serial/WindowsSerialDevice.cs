using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DePIN.Cli.Serial;

/// <summary>
/// A serial port of Windows, share mode 0. Reads return at the first bytes or after a short wait, so that a write on the same handle,
/// which waits for the read, is not held up. DTR and RTS are off from the device control block on, so opening resets no board.
/// </summary>
public sealed class WindowsSerialDevice : ISerialDevice
{
    private const uint ReadWrite = 0xC0000000;
    private const uint OpenExisting = 3;
    private const int BlockBytes = 28; // DCB
    private const uint BlockFlags = 1; // fBinary; DTR, RTS, flow control and all else off
    private const uint ReadWaitMs = 20;
    private const uint WriteWaitMs = 500;
    private const uint SetRts = 3;
    private const uint ClearRts = 4;
    private const uint SetDtr = 5;
    private const uint ClearDtr = 6;

    private readonly SafeFileHandle handle;
    private readonly string path;

    private WindowsSerialDevice(SafeFileHandle handle, string path)
    {
        this.handle = handle;
        this.path = path;
    }

    /// <exception cref="SerialException">It cannot be opened; the fault says why.</exception>
    public static WindowsSerialDevice Open(string path, int baud)
    {
        // The prefix is what COM10 and above need.
        SafeFileHandle handle = NativeMethods.CreateFile(path.StartsWith(@"\\", StringComparison.Ordinal) ? path : @"\\.\" + path, ReadWrite, 0, 0, OpenExisting, 0, 0);
        if (handle.IsInvalid)
        {
            throw OnOpen(path, Marshal.GetLastPInvokeError());
        }

        WindowsSerialDevice device = new(handle, path);
        try
        {
            device.Configure(baud);
            return device;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>What a Win32 error of CreateFile means to a person.</summary>
    public static SerialException OnOpen(string path, int error) => error switch
    {
        2 or 3 or 123 => new(SerialFault.NoPort, $"there is no port {path}", "plug the board in with a cable that carries data and run 'depin ports'"),
        5 or 32 => new(SerialFault.InUse, $"{path} is in use by another program", "close the program that has it (a serial monitor, an IDE, another depin), then run the command again"),
        _ when IsGone(error) => Gone(path, error),
        _ => new(SerialFault.Failed, $"{path} cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}", "unplug the board, plug it in again and retry"),
    };

    public int Read(Span<byte> buffer, TimeSpan wait) =>
        NativeMethods.ReadFile(handle, ref MemoryMarshal.GetReference(buffer), buffer.Length, out int count, 0) ? count : throw Gone(path, Marshal.GetLastPInvokeError());

    public int Write(ReadOnlySpan<byte> bytes, TimeSpan wait) =>
        NativeMethods.WriteFile(handle, ref MemoryMarshal.GetReference(bytes), bytes.Length, out int count, 0) ? count : throw Gone(path, Marshal.GetLastPInvokeError());

    public void SetLines(bool dtr, bool rts)
    {
        // What goes off goes off first. Windows has no call for both at once; from both on, as a driver may leave them, RTS goes first:
        // DTR alone holds the boot pin for a moment, RTS alone would reset.
        Escape(rts ? null : ClearRts);
        Escape(dtr ? null : ClearDtr);
        Escape(dtr ? SetDtr : null);
        Escape(rts ? SetRts : null);
    }

    public void Dispose() => handle.Dispose();

    private static bool IsGone(int error) => error is 6 or 22 or 31 or 433 or 995 or 1167;

    private static SerialException Gone(string path, int error) => new(
        SerialFault.Unplugged, $"{path} hung up: {Marshal.GetPInvokeErrorMessage(error)}", "check the cable and that the board has power, then run the command again");

    private void Escape(uint? function)
    {
        if (function is { } asked && !NativeMethods.EscapeCommFunction(handle, asked) && IsGone(Marshal.GetLastPInvokeError()))
        {
            throw Gone(path, Marshal.GetLastPInvokeError());
        }
    }

    private void Configure(int baud)
    {
        byte[] block = new byte[BlockBytes];
        BinaryPrimitives.WriteInt32LittleEndian(block, BlockBytes);
        BinaryPrimitives.WriteInt32LittleEndian(block.AsSpan(4), baud);
        BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(8), BlockFlags);
        block[18] = 8; // ByteSize; parity and stop bits 0 are none and one
        if (!NativeMethods.SetCommState(handle, block))
        {
            throw Marshal.GetLastPInvokeError() == 87 ? new SerialException(SerialFault.BadBaud, $"{path} cannot run at {baud} baud", "give a usual rate, as 115200")
                : new SerialException(SerialFault.NotSerial, $"{path} is no serial port", "run 'depin ports' and name one of those");
        }

        uint[] timeouts = [uint.MaxValue, uint.MaxValue, ReadWaitMs, 0, WriteWaitMs]; // at once when bytes are there, else after the constant
        if (!NativeMethods.SetCommTimeouts(handle, timeouts))
        {
            throw Gone(path, Marshal.GetLastPInvokeError());
        }
    }

    private static class NativeMethods
    {
        private const string Library = "kernel32";

        [DllImport(Library, EntryPoint = "CreateFileW", SetLastError = true, CharSet = CharSet.Unicode)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        public static extern SafeFileHandle CreateFile(string path, uint access, uint share, nint security, uint creation, uint attributes, nint template);

        [DllImport(Library, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool ReadFile(SafeFileHandle handle, ref byte buffer, int count, out int read, nint overlapped);

        [DllImport(Library, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool WriteFile(SafeFileHandle handle, ref readonly byte buffer, int count, out int written, nint overlapped);

        [DllImport(Library, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool SetCommState(SafeFileHandle handle, byte[] block);

        [DllImport(Library, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool SetCommTimeouts(SafeFileHandle handle, uint[] timeouts);

        [DllImport(Library, SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
        [return: MarshalAs(UnmanagedType.Bool)]
        public static extern bool EscapeCommFunction(SafeFileHandle handle, uint function);
    }
}

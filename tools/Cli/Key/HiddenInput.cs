using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DePIN.Cli.Key;

/// <summary>
/// Reads a line at a Unix terminal with its echo off from before the prompt to behind the last key, as getpass does. Console.ReadKey turns
/// the echo off only while it waits for a key: what is typed or pasted between two is shown.
/// </summary>
public static class HiddenInput
{
    private const int TermiosBytes = 128; // more than any has
    private const int FlushAndSet = 2; // TCSAFLUSH: what was typed too early is dropped
    private const uint Echo = 0x8;

    private static bool Mac => OperatingSystem.IsMacOS();

    /// <summary>Bytes of the line, without its end; -1 when it does not fit. The terminal is as before, also after a signal.</summary>
    public static int ReadLine(string prompt, Span<byte> line)
    {
        byte[] before = new byte[TermiosBytes], hidden = new byte[TermiosBytes];
        if (NativeMethods.GetAttributes(0, before) != 0)
        {
            throw new IOException("standard input is no terminal");
        }

        before.CopyTo(hidden, 0);
        Span<byte> flags = hidden.AsSpan(Mac ? 24 : 12); // c_lflag, the fourth: 8 bytes each on macOS, 4 on Linux
        BinaryPrimitives.WriteUInt32LittleEndian(flags, BinaryPrimitives.ReadUInt32LittleEndian(flags) & ~Echo);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Restore());
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Restore());
        _ = NativeMethods.SetAttributes(0, FlushAndSet, hidden);
        Console.Error.Write(prompt);
        try
        {
            int count = 0;
            byte[] one = GC.AllocateArray<byte>(1, pinned: true);
            while (NativeMethods.Read(0, one, 1) == 1 && one[0] != (byte)'\n')
            {
                if (count == line.Length)
                {
                    return -1;
                }

                line[count++] = one[0];
            }

            one[0] = 0;
            return count;
        }
        finally
        {
            Restore();
            Console.Error.WriteLine();
        }

        void Restore() => _ = NativeMethods.SetAttributes(0, 0, before);
    }

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int GetAttributes(int descriptor, [In, Out] byte[] termios);

        [DllImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int SetAttributes(int descriptor, int actions, byte[] termios);

        [DllImport("libc", EntryPoint = "read", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern nint Read(int descriptor, [Out] byte[] buffer, nint count);
    }
}

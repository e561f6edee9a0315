using System.Runtime.InteropServices;
using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;

namespace DePIN.Cli.Serial;

/// <summary>
/// A serial line as a stream of bytes: opens the device without making it the controlling terminal, reads on a thread of its own
/// (a blocking read of a terminal cannot be cancelled), ends when the other side hangs up. Linux and macOS.
/// </summary>
public sealed class SerialLine : IDisposable
{
    /// <summary>Chunks read and not yet taken; beyond it the reader waits, and the kernel's own buffer pushes back.</summary>
    private const int ChunksMax = 64;

    private const int ChunkBytes = 1024;

    private readonly FileStream stream;
    private readonly Channel<byte[]> received = Channel.CreateBounded<byte[]>(ChunksMax);

    private SerialLine(FileStream stream)
    {
        this.stream = stream;
        Thread reader = new(Read) { IsBackground = true, Name = "serial " + stream.Name };
        reader.Start();
    }

    /// <exception cref="IOException">The device is not there, may not be opened, or is no serial line; the message says which.</exception>
    public static SerialLine Open(string path)
    {
        bool mac = OperatingSystem.IsMacOS();
        int flags = 2 | (mac ? 0x20000 | 0x1000000 : 0x100 | 0x80000); // O_RDWR | O_NOCTTY | O_CLOEXEC
        int descriptor = NativeMethods.Open(path, flags);
        if (descriptor < 0)
        {
            throw new IOException($"{path} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        return new SerialLine(new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0));
    }

    /// <summary>The next bytes as they came. Throws <see cref="ChannelClosedException"/> when the line hung up.</summary>
    public ValueTask<byte[]> ReadAsync(CancellationToken cancel) => received.Reader.ReadAsync(cancel);

    public void Write(ReadOnlySpan<byte> bytes) => stream.Write(bytes);

    public void Dispose() => stream.Dispose();

    private void Read()
    {
        byte[] chunk = new byte[ChunkBytes];
        Exception? ended = null;
        try
        {
            for (int count = stream.Read(chunk); count > 0; count = stream.Read(chunk))
            {
                byte[] copy = chunk[..count];
                if (!received.Writer.TryWrite(copy) && !received.Writer.WriteAsync(copy).AsTask().Wait(TimeSpan.FromSeconds(30)))
                {
                    throw new IOException("nobody reads the serial line");
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or UnauthorizedAccessException)
        {
            ended = error; // a hang-up of a terminal is EIO, not an end of file
        }

        received.Writer.TryComplete(ended);
    }

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "open", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Open(string path, int flags);
    }
}

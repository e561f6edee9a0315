using System.Threading.Channels;

namespace DePIN.Cli.Serial;

/// <summary>
/// A serial line as a stream of bytes, without a package: Linux, macOS and Windows. Opened for this program alone and without resetting
/// the board behind it; read on a thread of its own into a bounded queue; ends with a <see cref="SerialException"/> when the other side
/// hangs up. A time-out and an unplugged board are told apart by the fault.
/// </summary>
public sealed class SerialLine : IDisposable
{
    public const int BaudDefault = 115_200;

    /// <summary>Of the runtime's debug port on an ESP32 (nf-interpreter, CONFIG_TARGET_SERIAL_BAUDRATE).</summary>
    public const int BaudDebug = 921_600;

    /// <summary>How long a write may wait without a single byte being taken.</summary>
    public static readonly TimeSpan WriteStallDefault = TimeSpan.FromSeconds(10);

    /// <summary>Chunks read and not yet taken; beyond it the reader waits, and the kernel's own buffer pushes back.</summary>
    private const int ChunksMax = 64;

    private const int ChunkBytes = 1024;

    /// <summary>One wait of the reader, and so how long closing may take.</summary>
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(50);

    /// <summary>EN of an ESP32 is held low this long; vendors' tools use 100 to 200 ms.</summary>
    private static readonly TimeSpan ResetHold = TimeSpan.FromMilliseconds(120);

    private readonly ISerialDevice device;
    private readonly TimeProvider time;
    private readonly TimeSpan writeStall;
    private readonly Channel<byte[]> received = Channel.CreateBounded<byte[]>(ChunksMax);
    private readonly CancellationTokenSource closing = new();
    private readonly Thread reader;
    private readonly string name;
    private bool disposed;

    public SerialLine(ISerialDevice device, string name, TimeProvider? time = null, TimeSpan? writeStall = null)
    {
        this.device = device;
        this.name = name;
        this.time = time ?? TimeProvider.System;
        this.writeStall = writeStall ?? WriteStallDefault;
        reader = new Thread(Read) { IsBackground = true, Name = "serial " + name };
        reader.Start();
    }

    /// <summary>
    /// Opens a port. A board with a USB-UART bridge then has both control lines off, which its auto-reset circuit takes as rest; a chip's
    /// own USB keeps both on, which is rest for it too and says that a host is there.
    /// </summary>
    /// <param name="path">/dev/ttyUSB0, a link as those in /dev/serial/by-id, /dev/cu.…, COM3.</param>
    /// <param name="baud">Bits a second.</param>
    /// <param name="nativeUsb">Whether the port is a chip's own USB (see <see cref="UsbBridge"/>).</param>
    /// <exception cref="SerialException">It cannot be opened; the fault says why.</exception>
    public static SerialLine Open(string path, int baud = BaudDefault, bool nativeUsb = false)
    {
        ISerialDevice device = OperatingSystem.IsWindows() ? WindowsSerialDevice.Open(path, baud) : UnixSerialDevice.Open(path, baud);
        try
        {
            device.SetLines(dtr: nativeUsb, rts: nativeUsb);
            return new SerialLine(device, path);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>The next bytes as they came.</summary>
    /// <exception cref="ChannelClosedException">The line hung up; the inner exception is the <see cref="SerialException"/>.</exception>
    public ValueTask<byte[]> ReadAsync(CancellationToken cancel) => received.Reader.ReadAsync(cancel);

    /// <summary>The next bytes within a time.</summary>
    /// <exception cref="SerialException">TimedOut: none came, the line is there. Unplugged: it is not.</exception>
    public async Task<byte[]> ReadAsync(TimeSpan within, CancellationToken cancel)
    {
        using CancellationTokenSource patience = new(within, time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            return await received.Reader.ReadAsync(both.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new SerialException(SerialFault.TimedOut, $"nothing came from {name} within {within.TotalSeconds:0.#} s", "check that the board runs and that the port is its own");
        }
        catch (ChannelClosedException closed)
        {
            throw closed.InnerException is SerialException known ? known : UnixFaults.Gone(name, 0);
        }
    }

    /// <summary>Writes all bytes, however slowly the other side takes them.</summary>
    /// <exception cref="SerialException">TimedOut: nobody takes any. Unplugged: the port is gone.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        long last = time.GetTimestamp();
        while (bytes.Length > 0)
        {
            int count = device.Write(bytes, Slice);
            bytes = bytes[count..];
            if (count > 0)
            {
                last = time.GetTimestamp();
            }
            else if (time.GetElapsedTime(last) > writeStall)
            {
                throw new SerialException(SerialFault.TimedOut, $"{name} took no byte for {writeStall.TotalSeconds:0.#} s", "check that the board runs; unplug it and plug it in again");
            }
        }
    }

    /// <summary>
    /// Resets the board on purpose: RTS on with DTR off holds EN low in the auto-reset circuit of boards with a bridge, and is the same
    /// request to a chip's USB Serial/JTAG. DTR stays off, so the boot pin is high and the application starts.
    /// </summary>
    public async Task ResetBoardAsync(CancellationToken cancel)
    {
        device.SetLines(dtr: false, rts: false);
        device.SetLines(dtr: false, rts: true);
        await Task.Delay(ResetHold, time, cancel).ConfigureAwait(false);
        device.SetLines(dtr: false, rts: false);
    }

    public void Dispose()
    {
        if (!disposed)
        {
            disposed = true;
            closing.Cancel();
            reader.Join();
            device.Dispose();
            closing.Dispose();
        }
    }

    private void Read()
    {
        byte[] chunk = new byte[ChunkBytes];
        Exception? ended = null;
        try
        {
            while (!closing.IsCancellationRequested)
            {
                int count = device.Read(chunk, Slice);
                if (count > 0)
                {
                    byte[] copy = chunk[..count];
                    if (!received.Writer.TryWrite(copy))
                    {
                        received.Writer.WriteAsync(copy, closing.Token).AsTask().GetAwaiter().GetResult();
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // closed by its owner
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            ended = error;
        }

        received.Writer.TryComplete(ended);
    }
}

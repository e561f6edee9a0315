using DePIN.Cli.Provision;
using DePIN.Cli.Serial;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>A real serial port with a person, a bad cable or a strange board in between: what a test does to bytes, at the operating system's level.</summary>
internal sealed class FaultyDevice(ISerialDevice port) : ISerialDevice
{
    private readonly Queue<byte> _ready = new();
    private readonly Lock _gate = new();

    /// <summary>Called before each read and each write; throws when the plug is out.</summary>
    public Action Touch { get; init; } = static () => { };

    /// <summary>What becomes of bytes that the board sent.</summary>
    public Func<byte[], byte[]> FromBoard { get; init; } = static bytes => bytes;

    /// <summary>What becomes of bytes for the board.</summary>
    public Func<byte[], byte[]> ToBoard { get; init; } = static bytes => bytes;

    public int Read(Span<byte> buffer, TimeSpan wait)
    {
        Touch();
        lock (_gate)
        {
            if (_ready.Count == 0)
            {
                byte[] chunk = new byte[256];
                int count = port.Read(chunk, wait);
                if (count > 0) foreach (byte value in FromBoard(chunk[..count])) _ready.Enqueue(value);
            }

            int given = Math.Min(buffer.Length, _ready.Count);
            for (int i = 0; i < given; i++) buffer[i] = _ready.Dequeue();
            return given;
        }
    }

    public int Write(ReadOnlySpan<byte> bytes, TimeSpan wait)
    {
        Touch();
        byte[] changed = ToBoard(bytes.ToArray());
        for (int at = 0; at < changed.Length;) at += port.Write(changed.AsSpan(at), wait);
        return bytes.Length;
    }

    public void SetLines(bool dtr, bool rts) => port.SetLines(dtr, rts);

    public void Dispose() => port.Dispose();

    public static SerialException Unplugged() => new(SerialFault.Unplugged, "the port is gone", "plug the board in again");
}

/// <summary>A board behind such a port.</summary>
internal sealed class FaultyPort(string path, Func<FaultyPort, ISerialDevice, ISerialDevice> wrap, int tries = 20) : IBoardPort
{
    private readonly TimeSpan _answerWithin = TimeSpan.FromMilliseconds(700);

    /// <summary>The lane that works on it; set before it runs.</summary>
    public ProvisionLane? Lane { get; set; }

    public string Name => path;

    public IBoardLine Open()
    {
        ISerialDevice device = UnixSerialDevice.Open(path, SerialLine.BaudDefault);
        try
        {
            return new BoardLine(new SerialLine(wrap(this, device), path), path, tries, _answerWithin);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }
}

/// <summary>One board on two ports: what it sends goes to both, what either sends goes to it.</summary>
internal sealed class TwoPlugs(ISerialDevice port) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<byte>[] _ready = [new(), new()];

    public ISerialDevice Plug(int index) => new End(this, index);

    public void Dispose() => port.Dispose();

    private sealed class End(TwoPlugs both, int index) : ISerialDevice
    {
        public int Read(Span<byte> buffer, TimeSpan wait)
        {
            lock (both._gate)
            {
                if (both._ready[index].Count == 0)
                {
                    byte[] chunk = new byte[256];
                    int count = both.Port.Read(chunk, TimeSpan.FromMilliseconds(10));
                    foreach (Queue<byte> ready in both._ready)
                        foreach (byte value in chunk.AsSpan(0, count)) ready.Enqueue(value);
                }

                int given = Math.Min(buffer.Length, both._ready[index].Count);
                for (int i = 0; i < given; i++) buffer[i] = both._ready[index].Dequeue();
                return given;
            }
        }

        public int Write(ReadOnlySpan<byte> bytes, TimeSpan wait)
        {
            lock (both._gate) return both.Port.Write(bytes, wait);
        }

        public void SetLines(bool dtr, bool rts) => both.Port.SetLines(dtr, rts);

        public void Dispose()
        {
        }
    }

    private ISerialDevice Port => port;
}

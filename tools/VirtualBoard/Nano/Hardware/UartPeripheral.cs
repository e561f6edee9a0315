// A device on a UART, byte by byte. Between it and the firmware is the receive buffer of nanoFramework's serial port: 256 bytes, and
// what arrives while it is full is lost, which is what happens to a talkative device that is read every ten seconds.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>
/// One device. A test may let its bytes arrive in small pieces, put garbage before them, unplug it and plug it in again; whoever opens the
/// port with another speed or format than the device's reads and sends garbage, as on a wire.
/// </summary>
public abstract class UartPeripheral(LineFormat format) : ISerialLine
{
    /// <summary>SerialPort.ReadBufferSize of nanoFramework, when nobody sets it.</summary>
    public const int ReceiveBufferBytes = 256;

    private readonly Queue<byte> _arrived = new();
    private readonly Lock _gate = new();
    private readonly LineFormat _own = format;
    private LineFormat? _board;

    /// <summary>How many bytes the board finds at a time; fewer than a frame makes every frame arrive in pieces.</summary>
    public int PieceBytes { get; set; } = int.MaxValue;

    /// <summary>Unplugged: nothing arrives at either end, and what was sent is gone.</summary>
    public bool IsUnplugged { get; set; }

    /// <summary>Bytes that found the receive buffer full.</summary>
    public int LostBytes { get; private set; }

    /// <summary>All bytes that reached the device, in order.</summary>
    public List<byte> Received { get; } = [];

    /// <inheritdoc/>
    public void Configure(LineFormat format)
    {
        lock (_gate)
        {
            _board = format;
        }
    }

    /// <inheritdoc/>
    public int Read(Span<byte> buffer)
    {
        lock (_gate)
        {
            if (!IsUnplugged)
            {
                OnPoll();
            }

            int count = Math.Min(Math.Min(PieceBytes, buffer.Length), _arrived.Count);
            for (int i = 0; i < count; i++)
            {
                buffer[i] = _arrived.Dequeue();
            }

            return count;
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            if (IsUnplugged)
            {
                return;
            }

            OnPoll();
            byte[] there = bytes.ToArray();
            Garble(there);
            Received.AddRange(there);
            OnReceive(there);
        }
    }

    /// <summary>Puts bytes on the line towards the board: a frame that a test made, or garbage.</summary>
    public void Inject(params byte[] bytes)
    {
        lock (_gate)
        {
            Send(bytes);
        }
    }

    /// <summary>Bytes for the device. They may be part of a frame, or several.</summary>
    protected abstract void OnReceive(ReadOnlySpan<byte> bytes);

    /// <summary>The board looks at the line, or sends: a device that talks by itself says here what it would have said by now.</summary>
    protected virtual void OnPoll()
    {
    }

    /// <summary>Sends to the board.</summary>
    protected void Send(ReadOnlySpan<byte> bytes)
    {
        if (IsUnplugged)
        {
            return;
        }

        byte[] there = bytes.ToArray();
        Garble(there);
        foreach (byte one in there)
        {
            if (_arrived.Count < ReceiveBufferBytes)
            {
                _arrived.Enqueue(one);
            }
            else
            {
                LostBytes++;
            }
        }
    }

    private void Garble(byte[] bytes)
    {
        for (int i = 0; _board is { } board && board != _own && i < bytes.Length; i++)
        {
            bytes[i] = (byte)(~bytes[i] ^ (i * 29));
        }
    }
}

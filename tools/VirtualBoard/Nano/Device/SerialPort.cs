// System.IO.Ports of nanoFramework 1.x over a pseudo terminal. Baud rate and parity are kept and mean nothing on a pty.

using DePIN.VirtualBoard.Hardware;

namespace System.IO.Ports;

public enum Parity
{
    None = 0,
    Odd = 1,
    Even = 2,
}

public enum StopBits
{
    One = 1,
    Two = 2,
    OnePointFive = 3,
}

public sealed class SerialPort(string portName, int baudRate = 9600, Parity parity = Parity.None, int dataBits = 8, StopBits stopBits = StopBits.One)
    : IDisposable
{
    private readonly VirtualHardware _hardware = VirtualHardware.Current;
    private readonly byte[] _buffer = new byte[1024];
    private PseudoTerminal? _line;
    private int _start;
    private int _count;

    public string PortName { get; } = portName;

    public int BaudRate { get; set; } = baudRate;

    public Parity Parity { get; set; } = parity;

    public int DataBits { get; set; } = dataBits;

    public StopBits StopBits { get; set; } = stopBits;

    public bool IsOpen => _line is not null;

    public int BytesToRead
    {
        get
        {
            PseudoTerminal line = _line ?? throw new InvalidOperationException("the port is closed");
            if (_count == 0)
            {
                _start = 0;
                _count = line.Read(_buffer);
            }

            return _count;
        }
    }

    public void Open() => _line = _hardware.FindSerial(PortName) ?? throw new IOException(PortName + " is not there on this board");

    public void Close() => _line = null;

    public int Read(byte[] buffer, int offset, int count)
    {
        int take = Math.Min(BytesToRead, count);
        Array.Copy(_buffer, _start, buffer, offset, take);
        _start += take;
        _count -= take;
        return take;
    }

    public void Write(byte[] buffer, int offset, int count)
    {
        PseudoTerminal line = _line ?? throw new InvalidOperationException("the port is closed");
        line.Write(buffer.AsSpan(offset, count));
    }

    public void Dispose() => Close();
}

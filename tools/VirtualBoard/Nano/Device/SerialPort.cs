// System.IO.Ports of nanoFramework 1.x on the classic ESP32: COM1 to COM3 are UART0 to UART2. COM1 belongs to the runtime's debug
// protocol and cannot be opened. A port with nothing on its pins opens and is silent, as on the board.

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

public sealed class SerialPort : IDisposable
{
    private static readonly string[] Names = ["COM1", "COM2", "COM3"];

    private readonly VirtualHardware _hardware = VirtualHardware.Current;
    private readonly byte[] _buffer = new byte[1024];
    private int _start;
    private int _count;

    /// <exception cref="ArgumentException">The ESP32 has no such port.</exception>
    public SerialPort(string portName, int baudRate = 9600, Parity parity = Parity.None, int dataBits = 8, StopBits stopBits = StopBits.One)
    {
        if (!Names.Contains(portName, StringComparer.Ordinal))
        {
            throw new ArgumentException($"{portName} is no port of this board: COM1, COM2, COM3", nameof(portName));
        }

        PortName = portName;
        BaudRate = baudRate;
        Parity = parity;
        DataBits = dataBits;
        StopBits = stopBits;
    }

    public string PortName { get; }

    public int BaudRate { get; set; }

    public Parity Parity { get; set; }

    public int DataBits { get; set; }

    public StopBits StopBits { get; set; }

    public bool IsOpen { get; private set; }

    public int BytesToRead
    {
        get
        {
            CheckOpen();
            if (_count == 0)
            {
                _start = 0;
                _count = _hardware.FindSerial(PortName)?.Read(_buffer) ?? 0;
            }

            return _count;
        }
    }

    public static string[] GetPortNames() => [.. Names];

    /// <exception cref="IOException">The port is the runtime's, or open already.</exception>
    public void Open()
    {
        if (PortName == Names[0])
        {
            throw new IOException(PortName + " is UART0: the runtime's debug protocol has it");
        }

        if (!_hardware.TryTakePort(PortName, this))
        {
            throw new IOException(PortName + " is open already");
        }

        IsOpen = true;
        _hardware.FindSerial(PortName)?.Configure(new LineFormat(BaudRate, DataBits, (int)Parity, (int)StopBits));
    }

    public void Close()
    {
        _hardware.ReleasePort(PortName, this);
        IsOpen = false;
        _count = 0;
    }

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
        CheckOpen();
        _hardware.FindSerial(PortName)?.Write(buffer.AsSpan(offset, count));
    }

    public void Dispose() => Close();

    private void CheckOpen()
    {
        if (!IsOpen)
        {
            throw new InvalidOperationException("the port is closed");
        }

        if (_hardware.TakePull(PortName))
        {
            throw new IOException(PortName + " failed");
        }
    }
}

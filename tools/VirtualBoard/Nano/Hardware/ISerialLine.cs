namespace DePIN.VirtualBoard.Hardware;

/// <summary>How a UART is set: what a device at the other end must be set to as well.</summary>
/// <param name="BaudRate">Bits a second.</param>
/// <param name="DataBits">5 to 8.</param>
/// <param name="Parity">0 none, 1 odd, 2 even, as System.IO.Ports.Parity.</param>
/// <param name="StopBits">1 one, 2 two, 3 one and a half, as System.IO.Ports.StopBits.</param>
public readonly record struct LineFormat(int BaudRate, int DataBits, int Parity, int StopBits)
{
    /// <summary>8 data bits, no parity, one stop bit.</summary>
    public static LineFormat EightN1(int baudRate) => new(baudRate, 8, 0, 1);
}

/// <summary>What the RX and TX pins of a UART are connected to, as the board sees it.</summary>
public interface ISerialLine
{
    /// <summary>The port was opened, or set anew.</summary>
    void Configure(LineFormat format);

    /// <summary>What has arrived, at most a buffer full; 0 when nothing has. Never waits.</summary>
    int Read(Span<byte> buffer);

    /// <summary>Bytes the board sends.</summary>
    void Write(ReadOnlySpan<byte> bytes);
}

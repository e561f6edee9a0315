namespace DePIN.Cli.Serial;

/// <summary>
/// One open serial port of the operating system, opened for this program alone: 8N1, raw, no flow control. Faults are
/// <see cref="SerialException"/>s; no call waits longer than it is told to. One reader and one writer at a time.
/// </summary>
public interface ISerialDevice : IDisposable
{
    /// <summary>Bytes that came within the wait; 0 when none did, which is not the end.</summary>
    int Read(Span<byte> buffer, TimeSpan wait);

    /// <summary>How many bytes were taken within the wait; 0 when none were.</summary>
    int Write(ReadOnlySpan<byte> bytes, TimeSpan wait);

    /// <summary>Both control lines, true is asserted. A port that has none, as a pseudo terminal, does nothing.</summary>
    void SetLines(bool dtr, bool rts);
}

// An SHT4x behind its commands (Sensirion data sheet "SHT4x" section 4): one byte in, words with CRC out, no answer while it measures.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>A simulated SHT4x.</summary>
public sealed class SimulatedSht4x(Func<AirState> air) : II2cPeripheral
{
    /// <summary>The serial number it says.</summary>
    public const uint Serial = 0x0F4C_1B7E;

    private byte[]? _answer;
    private int _busyReads;

    /// <summary>How often a measurement was asked for.</summary>
    public int Measurements { get; private set; }

    /// <summary>How many reads after a measurement are refused because it still measures.</summary>
    public int BusyReads { get; set; }

    /// <inheritdoc/>
    public bool Acknowledges(bool isRead)
    {
        if (!isRead)
        {
            return true;
        }

        if (_busyReads > 0)
        {
            _busyReads--;
            return false;
        }

        return _answer is not null;
    }

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        _answer = null;
        switch (bytes.Length == 1 ? bytes[0] : 0)
        {
            case 0xFD:
                Measurements++;
                _busyReads = BusyReads;
                AirState now = air();
                _answer = SensirionBytes.Of(
                    SensirionBytes.Word(now.TemperatureC, -45, 175), SensirionBytes.Word(now.HumidityPercent, -6, 125));
                return 1;
            case 0x89:
                _answer = SensirionBytes.Of(unchecked((ushort)(Serial >> 16)), unchecked((ushort)Serial));
                return 1;
            case 0x94:
                return 1;
            default:
                return 0;
        }
    }

    /// <inheritdoc/>
    public void Read(Span<byte> bytes)
    {
        // Beyond the answer the bus stays high.
        bytes.Fill(0xFF);
        _answer.AsSpan(0, Math.Min(_answer?.Length ?? 0, bytes.Length)).CopyTo(bytes);
        _answer = null;
    }
}

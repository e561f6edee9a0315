// An INA226 behind its registers (Texas Instruments SBOS547A sections 7.5 and 7.6): 16-bit words, a pointer that stays, triggered and
// continuous conversions, current and power computed as the chip does: shunt × calibration / 2048, current × bus / 20,000.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>What flows through the shunt.</summary>
public readonly record struct LineState(double Volt, double Ampere);

/// <summary>A simulated INA226.</summary>
/// <param name="line">What it measures.</param>
/// <param name="shuntOhm">The resistor it is soldered to.</param>
public sealed class SimulatedIna226(Func<LineState> line, double shuntOhm) : II2cPeripheral
{
    private const ushort ConfigurationAfterReset = 0x4127;
    private const int Ready = 0x0008;
    private const int Overflow = 0x0004;

    private readonly ushort[] _words = [ConfigurationAfterReset, 0, 0, 0, 0, 0, 0, 0];
    private byte _pointer;
    private int _busyReads;

    /// <summary>Die id register.</summary>
    public ushort DieId { get; set; } = 0x2260;

    /// <summary>How often a conversion was triggered.</summary>
    public int Conversions { get; private set; }

    /// <summary>How many looks at the ready flag a conversion takes.</summary>
    public int BusyReads { get; set; } = 1;

    /// <summary>A register as the chip holds it.</summary>
    public ushort this[int register] => register switch
    {
        0xFE => 0x5449,
        0xFF => DieId,
        _ => register < _words.Length ? _words[register] : (ushort)0,
    };

    /// <summary>Its power fails and comes back: no calibration any more.</summary>
    public void LosePower()
    {
        Array.Clear(_words);
        _words[0] = ConfigurationAfterReset;
    }

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        _pointer = bytes[0];
        if (bytes.Length < 3)
        {
            return bytes.Length;
        }

        ushort value = (ushort)((bytes[1] << 8) | bytes[2]);
        switch (_pointer)
        {
            case 0x00 when (value & 0x8000) != 0:
                LosePower();
                break;
            case 0x00:
                _words[0] = value;
                _words[6] &= unchecked((ushort)~Ready);
                if ((value & 7) == 3)
                {
                    _busyReads = BusyReads;
                    Convert();
                }

                break;
            case 0x05:
                _words[5] = (ushort)(value & 0x7FFF);
                break;
            case 0x07:
                _words[7] = value;
                break;
        }

        return 3;
    }

    /// <inheritdoc/>
    public void Read(Span<byte> bytes)
    {
        ushort value = this[_pointer];
        if (_pointer == 0x06)
        {
            // Reading clears the ready flag.
            value &= _busyReads > 0 ? unchecked((ushort)~Ready) : (ushort)0xFFFF;
            _busyReads--;
            _words[6] &= _busyReads < 0 ? unchecked((ushort)~Ready) : (ushort)0xFFFF;
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(i % 2 == 0 ? value >> 8 : value);
        }
    }

    private void Convert()
    {
        Conversions++;
        LineState now = line();
        int shunt = (int)Math.Clamp(Math.Round(now.Ampere * shuntOhm / 2.5e-6), short.MinValue, short.MaxValue);
        int bus = (int)Math.Clamp(Math.Round(now.Volt / 1.25e-3), 0, short.MaxValue);
        long current = (long)shunt * _words[5] / 2048;
        long power = Math.Abs(current) * bus / 20000;
        bool overflow = current is < short.MinValue or > short.MaxValue || power > ushort.MaxValue;
        _words[1] = (ushort)shunt;
        _words[2] = (ushort)bus;
        _words[3] = (ushort)power;
        _words[4] = (ushort)current;
        _words[6] = (ushort)(Ready | (overflow ? Overflow : 0));
    }
}

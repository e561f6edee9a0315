// A LIS3DH behind its registers (STMicroelectronics DocID17530): data rate, range, FIFO in bypass and stream mode, two interrupt latches
// on absolute values. It is fed with measurements as they happen; its high-pass filter takes gravity away at once (an ideal one).

namespace DePIN.VirtualBoard.Hardware;

/// <summary>A simulated LIS3DH.</summary>
public sealed class SimulatedLis3dh : II2cPeripheral
{
    private const int FifoDepth = 32;

    private readonly byte[] _registers = new byte[64];
    private readonly Queue<(short X, short Y, short Z)> _fifo = new();
    private readonly Func<(double X, double Y, double Z)>? _shock;
    private byte _pointer;
    private bool _increments;
    private bool _overrun;

    /// <param name="shock">What it feels, in g without gravity, each time the FIFO's state is read; null: only <see cref="Feel"/>.</param>
    public SimulatedLis3dh(Func<(double X, double Y, double Z)>? shock = null)
    {
        _shock = shock;
        LosePower();
    }

    /// <summary>WHO_AM_I.</summary>
    public byte WhoAmI { get; set; } = 0x33;

    /// <summary>A register as the chip holds it.</summary>
    public byte this[int register] => _registers[register];

    /// <summary>Its power fails and comes back: it sleeps (section 8.8: CTRL_REG1 is 0x07).</summary>
    public void LosePower()
    {
        Array.Clear(_registers);
        _registers[0x20] = 0x07;
        _fifo.Clear();
        _overrun = false;
    }

    /// <summary>One measurement, in g without gravity.</summary>
    public void Feel(double x, double y, double z)
    {
        if ((_registers[0x20] & 0xF0) == 0)
        {
            return;
        }

        // 10 bits left-justified; a step of the 12 highest bits is 1, 2, 4 or 12 mg.
        double milliGPerStep = ((_registers[0x23] >> 4) & 3) switch { 0 => 1, 1 => 2, 2 => 4, _ => 12 };
        short Word(double g) => (short)((int)Math.Clamp(Math.Round(g * 1000 / milliGPerStep / 4), -512, 511) * 64);
        if ((_registers[0x24] & 0x40) != 0 && (_registers[0x2E] & 0xC0) == 0x80)
        {
            _fifo.Enqueue((Word(x), Word(y), Word(z)));
            if (_fifo.Count > FifoDepth)
            {
                _fifo.Dequeue();
                _overrun = true;
            }
        }

        double thresholdG = ((_registers[0x23] >> 4) & 3) switch { 0 => 0.016, 1 => 0.032, 2 => 0.062, _ => 0.186 };
        foreach (int interrupt in new[] { 0x30, 0x34 })
        {
            double limit = _registers[interrupt + 2] * thresholdG;
            byte axes = (byte)((Math.Abs(x) > limit ? 0x02 : 0) | (Math.Abs(y) > limit ? 0x08 : 0) | (Math.Abs(z) > limit ? 0x20 : 0));
            axes &= _registers[interrupt];
            if (axes != 0)
            {
                _registers[interrupt + 1] = (byte)(0x40 | axes);
            }
        }
    }

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        _pointer = (byte)(bytes[0] & 0x7F);
        _increments = (bytes[0] & 0x80) != 0;
        for (int i = 1; i < bytes.Length; i++)
        {
            WriteRegister(_increments ? (byte)(_pointer + i - 1) : _pointer, bytes[i]);
        }

        return bytes.Length;
    }

    /// <inheritdoc/>
    public void Read(Span<byte> bytes)
    {
        (short X, short Y, short Z) words = default;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (_pointer == 0x28)
            {
                _fifo.TryDequeue(out words);
                _overrun = false;
            }

            bytes[i] = _pointer switch
            {
                0x0F => WhoAmI,
                0x28 => (byte)words.X,
                0x29 => (byte)(words.X >> 8),
                0x2A => (byte)words.Y,
                0x2B => (byte)(words.Y >> 8),
                0x2C => (byte)words.Z,
                0x2D => (byte)(words.Z >> 8),
                0x2F => FifoState(),
                _ => _registers[_pointer & 63],
            };
            if (_pointer is 0x31 or 0x35)
            {
                _registers[_pointer] = 0;
            }

            // With the FIFO on, the address goes back after Z (AN3308, FIFO).
            _pointer = !_increments ? _pointer : _pointer == 0x2D ? (byte)0x28 : (byte)(_pointer + 1);
        }
    }

    private void WriteRegister(byte register, byte value)
    {
        if (register is 0x2E && (value & 0xC0) == 0)
        {
            _fifo.Clear();
            _overrun = false;
        }

        if (register is (>= 0x1E and <= 0x26) or 0x2E or 0x30 or 0x32 or 0x33 or 0x34 or 0x36 or 0x37)
        {
            _registers[register] = value;
        }
    }

    private byte FifoState()
    {
        if (_shock is not null)
        {
            (double x, double y, double z) = _shock();
            Feel(x, y, z);
        }

        // Full is 31 and the overrun bit, whether or not something fell out.
        bool full = _overrun || _fifo.Count == FifoDepth;
        return (byte)(full ? 0x40 | 0x1F : _fifo.Count == 0 ? 0x20 : _fifo.Count);
    }
}

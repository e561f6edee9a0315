// A MAX30102 behind its registers (Maxim 19-7740) with a finger on it: reset, sleep, a FIFO of 32 with pointers, overflow counter and
// rollover, 18-bit samples at 25 a second of its clock (100 a second, mean of 4). Light through the finger: a constant part, and a pulse
// wave with a dicrotic wave behind it, whose share of red and infrared stands for the saturation (Maxim's formula, solved for R).

namespace DePIN.VirtualBoard.Hardware;

/// <summary>A finger: light as ADC counts (0: none there), its pulse, the noise of a hand that moves.</summary>
public readonly record struct FingerState(double BeatsPerMinute, double SaturationPercent, double Perfusion, double Light = 140_000, double Noise = 0);

/// <summary>A simulated MAX30102.</summary>
/// <param name="finger">What is on it, asked for each sample.</param>
/// <param name="nowMs">Its clock.</param>
/// <param name="seed">Of the noise.</param>
public sealed class SimulatedMax30102(Func<FingerState> finger, Func<long> nowMs, int seed = 1) : II2cPeripheral
{
    private const int Depth = 32;
    private const int SampleMax = 0x3FFFF;
    private const double SamplesPerMs = 0.025;

    // The wave's own greatest, smallest and mean value, so that its swing is 1 and its mean 0.
    private static readonly double[] Wave = Normalised();

    private readonly byte[] _registers = new byte[256];
    private readonly (int Red, int Infrared)[] _fifo = new (int, int)[Depth];
    private readonly Random _noise = new(seed);
    private byte _pointer;
    private int _write;
    private int _read;
    private int _waiting;
    private int _overflow;
    private int _dataByte;
    private double _phase;
    private long _producedMs;

    /// <summary>Part id.</summary>
    public byte PartId { get; set; } = 0x15;

    /// <summary>Whether its LEDs are lit.</summary>
    public bool IsAwake => (_registers[9] & 0x87) == 3;

    /// <summary>Its power fails and comes back.</summary>
    public void LosePower()
    {
        Array.Clear(_registers);
        ClearFifo();
    }

    /// <inheritdoc/>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        _pointer = bytes[0];
        _dataByte = 0;
        for (int i = 1; i < bytes.Length; i++)
        {
            WriteRegister((byte)(_pointer + i - 1), bytes[i]);
        }

        return bytes.Length;
    }

    /// <inheritdoc/>
    public void Read(Span<byte> bytes)
    {
        if (_pointer is >= 4 and <= 6)
        {
            Produce();
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = _pointer switch
            {
                4 => (byte)_write,
                5 => (byte)_overflow,
                6 => (byte)_read,
                7 => NextDataByte(),
                0xFF => PartId,
                _ => _registers[_pointer],
            };

            // The address stays at the FIFO's data.
            _pointer += _pointer == 7 ? (byte)0 : (byte)1;
        }
    }

    private static double[] Normalised()
    {
        double[] wave = new double[1000];
        for (int i = 0; i < wave.Length; i++)
        {
            double phase = i / (double)wave.Length;
            wave[i] = Math.Exp(-Math.Pow((phase - 0.25) / 0.1, 2)) + (0.35 * Math.Exp(-Math.Pow((phase - 0.6) / 0.12, 2)));
        }

        double swing = wave.Max() - wave.Min();
        double mean = wave.Average();
        return [.. wave.Select(value => (value - mean) / swing)];
    }

    private void WriteRegister(byte register, byte value)
    {
        switch (register)
        {
            case 4:
                _write = value & 31;
                _waiting = (_write - _read) & 31;
                break;
            case 5:
                _overflow = value & 31;
                break;
            case 6:
                _read = value & 31;
                _waiting = (_write - _read) & 31;
                break;
            case 9 when (value & 0x40) != 0:
                LosePower();
                break;
            case 9:
                bool wasAwake = IsAwake;
                _registers[9] = value;
                _producedMs = IsAwake && !wasAwake ? nowMs() : _producedMs;
                break;
            default:
                _registers[register] = value;
                break;
        }
    }

    private void ClearFifo()
    {
        _write = 0;
        _read = 0;
        _waiting = 0;
        _overflow = 0;
    }

    private void Produce()
    {
        if (!IsAwake)
        {
            return;
        }

        long samples = (long)((nowMs() - _producedMs) * SamplesPerMs);
        _producedMs += (long)(samples / SamplesPerMs);
        for (long i = 0; i < samples; i++)
        {
            Push(Measure());
        }
    }

    private (int Red, int Infrared) Measure()
    {
        FingerState now = finger();
        if (now.Light <= 0 || _registers[0x0D] == 0)
        {
            return (_noise.Next(200, 400), _noise.Next(500, 900));
        }

        _phase += now.BeatsPerMinute / 60 * 0.04;
        _phase -= Math.Floor(_phase);
        double pulse = Wave[(int)(_phase * Wave.Length)] * now.Perfusion;

        // 45.060 R² - 30.354 R + (SpO2 - 94.845) = 0, the greater of both.
        double ratio = (30.354 + Math.Sqrt((30.354 * 30.354) - (4 * 45.060 * (now.SaturationPercent - 94.845)))) / (2 * 45.060);
        double motion = (_noise.NextDouble() - 0.5) * 2 * now.Noise;
        return (Counts(now.Light * 0.8 * (1 - (pulse * ratio) + motion)), Counts(now.Light * (1 - pulse + motion)));
    }

    private static int Counts(double light) => (int)Math.Clamp(Math.Round(light), 0, SampleMax);

    private void Push((int Red, int Infrared) sample)
    {
        if (_waiting == Depth)
        {
            // Rollover: the oldest is overwritten and counted, up to 31.
            _overflow = Math.Min(_overflow + 1, 31);
            _read = (_read + 1) & 31;
            _waiting--;
        }

        _fifo[_write] = sample;
        _write = (_write + 1) & 31;
        _waiting++;
    }

    private byte NextDataByte()
    {
        (int red, int infrared) = _fifo[_read];
        int value = _dataByte < 3 ? red : infrared;
        byte result = (byte)(value >> (8 * (2 - (_dataByte % 3))));
        _dataByte++;
        if (_dataByte == 6)
        {
            _dataByte = 0;
            if (_waiting > 0)
            {
                _read = (_read + 1) & 31;
                _waiting--;
                _overflow = 0;
            }
        }

        return result;
    }
}

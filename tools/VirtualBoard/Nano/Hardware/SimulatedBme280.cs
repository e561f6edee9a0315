// A BME280 behind its registers (Bosch BST-BME280-DS001): chip id, reset, calibration, forced and normal mode, status, burst data.
// The values it is fed are turned into raw ADC words by searching the data sheet's FLOATING POINT formulas (section 8.1), so a driver
// that uses the integer ones (section 4.2.3) is checked against an independent computation.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>What the air around the sensor is like. NaN: that element of the sensor is broken and reads as "skipped".</summary>
public readonly record struct AirState(double TemperatureC, double HumidityPercent, double PressurePa);

/// <summary>A simulated BME280.</summary>
public sealed class SimulatedBme280(Func<AirState> air) : RegisterPeripheral
{
    private const byte ResetRegister = 0xE0;
    private const byte ControlHumidity = 0xF2;
    private const byte Status = 0xF3;
    private const byte ControlMeasure = 0xF4;
    private const byte Config = 0xF5;
    private const byte Data = 0xF7;
    private const int Raw20Max = 0xFFFFF;
    private const int Raw16Max = 0xFFFF;
    private const int Skipped20 = 0x80000;
    private const int Skipped16 = 0x8000;

    // Temperature and pressure words of the worked example in Bosch's BMP280 data sheet, section 3.12; humidity words of a real part.
    private static readonly ushort T1 = 27504;
    private static readonly short T2 = 26435;
    private static readonly short T3 = -1000;
    private static readonly ushort P1 = 36477;
    private static readonly short[] P = [0, 0, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000];
    private static readonly byte H1 = 75;
    private static readonly short H2 = 362;
    private static readonly byte H3 = 0;
    private static readonly short H4 = 333;
    private static readonly short H5 = 50;
    private static readonly sbyte H6 = 30;

    private bool _started;
    private byte _humidityOversampling;
    private int _busyReads;

    /// <summary>How often a measurement was asked for.</summary>
    public int Measurements { get; private set; }

    protected override void WriteRegisters(ReadOnlySpan<byte> bytes)
    {
        Start();

        // Several registers in one write are pairs of address and value; the address does not move on (section 6.2.1).
        for (int i = 0; i + 1 < bytes.Length; i += 2)
        {
            OnWrite(bytes[i], bytes[i + 1]);
        }
    }

    protected override void OnWrite(byte register, byte value)
    {
        switch (register)
        {
            case ResetRegister when value == 0xB6:
                Reset();
                break;
            case ControlHumidity:
                Registers[ControlHumidity] = (byte)(value & 7);
                break;
            case ControlMeasure:
                _humidityOversampling = Registers[ControlHumidity];
                Registers[ControlMeasure] = value;
                if ((value & 3) is 1 or 2)
                {
                    Measure();
                    _busyReads = 1;
                    Registers[ControlMeasure] = (byte)(value & ~3);
                }

                break;
            case Config:
                Registers[Config] = value;
                break;
        }
    }

    protected override byte OnRead(byte register)
    {
        Start();
        if (register == Status && _busyReads > 0)
        {
            _busyReads--;
            return 8;
        }

        if (register == Data && (Registers[ControlMeasure] & 3) == 3)
        {
            Measure();
        }

        return Registers[register];
    }

    private static int Search(int max, double target, bool rising, Func<int, double> formula)
    {
        int low = 0;
        int high = max;
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            bool below = rising ? formula(middle) < target : formula(middle) > target;
            if (below)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low > 0 && Math.Abs(formula(low - 1) - target) < Math.Abs(formula(low) - target) ? low - 1 : low;
    }

    private static double Fine(int raw)
    {
        double a = ((raw / 16384.0) - (T1 / 1024.0)) * T2;
        double b = (raw / 131072.0) - (T1 / 8192.0);
        return a + (b * b * T3);
    }

    private static double Pressure(int raw, double fine)
    {
        double a = (fine / 2.0) - 64000.0;
        double b = a * a * P[6] / 32768.0;
        b += a * P[5] * 2.0;
        b = (b / 4.0) + (P[4] * 65536.0);
        a = ((P[3] * a * a / 524288.0) + (P[2] * a)) / 524288.0;
        a = (1.0 + (a / 32768.0)) * P1;
        double p = 1048576.0 - raw;
        p = (p - (b / 4096.0)) * 6250.0 / a;
        a = P[9] * p * p / 2147483648.0;
        b = p * P[8] / 32768.0;
        return p + ((a + b + P[7]) / 16.0);
    }

    private static double Humidity(int raw, double fine)
    {
        double h = fine - 76800.0;
        h = (raw - ((H4 * 64.0) + (H5 / 16384.0 * h)))
            * (H2 / 65536.0 * (1.0 + (H6 / 67108864.0 * h * (1.0 + (H3 / 67108864.0 * h)))));
        h *= 1.0 - (H1 * h / 524288.0);
        return Math.Clamp(h, 0, 100);
    }

    private void Start()
    {
        if (!_started)
        {
            _started = true;
            Reset();
        }
    }

    private void Reset()
    {
        Array.Clear(Registers);
        Registers[0xD0] = 0x60;
        Put16(0x88, T1);
        Put16(0x8A, (ushort)T2);
        Put16(0x8C, (ushort)T3);
        Put16(0x8E, P1);
        for (int i = 2; i <= 9; i++)
        {
            Put16((byte)(0x8C + (2 * i)), (ushort)P[i]);
        }

        Registers[0xA1] = H1;
        Put16(0xE1, (ushort)H2);
        Registers[0xE3] = H3;
        Registers[0xE4] = (byte)(H4 >> 4);
        Registers[0xE5] = (byte)((H4 & 15) | ((H5 & 15) << 4));
        Registers[0xE6] = (byte)(H5 >> 4);
        Registers[0xE7] = (byte)H6;
        PutData(Skipped20, Skipped20, Skipped16);
        _humidityOversampling = 0;
    }

    private void Measure()
    {
        Measurements++;
        AirState now = air();
        byte control = Registers[ControlMeasure];
        int temperature = Skipped20;
        int pressure = Skipped20;
        int humidity = Skipped16;
        if ((control >> 5) != 0 && !double.IsNaN(now.TemperatureC))
        {
            temperature = Search(Raw20Max, now.TemperatureC, rising: true, raw => Fine(raw) / 5120.0);
            double fine = Fine(temperature);
            if (((control >> 2) & 7) != 0 && !double.IsNaN(now.PressurePa))
            {
                pressure = Search(Raw20Max, now.PressurePa, rising: false, raw => Pressure(raw, fine));
            }

            if (_humidityOversampling != 0 && !double.IsNaN(now.HumidityPercent))
            {
                humidity = Search(Raw16Max, now.HumidityPercent, rising: true, raw => Humidity(raw, fine));
            }
        }

        PutData(pressure, temperature, humidity);
    }

    private void Put16(byte register, ushort value)
    {
        Registers[register] = (byte)value;
        Registers[register + 1] = (byte)(value >> 8);
    }

    private void PutData(int pressure, int temperature, int humidity)
    {
        Registers[Data] = (byte)(pressure >> 12);
        Registers[Data + 1] = (byte)(pressure >> 4);
        Registers[Data + 2] = (byte)(pressure << 4);
        Registers[Data + 3] = (byte)(temperature >> 12);
        Registers[Data + 4] = (byte)(temperature >> 4);
        Registers[Data + 5] = (byte)(temperature << 4);
        Registers[Data + 6] = (byte)(humidity >> 8);
        Registers[Data + 7] = (byte)humidity;
    }
}

namespace DePIN.Firmware.Sense.Bme280
{
    /// <summary>
    /// The integer formulas of the BME280 data sheet (BST-BME280-DS001 section 4.2.3), as they stand there. Calibration words live in
    /// typed fields: the interpreter keeps the unsigned type of a value on its stack, and a field gives it back its sign.
    /// </summary>
    public sealed class Bme280Compensation
    {
        private readonly int _t1;
        private readonly int _t2;
        private readonly int _t3;
        private readonly long[] _p = new long[10];
        private readonly int _h1;
        private readonly int _h2;
        private readonly int _h3;
        private readonly int _h4;
        private readonly int _h5;
        private readonly int _h6;
        private int _fine;
        private int _work;

        /// <param name="low">26 bytes from 0x88.</param>
        /// <param name="high">7 bytes from 0xE1.</param>
        public Bme280Compensation(byte[] low, byte[] high)
        {
            _t1 = Unsigned(low, 0);
            _t2 = Signed(low, 2);
            _t3 = Signed(low, 4);
            _p[1] = Unsigned(low, 6);
            for (int i = 2; i <= 9; i++)
            {
                _p[i] = Signed(low, 4 + (2 * i));
            }

            _h1 = low[25];
            _h2 = Signed(high, 0);
            _h3 = high[2];
            sbyte h4 = (sbyte)high[3];
            sbyte h5 = (sbyte)high[5];
            _h4 = (h4 * 16) + (high[4] & 15);
            _h5 = (h5 * 16) + ((high[4] & 0xF0) / 16);
            _h6 = (sbyte)high[6];
        }

        /// <summary>0.01 degC. Must be called before the other two: they use its fine temperature.</summary>
        public int Temperature(int raw)
        {
            _work = raw;
            int var1 = (((_work >> 3) - (_t1 << 1)) * _t2) >> 11;
            int delta = (_work >> 4) - _t1;
            int var2 = (((delta * delta) >> 12) * _t3) >> 14;
            _fine = var1 + var2;
            return ((_fine * 5) + 128) >> 8;
        }

        /// <summary>Pa × 256; 0 when the calibration would divide by zero.</summary>
        public long Pressure(int raw)
        {
            _work = raw;
            long var1 = (long)_fine - 128000;
            long var2 = var1 * var1 * _p[6];
            var2 += (var1 * _p[5]) << 17;
            var2 += _p[4] << 35;
            var1 = ((var1 * var1 * _p[3]) >> 8) + ((var1 * _p[2]) << 12);
            var1 = ((((long)1 << 47) + var1) * _p[1]) >> 33;
            if (var1 == 0)
            {
                return 0;
            }

            long pressure = 1048576 - _work;
            pressure = (((pressure << 31) - var2) * 3125) / var1;
            var1 = (_p[9] * (pressure >> 13) * (pressure >> 13)) >> 25;
            var2 = (_p[8] * pressure) >> 19;
            return ((pressure + var1 + var2) >> 8) + (_p[7] << 4);
        }

        /// <summary>% relative humidity × 1024, from 0 to 102,400.</summary>
        public int Humidity(int raw)
        {
            _work = raw;
            int v = _fine - 76800;
            int left = ((_work << 14) - (_h4 << 20) - (_h5 * v) + 16384) >> 15;
            int right = (((((((v * _h6) >> 10) * (((v * _h3) >> 11) + 32768)) >> 10) + 2097152) * _h2) + 8192) >> 14;
            v = left * right;
            v -= ((((v >> 15) * (v >> 15)) >> 7) * _h1) >> 4;
            v = v < 0 ? 0 : v;
            v = v > 419430400 ? 419430400 : v;
            return v >> 12;
        }

        private static int Unsigned(byte[] bytes, int offset)
        {
            return bytes[offset] | (bytes[offset + 1] << 8);
        }

        private static int Signed(byte[] bytes, int offset)
        {
            return (short)(bytes[offset] | (bytes[offset + 1] << 8));
        }
    }
}

namespace DePIN.Firmware.Sense.Lis3dh
{
    /// <summary>The greatest magnitude among measurements of three axes, in integers.</summary>
    public sealed class Lis3dhPeak
    {
        /// <summary>mg of one step of the 12 highest bits at ±16 g; at ±2 g it is 1 (data sheet table 4).</summary>
        public const int MilliGPerStepAt16G = 12;

        public const int BytesPerSample = 6;

        private const int StepsPerWord = 16;

        // 9.80665 m/s2 (the standard gravity, exactly) is 980,665 hundred-thousandths of a mm/s2 for each mg.
        private const long StandardGravity = 980665;
        private const long StandardGravityScale = 100000;

        private readonly int _milliGPerStep;

        // Typed elements: the interpreter keeps the unsigned type of a byte on its stack.
        private readonly int[] _axis = new int[3];
        private int _squareMax;

        public Lis3dhPeak(int milliGPerStep)
        {
            _milliGPerStep = milliGPerStep;
        }

        /// <summary>The greatest magnitude since <see cref="Clear"/>, mg, rounded down.</summary>
        public int MilliG
        {
            get { return (int)SquareRoot((uint)(_squareMax * _milliGPerStep * _milliGPerStep)); }
        }

        /// <summary>Forgets everything.</summary>
        public void Clear()
        {
            _squareMax = 0;
        }

        /// <summary>Takes one measurement: X, Y, Z, low byte first.</summary>
        public void Add(byte[] bytes)
        {
            int square = 0;
            for (int i = 0; i < 3; i++)
            {
                _axis[i] = bytes[2 * i] | (bytes[(2 * i) + 1] << 8);
                if (_axis[i] > 32767)
                {
                    _axis[i] = _axis[i] - 65536;
                }

                _axis[i] = _axis[i] / StepsPerWord;
                square += _axis[i] * _axis[i];
            }

            _squareMax = square > _squareMax ? square : _squareMax;
        }

        /// <summary>mm/s2, rounded.</summary>
        public static long MillimetrePerSecond2(int milliG)
        {
            return ((milliG * StandardGravity) + (StandardGravityScale / 2)) / StandardGravityScale;
        }

        // Bit by bit, from the highest.
        private static uint SquareRoot(uint square)
        {
            uint root = 0;
            for (uint bit = 1u << 15; bit != 0; bit >>= 1)
            {
                uint candidate = root | bit;
                if (candidate * candidate <= square)
                {
                    root = candidate;
                }
            }

            return root;
        }
    }
}

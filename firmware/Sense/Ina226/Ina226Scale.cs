namespace DePIN.Firmware.Sense.Ina226
{
    /// <summary>
    /// What the words of an INA226 mean, in millionths. Its calibration is 0.00512 / (current unit × shunt) (SBOS547A section 7.5.1), so
    /// the current's unit is 5,120,000,000 / (calibration × shunt in micro-ohms) uA and the power's 25 times that in uW; no float.
    /// </summary>
    public sealed class Ina226Scale
    {
        /// <summary>The current register then counts 2.5 uV of the shunt: its whole range, nothing lost.</summary>
        public const int CalibrationFull = 2048;

        private const long Numerator = 5120000000;
        private const int MicrovoltPerWord = 1250;
        private const int PowerRatio = 25;

        private readonly int _calibration;
        private readonly long _divisor;

        /// <param name="shuntMicroohm">The resistor between IN+ and IN-, from 100.</param>
        /// <param name="calibration">1 to 32,767.</param>
        public Ina226Scale(int shuntMicroohm, int calibration)
        {
            _calibration = calibration;
            _divisor = (long)shuntMicroohm * calibration;
        }

        public int Calibration
        {
            get { return _calibration; }
        }

        /// <summary>uV on the bus.</summary>
        /// <param name="word">0 to 32,767.</param>
        public long Microvolt(int word)
        {
            return (long)word * MicrovoltPerWord;
        }

        /// <summary>uA through the shunt, rounded; negative when it flows back.</summary>
        /// <param name="word">-32,768 to 32,767.</param>
        public long Microampere(int word)
        {
            return word < 0 ? -Scaled(-word, 1) : Scaled(word, 1);
        }

        /// <summary>uW, rounded, without a sign.</summary>
        /// <param name="word">0 to 65,535.</param>
        public long Microwatt(int word)
        {
            return Scaled(word, PowerRatio);
        }

        private long Scaled(long magnitude, int ratio)
        {
            return ((magnitude * ratio * Numerator) + (_divisor / 2)) / _divisor;
        }
    }
}

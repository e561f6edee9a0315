namespace DePIN.Firmware.Sense.Scd4x
{
    /// <summary>The formulas of read_measurement in the SCD4x data sheet, in integers, rounded to the nearest thousandth.</summary>
    public static class Scd4xConversion
    {
        private const int FullScale = 65535;

        /// <summary>0.001 degC: -45 + 175 × word / 65535.</summary>
        /// <param name="word">0 to 65,535.</param>
        public static int Temperature(int word)
        {
            long scaled = ((long)word * 175000) + (FullScale / 2);
            return (int)(scaled / FullScale) - 45000;
        }

        /// <summary>0.001 %RH: 100 × word / 65535.</summary>
        /// <param name="word">0 to 65,535.</param>
        public static int Humidity(int word)
        {
            long scaled = ((long)word * 100000) + (FullScale / 2);
            return (int)(scaled / FullScale);
        }
    }
}

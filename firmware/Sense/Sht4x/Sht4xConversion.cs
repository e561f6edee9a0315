namespace DePIN.Firmware.Sense.Sht4x
{
    /// <summary>The formulas of the SHT4x data sheet, section 4.6, in integers, rounded to the nearest thousandth.</summary>
    public static class Sht4xConversion
    {
        private const int FullScale = 65535;

        /// <summary>0.001 degC: -45 + 175 × word / 65535 (formula 3).</summary>
        /// <param name="word">0 to 65,535.</param>
        public static int Temperature(int word)
        {
            long scaled = ((long)word * 175000) + (FullScale / 2);
            return (int)(scaled / FullScale) - 45000;
        }

        /// <summary>0.001 %RH: -6 + 125 × word / 65535 (formula 1), cropped to 0 … 100 % as that section says.</summary>
        /// <param name="word">0 to 65,535.</param>
        public static int Humidity(int word)
        {
            long scaled = ((long)word * 125000) + (FullScale / 2);
            int humidity = (int)(scaled / FullScale) - 6000;
            humidity = humidity < 0 ? 0 : humidity;
            return humidity > 100000 ? 100000 : humidity;
        }
    }
}

namespace DePIN.Firmware.Sense.Scd4x
{
    /// <summary>Commands of the SCD4x, Sensirion data sheet "SCD4x" section 3.5 (table of commands).</summary>
    public static class Scd4xCommand
    {
        /// <summary>A measurement every 5 s.</summary>
        public const ushort StartPeriodic = 0x21B1;

        /// <summary>CO2, temperature, humidity: three words; the measurement is gone once it was read.</summary>
        public const ushort ReadMeasurement = 0xEC05;

        /// <summary>Back to idle, within 500 ms. Everything but reading is refused before.</summary>
        public const ushort StopPeriodic = 0x3F86;

        /// <summary>A word whose lowest 11 bits are not zero when a measurement waits.</summary>
        public const ushort DataReady = 0xE4B8;

        /// <summary>Serial number: three words.</summary>
        public const ushort SerialNumber = 0x3682;

        public const int DataReadyMask = 0x7FF;
    }
}

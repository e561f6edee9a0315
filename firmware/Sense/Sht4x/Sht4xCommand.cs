namespace DePIN.Firmware.Sense.Sht4x
{
    /// <summary>Commands of the SHT4x, Sensirion data sheet "SHT4x" section 4.5.</summary>
    public static class Sht4xCommand
    {
        /// <summary>Measure temperature and humidity with high repeatability, at most 8.3 ms (table 5).</summary>
        public const byte MeasureHigh = 0xFD;

        /// <summary>Serial number: two words.</summary>
        public const byte ReadSerial = 0x89;

        /// <summary>Soft reset, at most 1 ms.</summary>
        public const byte Reset = 0x94;
    }
}

namespace DePIN.Firmware.Sense.Bme280
{
    /// <summary>Registers of the BME280, Bosch BST-BME280-DS001 section 5.3.</summary>
    public static class Bme280Register
    {
        /// <summary>Calibration T1 … H1, 26 bytes.</summary>
        public const byte Calibration0 = 0x88;
        public const byte ChipId = 0xD0;
        public const byte Reset = 0xE0;

        /// <summary>Calibration H2 … H6, 7 bytes.</summary>
        public const byte Calibration1 = 0xE1;
        public const byte ControlHumidity = 0xF2;
        public const byte Status = 0xF3;
        public const byte ControlMeasure = 0xF4;
        public const byte Config = 0xF5;

        /// <summary>Pressure 3, temperature 3, humidity 2 bytes.</summary>
        public const byte Data = 0xF7;

        public const byte ChipIdBme280 = 0x60;
        public const byte ResetWord = 0xB6;
        public const byte StatusMeasuring = 0x08;
        public const byte StatusCopying = 0x01;
    }
}

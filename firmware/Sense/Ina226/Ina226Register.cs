namespace DePIN.Firmware.Sense.Ina226
{
    /// <summary>Registers of the INA226, Texas Instruments SBOS547A section 7.6; 16 bits each, high byte first.</summary>
    public static class Ina226Register
    {
        public const byte Configuration = 0x00;

        /// <summary>Signed, 2.5 uV.</summary>
        public const byte ShuntVoltage = 0x01;

        /// <summary>0 to 32,767, 1.25 mV.</summary>
        public const byte BusVoltage = 0x02;

        /// <summary>25 × the current's unit × 1 V; without a sign.</summary>
        public const byte Power = 0x03;

        /// <summary>Signed, in the unit that the calibration makes.</summary>
        public const byte Current = 0x04;
        public const byte Calibration = 0x05;
        public const byte MaskEnable = 0x06;
        public const byte ManufacturerId = 0xFE;
        public const byte DieId = 0xFF;

        /// <summary>"TI".</summary>
        public const int ManufacturerTi = 0x5449;
        public const int DieIna226 = 0x2260;

        /// <summary>64 averages of 1.1 ms bus and 1.1 ms shunt, triggered once: 141 ms, seven periods of 50 Hz mains.</summary>
        public const ushort ConfigurationOnce = 0x4000 | (3 << 9) | (4 << 6) | (4 << 3) | 3;

        public const int MaskConversionReady = 0x0008;
        public const int MaskOverflow = 0x0004;
    }
}

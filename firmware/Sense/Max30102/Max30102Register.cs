namespace DePIN.Firmware.Sense.Max30102
{
    /// <summary>Registers of the MAX30102, Maxim Integrated data sheet 19-7740, "register maps and descriptions".</summary>
    public static class Max30102Register
    {
        /// <summary>Write pointer, overflow counter, read pointer: three registers in a row, five bits each.</summary>
        public const byte FifoPointers = 0x04;
        public const byte FifoWritePointer = 0x04;
        public const byte FifoOverflow = 0x05;
        public const byte FifoReadPointer = 0x06;

        /// <summary>Red and infrared, three bytes each, 18 bits; the address does not move on.</summary>
        public const byte FifoData = 0x07;
        public const byte FifoConfiguration = 0x08;
        public const byte Mode = 0x09;
        public const byte SpO2Configuration = 0x0A;
        public const byte RedCurrent = 0x0C;
        public const byte InfraredCurrent = 0x0D;
        public const byte PartId = 0xFF;

        public const byte PartIdMax30102 = 0x15;

        /// <summary>The mean of 4 samples each, the oldest overwritten when it is full.</summary>
        public const byte FifoAverage4Rollover = 0x40 | 0x10;

        /// <summary>ADC range 4,096 nA, 100 samples a second, pulses of 411 us: 18 bits.</summary>
        public const byte SpO2At100Hz = 0x20 | 0x04 | 0x03;

        /// <summary>7.2 mA in steps of 0.2 mA, as in Maxim's reference design.</summary>
        public const byte Current = 0x24;

        public const byte ModeSpO2 = 0x03;
        public const byte ModeReset = 0x40;
        public const byte ModeShutdown = 0x80;

        public const int FifoDepth = 32;
        public const int PointerMask = 31;
        public const int SampleMax = 0x3FFFF;
    }
}

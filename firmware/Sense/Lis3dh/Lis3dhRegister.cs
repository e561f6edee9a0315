namespace DePIN.Firmware.Sense.Lis3dh
{
    /// <summary>Registers of the LIS3DH, STMicroelectronics data sheet DocID17530 section 8; what they do together: AN3308.</summary>
    public static class Lis3dhRegister
    {
        public const byte WhoAmI = 0x0F;
        public const byte Control1 = 0x20;
        public const byte Control2 = 0x21;
        public const byte Control4 = 0x23;
        public const byte Control5 = 0x24;

        /// <summary>Reading it lets the high-pass filter settle at once at what is measured now.</summary>
        public const byte Reference = 0x26;

        /// <summary>X, Y, Z, two bytes each, low byte first, left-justified; read on, the FIFO gives the next.</summary>
        public const byte Output = 0x28;
        public const byte FifoControl = 0x2E;
        public const byte FifoSource = 0x2F;
        public const byte Interrupt1 = 0x30;
        public const byte Interrupt2 = 0x34;

        /// <summary>Offsets from Interrupt1 and Interrupt2.</summary>
        public const byte InterruptSource = 1;
        public const byte InterruptThreshold = 2;
        public const byte InterruptDuration = 3;

        /// <summary>Address bit: move on with every byte (data sheet section 6.1.1).</summary>
        public const byte AutoIncrement = 0x80;

        public const byte WhoAmILis3dh = 0x33;

        /// <summary>200 Hz, all axes, normal power.</summary>
        public const byte Control1At200Hz = 0x67;

        /// <summary>High-pass filter 1 Hz at 200 Hz (AN3308, cut-off table), for the data and for both interrupts.</summary>
        public const byte Control2HighPass = 0x20 | 0x08 | 0x03;

        /// <summary>Words of one measurement only, ±16 g, 10 bits (the FIFO has no more).</summary>
        public const byte Control4Range16G = 0x80 | 0x30;

        /// <summary>FIFO on, both interrupts latched until their source is read.</summary>
        public const byte Control5FifoLatch = 0x40 | 0x08 | 0x02;

        /// <summary>The newest 32 measurements; older ones fall out.</summary>
        public const byte FifoStream = 0x80;
        public const byte FifoBypass = 0;

        public const byte FifoOverrun = 0x40;
        public const byte FifoEmpty = 0x20;
        public const byte FifoCountMask = 0x1F;

        /// <summary>Any axis above the threshold, whatever its sign.</summary>
        public const byte InterruptAnyAxisHigh = 0x2A;
        public const byte InterruptActive = 0x40;

        /// <summary>mg of one step of a threshold at ±16 g (data sheet section 8.22).</summary>
        public const int ThresholdMilliG = 186;
    }
}

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// The commands this node uses, their modes and how long they take at most (ATECC608B data sheet, "Device Commands"; times: Microchip
    /// cryptoauthlib, calib_execution.c, ATECC608-M0/M1/M2: the chip's clock divider decides, ChipMode bits 3 to 7).
    /// </summary>
    public static class Atecc608Command
    {
        public const byte Read = 0x02;
        public const byte Write = 0x12;
        public const byte Nonce = 0x16;
        public const byte Lock = 0x17;
        public const byte Random = 0x1B;
        public const byte Info = 0x30;
        public const byte GenKey = 0x40;
        public const byte Sign = 0x41;

        public const byte InfoRevision = 0x00;

        /// <summary>Zone config, 32 bytes at once (bit 7).</summary>
        public const byte ZoneConfig32 = 0x80;

        /// <summary>Zone config, 4 bytes.</summary>
        public const byte ZoneConfig4 = 0x00;

        /// <summary>The seed in EEPROM is renewed if it was not since power-up.</summary>
        public const byte RandomSeedUpdate = 0x00;

        /// <summary>Pass-through (3) into the message digest buffer (bits 6 and 7 = 1), 32 bytes.</summary>
        public const byte NoncePassThroughDigest = 0x43;

        /// <summary>A message from outside (bit 7), in the message digest buffer (bit 5).</summary>
        public const byte SignExternalDigest = 0xA0;

        public const byte GenKeyPublic = 0x00;
        public const byte GenKeyCreate = 0x04;

        /// <summary>The config zone, with its CRC as the second parameter.</summary>
        public const byte LockConfig = 0x00;

        /// <summary>Data and OTP zone, without CRC (bit 7): the data zone holds a key that cannot be read.</summary>
        public const byte LockData = 0x81;

        /// <summary>One slot: its number goes into bits 2 to 5.</summary>
        public const byte LockSlot = 0x02;

        private const byte DividerMask = 0xF8;
        private const byte DividerM0 = 0x00;
        private const byte DividerM1 = 0x28;

        /// <summary>The longest time a command takes, ms; <paramref name="chipMode"/> is config byte 19.</summary>
        public static int LongestMs(byte opcode, byte chipMode)
        {
            byte divider = (byte)(chipMode & DividerMask);
            switch (opcode)
            {
                case Sign: return divider == DividerM0 ? 115 : divider == DividerM1 ? 220 : 665;
                case GenKey: return divider == DividerM0 ? 115 : divider == DividerM1 ? 215 : 653;
                case Lock: return 35;
                case Write: return 45;
                case Random: return 23;
                case Nonce: return 20;
                default: return 5;
            }
        }
    }
}

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// The chip's CRC-16: polynomial 0x8005, begins at 0, each byte from its lowest bit on, the register shifted to the left; in packets
    /// the low byte goes first (ATECC608B data sheet, "I/O Transactions"). Known packet: 04 11 has 33 43.
    /// </summary>
    public static class Atecc608Crc
    {
        public const int Bytes = 2;
        private const uint Polynomial = 0x8005;

        /// <summary>Of the range; <paramref name="seed"/> is 0, or the CRC of what came before it.</summary>
        public static uint Compute(uint seed, byte[] buffer, int offset, int count)
        {
            uint crc = seed;
            for (int i = offset; i < offset + count; i++)
            {
                uint value = buffer[i];
                for (int bit = 0; bit < 8; bit++)
                {
                    uint top = (crc >> 15) & 1;
                    crc = (crc << 1) & 0xFFFF;
                    if (top != (value & 1))
                    {
                        crc ^= Polynomial;
                    }

                    value >>= 1;
                }
            }

            return crc;
        }

        /// <summary>Writes the CRC of the <paramref name="count"/> bytes before it, low byte first.</summary>
        public static void Append(byte[] buffer, int offset, int count)
        {
            uint crc = Compute(0, buffer, offset, count);
            buffer[offset + count] = (byte)crc;
            buffer[offset + count + 1] = (byte)(crc >> 8);
        }

        /// <summary>Whether the two bytes behind the range are its CRC.</summary>
        public static bool IsRight(byte[] buffer, int offset, int count)
        {
            uint crc = Compute(0, buffer, offset, count);
            return buffer[offset + count] == (byte)crc && buffer[offset + count + 1] == (byte)(crc >> 8);
        }
    }
}

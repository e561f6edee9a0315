namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// What Sensirion's chips send: words of two bytes, high byte first, each with a CRC-8 behind it (polynomial 0x31, initial 0xFF, not
    /// reflected, no final XOR; SHT4x data sheet section 4.4, SCD4x data sheet "checksum calculation").
    /// </summary>
    public static class SensirionWords
    {
        public const int BytesPerWord = 3;

        private const uint Polynomial = 0x31;

        /// <summary>Words 0 to 65,535; false when a CRC is wrong, and then the words mean nothing.</summary>
        /// <param name="bytes">Three bytes a word.</param>
        /// <param name="words">Takes as many as it is long.</param>
        public static bool TryDecode(byte[] bytes, int[] words)
        {
            for (int i = 0; i < words.Length; i++)
            {
                int offset = i * BytesPerWord;
                if (Crc(bytes, offset) != bytes[offset + 2])
                {
                    return false;
                }

                words[i] = (bytes[offset] << 8) | bytes[offset + 1];
            }

            return true;
        }

        /// <summary>CRC-8 of the two bytes at an offset.</summary>
        public static byte Crc(byte[] bytes, int offset)
        {
            uint crc = 0xFF;
            for (int i = 0; i < 2; i++)
            {
                crc ^= bytes[offset + i];
                for (int bit = 0; bit < 8; bit++)
                {
                    crc = (crc & 0x80) != 0 ? ((crc << 1) ^ Polynomial) & 0xFF : crc << 1;
                }
            }

            return (byte)crc;
        }
    }
}

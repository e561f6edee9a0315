// CRC-32 of IEEE 802.3 (reflected, 0xEDB88320), by nibbles: 16 table entries instead of 256, because each is heap on a board.

namespace DePIN.Protocol
{
    public static class Crc32
    {
        private static readonly uint[] Nibble =
        {
            0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
            0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
        };

        /// <summary>The CRC of a range of bytes; "123456789" gives 0xCBF43926.</summary>
        public static uint Compute(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            uint crc = ~0u;
            int end = offset + count;
            for (int i = offset; i < end; i++)
            {
                crc ^= buffer[i];
                crc = (crc >> 4) ^ Nibble[(int)(crc & 15)];
                crc = (crc >> 4) ^ Nibble[(int)(crc & 15)];
            }

            return ~crc;
        }
    }
}

// The order n of the P-256 group, as bytes: range and low-s checks of signatures, for frames and for keys.
// Comparison of public values only: it stops at the first differing byte.

namespace DePIN.Protocol
{
    public static class P256Order
    {
        public const int Bytes = 32;

        // n, FIPS 186-5 / SP 800-186 section 3.2.1.3, and (n-1)/2, big-endian.
        private static readonly byte[] Order =
        {
            0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
        };

        private static readonly byte[] HalfOrder =
        {
            0x7F, 0xFF, 0xFF, 0xFF, 0x80, 0x00, 0x00, 0x00, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xDE, 0x73, 0x7D, 0x56, 0xD3, 0x8B, 0xCF, 0x42, 0x79, 0xDC, 0xE5, 0x61, 0x7E, 0x31, 0x92, 0xA8,
        };

        /// <summary>Whether 32 big-endian bytes are in [1, n-1].</summary>
        public static bool IsInRange(byte[] buffer, int offset)
        {
            uint any = 0;
            for (int i = 0; i < Bytes; i++)
            {
                any |= buffer[offset + i];
            }

            return any != 0 && IsLess(buffer, offset, Order);
        }

        /// <summary>Whether 32 big-endian bytes are above (n-1)/2.</summary>
        public static bool IsHigh(byte[] buffer, int offset)
        {
            for (int i = 0; i < Bytes; i++)
            {
                uint left = buffer[offset + i];
                uint right = HalfOrder[i];
                if (left != right)
                {
                    return left > right;
                }
            }

            return false;
        }

        /// <summary>Replaces s, 32 big-endian bytes in [1, n-1], by n - s when it is high: both are signatures of the same digest.</summary>
        public static void MakeLow(byte[] buffer, int offset)
        {
            if (!IsHigh(buffer, offset))
            {
                return;
            }

            uint borrow = 0;
            for (int i = Bytes - 1; i >= 0; i--)
            {
                uint left = Order[i];
                uint right = buffer[offset + i];
                uint difference = left + 256 - right - borrow;
                buffer[offset + i] = (byte)difference;
                borrow = 1 - (difference >> 8);
            }
        }

        private static bool IsLess(byte[] buffer, int offset, byte[] bound)
        {
            for (int i = 0; i < Bytes; i++)
            {
                uint left = buffer[offset + i];
                uint right = bound[i];
                if (left != right)
                {
                    return left < right;
                }
            }

            return false;
        }
    }
}

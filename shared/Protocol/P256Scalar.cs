// Integers of 256 bits, mostly modulo n, the order of P-256: 8 words of 32 bits, lowest first. A signature needs a handful of
// these operations, so they are loops; the field (P256Element) is where the time goes. Time does not depend on values.

namespace DePIN.Protocol
{
    internal static class P256Scalar
    {
        public const int Words = 8;

        // -1 / n modulo 2^32.
        private const uint OrderInverse = 0xEE00BC4F;

        /// <summary>p = 2^256 - 2^224 + 2^192 + 2^96 - 1.</summary>
        public static readonly uint[] FieldPrime =
        {
            0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000000, 0x00000000, 0x00000000, 0x00000001, 0xFFFFFFFF,
        };

        public static readonly uint[] Order =
        {
            0xFC632551, 0xF3B9CAC2, 0xA7179E84, 0xBCE6FAAD, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000000, 0xFFFFFFFF,
        };

        // 2^512 modulo n: turns a into a 2^256.
        private static readonly uint[] MontgomerySquare =
        {
            0xBE79EEA2, 0x83244C95, 0x49BD6FA6, 0x4699799C, 0x2B6BEC59, 0x2845B239, 0xF3D95620, 0x66E12D94,
        };

        // 2^264 - 1 modulo n; see Recode.
        private static readonly uint[] RecodeOffset =
        {
            0x9CDAAEFF, 0x46353D03, 0xE8617B0C, 0x19055258, 0x00000043, 0x00000000, 0xFFFFFF00, 0x000000FF,
        };

        public static void Read(uint[] r, byte[] buffer, int offset)
        {
            for (int i = 0; i < Words; i++)
            {
                r[i] = Bytes.ReadUInt32(buffer, offset + 28 - (4 * i));
            }
        }

        public static void Write(uint[] a, byte[] buffer, int offset)
        {
            for (int i = 0; i < Words; i++)
            {
                Bytes.WriteUInt32(buffer, offset + 28 - (4 * i), a[i]);
            }
        }

        public static bool IsZero(uint[] a)
        {
            uint any = 0;
            for (int i = 0; i < Words; i++)
            {
                any |= a[i];
            }

            return any == 0;
        }

        /// <summary>r -= bound unless r is below it.</summary>
        public static void SubtractIfNotBelow(uint[] r, uint[] bound)
        {
            SubtractIfNotBelow(r, 0, bound);
        }

        /// <summary>r = a + b modulo n; a and b below n.</summary>
        public static void Add(uint[] r, uint[] a, uint[] b)
        {
            ulong t = 0;
            for (int i = 0; i < Words; i++)
            {
                t = (t >> 32) + a[i] + b[i];
                r[i] = (uint)t;
            }

            SubtractIfNotBelow(r, (uint)(t >> 32), Order);
        }

        /// <summary>r = n - a; a in [1, n-1].</summary>
        public static void Negate(uint[] r, uint[] a)
        {
            ulong borrow = 0;
            for (int i = 0; i < Words; i++)
            {
                ulong t = Order[i] - (ulong)a[i] - borrow;
                r[i] = (uint)t;
                borrow = t >> 63;
            }
        }

        /// <summary>r = 2^256 a modulo n.</summary>
        public static void ToMontgomery(uint[] r, uint[] a)
        {
            MultiplyMontgomery(r, a, MontgomerySquare);
        }

        /// <summary>r = a b / 2^256 modulo n; a and b below n; r may be either.</summary>
        public static void MultiplyMontgomery(uint[] r, uint[] a, uint[] b)
        {
            // Koc, Acar, Kaliski, "Analyzing and comparing Montgomery multiplication algorithms": CIOS.
            uint[] t = new uint[Words];
            uint top = 0;
            for (int i = 0; i < Words; i++)
            {
                ulong factor = b[i];
                ulong x = 0;
                for (int j = 0; j < Words; j++)
                {
                    x = (x >> 32) + (factor * a[j]) + t[j];
                    t[j] = (uint)x;
                }

                ulong high = (x >> 32) + top;
                ulong reduce = t[0] * OrderInverse;
                x = (reduce * Order[0]) + t[0];
                for (int j = 1; j < Words; j++)
                {
                    x = (x >> 32) + (reduce * Order[j]) + t[j];
                    t[j - 1] = (uint)x;
                }

                x = (x >> 32) + high;
                t[Words - 1] = (uint)x;
                top = (uint)(x >> 32);
            }

            SubtractIfNotBelow(t, top, Order);
            for (int i = 0; i < Words; i++)
            {
                r[i] = t[i];
                t[i] = 0;
            }
        }

        /// <summary>The 264 signed bits of k: r = (k + 2^264 - 1) / 2 modulo n, in 9 words. Bit i stands for +2^i or, clear, -2^i.</summary>
        public static void Recode(uint[] r, uint[] k)
        {
            Add(r, k, RecodeOffset);

            // Half modulo the odd n: add n first when odd.
            uint odd = 0u - (r[0] & 1);
            ulong t = 0;
            for (int i = 0; i < Words; i++)
            {
                t = (t >> 32) + r[i] + (Order[i] & odd);
                r[i] = (uint)t;
            }

            r[Words] = (uint)(t >> 32);
            for (int i = 0; i < Words; i++)
            {
                r[i] = (r[i] >> 1) | (r[i + 1] << 31);
            }

            r[Words] = 0;
        }

        /// <summary>r += n, 9 words: other signed bits of the same k.</summary>
        public static void AddOrder(uint[] r)
        {
            ulong t = 0;
            for (int i = 0; i < Words; i++)
            {
                t = (t >> 32) + r[i] + Order[i];
                r[i] = (uint)t;
            }

            r[Words] += (uint)(t >> 32);
        }

        // (high, r) -= bound unless it is below it.
        private static void SubtractIfNotBelow(uint[] r, uint high, uint[] bound)
        {
            ulong borrow = 0;
            for (int i = 0; i < Words; i++)
            {
                ulong t = r[i] - (ulong)bound[i] - borrow;
                borrow = t >> 63;
            }

            // All ones when high covers the borrow.
            uint subtract = 0u - (((uint)borrow ^ 1) | high);
            borrow = 0;
            for (int i = 0; i < Words; i++)
            {
                ulong t = r[i] - (ulong)(bound[i] & subtract) - borrow;
                r[i] = (uint)t;
                borrow = t >> 63;
            }
        }
    }
}

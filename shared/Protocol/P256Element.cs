// Elements of the field of P-256, for an interpreter: nine limbs of 29 bits in 64-bit fields, in Montgomery form with R = 2^261.
// p = 2^256 - 2^224 + 2^192 + 2^96 - 1 is -1 modulo 2^29, so each step of the Montgomery reduction takes its multiplier
// straight from the low limb and adds it back by four shifts. Nine products of 29 or 30 bits fit in 64 bits, so a column is summed
// before its one carry, and sums and differences may stay uncarried until the next multiplication.
//
// Two kinds of value, named in each method's comment:
//   carried: limbs 0 to 7 below 2^29, value below 8p;
//   loose:   limbs below 2^29 times the stated factor, value below the stated multiple of p.
// For a product the factors of its two sides may multiply to at most 6 (9 x 6 x 2^58 and the reduction's terms stay below 2^64).
// A product of a < x p and b < y p is below (x y / 32 + 1) p. Results may be written over operands. Time does not depend on values.

namespace DePIN.Protocol
{
    internal sealed class P256Element
    {
        public const int Limbs = 9;
        public const ulong LimbMask = 0x1FFFFFFF;

        public ulong L0;
        public ulong L1;
        public ulong L2;
        public ulong L3;
        public ulong L4;
        public ulong L5;
        public ulong L6;
        public ulong L7;
        public ulong L8;

        public void Copy(P256Element a)
        {
            L0 = a.L0;
            L1 = a.L1;
            L2 = a.L2;
            L3 = a.L3;
            L4 = a.L4;
            L5 = a.L5;
            L6 = a.L6;
            L7 = a.L7;
            L8 = a.L8;
        }

        /// <summary>r = a + b, loose: the factors and multiples of p add up.</summary>
        public static void Add(P256Element r, P256Element a, P256Element b)
        {
            r.L0 = a.L0 + b.L0;
            r.L1 = a.L1 + b.L1;
            r.L2 = a.L2 + b.L2;
            r.L3 = a.L3 + b.L3;
            r.L4 = a.L4 + b.L4;
            r.L5 = a.L5 + b.L5;
            r.L6 = a.L6 + b.L6;
            r.L7 = a.L7 + b.L7;
            r.L8 = a.L8 + b.L8;
        }

        /// <summary>r = a + 2p - b, where b is a product (below 2p): loose, factor of a + 2.</summary>
        public static void SubtractProduct(P256Element r, P256Element a, P256Element b)
        {
            // 2p with 2^29 lent to each limb from the one above it, so that no limb falls below zero.
            r.L0 = a.L0 + 0x3FFFFFFE - b.L0;
            r.L1 = a.L1 + 0x3FFFFFFE - b.L1;
            r.L2 = a.L2 + 0x3FFFFFFE - b.L2;
            r.L3 = a.L3 + 0x200003FE - b.L3;
            r.L4 = a.L4 + 0x1FFFFFFF - b.L4;
            r.L5 = a.L5 + 0x1FFFFFFF - b.L5;
            r.L6 = a.L6 + 0x2007FFFF - b.L6;
            r.L7 = a.L7 + 0x3FBFFFFF - b.L7;
            r.L8 = a.L8 + 0x1FFFFFE - b.L8;
        }

        /// <summary>r = a + 3p - b, where b is carried and below 2p: loose, factor of a + 3.</summary>
        public static void Subtract(P256Element r, P256Element a, P256Element b)
        {
            // 3p with 2^30 lent to each limb.
            r.L0 = a.L0 + 0x5FFFFFFD - b.L0;
            r.L1 = a.L1 + 0x5FFFFFFD - b.L1;
            r.L2 = a.L2 + 0x5FFFFFFD - b.L2;
            r.L3 = a.L3 + 0x400005FD - b.L3;
            r.L4 = a.L4 + 0x3FFFFFFE - b.L4;
            r.L5 = a.L5 + 0x3FFFFFFE - b.L5;
            r.L6 = a.L6 + 0x400BFFFE - b.L6;
            r.L7 = a.L7 + 0x5F9FFFFE - b.L7;
            r.L8 = a.L8 + 0x2FFFFFD - b.L8;
        }

        /// <summary>r = 3a, carried; a below 2p.</summary>
        public static void Triple(P256Element r, P256Element a)
        {
            ulong mask = LimbMask;
            ulong t = a.L0 * 3;
            r.L0 = t & mask;
            t = (t >> 29) + (a.L1 * 3);
            r.L1 = t & mask;
            t = (t >> 29) + (a.L2 * 3);
            r.L2 = t & mask;
            t = (t >> 29) + (a.L3 * 3);
            r.L3 = t & mask;
            t = (t >> 29) + (a.L4 * 3);
            r.L4 = t & mask;
            t = (t >> 29) + (a.L5 * 3);
            r.L5 = t & mask;
            t = (t >> 29) + (a.L6 * 3);
            r.L6 = t & mask;
            t = (t >> 29) + (a.L7 * 3);
            r.L7 = t & mask;
            r.L8 = (t >> 29) + (a.L8 * 3);
        }

        /// <summary>Takes multiples of p off a carried value: carried, and below 1.0001 p + 2^232.</summary>
        public static void Fold(P256Element r)
        {
            // q 2^256 = q (2^224 - 2^192 - 2^96 + 1) modulo p; q is what lies above bit 256, at most 15.
            ulong mask = LimbMask;
            ulong q = r.L8 >> 24;
            ulong t = r.L0 + q;
            r.L0 = t & mask;
            t = (t >> 29) + r.L1;
            r.L1 = t & mask;
            t = (t >> 29) + r.L2;
            r.L2 = t & mask;

            // From here 2^29 is lent by the limb above until the subtractions are done.
            t = (t >> 29) + r.L3 + 0x20000000 - (q << 9);
            r.L3 = t & mask;
            t = (t >> 29) + r.L4 + 0x1FFFFFFF;
            r.L4 = t & mask;
            t = (t >> 29) + r.L5 + 0x1FFFFFFF;
            r.L5 = t & mask;
            t = (t >> 29) + r.L6 + 0x1FFFFFFF - (q << 18);
            r.L6 = t & mask;
            t = (t >> 29) + r.L7 + (q << 21) - 1;
            r.L7 = t & mask;
            r.L8 = (t >> 29) + (r.L8 & 0xFFFFFF);
        }

        /// <summary>r = a b / R, carried.</summary>
        public static void Multiply(P256Element r, P256Element a, P256Element b)
        {
            ulong a0 = a.L0;
            ulong a1 = a.L1;
            ulong a2 = a.L2;
            ulong a3 = a.L3;
            ulong a4 = a.L4;
            ulong a5 = a.L5;
            ulong a6 = a.L6;
            ulong a7 = a.L7;
            ulong a8 = a.L8;
            ulong b0 = b.L0;
            ulong b1 = b.L1;
            ulong b2 = b.L2;
            ulong b3 = b.L3;
            ulong b4 = b.L4;
            ulong b5 = b.L5;
            ulong b6 = b.L6;
            ulong b7 = b.L7;
            ulong b8 = b.L8;
            ulong mask = LimbMask;
            ulong t;

            t = (a0 * b0);
            ulong m0 = t & mask;
            t = (t >> 29) + (a0 * b1) + (a1 * b0);
            ulong m1 = t & mask;
            t = (t >> 29) + (a0 * b2) + (a1 * b1) + (a2 * b0);
            ulong m2 = t & mask;
            t = (t >> 29) + (a0 * b3) + (a1 * b2) + (a2 * b1) + (a3 * b0) + (m0 << 9);
            ulong m3 = t & mask;
            t = (t >> 29) + (a0 * b4) + (a1 * b3) + (a2 * b2) + (a3 * b1) + (a4 * b0) + (m1 << 9);
            ulong m4 = t & mask;
            t = (t >> 29) + (a0 * b5) + (a1 * b4) + (a2 * b3) + (a3 * b2) + (a4 * b1) + (a5 * b0) + (m2 << 9);
            ulong m5 = t & mask;
            t = (t >> 29) + (a0 * b6) + (a1 * b5) + (a2 * b4) + (a3 * b3) + (a4 * b2) + (a5 * b1) + (a6 * b0) + (m3 << 9) + (m0 << 18);
            ulong m6 = t & mask;
            t = (t >> 29) + (a0 * b7) + (a1 * b6) + (a2 * b5) + (a3 * b4) + (a4 * b3) + (a5 * b2) + (a6 * b1) + (a7 * b0) + (m4 << 9) + (m1 << 18) - (m0 << 21) + 0x8000000000000;
            ulong m7 = t & mask;
            t = (t >> 29) + (a0 * b8) + (a1 * b7) + (a2 * b6) + (a3 * b5) + (a4 * b4) + (a5 * b3) + (a6 * b2) + (a7 * b1) + (a8 * b0) + (m5 << 9) + (m2 << 18) + (m0 << 24) - (m1 << 21) + 0x7FFFFFFC00000;
            ulong m8 = t & mask;
            t = (t >> 29) + (a1 * b8) + (a2 * b7) + (a3 * b6) + (a4 * b5) + (a5 * b4) + (a6 * b3) + (a7 * b2) + (a8 * b1) + (m6 << 9) + (m3 << 18) + (m1 << 24) - (m2 << 21) + 0x7FFFFFFC00000;
            r.L0 = t & mask;
            t = (t >> 29) + (a2 * b8) + (a3 * b7) + (a4 * b6) + (a5 * b5) + (a6 * b4) + (a7 * b3) + (a8 * b2) + (m7 << 9) + (m4 << 18) + (m2 << 24) - (m3 << 21) + 0x7FFFFFFC00000;
            r.L1 = t & mask;
            t = (t >> 29) + (a3 * b8) + (a4 * b7) + (a5 * b6) + (a6 * b5) + (a7 * b4) + (a8 * b3) + (m8 << 9) + (m5 << 18) + (m3 << 24) - (m4 << 21) + 0x7FFFFFFC00000;
            r.L2 = t & mask;
            t = (t >> 29) + (a4 * b8) + (a5 * b7) + (a6 * b6) + (a7 * b5) + (a8 * b4) + (m6 << 18) + (m4 << 24) - (m5 << 21) + 0x7FFFFFFC00000;
            r.L3 = t & mask;
            t = (t >> 29) + (a5 * b8) + (a6 * b7) + (a7 * b6) + (a8 * b5) + (m7 << 18) + (m5 << 24) - (m6 << 21) + 0x7FFFFFFC00000;
            r.L4 = t & mask;
            t = (t >> 29) + (a6 * b8) + (a7 * b7) + (a8 * b6) + (m8 << 18) + (m6 << 24) - (m7 << 21) + 0x7FFFFFFC00000;
            r.L5 = t & mask;
            t = (t >> 29) + (a7 * b8) + (a8 * b7) + (m7 << 24) - (m8 << 21) + 0x7FFFFFFC00000;
            r.L6 = t & mask;
            t = (t >> 29) + (a8 * b8) + (m8 << 24) - 0x400000;
            r.L7 = t & mask;
            r.L8 = (t >> 29);
        }

        /// <summary>r = a b / R + 5p - c, carried; c has a factor of at most 4 and is below 5p.</summary>
        public static void MultiplySubtract(P256Element r, P256Element a, P256Element b, P256Element c)
        {
            ulong a0 = a.L0;
            ulong a1 = a.L1;
            ulong a2 = a.L2;
            ulong a3 = a.L3;
            ulong a4 = a.L4;
            ulong a5 = a.L5;
            ulong a6 = a.L6;
            ulong a7 = a.L7;
            ulong a8 = a.L8;
            ulong b0 = b.L0;
            ulong b1 = b.L1;
            ulong b2 = b.L2;
            ulong b3 = b.L3;
            ulong b4 = b.L4;
            ulong b5 = b.L5;
            ulong b6 = b.L6;
            ulong b7 = b.L7;
            ulong b8 = b.L8;
            ulong mask = LimbMask;
            ulong t;

            t = (a0 * b0);
            ulong m0 = t & mask;
            t = (t >> 29) + (a0 * b1) + (a1 * b0);
            ulong m1 = t & mask;
            t = (t >> 29) + (a0 * b2) + (a1 * b1) + (a2 * b0);
            ulong m2 = t & mask;
            t = (t >> 29) + (a0 * b3) + (a1 * b2) + (a2 * b1) + (a3 * b0) + (m0 << 9);
            ulong m3 = t & mask;
            t = (t >> 29) + (a0 * b4) + (a1 * b3) + (a2 * b2) + (a3 * b1) + (a4 * b0) + (m1 << 9);
            ulong m4 = t & mask;
            t = (t >> 29) + (a0 * b5) + (a1 * b4) + (a2 * b3) + (a3 * b2) + (a4 * b1) + (a5 * b0) + (m2 << 9);
            ulong m5 = t & mask;
            t = (t >> 29) + (a0 * b6) + (a1 * b5) + (a2 * b4) + (a3 * b3) + (a4 * b2) + (a5 * b1) + (a6 * b0) + (m3 << 9) + (m0 << 18);
            ulong m6 = t & mask;
            t = (t >> 29) + (a0 * b7) + (a1 * b6) + (a2 * b5) + (a3 * b4) + (a4 * b3) + (a5 * b2) + (a6 * b1) + (a7 * b0) + (m4 << 9) + (m1 << 18) - (m0 << 21) + 0x8000000000000;
            ulong m7 = t & mask;
            t = (t >> 29) + (a0 * b8) + (a1 * b7) + (a2 * b6) + (a3 * b5) + (a4 * b4) + (a5 * b3) + (a6 * b2) + (a7 * b1) + (a8 * b0) + (m5 << 9) + (m2 << 18) + (m0 << 24) - (m1 << 21) + 0x7FFFFFFC00000;
            ulong m8 = t & mask;
            t = (t >> 29) + (a1 * b8) + (a2 * b7) + (a3 * b6) + (a4 * b5) + (a5 * b4) + (a6 * b3) + (a7 * b2) + (a8 * b1) + (m6 << 9) + (m3 << 18) + (m1 << 24) - (m2 << 21) - c.L0 + 0x800009FBFFFFB;
            r.L0 = t & mask;
            t = (t >> 29) + (a2 * b8) + (a3 * b7) + (a4 * b6) + (a5 * b5) + (a6 * b4) + (a7 * b3) + (a8 * b2) + (m7 << 9) + (m4 << 18) + (m2 << 24) - (m3 << 21) - c.L1 + 0x800009FBFFFFB;
            r.L1 = t & mask;
            t = (t >> 29) + (a3 * b8) + (a4 * b7) + (a5 * b6) + (a6 * b5) + (a7 * b4) + (a8 * b3) + (m8 << 9) + (m5 << 18) + (m3 << 24) - (m4 << 21) - c.L2 + 0x800009FBFFFFB;
            r.L2 = t & mask;
            t = (t >> 29) + (a4 * b8) + (a5 * b7) + (a6 * b6) + (a7 * b5) + (a8 * b4) + (m6 << 18) + (m4 << 24) - (m5 << 21) - c.L3 + 0x800007FC009FB;
            r.L3 = t & mask;
            t = (t >> 29) + (a5 * b8) + (a6 * b7) + (a7 * b6) + (a8 * b5) + (m7 << 18) + (m5 << 24) - (m6 << 21) - c.L4 + 0x800007FBFFFFC;
            r.L4 = t & mask;
            t = (t >> 29) + (a6 * b8) + (a7 * b7) + (a8 * b6) + (m8 << 18) + (m6 << 24) - (m7 << 21) - c.L5 + 0x800007FBFFFFC;
            r.L5 = t & mask;
            t = (t >> 29) + (a7 * b8) + (a8 * b7) + (m7 << 24) - (m8 << 21) - c.L6 + 0x800007FD3FFFC;
            r.L6 = t & mask;
            t = (t >> 29) + (a8 * b8) + (m8 << 24) - c.L7 + 0x9F1FFFFC;
            r.L7 = t & mask;
            r.L8 = (t >> 29) + 0x4FFFFFB - c.L8;
        }

        /// <summary>r = a a / R, carried.</summary>
        public static void Square(P256Element r, P256Element a)
        {
            ulong a0 = a.L0;
            ulong a1 = a.L1;
            ulong a2 = a.L2;
            ulong a3 = a.L3;
            ulong a4 = a.L4;
            ulong a5 = a.L5;
            ulong a6 = a.L6;
            ulong a7 = a.L7;
            ulong a8 = a.L8;
            ulong d0 = a0 << 1;
            ulong d1 = a1 << 1;
            ulong d2 = a2 << 1;
            ulong d3 = a3 << 1;
            ulong d4 = a4 << 1;
            ulong d5 = a5 << 1;
            ulong d6 = a6 << 1;
            ulong d7 = a7 << 1;
            ulong mask = LimbMask;
            ulong t;

            t = (a0 * a0);
            ulong m0 = t & mask;
            t = (t >> 29) + (d0 * a1);
            ulong m1 = t & mask;
            t = (t >> 29) + (d0 * a2) + (a1 * a1);
            ulong m2 = t & mask;
            t = (t >> 29) + (d0 * a3) + (d1 * a2) + (m0 << 9);
            ulong m3 = t & mask;
            t = (t >> 29) + (d0 * a4) + (d1 * a3) + (a2 * a2) + (m1 << 9);
            ulong m4 = t & mask;
            t = (t >> 29) + (d0 * a5) + (d1 * a4) + (d2 * a3) + (m2 << 9);
            ulong m5 = t & mask;
            t = (t >> 29) + (d0 * a6) + (d1 * a5) + (d2 * a4) + (a3 * a3) + (m3 << 9) + (m0 << 18);
            ulong m6 = t & mask;
            t = (t >> 29) + (d0 * a7) + (d1 * a6) + (d2 * a5) + (d3 * a4) + (m4 << 9) + (m1 << 18) - (m0 << 21) + 0x8000000000000;
            ulong m7 = t & mask;
            t = (t >> 29) + (d0 * a8) + (d1 * a7) + (d2 * a6) + (d3 * a5) + (a4 * a4) + (m5 << 9) + (m2 << 18) + (m0 << 24) - (m1 << 21) + 0x7FFFFFFC00000;
            ulong m8 = t & mask;
            t = (t >> 29) + (d1 * a8) + (d2 * a7) + (d3 * a6) + (d4 * a5) + (m6 << 9) + (m3 << 18) + (m1 << 24) - (m2 << 21) + 0x7FFFFFFC00000;
            r.L0 = t & mask;
            t = (t >> 29) + (d2 * a8) + (d3 * a7) + (d4 * a6) + (a5 * a5) + (m7 << 9) + (m4 << 18) + (m2 << 24) - (m3 << 21) + 0x7FFFFFFC00000;
            r.L1 = t & mask;
            t = (t >> 29) + (d3 * a8) + (d4 * a7) + (d5 * a6) + (m8 << 9) + (m5 << 18) + (m3 << 24) - (m4 << 21) + 0x7FFFFFFC00000;
            r.L2 = t & mask;
            t = (t >> 29) + (d4 * a8) + (d5 * a7) + (a6 * a6) + (m6 << 18) + (m4 << 24) - (m5 << 21) + 0x7FFFFFFC00000;
            r.L3 = t & mask;
            t = (t >> 29) + (d5 * a8) + (d6 * a7) + (m7 << 18) + (m5 << 24) - (m6 << 21) + 0x7FFFFFFC00000;
            r.L4 = t & mask;
            t = (t >> 29) + (d6 * a8) + (a7 * a7) + (m8 << 18) + (m6 << 24) - (m7 << 21) + 0x7FFFFFFC00000;
            r.L5 = t & mask;
            t = (t >> 29) + (d7 * a8) + (m7 << 24) - (m8 << 21) + 0x7FFFFFFC00000;
            r.L6 = t & mask;
            t = (t >> 29) + (a8 * a8) + (m8 << 24) - 0x400000;
            r.L7 = t & mask;
            r.L8 = (t >> 29);
        }

        /// <summary>r = a a / R + 5p - c, carried; c has a factor of at most 4 and is below 5p.</summary>
        public static void SquareSubtract(P256Element r, P256Element a, P256Element c)
        {
            ulong a0 = a.L0;
            ulong a1 = a.L1;
            ulong a2 = a.L2;
            ulong a3 = a.L3;
            ulong a4 = a.L4;
            ulong a5 = a.L5;
            ulong a6 = a.L6;
            ulong a7 = a.L7;
            ulong a8 = a.L8;
            ulong d0 = a0 << 1;
            ulong d1 = a1 << 1;
            ulong d2 = a2 << 1;
            ulong d3 = a3 << 1;
            ulong d4 = a4 << 1;
            ulong d5 = a5 << 1;
            ulong d6 = a6 << 1;
            ulong d7 = a7 << 1;
            ulong mask = LimbMask;
            ulong t;

            t = (a0 * a0);
            ulong m0 = t & mask;
            t = (t >> 29) + (d0 * a1);
            ulong m1 = t & mask;
            t = (t >> 29) + (d0 * a2) + (a1 * a1);
            ulong m2 = t & mask;
            t = (t >> 29) + (d0 * a3) + (d1 * a2) + (m0 << 9);
            ulong m3 = t & mask;
            t = (t >> 29) + (d0 * a4) + (d1 * a3) + (a2 * a2) + (m1 << 9);
            ulong m4 = t & mask;
            t = (t >> 29) + (d0 * a5) + (d1 * a4) + (d2 * a3) + (m2 << 9);
            ulong m5 = t & mask;
            t = (t >> 29) + (d0 * a6) + (d1 * a5) + (d2 * a4) + (a3 * a3) + (m3 << 9) + (m0 << 18);
            ulong m6 = t & mask;
            t = (t >> 29) + (d0 * a7) + (d1 * a6) + (d2 * a5) + (d3 * a4) + (m4 << 9) + (m1 << 18) - (m0 << 21) + 0x8000000000000;
            ulong m7 = t & mask;
            t = (t >> 29) + (d0 * a8) + (d1 * a7) + (d2 * a6) + (d3 * a5) + (a4 * a4) + (m5 << 9) + (m2 << 18) + (m0 << 24) - (m1 << 21) + 0x7FFFFFFC00000;
            ulong m8 = t & mask;
            t = (t >> 29) + (d1 * a8) + (d2 * a7) + (d3 * a6) + (d4 * a5) + (m6 << 9) + (m3 << 18) + (m1 << 24) - (m2 << 21) - c.L0 + 0x800009FBFFFFB;
            r.L0 = t & mask;
            t = (t >> 29) + (d2 * a8) + (d3 * a7) + (d4 * a6) + (a5 * a5) + (m7 << 9) + (m4 << 18) + (m2 << 24) - (m3 << 21) - c.L1 + 0x800009FBFFFFB;
            r.L1 = t & mask;
            t = (t >> 29) + (d3 * a8) + (d4 * a7) + (d5 * a6) + (m8 << 9) + (m5 << 18) + (m3 << 24) - (m4 << 21) - c.L2 + 0x800009FBFFFFB;
            r.L2 = t & mask;
            t = (t >> 29) + (d4 * a8) + (d5 * a7) + (a6 * a6) + (m6 << 18) + (m4 << 24) - (m5 << 21) - c.L3 + 0x800007FC009FB;
            r.L3 = t & mask;
            t = (t >> 29) + (d5 * a8) + (d6 * a7) + (m7 << 18) + (m5 << 24) - (m6 << 21) - c.L4 + 0x800007FBFFFFC;
            r.L4 = t & mask;
            t = (t >> 29) + (d6 * a8) + (a7 * a7) + (m8 << 18) + (m6 << 24) - (m7 << 21) - c.L5 + 0x800007FBFFFFC;
            r.L5 = t & mask;
            t = (t >> 29) + (d7 * a8) + (m7 << 24) - (m8 << 21) - c.L6 + 0x800007FD3FFFC;
            r.L6 = t & mask;
            t = (t >> 29) + (a8 * a8) + (m8 << 24) - c.L7 + 0x9F1FFFFC;
            r.L7 = t & mask;
            r.L8 = (t >> 29) + 0x4FFFFFB - c.L8;
        }
    }
}

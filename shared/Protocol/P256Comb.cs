// k G on P-256 by a comb: the 264 signed bits of k are read in 44 columns of 6, four columns of each doubling, so one product is
// 43 additions and 10 doublings of a precomputed table (P256Table) whatever k is.
//
// k is recoded so that every one of its bits is +1 or -1 (M. Hamburg, "Fast and compact elliptic-curve cryptography", section 3.3):
// with B = (k + 2^264 - 1) / 2 modulo n, k = sum of (2 B_i - 1) 2^i. So there are no zero digits, no skipped additions and no branch
// on a bit of k. The table is indexed by 5 secret bits: on these chips it lies in internal RAM, which has no cache to watch; on a
// computer with caches the index could leak, and a computer has its own ECDSA.
//
// An addition of a point to itself or its negative gives Z = 0, which no later step undoes. It can happen in the last columns for a
// few k that somebody picked for it; then B + n is used, another recoding of the same k. No random key or nonce ever gets there.

using System;

namespace DePIN.Protocol
{
    internal sealed class P256Comb : P256Sum
    {
        private const int Teeth = 6;
        private const int Spacing = 44;
        private const int Blocks = 4;
        private const int BlockColumns = 11;
        private const int RecodedWords = 9;

        private readonly uint[] _recoded = new uint[RecodedWords];

        /// <summary>
        /// Writes the affine coordinates of k G, big-endian; y may be null. Point operations are as many for every k that nobody picked to
        /// be an exception.
        /// </summary>
        /// <param name="k">8 words, lowest first, in [1, n-1].</param>
        public void Multiply(uint[] k, byte[] x, int xOffset, byte[] y, int yOffset)
        {
            PointOperations = 0;
            P256Scalar.Recode(_recoded, k);
            while (true)
            {
                Sum();
                FromMontgomery(_words, _z1);
                if (!P256Scalar.IsZero(_words))
                {
                    break;
                }

                P256Scalar.AddOrder(_recoded);
            }

            // x = X / Z^2, y = Y / Z^3.
            _inverse.Invert(_words);
            ToMontgomery(_a, _words);
            P256Element.Square(_b, _a);
            P256Element.Multiply(_c, _x1, _b);
            FromMontgomery(_words, _c);
            P256Scalar.Write(_words, x, xOffset);
            if (y != null)
            {
                P256Element.Multiply(_b, _b, _a);
                P256Element.Multiply(_c, _y1, _b);
                FromMontgomery(_words, _c);
                P256Scalar.Write(_words, y, yOffset);
            }

            Array.Clear(_recoded, 0, RecodedWords);
            Array.Clear(_words, 0, P256Scalar.Words);
        }

        private void Sum()
        {
            for (int column = BlockColumns - 1; column >= 0; column--)
            {
                int block = 0;
                if (column == BlockColumns - 1)
                {
                    Load(0, column);
                    _x1.Copy(_x2);
                    _y1.Copy(_y2);
                    SetOne(_z1);
                    block = 1;
                }
                else
                {
                    Double();
                }

                for (; block < Blocks; block++)
                {
                    Load(block, column);
                    Add();
                }
            }
        }

        // (x2, y2) = plus or minus the table's point for one column of bits: the top bit is the sign, the others, inverted with it, the index.
        private void Load(int block, int column)
        {
            uint[] recoded = _recoded;
            uint digit = 0;
            uint at = (uint)((block * BlockColumns) + column + (Teeth * Spacing));
            for (int tooth = 0; tooth < Teeth; tooth++)
            {
                at -= Spacing;
                digit = (digit << 1) | ((recoded[(int)(at >> 5)] >> (int)(at & 31)) & 1);
            }

            uint top = digit >> (Teeth - 1);
            uint index = (digit ^ (top - 1)) & (P256Table.BlockPoints - 1);
            LoadPoint((block * P256Table.BlockPoints * P256Table.PointLimbs) + ((int)index * P256Table.PointLimbs), (ulong)top - 1);
        }

        // negate is all ones or zero. A negative y is 2p - y, limb by limb, as (y ^ ones) + 1 + the limb of 2p with 2^29 lent: loose, factor 2.
        private void LoadPoint(int at, ulong negate)
        {
            uint[] table = P256Table.Limbs;
            _x2.L0 = table[at];
            _x2.L1 = table[at + 1];
            _x2.L2 = table[at + 2];
            _x2.L3 = table[at + 3];
            _x2.L4 = table[at + 4];
            _x2.L5 = table[at + 5];
            _x2.L6 = table[at + 6];
            _x2.L7 = table[at + 7];
            _x2.L8 = table[at + 8];
            _y2.L0 = (table[at + 9] ^ negate) + (negate & 0x3FFFFFFF);
            _y2.L1 = (table[at + 10] ^ negate) + (negate & 0x3FFFFFFF);
            _y2.L2 = (table[at + 11] ^ negate) + (negate & 0x3FFFFFFF);
            _y2.L3 = (table[at + 12] ^ negate) + (negate & 0x200003FF);
            _y2.L4 = (table[at + 13] ^ negate) + (negate & 0x20000000);
            _y2.L5 = (table[at + 14] ^ negate) + (negate & 0x20000000);
            _y2.L6 = (table[at + 15] ^ negate) + (negate & 0x20080000);
            _y2.L7 = (table[at + 16] ^ negate) + (negate & 0x3FC00000);
            _y2.L8 = (table[at + 17] ^ negate) + (negate & 0x1FFFFFF);
        }
    }
}

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
    internal sealed class P256Comb
    {
        private const int Teeth = 6;
        private const int Spacing = 44;
        private const int Blocks = 4;
        private const int BlockColumns = 11;
        private const int RecodedWords = 9;

        private readonly P256Element _x1 = new P256Element();
        private readonly P256Element _y1 = new P256Element();
        private readonly P256Element _z1 = new P256Element();
        private readonly P256Element _x2 = new P256Element();
        private readonly P256Element _y2 = new P256Element();
        private readonly P256Element _a = new P256Element();
        private readonly P256Element _b = new P256Element();
        private readonly P256Element _c = new P256Element();
        private readonly P256Element _d = new P256Element();
        private readonly P256Element _e = new P256Element();
        private readonly uint[] _recoded = new uint[RecodedWords];
        private readonly uint[] _words = new uint[P256Scalar.Words];
        private readonly ModularInverse _inverse = ModularInverse.ForField();

        /// <summary>Additions and doublings done by the last product: the same for every k that nobody picked to be an exception.</summary>
        public int PointOperations { get; private set; }

        /// <summary>Writes the affine coordinates of k G, big-endian; y may be null.</summary>
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

        // (X, Y, Z) = 2 (X, Y, Z), Jacobian, a = -3: 4 multiplications and 4 squarings.
        private void Double()
        {
            PointOperations++;
            P256Element.Square(_a, _z1); // Z^2
            P256Element.SubtractProduct(_b, _x1, _a);
            P256Element.Add(_c, _x1, _a);
            P256Element.Multiply(_a, _b, _c);
            P256Element.Triple(_a, _a); // M = 3 (X - Z^2)(X + Z^2)
            P256Element.Square(_b, _y1);
            P256Element.Add(_b, _b, _b); // 2 Y^2
            P256Element.Multiply(_c, _x1, _b);
            P256Element.Add(_c, _c, _c); // S = 4 X Y^2
            P256Element.Square(_d, _b);
            P256Element.Add(_d, _d, _d); // 8 Y^4
            P256Element.Add(_e, _c, _c);
            P256Element.Add(_b, _y1, _y1);
            P256Element.Multiply(_z1, _b, _z1); // Z' = 2 Y Z
            P256Element.SquareSubtract(_x1, _a, _e); // X' = M^2 - 2 S
            P256Element.Fold(_x1);
            P256Element.Subtract(_c, _c, _x1);
            P256Element.MultiplySubtract(_y1, _a, _c, _d); // Y' = M (S - X') - 8 Y^4
            P256Element.Fold(_y1);
        }

        // (X, Y, Z) += (x2, y2), Jacobian plus affine: 8 multiplications and 3 squarings.
        private void Add()
        {
            PointOperations++;
            P256Element.Square(_a, _z1);
            P256Element.Multiply(_b, _z1, _a);
            P256Element.MultiplySubtract(_c, _x2, _a, _x1); // H = x2 Z^2 - X
            P256Element.MultiplySubtract(_d, _y2, _b, _y1); // r = y2 Z^3 - Y
            P256Element.Multiply(_z1, _z1, _c); // Z' = Z H
            P256Element.Square(_a, _c); // H^2
            P256Element.Multiply(_b, _c, _a); // H^3
            P256Element.Multiply(_c, _x1, _a); // V = X H^2
            P256Element.Add(_e, _c, _c);
            P256Element.Add(_e, _e, _b);
            P256Element.SquareSubtract(_x1, _d, _e); // X' = r^2 - H^3 - 2 V
            P256Element.Fold(_x1);
            P256Element.Subtract(_c, _c, _x1);
            P256Element.Multiply(_b, _y1, _b);
            P256Element.MultiplySubtract(_y1, _d, _c, _b); // Y' = r (V - X') - Y H^3
            P256Element.Fold(_y1);
        }

        // R modulo p.
        private static void SetOne(P256Element r)
        {
            r.L0 = 0x20;
            r.L1 = 0;
            r.L2 = 0;
            r.L3 = 0x1FFFC000;
            r.L4 = 0x1FFFFFFF;
            r.L5 = 0x1FFFFFFF;
            r.L6 = 0x1F7FFFFF;
            r.L7 = 0x3FFFFFF;
            r.L8 = 0;
        }

        // r = 8 words times R, carried.
        private void ToMontgomery(P256Element r, uint[] words)
        {
            r.L0 = words[0] & 0x1FFFFFFFu;
            r.L1 = (((ulong)words[1] << 3) | (words[0] >> 29)) & P256Element.LimbMask;
            r.L2 = (((ulong)words[2] << 6) | (words[1] >> 26)) & P256Element.LimbMask;
            r.L3 = (((ulong)words[3] << 9) | (words[2] >> 23)) & P256Element.LimbMask;
            r.L4 = (((ulong)words[4] << 12) | (words[3] >> 20)) & P256Element.LimbMask;
            r.L5 = (((ulong)words[5] << 15) | (words[4] >> 17)) & P256Element.LimbMask;
            r.L6 = (((ulong)words[6] << 18) | (words[5] >> 14)) & P256Element.LimbMask;
            r.L7 = (((ulong)words[7] << 21) | (words[6] >> 11)) & P256Element.LimbMask;
            r.L8 = words[7] >> 8;

            // R^2 modulo p.
            _d.L0 = 0xC00;
            _d.L1 = 0;
            _d.L2 = 0x1FFF0000;
            _d.L3 = 0x1FDFFFFF;
            _d.L4 = 0x1FBFFFFF;
            _d.L5 = 0x1FFFFFFF;
            _d.L6 = 0x1FFFFFFF;
            _d.L7 = 0x1FFFFFFE;
            _d.L8 = 0x13;
            P256Element.Multiply(r, r, _d);
        }

        // words = a / R modulo p, below p. Uses _d.
        private void FromMontgomery(uint[] words, P256Element a)
        {
            // Times 1: below p + 1, so one subtraction of p at most.
            _d.L0 = 1;
            _d.L1 = 0;
            _d.L2 = 0;
            _d.L3 = 0;
            _d.L4 = 0;
            _d.L5 = 0;
            _d.L6 = 0;
            _d.L7 = 0;
            _d.L8 = 0;
            P256Element.Multiply(_d, a, _d);
            words[0] = (uint)(_d.L0 | (_d.L1 << 29));
            words[1] = (uint)((_d.L1 >> 3) | (_d.L2 << 26));
            words[2] = (uint)((_d.L2 >> 6) | (_d.L3 << 23));
            words[3] = (uint)((_d.L3 >> 9) | (_d.L4 << 20));
            words[4] = (uint)((_d.L4 >> 12) | (_d.L5 << 17));
            words[5] = (uint)((_d.L5 >> 15) | (_d.L6 << 14));
            words[6] = (uint)((_d.L6 >> 18) | (_d.L7 << 11));
            words[7] = (uint)((_d.L7 >> 21) | (_d.L8 << 8));
            P256Scalar.SubtractIfNotBelow(words, P256Scalar.FieldPrime);
        }
    }
}

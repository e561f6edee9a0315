// A point of P-256 that is summed up, in Jacobian coordinates, and the point that is added to it: what signing (P256Comb) and
// verifying (P256Verifier) share. Coordinates are in Montgomery form. Time does not depend on values.

namespace DePIN.Protocol
{
    internal abstract class P256Sum
    {
        protected readonly P256Element _x1 = new P256Element();
        protected readonly P256Element _y1 = new P256Element();
        protected readonly P256Element _z1 = new P256Element();
        protected readonly P256Element _x2 = new P256Element();
        protected readonly P256Element _y2 = new P256Element();
        protected readonly P256Element _a = new P256Element();
        protected readonly P256Element _b = new P256Element();
        protected readonly P256Element _c = new P256Element();
        protected readonly P256Element _d = new P256Element();
        protected readonly P256Element _e = new P256Element();
        protected readonly uint[] _words = new uint[P256Scalar.Words];
        protected readonly ModularInverse _inverse = ModularInverse.ForField();

        /// <summary>Additions and doublings done.</summary>
        public int PointOperations { get; protected set; }

        // (X, Y, Z) = 2 (X, Y, Z), Jacobian, a = -3: 4 multiplications and 4 squarings.
        protected void Double()
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
        protected void Add()
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
        protected static void SetOne(P256Element r)
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
        protected void ToMontgomery(P256Element r, uint[] words)
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
        protected void FromMontgomery(uint[] words, P256Element a)
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

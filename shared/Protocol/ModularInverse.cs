// 1/a modulo an odd prime of 256 bits, by 600 division steps whatever a is (Bernstein, Yang, "Fast constant-time gcd computation and
// modular inversion", with the half-delta variant of libsecp256k1's doc/safegcd_implementation.md, for which 590 steps suffice).
// It costs about a quarter of Fermat's a^(p-2) here, and one code serves the field and the scalars.
//
// f, g, d, e are 9 limbs of 30 bits in ulong, lowest first; the top limb carries the sign. Negative numbers are two's complement in
// ulong, and the shift that keeps their sign is spelled out, because the board's interpreter has no reliable signed shift.

namespace DePIN.Protocol
{
    internal sealed class ModularInverse
    {
        private const int Limbs = 9;
        private const int Batches = 20;
        private const int BatchSteps = 30;
        private const ulong LimbMask = 0x3FFFFFFF;

        // (x + Bias >> 30) - BiasShifted is x / 2^30 rounded down for a two's complement x.
        private const ulong Bias = 0x8000000000000000;
        private const ulong BiasShifted = 0x200000000;

        private readonly ulong[] _modulus;
        private readonly ulong _modulusInverse;
        private readonly ulong[] _f = new ulong[Limbs];
        private readonly ulong[] _g = new ulong[Limbs];
        private readonly ulong[] _d = new ulong[Limbs];
        private readonly ulong[] _e = new ulong[Limbs];

        // The 2 x 2 matrix of the last batch.
        private ulong _u;
        private ulong _v;
        private ulong _q;
        private ulong _r;

        private ModularInverse(ulong[] modulus, ulong modulusInverse)
        {
            _modulus = modulus;
            _modulusInverse = modulusInverse;
        }

        /// <summary>Modulo p, the field's prime.</summary>
        public static ModularInverse ForField()
        {
            return new ModularInverse(
                new ulong[] { 0x3FFFFFFF, 0x3FFFFFFF, 0x3FFFFFFF, 0x3F, 0, 0, 0x1000, 0x3FFFC000, 0xFFFF },
                0x3FFFFFFF);
        }

        /// <summary>Modulo n, the order of the group.</summary>
        public static ModularInverse ForOrder()
        {
            return new ModularInverse(
                new ulong[] { 0x3C632551, 0x0EE72B0B, 0x3179E84F, 0x39BEAB69, 0x3FFFFFBC, 0x3FFFFFFF, 0xFFF, 0x3FFFC000, 0xFFFF },
                0x11FF43B1);
        }

        /// <summary>words = 1 / words; 8 words, lowest first, below the modulus. Zero stays zero.</summary>
        public void Invert(uint[] words)
        {
            ulong low = 0;
            int bits = 0;
            int word = 0;
            for (int i = 0; i < Limbs; i++)
            {
                if (bits < BatchSteps && word < P256Scalar.Words)
                {
                    low |= (ulong)words[word] << bits;
                    word++;
                    bits += 32;
                }

                _g[i] = low & LimbMask;
                low >>= 30;
                bits -= 30;
                _f[i] = _modulus[i];
                _d[i] = 0;
                _e[i] = 0;
            }

            _e[0] = 1;
            ulong zeta = 0xFFFFFFFFFFFFFFFF;
            for (int i = 0; i < Batches; i++)
            {
                zeta = DivisionSteps(zeta, _f[0], _g[0]);
                UpdateDE();
                UpdateFG();
            }

            Normalise(_f[Limbs - 1]);

            low = 0;
            bits = 0;
            word = 0;
            for (int i = 0; i < Limbs; i++)
            {
                low |= _d[i] << bits;
                bits += 30;
                if (bits >= 32)
                {
                    words[word] = (uint)low;
                    word++;
                    low >>= 32;
                    bits -= 32;
                }
            }
        }

        // 30 steps on the low bits of f and g. The matrix's rows (u, v) and (q, r) are each one number, u + v 2^32: negation, addition and
        // doubling are linear, and no entry exceeds 2^30.
        private ulong DivisionSteps(ulong zeta, ulong f, ulong g)
        {
            ulong zero = 0;
            ulong one = 1;
            ulong uv = 1;
            ulong qr = 0x100000000;
            for (int i = 0; i < BatchSteps; i++)
            {
                ulong negative = zero - (zeta >> 63);
                ulong odd = zero - (g & one);
                g += ((f ^ negative) - negative) & odd;
                qr += ((uv ^ negative) - negative) & odd;
                negative &= odd;
                zeta = (zeta ^ negative) - one;
                f += g & negative;
                uv += qr & negative;
                g >>= 1;
                uv <<= 1;
            }

            _u = LowPart(uv);
            _v = HighPart(uv - _u);
            _q = LowPart(qr);
            _r = HighPart(qr - _q);
            return zeta;
        }

        private static ulong LowPart(ulong packed)
        {
            return ((packed & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000;
        }

        private static ulong HighPart(ulong packed)
        {
            return ((packed >> 32) ^ 0x80000000) - 0x80000000;
        }

        // (f, g) = matrix (f, g) / 2^30, which is exact.
        private void UpdateFG()
        {
            ulong[] f = _f;
            ulong[] g = _g;
            ulong u = _u;
            ulong v = _v;
            ulong q = _q;
            ulong r = _r;
            ulong mask = LimbMask;
            ulong fi = f[0];
            ulong gi = g[0];
            ulong cf = (((u * fi) + (v * gi) + Bias) >> 30) - BiasShifted;
            ulong cg = (((q * fi) + (r * gi) + Bias) >> 30) - BiasShifted;
            int to = 0;
            for (int i = 1; i < Limbs; i++)
            {
                fi = f[i];
                gi = g[i];
                cf += (u * fi) + (v * gi);
                cg += (q * fi) + (r * gi);
                f[to] = cf & mask;
                g[to] = cg & mask;
                cf = ((cf + Bias) >> 30) - BiasShifted;
                cg = ((cg + Bias) >> 30) - BiasShifted;
                to = i;
            }

            f[to] = cf;
            g[to] = cg;
        }

        // (d, e) = matrix (d, e) / 2^30 modulo the modulus, in (-2 m, m).
        private void UpdateDE()
        {
            ulong[] d = _d;
            ulong[] e = _e;
            ulong[] modulus = _modulus;
            ulong u = _u;
            ulong v = _v;
            ulong q = _q;
            ulong r = _r;
            ulong mask = LimbMask;

            // How many moduli to add: for the signs of d and e, then what makes the low limb zero.
            ulong dNegative = 0 - (d[Limbs - 1] >> 63);
            ulong eNegative = 0 - (e[Limbs - 1] >> 63);
            ulong md = (u & dNegative) + (v & eNegative);
            ulong me = (q & dNegative) + (r & eNegative);
            ulong di = d[0];
            ulong ei = e[0];
            ulong cd = (u * di) + (v * ei);
            ulong ce = (q * di) + (r * ei);
            md -= ((_modulusInverse * cd) + md) & mask;
            me -= ((_modulusInverse * ce) + me) & mask;
            ulong mi = modulus[0];
            cd = ((cd + (mi * md) + Bias) >> 30) - BiasShifted;
            ce = ((ce + (mi * me) + Bias) >> 30) - BiasShifted;
            int to = 0;
            for (int i = 1; i < Limbs; i++)
            {
                di = d[i];
                ei = e[i];
                mi = modulus[i];
                cd += (u * di) + (v * ei) + (mi * md);
                ce += (q * di) + (r * ei) + (mi * me);
                d[to] = cd & mask;
                e[to] = ce & mask;
                cd = ((cd + Bias) >> 30) - BiasShifted;
                ce = ((ce + Bias) >> 30) - BiasShifted;
                to = i;
            }

            d[to] = cd;
            e[to] = ce;
        }

        // d = (sign of f) d in [0, modulus).
        private void Normalise(ulong sign)
        {
            ulong add = 0 - (_d[Limbs - 1] >> 63);
            ulong negate = 0 - (sign >> 63);
            ulong carry = 0;
            for (int i = 0; i < Limbs; i++)
            {
                ulong t = _d[i] + (_modulus[i] & add);
                carry += (t ^ negate) - negate;
                _d[i] = carry & LimbMask;
                carry = ((carry + Bias) >> 30) - BiasShifted;
            }

            // The carry out is the sign.
            add = 0 - (carry >> 63);
            carry = 0;
            for (int i = 0; i < Limbs; i++)
            {
                carry += _d[i] + (_modulus[i] & add);
                _d[i] = carry & LimbMask;
                carry >>= 30;
            }
        }
    }
}

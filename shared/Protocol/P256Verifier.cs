// Verifies ECDSA P-256 for a public key that somebody gave: an operator's, once an update. About 3 M IL instructions, seconds on a board
// (tests/Protocol, IlCostTests). Everything here is public, so time may depend on it. One instance is not for several threads at once.
//
// u1 G + u2 Q, with u1 G from the signer's comb and u2 Q by doublings and additions of Q or -Q, as the non-adjacent form of u2 says:
// its digit i is bit i+1 of 3 u2 less bit i+1 of u2 (Hankerson, Menezes, Vanstone, "Guide to Elliptic Curve Cryptography", 3.3.1).
// Signatures may be chosen so that a point is added to itself or to its negative: each addition looks for that.

namespace DePIN.Protocol
{
    public sealed class P256Verifier
    {
        public const int PublicKeyBytes = DeviceId.PublicKeyBytes;

        private readonly Sum _sum = new Sum();
        private readonly byte[] _digest = new byte[Sha256.DigestBytes];

        /// <summary>Whether 64 bytes X || Y are a point of the curve, which as a public key they must be (SP 800-186, appendix D.1.1).</summary>
        public bool IsPublicKey(byte[] publicKey, int offset)
        {
            Bytes.CheckRange(publicKey, offset, PublicKeyBytes);
            return _sum.TakeKey(publicKey, offset);
        }

        /// <summary>Whether r || s is a signature of the bytes' SHA-256. False for what is no key or no signature; a high s is as good as a low one here.</summary>
        public bool Verify(byte[] publicKey, int keyOffset, byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            Sha256.Hash(buffer, offset, count, _digest, 0);
            return VerifyDigest(publicKey, keyOffset, _digest, 0, signature, signatureOffset);
        }

        /// <summary>As <see cref="Verify"/>, of 32 bytes that were hashed already (FIPS 186-5, section 6.4.2).</summary>
        public bool VerifyDigest(byte[] publicKey, int keyOffset, byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
        {
            Bytes.CheckRange(publicKey, keyOffset, PublicKeyBytes);
            Bytes.CheckRange(digest, digestOffset, Sha256.DigestBytes);
            Bytes.CheckRange(signature, signatureOffset, FrameFormat.SignatureBytes);
            return P256Order.IsInRange(signature, signatureOffset) && P256Order.IsInRange(signature, signatureOffset + 32)
                && _sum.TakeKey(publicKey, keyOffset) && _sum.Verify(digest, digestOffset, signature, signatureOffset);
        }

        private sealed class Sum : P256Sum
        {
            private const int Digits = 257;

            private static readonly P256Element Zero = new P256Element();

            // b of y^2 = x^3 - 3x + b (SP 800-186, section 3.2.1.3).
            private static readonly uint[] CurveB =
            {
                0x27D2604B, 0x3BCE3C3E, 0xCC53B0F6, 0x651D06B0, 0x769886BC, 0xB3EBBD55, 0xAA3A93E7, 0x5AC635D8,
            };

            private readonly P256Comb _comb = new P256Comb();
            private readonly ModularInverse _orderInverse = ModularInverse.ForOrder();
            private readonly P256Element _keyX = new P256Element();
            private readonly P256Element _keyY = new P256Element();
            private readonly P256Element _keyMinusY = new P256Element();
            private readonly byte[] _point = new byte[64];
            private readonly uint[] _u1 = new uint[P256Scalar.Words];
            private readonly uint[] _u2 = new uint[P256Scalar.Words];
            private readonly uint[] _r = new uint[P256Scalar.Words];
            private readonly uint[] _z = new uint[P256Scalar.Words];
            private readonly uint[] _low = new uint[P256Scalar.Words + 1];
            private readonly uint[] _triple = new uint[P256Scalar.Words + 1];
            private bool _isInfinity;

            /// <summary>Takes a public key; false unless it is a point of the curve.</summary>
            public bool TakeKey(byte[] publicKey, int offset)
            {
                if (!ReadCoordinate(_keyX, publicKey, offset) || !ReadCoordinate(_keyY, publicKey, offset + 32))
                {
                    return false;
                }

                // y^2 + 3x and x^3 + b.
                P256Element.Square(_a, _keyY);
                P256Element.Triple(_b, _keyX);
                P256Element.Add(_a, _a, _b);
                P256Element.Square(_b, _keyX);
                P256Element.Multiply(_b, _b, _keyX);
                ToMontgomery(_c, CurveB);
                P256Element.Add(_b, _b, _c);
                FromMontgomery(_words, _a);
                Copy(_z, _words);
                FromMontgomery(_words, _b);
                _a.Copy(Zero);
                P256Element.SubtractProduct(_keyMinusY, _a, _keyY);
                return Same(_z, _words);
            }

            /// <summary>Whether r || s, both in [1, n-1], signs the digest with the key that was taken.</summary>
            public bool Verify(byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
            {
                P256Scalar.Read(_r, signature, signatureOffset);
                P256Scalar.Read(_u1, signature, signatureOffset + 32);
                P256Scalar.Read(_z, digest, digestOffset);
                P256Scalar.SubtractIfNotBelow(_z, P256Scalar.Order);

                // u1 = z / s, u2 = r / s.
                _orderInverse.Invert(_u1);
                P256Scalar.ToMontgomery(_u1, _u1);
                P256Scalar.MultiplyMontgomery(_u2, _r, _u1);
                P256Scalar.MultiplyMontgomery(_u1, _z, _u1);
                MultiplyKey();
                if (!P256Scalar.IsZero(_u1))
                {
                    _comb.Multiply(_u1, _point, 0, _point, 32);
                    ReadCoordinate(_x2, _point, 0);
                    ReadCoordinate(_y2, _point, 32);
                    AddChecked();
                }

                if (_isInfinity)
                {
                    return false;
                }

                // x = X / Z^2, below p < 2 n; r is x modulo n.
                FromMontgomery(_words, _z1);
                _inverse.Invert(_words);
                ToMontgomery(_a, _words);
                P256Element.Square(_b, _a);
                P256Element.Multiply(_c, _x1, _b);
                FromMontgomery(_words, _c);
                P256Scalar.SubtractIfNotBelow(_words, P256Scalar.Order);
                return Same(_words, _r);
            }

            private static bool Same(uint[] a, uint[] b)
            {
                uint different = 0;
                for (int i = 0; i < P256Scalar.Words; i++)
                {
                    different |= a[i] ^ b[i];
                }

                return different == 0;
            }

            private static void Copy(uint[] r, uint[] a)
            {
                for (int i = 0; i < P256Scalar.Words; i++)
                {
                    r[i] = a[i];
                }
            }

            private static uint Bit(uint[] words, int index)
            {
                uint at = (uint)index;
                return (words[(int)(at >> 5)] >> (int)(at & 31)) & 1;
            }

            // (X, Y, Z) = u2 Q.
            private void MultiplyKey()
            {
                ulong carry = 0;
                for (int i = 0; i < P256Scalar.Words; i++)
                {
                    carry = (carry >> 32) + ((ulong)_u2[i] * 3);
                    _triple[i] = (uint)carry;
                    _low[i] = _u2[i];
                }

                _triple[P256Scalar.Words] = (uint)(carry >> 32);
                _low[P256Scalar.Words] = 0;
                _isInfinity = true;
                for (int i = Digits; i > 0; i--)
                {
                    if (!_isInfinity)
                    {
                        Double();
                    }

                    uint plus = Bit(_triple, i);
                    uint minus = Bit(_low, i);
                    if (plus != minus)
                    {
                        _x2.Copy(_keyX);
                        _y2.Copy(plus != 0 ? _keyY : _keyMinusY);
                        AddChecked();
                    }
                }
            }

            // (X, Y, Z) += (x2, y2), whatever the two are.
            private void AddChecked()
            {
                if (_isInfinity)
                {
                    _x1.Copy(_x2);
                    _y1.Copy(_y2);
                    SetOne(_z1);
                    _isInfinity = false;
                    return;
                }

                // Same x: H = x2 Z^2 - X is zero.
                P256Element.Square(_a, _z1);
                P256Element.Multiply(_b, _z1, _a);
                P256Element.MultiplySubtract(_c, _x2, _a, _x1);
                FromMontgomery(_words, _c);
                if (!P256Scalar.IsZero(_words))
                {
                    Add();
                    return;
                }

                // Same y too: the point itself. Else its negative.
                P256Element.MultiplySubtract(_c, _y2, _b, _y1);
                FromMontgomery(_words, _c);
                if (P256Scalar.IsZero(_words))
                {
                    Double();
                }
                else
                {
                    _isInfinity = true;
                }
            }

            // False unless 32 big-endian bytes are below p.
            private bool ReadCoordinate(P256Element r, byte[] buffer, int offset)
            {
                P256Scalar.Read(_words, buffer, offset);
                Copy(_z, _words);
                P256Scalar.SubtractIfNotBelow(_z, P256Scalar.FieldPrime);
                bool below = Same(_z, _words);
                ToMontgomery(r, _words);
                return below;
            }
        }
    }
}

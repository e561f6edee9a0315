// ECDSA P-256 with a key in the board's flash: RFC 6979 nonce, low s, the same number of point operations for every key and digest.
// About 0.6 M IL instructions a signature; tests/Protocol (IlCostTests) holds it to that. "Software" says what it is: who reads the flash has the key.
// One instance is not for several threads at once.

using System;

namespace DePIN.Protocol
{
    public sealed class P256Signer : IDigestSigner
    {
        public const int PrivateKeyBytes = 32;

        // A draw is refused once in 2^32; this many in a row is a broken source.
        private const int DrawsMax = 16;

        private readonly byte[] _privateKey = new byte[PrivateKeyBytes];
        private readonly uint[] _keyMontgomery = new uint[P256Scalar.Words];
        private readonly P256Comb _comb = new P256Comb();
        private readonly ModularInverse _inverse = ModularInverse.ForOrder();
        private readonly Sha256 _hash = new Sha256();
        private readonly byte[] _digest = new byte[Sha256.DigestBytes];
        private readonly uint[] _z = new uint[P256Scalar.Words];
        private readonly uint[] _k = new uint[P256Scalar.Words];
        private readonly uint[] _r = new uint[P256Scalar.Words];
        private readonly uint[] _s = new uint[P256Scalar.Words];
        private byte[] _publicKey;

        /// <param name="privateKey32">32 bytes, big-endian, in [1, n-1]; copied.</param>
        /// <exception cref="ArgumentException">Not a private key.</exception>
        public P256Signer(byte[] privateKey32)
        {
            if (privateKey32 == null || privateKey32.Length != PrivateKeyBytes || !P256Order.IsInRange(privateKey32, 0))
            {
                throw new ArgumentException("a private key is 32 bytes in [1, n-1]", nameof(privateKey32));
            }

            Array.Copy(privateKey32, 0, _privateKey, 0, PrivateKeyBytes);
            P256Scalar.Read(_k, _privateKey, 0);
            P256Scalar.ToMontgomery(_keyMontgomery, _k);
            Array.Clear(_k, 0, P256Scalar.Words);
        }

        public byte KeyKind
        {
            get { return KeyKinds.Software; }
        }

        internal int PointOperations
        {
            get { return _comb.PointOperations; }
        }

        /// <summary>A new private key, 32 bytes: draws until one is in [1, n-1] (FIPS 186-5, appendix A.2.2).</summary>
        /// <exception cref="InvalidOperationException">The source does not give random bytes.</exception>
        public static byte[] CreatePrivateKey(IRandomSource random)
        {
            byte[] key = new byte[PrivateKeyBytes];
            for (int i = 0; i < DrawsMax; i++)
            {
                random.Fill(key, 0, PrivateKeyBytes);
                if (P256Order.IsInRange(key, 0))
                {
                    return key;
                }
            }

            throw new InvalidOperationException("the random source gives no usable key: do not use this board before it is repaired");
        }

        /// <summary>Writes X || Y. Computed at the first call, which costs most of a signature.</summary>
        public void ReadPublicKey(byte[] destination, int offset)
        {
            Bytes.CheckRange(destination, offset, DeviceId.PublicKeyBytes);
            if (_publicKey == null)
            {
                byte[] publicKey = new byte[DeviceId.PublicKeyBytes];
                P256Scalar.Read(_k, _privateKey, 0);
                _comb.Multiply(_k, publicKey, 0, publicKey, 32);
                Array.Clear(_k, 0, P256Scalar.Words);
                _publicKey = publicKey;
            }

            Array.Copy(_publicKey, 0, destination, offset, DeviceId.PublicKeyBytes);
        }

        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            _hash.Reset();
            _hash.Update(buffer, offset, count);
            _hash.Finish(_digest, 0);
            SignDigest(_digest, 0, signature, signatureOffset);
        }

        public void SignDigest(byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
        {
            Bytes.CheckRange(digest, digestOffset, Sha256.DigestBytes);
            Bytes.CheckRange(signature, signatureOffset, FrameFormat.SignatureBytes);

            // z = digest modulo n; FIPS 186-5, section 6.4.1.
            P256Scalar.Read(_z, digest, digestOffset);
            P256Scalar.SubtractIfNotBelow(_z, P256Scalar.Order);
            byte[] reduced = new byte[Sha256.DigestBytes];
            P256Scalar.Write(_z, reduced, 0);
            Rfc6979 nonces = new Rfc6979(_privateKey, reduced);
            do
            {
                byte[] nonce = nonces.Next();
                P256Scalar.Read(_k, nonce, 0);
                _comb.Multiply(_k, nonce, 0, null, 0);

                // r = x modulo n, and x < p < 2 n.
                P256Scalar.Read(_r, nonce, 0);
                P256Scalar.SubtractIfNotBelow(_r, P256Scalar.Order);

                // s = (z + r d) / k.
                P256Scalar.MultiplyMontgomery(_s, _r, _keyMontgomery);
                P256Scalar.Add(_s, _s, _z);
                _inverse.Invert(_k);
                P256Scalar.ToMontgomery(_k, _k);
                P256Scalar.MultiplyMontgomery(_s, _s, _k);
            }
            while (P256Scalar.IsZero(_r) || P256Scalar.IsZero(_s));

            P256Scalar.Write(_r, signature, signatureOffset);
            P256Scalar.Write(_s, signature, signatureOffset + 32);
            if (P256Order.IsHigh(signature, signatureOffset + 32))
            {
                P256Scalar.Negate(_s, _s);
                P256Scalar.Write(_s, signature, signatureOffset + 32);
            }

            nonces.Clear();
            Array.Clear(_k, 0, P256Scalar.Words);
        }
    }
}

// The nonce of a signature, from the key and the digest alone (RFC 6979 section 3.2, HMAC-SHA256): no randomness to get wrong at
// signing time. Next() again gives the following candidate, should one be refused.

using System;

namespace DePIN.Protocol
{
    internal sealed class Rfc6979
    {
        private readonly byte[] _input = new byte[32 + 1 + 32 + 32];
        private byte[] _k = new byte[32];
        private byte[] _v = new byte[32];
        private bool _first = true;

        /// <param name="privateKey">int2octets(x), 32 bytes.</param>
        /// <param name="digest">bits2octets(h1): the digest modulo n, 32 bytes.</param>
        public Rfc6979(byte[] privateKey, byte[] digest)
        {
            // Steps b to g.
            for (int i = 0; i < 32; i++)
            {
                _v[i] = 1;
            }

            Array.Copy(privateKey, 0, _input, 33, 32);
            Array.Copy(digest, 0, _input, 65, 32);
            for (int i = 0; i < 2; i++)
            {
                Array.Copy(_v, 0, _input, 0, 32);
                _input[32] = (byte)i;
                _k = HmacSha256.Compute(_k, _input);
                _v = HmacSha256.Compute(_k, _v);
            }
        }

        /// <summary>The next candidate, 32 bytes, in [1, n-1] (step h).</summary>
        public byte[] Next()
        {
            while (true)
            {
                if (!_first)
                {
                    byte[] retry = new byte[33];
                    Array.Copy(_v, 0, retry, 0, 32);
                    _k = HmacSha256.Compute(_k, retry);
                    _v = HmacSha256.Compute(_k, _v);
                }

                _first = false;
                _v = HmacSha256.Compute(_k, _v);
                if (P256Order.IsInRange(_v, 0))
                {
                    byte[] candidate = new byte[32];
                    Array.Copy(_v, 0, candidate, 0, 32);
                    return candidate;
                }
            }
        }

        /// <summary>Overwrites what the nonce was made from.</summary>
        public void Clear()
        {
            Array.Clear(_input, 0, _input.Length);
            Array.Clear(_k, 0, _k.Length);
            Array.Clear(_v, 0, _v.Length);
        }
    }
}

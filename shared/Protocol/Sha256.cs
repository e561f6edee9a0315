// SHA-256 (FIPS 180-4), incremental, for a board without one. Called for device ids, "previous", and what a signature covers.
// It is written for an interpreter, where each IL instruction costs the same: the rounds are unrolled on locals, and every 32-bit
// word is held twice in a 64-bit local (high half = low half), so that a rotation is one shift. Sums spoil the high half, and a
// conversion with one multiplication makes the two halves equal again. Just under 6 k IL instructions a block; tests/Protocol counts.

using System;

namespace DePIN.Protocol
{
    public sealed class Sha256
    {
        public const int DigestBytes = 32;
        public const int BlockBytes = 64;

        // x * Twice holds the 32-bit x in both halves.
        private const ulong Twice = 0x100000001;

        private readonly byte[] _pending = new byte[BlockBytes];
        private uint _h0;
        private uint _h1;
        private uint _h2;
        private uint _h3;
        private uint _h4;
        private uint _h5;
        private uint _h6;
        private uint _h7;
        private int _pendingBytes;
        private ulong _totalBytes;

        public Sha256()
        {
            Reset();
        }

        /// <summary>SHA-256 of a range of bytes, 32 bytes to the destination.</summary>
        public static void Hash(byte[] buffer, int offset, int count, byte[] digest, int digestOffset)
        {
            Sha256 hash = new Sha256();
            hash.Update(buffer, offset, count);
            hash.Finish(digest, digestOffset);
        }

        /// <summary>Begins a new message.</summary>
        public void Reset()
        {
            // FIPS 180-4, section 5.3.3.
            _h0 = 0x6a09e667;
            _h1 = 0xbb67ae85;
            _h2 = 0x3c6ef372;
            _h3 = 0xa54ff53a;
            _h4 = 0x510e527f;
            _h5 = 0x9b05688c;
            _h6 = 0x1f83d9ab;
            _h7 = 0x5be0cd19;
            _pendingBytes = 0;
            _totalBytes = 0;
        }

        public void Update(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            _totalBytes += (ulong)count;
            if (_pendingBytes == 0)
            {
                while (count >= BlockBytes)
                {
                    Array.Copy(buffer, offset, _pending, 0, BlockBytes);
                    Compress();
                    offset += BlockBytes;
                    count -= BlockBytes;
                }
            }

            while (count != 0)
            {
                int taken = BlockBytes - _pendingBytes;
                if (taken > count)
                {
                    taken = count;
                }

                Array.Copy(buffer, offset, _pending, _pendingBytes, taken);
                offset += taken;
                count -= taken;
                _pendingBytes += taken;
                if (_pendingBytes == BlockBytes)
                {
                    Compress();
                    _pendingBytes = 0;
                }
            }
        }

        /// <summary>Writes the digest, 32 bytes, and begins a new message.</summary>
        public void Finish(byte[] digest, int offset)
        {
            Bytes.CheckRange(digest, offset, DigestBytes);

            // Padding, FIPS 180-4 section 5.1.1: one bit, zeros, the length in bits.
            ulong totalBits = _totalBytes << 3;
            _pending[_pendingBytes] = 0x80;
            _pendingBytes++;
            if (_pendingBytes > BlockBytes - 8)
            {
                Array.Clear(_pending, _pendingBytes, BlockBytes - _pendingBytes);
                Compress();
                _pendingBytes = 0;
            }

            Array.Clear(_pending, _pendingBytes, BlockBytes - 8 - _pendingBytes);
            Bytes.WriteUInt64(_pending, BlockBytes - 8, totalBits);
            Compress();

            Bytes.WriteUInt32(digest, offset, _h0);
            Bytes.WriteUInt32(digest, offset + 4, _h1);
            Bytes.WriteUInt32(digest, offset + 8, _h2);
            Bytes.WriteUInt32(digest, offset + 12, _h3);
            Bytes.WriteUInt32(digest, offset + 16, _h4);
            Bytes.WriteUInt32(digest, offset + 20, _h5);
            Bytes.WriteUInt32(digest, offset + 24, _h6);
            Bytes.WriteUInt32(digest, offset + 28, _h7);
            Array.Clear(_pending, 0, BlockBytes);
            Reset();
        }

        // FIPS 180-4, section 6.2.2. The round constants carry a bit above their 32, where the sum is thrown away, so that each is one
        // instruction (ldc.i8) instead of two, and never a sign extension. Only what is rotated later is held twice.
        private void Compress()
        {
            byte[] block = _pending;
            ulong w0 = (uint)((block[0] << 24) | (block[1] << 16) | (block[2] << 8) | block[3]);
            ulong w1 = (uint)((block[4] << 24) | (block[5] << 16) | (block[6] << 8) | block[7]) * Twice;
            ulong w2 = (uint)((block[8] << 24) | (block[9] << 16) | (block[10] << 8) | block[11]) * Twice;
            ulong w3 = (uint)((block[12] << 24) | (block[13] << 16) | (block[14] << 8) | block[15]) * Twice;
            ulong w4 = (uint)((block[16] << 24) | (block[17] << 16) | (block[18] << 8) | block[19]) * Twice;
            ulong w5 = (uint)((block[20] << 24) | (block[21] << 16) | (block[22] << 8) | block[23]) * Twice;
            ulong w6 = (uint)((block[24] << 24) | (block[25] << 16) | (block[26] << 8) | block[27]) * Twice;
            ulong w7 = (uint)((block[28] << 24) | (block[29] << 16) | (block[30] << 8) | block[31]) * Twice;
            ulong w8 = (uint)((block[32] << 24) | (block[33] << 16) | (block[34] << 8) | block[35]) * Twice;
            ulong w9 = (uint)((block[36] << 24) | (block[37] << 16) | (block[38] << 8) | block[39]) * Twice;
            ulong w10 = (uint)((block[40] << 24) | (block[41] << 16) | (block[42] << 8) | block[43]) * Twice;
            ulong w11 = (uint)((block[44] << 24) | (block[45] << 16) | (block[46] << 8) | block[47]) * Twice;
            ulong w12 = (uint)((block[48] << 24) | (block[49] << 16) | (block[50] << 8) | block[51]) * Twice;
            ulong w13 = (uint)((block[52] << 24) | (block[53] << 16) | (block[54] << 8) | block[55]) * Twice;
            ulong w14 = (uint)((block[56] << 24) | (block[57] << 16) | (block[58] << 8) | block[59]) * Twice;
            ulong w15 = (uint)((block[60] << 24) | (block[61] << 16) | (block[62] << 8) | block[63]) * Twice;

            ulong a = _h0 * Twice;
            ulong b = _h1;
            ulong c = _h2;
            ulong d = _h3;
            ulong e = _h4 * Twice;
            ulong f = _h5;
            ulong g = _h6;
            ulong h = _h7;
            ulong t;

            // Rounds 0 to 15 take the block's words; the later ones make their word first, in the place of the one 16 rounds before.
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x1428a2f98 + w0)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x171374491 + w1)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x1b5c0fbcf + w2)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x1e9b5dba5 + w3)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x13956c25b + w4)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x159f111f1 + w5)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x1923f82a4 + w6)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x1ab1c5ed5 + w7)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x1d807aa98 + w8)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x112835b01 + w9)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x1243185be + w10)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x1550c7dc3 + w11)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x172be5d74 + w12)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x180deb1fe + w13)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x19bdc06a7 + w14)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x1c19bf174 + w15)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            w0 = (uint)(w0 + w9 + ((w1 >> 7) ^ (w1 >> 18) ^ (w1 >> 35)) + ((w14 >> 17) ^ (w14 >> 19) ^ (w14 >> 42))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x1e49b69c1 + w0)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            w1 = (uint)(w1 + w10 + ((w2 >> 7) ^ (w2 >> 18) ^ (w2 >> 35)) + ((w15 >> 17) ^ (w15 >> 19) ^ (w15 >> 42))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x1efbe4786 + w1)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            w2 = (uint)(w2 + w11 + ((w3 >> 7) ^ (w3 >> 18) ^ (w3 >> 35)) + ((w0 >> 17) ^ (w0 >> 19) ^ (w0 >> 42))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x10fc19dc6 + w2)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            w3 = (uint)(w3 + w12 + ((w4 >> 7) ^ (w4 >> 18) ^ (w4 >> 35)) + ((w1 >> 17) ^ (w1 >> 19) ^ (w1 >> 42))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x1240ca1cc + w3)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            w4 = (uint)(w4 + w13 + ((w5 >> 7) ^ (w5 >> 18) ^ (w5 >> 35)) + ((w2 >> 17) ^ (w2 >> 19) ^ (w2 >> 42))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x12de92c6f + w4)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            w5 = (uint)(w5 + w14 + ((w6 >> 7) ^ (w6 >> 18) ^ (w6 >> 35)) + ((w3 >> 17) ^ (w3 >> 19) ^ (w3 >> 42))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x14a7484aa + w5)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            w6 = (uint)(w6 + w15 + ((w7 >> 7) ^ (w7 >> 18) ^ (w7 >> 35)) + ((w4 >> 17) ^ (w4 >> 19) ^ (w4 >> 42))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x15cb0a9dc + w6)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            w7 = (uint)(w7 + w0 + ((w8 >> 7) ^ (w8 >> 18) ^ (w8 >> 35)) + ((w5 >> 17) ^ (w5 >> 19) ^ (w5 >> 42))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x176f988da + w7)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            w8 = (uint)(w8 + w1 + ((w9 >> 7) ^ (w9 >> 18) ^ (w9 >> 35)) + ((w6 >> 17) ^ (w6 >> 19) ^ (w6 >> 42))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x1983e5152 + w8)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            w9 = (uint)(w9 + w2 + ((w10 >> 7) ^ (w10 >> 18) ^ (w10 >> 35)) + ((w7 >> 17) ^ (w7 >> 19) ^ (w7 >> 42))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x1a831c66d + w9)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            w10 = (uint)(w10 + w3 + ((w11 >> 7) ^ (w11 >> 18) ^ (w11 >> 35)) + ((w8 >> 17) ^ (w8 >> 19) ^ (w8 >> 42))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x1b00327c8 + w10)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            w11 = (uint)(w11 + w4 + ((w12 >> 7) ^ (w12 >> 18) ^ (w12 >> 35)) + ((w9 >> 17) ^ (w9 >> 19) ^ (w9 >> 42))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x1bf597fc7 + w11)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            w12 = (uint)(w12 + w5 + ((w13 >> 7) ^ (w13 >> 18) ^ (w13 >> 35)) + ((w10 >> 17) ^ (w10 >> 19) ^ (w10 >> 42))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x1c6e00bf3 + w12)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            w13 = (uint)(w13 + w6 + ((w14 >> 7) ^ (w14 >> 18) ^ (w14 >> 35)) + ((w11 >> 17) ^ (w11 >> 19) ^ (w11 >> 42))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x1d5a79147 + w13)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            w14 = (uint)(w14 + w7 + ((w15 >> 7) ^ (w15 >> 18) ^ (w15 >> 35)) + ((w12 >> 17) ^ (w12 >> 19) ^ (w12 >> 42))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x106ca6351 + w14)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            w15 = (uint)(w15 + w8 + ((w0 >> 7) ^ (w0 >> 18) ^ (w0 >> 35)) + ((w13 >> 17) ^ (w13 >> 19) ^ (w13 >> 42))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x114292967 + w15)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            w0 = (uint)(w0 + w9 + ((w1 >> 7) ^ (w1 >> 18) ^ (w1 >> 35)) + ((w14 >> 17) ^ (w14 >> 19) ^ (w14 >> 42))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x127b70a85 + w0)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            w1 = (uint)(w1 + w10 + ((w2 >> 7) ^ (w2 >> 18) ^ (w2 >> 35)) + ((w15 >> 17) ^ (w15 >> 19) ^ (w15 >> 42))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x12e1b2138 + w1)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            w2 = (uint)(w2 + w11 + ((w3 >> 7) ^ (w3 >> 18) ^ (w3 >> 35)) + ((w0 >> 17) ^ (w0 >> 19) ^ (w0 >> 42))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x14d2c6dfc + w2)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            w3 = (uint)(w3 + w12 + ((w4 >> 7) ^ (w4 >> 18) ^ (w4 >> 35)) + ((w1 >> 17) ^ (w1 >> 19) ^ (w1 >> 42))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x153380d13 + w3)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            w4 = (uint)(w4 + w13 + ((w5 >> 7) ^ (w5 >> 18) ^ (w5 >> 35)) + ((w2 >> 17) ^ (w2 >> 19) ^ (w2 >> 42))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x1650a7354 + w4)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            w5 = (uint)(w5 + w14 + ((w6 >> 7) ^ (w6 >> 18) ^ (w6 >> 35)) + ((w3 >> 17) ^ (w3 >> 19) ^ (w3 >> 42))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x1766a0abb + w5)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            w6 = (uint)(w6 + w15 + ((w7 >> 7) ^ (w7 >> 18) ^ (w7 >> 35)) + ((w4 >> 17) ^ (w4 >> 19) ^ (w4 >> 42))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x181c2c92e + w6)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            w7 = (uint)(w7 + w0 + ((w8 >> 7) ^ (w8 >> 18) ^ (w8 >> 35)) + ((w5 >> 17) ^ (w5 >> 19) ^ (w5 >> 42))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x192722c85 + w7)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            w8 = (uint)(w8 + w1 + ((w9 >> 7) ^ (w9 >> 18) ^ (w9 >> 35)) + ((w6 >> 17) ^ (w6 >> 19) ^ (w6 >> 42))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x1a2bfe8a1 + w8)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            w9 = (uint)(w9 + w2 + ((w10 >> 7) ^ (w10 >> 18) ^ (w10 >> 35)) + ((w7 >> 17) ^ (w7 >> 19) ^ (w7 >> 42))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x1a81a664b + w9)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            w10 = (uint)(w10 + w3 + ((w11 >> 7) ^ (w11 >> 18) ^ (w11 >> 35)) + ((w8 >> 17) ^ (w8 >> 19) ^ (w8 >> 42))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x1c24b8b70 + w10)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            w11 = (uint)(w11 + w4 + ((w12 >> 7) ^ (w12 >> 18) ^ (w12 >> 35)) + ((w9 >> 17) ^ (w9 >> 19) ^ (w9 >> 42))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x1c76c51a3 + w11)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            w12 = (uint)(w12 + w5 + ((w13 >> 7) ^ (w13 >> 18) ^ (w13 >> 35)) + ((w10 >> 17) ^ (w10 >> 19) ^ (w10 >> 42))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x1d192e819 + w12)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            w13 = (uint)(w13 + w6 + ((w14 >> 7) ^ (w14 >> 18) ^ (w14 >> 35)) + ((w11 >> 17) ^ (w11 >> 19) ^ (w11 >> 42))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x1d6990624 + w13)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            w14 = (uint)(w14 + w7 + ((w15 >> 7) ^ (w15 >> 18) ^ (w15 >> 35)) + ((w12 >> 17) ^ (w12 >> 19) ^ (w12 >> 42))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x1f40e3585 + w14)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            w15 = (uint)(w15 + w8 + ((w0 >> 7) ^ (w0 >> 18) ^ (w0 >> 35)) + ((w13 >> 17) ^ (w13 >> 19) ^ (w13 >> 42))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x1106aa070 + w15)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            w0 = (uint)(w0 + w9 + ((w1 >> 7) ^ (w1 >> 18) ^ (w1 >> 35)) + ((w14 >> 17) ^ (w14 >> 19) ^ (w14 >> 42))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x119a4c116 + w0)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            w1 = (uint)(w1 + w10 + ((w2 >> 7) ^ (w2 >> 18) ^ (w2 >> 35)) + ((w15 >> 17) ^ (w15 >> 19) ^ (w15 >> 42))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x11e376c08 + w1)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            w2 = (uint)(w2 + w11 + ((w3 >> 7) ^ (w3 >> 18) ^ (w3 >> 35)) + ((w0 >> 17) ^ (w0 >> 19) ^ (w0 >> 42))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x12748774c + w2)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            w3 = (uint)(w3 + w12 + ((w4 >> 7) ^ (w4 >> 18) ^ (w4 >> 35)) + ((w1 >> 17) ^ (w1 >> 19) ^ (w1 >> 42))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x134b0bcb5 + w3)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            w4 = (uint)(w4 + w13 + ((w5 >> 7) ^ (w5 >> 18) ^ (w5 >> 35)) + ((w2 >> 17) ^ (w2 >> 19) ^ (w2 >> 42))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x1391c0cb3 + w4)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            w5 = (uint)(w5 + w14 + ((w6 >> 7) ^ (w6 >> 18) ^ (w6 >> 35)) + ((w3 >> 17) ^ (w3 >> 19) ^ (w3 >> 42))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x14ed8aa4a + w5)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            w6 = (uint)(w6 + w15 + ((w7 >> 7) ^ (w7 >> 18) ^ (w7 >> 35)) + ((w4 >> 17) ^ (w4 >> 19) ^ (w4 >> 42))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x15b9cca4f + w6)) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            w7 = (uint)(w7 + w0 + ((w8 >> 7) ^ (w8 >> 18) ^ (w8 >> 35)) + ((w5 >> 17) ^ (w5 >> 19) ^ (w5 >> 42))) * Twice;
            e = (uint)(e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x1682e6ff3 + w7)) * Twice;
            a = (uint)(t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)))) * Twice;
            w8 = (uint)(w8 + w1 + ((w9 >> 7) ^ (w9 >> 18) ^ (w9 >> 35)) + ((w6 >> 17) ^ (w6 >> 19) ^ (w6 >> 42))) * Twice;
            d = (uint)(d + (t = h + ((e >> 6) ^ (e >> 11) ^ (e >> 25)) + (g ^ (e & (f ^ g))) + 0x1748f82ee + w8)) * Twice;
            h = (uint)(t + ((a >> 2) ^ (a >> 13) ^ (a >> 22)) + ((a & b) | (c & (a | b)))) * Twice;
            w9 = (uint)(w9 + w2 + ((w10 >> 7) ^ (w10 >> 18) ^ (w10 >> 35)) + ((w7 >> 17) ^ (w7 >> 19) ^ (w7 >> 42))) * Twice;
            c = (uint)(c + (t = g + ((d >> 6) ^ (d >> 11) ^ (d >> 25)) + (f ^ (d & (e ^ f))) + 0x178a5636f + w9)) * Twice;
            g = (uint)(t + ((h >> 2) ^ (h >> 13) ^ (h >> 22)) + ((h & a) | (b & (h | a)))) * Twice;
            w10 = (uint)(w10 + w3 + ((w11 >> 7) ^ (w11 >> 18) ^ (w11 >> 35)) + ((w8 >> 17) ^ (w8 >> 19) ^ (w8 >> 42))) * Twice;
            b = (uint)(b + (t = f + ((c >> 6) ^ (c >> 11) ^ (c >> 25)) + (e ^ (c & (d ^ e))) + 0x184c87814 + w10)) * Twice;
            f = (uint)(t + ((g >> 2) ^ (g >> 13) ^ (g >> 22)) + ((g & h) | (a & (g | h)))) * Twice;
            w11 = (uint)(w11 + w4 + ((w12 >> 7) ^ (w12 >> 18) ^ (w12 >> 35)) + ((w9 >> 17) ^ (w9 >> 19) ^ (w9 >> 42))) * Twice;
            a = (uint)(a + (t = e + ((b >> 6) ^ (b >> 11) ^ (b >> 25)) + (d ^ (b & (c ^ d))) + 0x18cc70208 + w11)) * Twice;
            e = (uint)(t + ((f >> 2) ^ (f >> 13) ^ (f >> 22)) + ((f & g) | (h & (f | g)))) * Twice;
            w12 = (uint)(w12 + w5 + ((w13 >> 7) ^ (w13 >> 18) ^ (w13 >> 35)) + ((w10 >> 17) ^ (w10 >> 19) ^ (w10 >> 42))) * Twice;
            h = (uint)(h + (t = d + ((a >> 6) ^ (a >> 11) ^ (a >> 25)) + (c ^ (a & (b ^ c))) + 0x190befffa + w12)) * Twice;
            d = (uint)(t + ((e >> 2) ^ (e >> 13) ^ (e >> 22)) + ((e & f) | (g & (e | f)))) * Twice;
            w13 = (uint)(w13 + w6 + ((w14 >> 7) ^ (w14 >> 18) ^ (w14 >> 35)) + ((w11 >> 17) ^ (w11 >> 19) ^ (w11 >> 42))) * Twice;
            g = (uint)(g + (t = c + ((h >> 6) ^ (h >> 11) ^ (h >> 25)) + (b ^ (h & (a ^ b))) + 0x1a4506ceb + w13)) * Twice;
            c = (uint)(t + ((d >> 2) ^ (d >> 13) ^ (d >> 22)) + ((d & e) | (f & (d | e)))) * Twice;
            f = (uint)(f + (t = b + ((g >> 6) ^ (g >> 11) ^ (g >> 25)) + (a ^ (g & (h ^ a))) + 0x1bef9a3f7 + w14 + w7 + ((w15 >> 7) ^ (w15 >> 18) ^ (w15 >> 35)) + ((w12 >> 17) ^ (w12 >> 19) ^ (w12 >> 42)))) * Twice;
            b = (uint)(t + ((c >> 2) ^ (c >> 13) ^ (c >> 22)) + ((c & d) | (e & (c | d)))) * Twice;
            e = e + (t = a + ((f >> 6) ^ (f >> 11) ^ (f >> 25)) + (h ^ (f & (g ^ h))) + 0x1c67178f2 + w15 + w8 + ((w0 >> 7) ^ (w0 >> 18) ^ (w0 >> 35)) + ((w13 >> 17) ^ (w13 >> 19) ^ (w13 >> 42)));
            a = t + ((b >> 2) ^ (b >> 13) ^ (b >> 22)) + ((b & c) | (d & (b | c)));

            _h0 += (uint)a;
            _h1 += (uint)b;
            _h2 += (uint)c;
            _h3 += (uint)d;
            _h4 += (uint)e;
            _h5 += (uint)f;
            _h6 += (uint)g;
            _h7 += (uint)h;
        }
    }
}

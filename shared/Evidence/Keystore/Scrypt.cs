using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DePIN.Evidence;

/// <summary>
/// scrypt, RFC 7914. Own code because BouncyCastle's refuses r = 1 with n above 65535 (the RFC's own bound), which the test vector of
/// Web3 Secret Storage, and so every wallet, has. The caller bounds the work; all memory is zeroed.
/// </summary>
public static class Scrypt
{
    private const int SalsaWords = 16;

    /// <param name="passphrase">UTF-8.</param>
    /// <param name="salt">Any number of bytes.</param>
    /// <param name="n">Cost, a power of two from 2.</param>
    /// <param name="r">Block size; 128·n·r bytes are taken.</param>
    /// <param name="p">How often, one after another.</param>
    /// <param name="bytes">Size of the result.</param>
    public static byte[] Derive(ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, int n, int r, int p, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(r, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(p, 1);
        if (!BitOperations.IsPow2(n))
        {
            throw new ArgumentOutOfRangeException(nameof(n), n, "a power of two");
        }

        int words = 32 * r;
        byte[] blocks = Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, 1, HashAlgorithmName.SHA256, checked(4 * words * p));
        uint[][] table = new uint[n][]; // rows: an array of 128·n·r bytes would be too large for one
        uint[] block = new uint[words], mixed = new uint[words];
        try
        {
            for (int part = 0; part < p; part++)
            {
                Span<byte> at = blocks.AsSpan(4 * words * part, 4 * words);
                for (int i = 0; i < words; i++)
                {
                    block[i] = BinaryPrimitives.ReadUInt32LittleEndian(at[(4 * i)..]);
                }

                Mix(block, mixed, table, n, r);
                for (int i = 0; i < words; i++)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(at[(4 * i)..], block[i]);
                }
            }

            return Rfc2898DeriveBytes.Pbkdf2(passphrase, blocks, 1, HashAlgorithmName.SHA256, bytes);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(blocks);
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(block.AsSpan()));
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(mixed.AsSpan()));
            foreach (uint[]? row in table)
            {
                CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(row.AsSpan()));
            }
        }
    }

    /// <summary>scryptROMix, section 5.</summary>
    private static void Mix(uint[] block, uint[] mixed, uint[][] table, int n, int r)
    {
        for (int i = 0; i < n; i++)
        {
            uint[] row = table[i] ??= new uint[block.Length];
            block.CopyTo(row, 0);
            MixBlock(block, mixed, r);
        }

        for (int i = 0; i < n; i++)
        {
            uint[] row = table[(int)(block[(2 * r - 1) * SalsaWords] & (uint)(n - 1))];
            for (int word = 0; word < block.Length; word++)
            {
                block[word] ^= row[word];
            }

            MixBlock(block, mixed, r);
        }
    }

    /// <summary>scryptBlockMix, section 4: even results to the first half, odd ones to the second.</summary>
    private static void MixBlock(uint[] block, uint[] mixed, int r)
    {
        Span<uint> x = stackalloc uint[SalsaWords];
        block.AsSpan((2 * r - 1) * SalsaWords, SalsaWords).CopyTo(x);
        for (int i = 0; i < 2 * r; i++)
        {
            ReadOnlySpan<uint> part = block.AsSpan(i * SalsaWords, SalsaWords);
            for (int word = 0; word < SalsaWords; word++)
            {
                x[word] ^= part[word];
            }

            Salsa(x);
            x.CopyTo(mixed.AsSpan((i / 2 + (i % 2) * r) * SalsaWords, SalsaWords));
        }

        mixed.CopyTo(block, 0);
    }

    /// <summary>Salsa20/8 Core, section 3.</summary>
    private static void Salsa(Span<uint> b)
    {
        uint x0 = b[0], x1 = b[1], x2 = b[2], x3 = b[3], x4 = b[4], x5 = b[5], x6 = b[6], x7 = b[7];
        uint x8 = b[8], x9 = b[9], x10 = b[10], x11 = b[11], x12 = b[12], x13 = b[13], x14 = b[14], x15 = b[15];
        for (int round = 0; round < 8; round += 2)
        {
            Quarter(ref x0, ref x4, ref x8, ref x12);
            Quarter(ref x5, ref x9, ref x13, ref x1);
            Quarter(ref x10, ref x14, ref x2, ref x6);
            Quarter(ref x15, ref x3, ref x7, ref x11);
            Quarter(ref x0, ref x1, ref x2, ref x3);
            Quarter(ref x5, ref x6, ref x7, ref x4);
            Quarter(ref x10, ref x11, ref x8, ref x9);
            Quarter(ref x15, ref x12, ref x13, ref x14);
        }

        b[0] += x0;
        b[1] += x1;
        b[2] += x2;
        b[3] += x3;
        b[4] += x4;
        b[5] += x5;
        b[6] += x6;
        b[7] += x7;
        b[8] += x8;
        b[9] += x9;
        b[10] += x10;
        b[11] += x11;
        b[12] += x12;
        b[13] += x13;
        b[14] += x14;
        b[15] += x15;
    }

    private static void Quarter(ref uint a, ref uint b, ref uint c, ref uint d)
    {
        b ^= BitOperations.RotateLeft(a + d, 7);
        c ^= BitOperations.RotateLeft(b + a, 9);
        d ^= BitOperations.RotateLeft(c + b, 13);
        a ^= BitOperations.RotateLeft(d + c, 18);
    }
}

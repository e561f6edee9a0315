// Keccak-256 as Ethereum uses it (padding 0x01), for the leaf hashes in the vectors: a second opinion beside shared/Evidence.

using System.Buffers.Binary;
using System.Numerics;

namespace DePIN.Protocol.Tests;

internal static class Keccak256
{
    private const int RateBytes = 136;

    public static byte[] Hash(byte[] message)
    {
        byte[] padded = new byte[(message.Length / RateBytes * RateBytes) + RateBytes];
        message.CopyTo(padded, 0);
        padded[message.Length] |= 0x01;
        padded[^1] |= 0x80;
        ulong[] a = new ulong[25];
        for (int at = 0; at < padded.Length; at += RateBytes)
        {
            for (int i = 0; i < RateBytes / 8; i++)
            {
                a[i] ^= BinaryPrimitives.ReadUInt64LittleEndian(padded.AsSpan(at + (8 * i)));
            }

            Permute(a);
        }

        byte[] digest = new byte[32];
        for (int i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(digest.AsSpan(8 * i), a[i]);
        }

        return digest;
    }

    // FIPS 202 section 3.2, straight from the text: the rotations and round constants are computed, not listed.
    private static void Permute(ulong[] a)
    {
        byte lfsr = 1;
        for (int round = 0; round < 24; round++)
        {
            ulong[] c = [.. Enumerable.Range(0, 5).Select(x => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20])];
            for (int i = 0; i < 25; i++)
            {
                a[i] ^= c[((i % 5) + 4) % 5] ^ BitOperations.RotateLeft(c[((i % 5) + 1) % 5], 1);
            }

            (int px, int py) = (1, 0);
            ulong current = a[1];
            for (int t = 0; t < 24; t++)
            {
                (px, py) = (py, ((2 * px) + (3 * py)) % 5);
                (current, a[px + (5 * py)]) = (a[px + (5 * py)], BitOperations.RotateLeft(current, (t + 1) * (t + 2) / 2 % 64));
            }

            for (int y = 0; y < 25; y += 5)
            {
                ulong[] row = a[y..(y + 5)];
                for (int x = 0; x < 5; x++)
                {
                    a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
                }
            }

            for (int j = 0; j < 7; j++)
            {
                if ((lfsr & 1) != 0)
                {
                    a[0] ^= 1UL << ((1 << j) - 1);
                }

                lfsr = (byte)((lfsr << 1) ^ ((lfsr >> 7) * 0x71));
            }
        }
    }
}

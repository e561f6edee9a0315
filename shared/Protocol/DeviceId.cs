// A device's name: the last 20 bytes of SHA-256(X || Y) of its P-256 key. In text: 40 lower-case hex digits, without 0x.

using System;

namespace DePIN.Protocol
{
    public static class DeviceId
    {
        public const int Bytes = 20;
        public const int PublicKeyBytes = 64;
        public const int TextChars = Bytes * 2;

        private const string HexDigits = "0123456789abcdef";

        /// <summary>Writes the 20-byte id of a public key X || Y.</summary>
        public static void FromPublicKey(byte[] publicKey, int offset, byte[] id, int idOffset)
        {
            Protocol.Bytes.CheckRange(publicKey, offset, PublicKeyBytes);
            Protocol.Bytes.CheckRange(id, idOffset, Bytes);
            byte[] digest = new byte[Sha256.DigestBytes];
            Sha256.Hash(publicKey, offset, PublicKeyBytes, digest, 0);
            Array.Copy(digest, Sha256.DigestBytes - Bytes, id, idOffset, Bytes);
        }

        public static string ToText(byte[] id, int offset)
        {
            Protocol.Bytes.CheckRange(id, offset, Bytes);
            char[] text = new char[TextChars];
            for (int i = 0; i < Bytes; i++)
            {
                text[2 * i] = HexDigits[(int)((uint)id[offset + i] >> 4)];
                text[(2 * i) + 1] = HexDigits[id[offset + i] & 15];
            }

            return new string(text);
        }

        /// <summary>Reads 40 hex digits of either case, with or without 0x, into 20 bytes. False, with the id untouched, for anything else.</summary>
        public static bool TryParse(string text, byte[] id)
        {
            Protocol.Bytes.CheckRange(id, 0, Bytes);
            if (text == null)
            {
                return false;
            }

            int start = 0;
            if (text.Length == TextChars + 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
            {
                start = 2;
            }

            if (text.Length != TextChars + start)
            {
                return false;
            }

            char[] digits = text.ToCharArray();
            byte[] parsed = new byte[Bytes];
            for (int i = 0; i < Bytes; i++)
            {
                int high = Digit(digits[start + (2 * i)]);
                int low = Digit(digits[start + (2 * i) + 1]);
                if (high < 0 || low < 0)
                {
                    return false;
                }

                parsed[i] = (byte)((high << 4) | low);
            }

            Array.Copy(parsed, 0, id, 0, Bytes);
            return true;
        }

        private static int Digit(char c)
        {
            if (c >= '0' && c <= '9')
            {
                return c - '0';
            }

            if (c >= 'a' && c <= 'f')
            {
                return c - 'a' + 10;
            }

            return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        }
    }
}

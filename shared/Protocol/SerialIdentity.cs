// What a board answers to an identity request: who it is and what runs on it.
//
// offset  size  field
//      0     1  key kind (see KeyKinds)
//      1    64  public key X || Y
//     65    20  device id
//     85     1  state, the firmware's own
//     86     1  length F of the firmware version
//     87     F  firmware version, UTF-8
//   87+F     1  length B of the board name
//   88+F     B  board name, UTF-8

using System;

namespace DePIN.Protocol
{
    public static class SerialIdentity
    {
        public const int PublicKeyOffset = 1;
        public const int DeviceIdOffset = 65;
        public const int StateOffset = 85;
        public const int FirmwareOffset = 86;
        public const int TextBytesMax = 64;
        public const int BytesMin = 88;
        public const int BytesMax = BytesMin + TextBytesMax + TextBytesMax;

        /// <summary>Writes the answer's data and returns its size. Texts are UTF-8 bytes of at most 64.</summary>
        public static int Write(byte keyKind, byte[] publicKey, byte state, byte[] firmware, byte[] board, byte[] destination, int offset)
        {
            if (publicKey == null || publicKey.Length != DeviceId.PublicKeyBytes)
            {
                throw new ArgumentException("a public key has 64 bytes", nameof(publicKey));
            }

            if (firmware == null || firmware.Length > TextBytesMax)
            {
                throw new ArgumentException("at most 64 bytes", nameof(firmware));
            }

            if (board == null || board.Length > TextBytesMax)
            {
                throw new ArgumentException("at most 64 bytes", nameof(board));
            }

            int count = BytesMin + firmware.Length + board.Length;
            Bytes.CheckRange(destination, offset, count);
            destination[offset] = keyKind;
            Array.Copy(publicKey, 0, destination, offset + PublicKeyOffset, DeviceId.PublicKeyBytes);
            DeviceId.FromPublicKey(publicKey, 0, destination, offset + DeviceIdOffset);
            destination[offset + StateOffset] = state;
            int at = offset + FirmwareOffset;
            destination[at] = (byte)firmware.Length;
            Array.Copy(firmware, 0, destination, at + 1, firmware.Length);
            at += 1 + firmware.Length;
            destination[at] = (byte)board.Length;
            Array.Copy(board, 0, destination, at + 1, board.Length);
            return count;
        }

        /// <summary>Whether the bytes are an identity: sizes agree, nothing trails, and the id is the public key's.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            if (count < BytesMin)
            {
                return false;
            }

            int firmwareBytes = FirmwareBytes(buffer, offset);
            if (firmwareBytes > TextBytesMax || count < BytesMin + firmwareBytes)
            {
                return false;
            }

            int boardBytes = BoardBytes(buffer, offset);
            if (boardBytes > TextBytesMax || count != BytesMin + firmwareBytes + boardBytes)
            {
                return false;
            }

            byte[] id = new byte[DeviceId.Bytes];
            DeviceId.FromPublicKey(buffer, offset + PublicKeyOffset, id, 0);
            for (int i = 0; i < DeviceId.Bytes; i++)
            {
                if (id[i] != buffer[offset + DeviceIdOffset + i])
                {
                    return false;
                }
            }

            return true;
        }

        public static byte KeyKind(byte[] buffer, int offset)
        {
            return buffer[offset];
        }

        public static byte State(byte[] buffer, int offset)
        {
            return buffer[offset + StateOffset];
        }

        /// <summary>Length of the firmware version, which begins at <see cref="FirmwareTextOffset"/>.</summary>
        public static int FirmwareBytes(byte[] buffer, int offset)
        {
            return buffer[offset + FirmwareOffset];
        }

        public static int FirmwareTextOffset(int offset)
        {
            return offset + FirmwareOffset + 1;
        }

        /// <summary>Length of the board name, which begins at <see cref="BoardTextOffset"/>.</summary>
        public static int BoardBytes(byte[] buffer, int offset)
        {
            return buffer[BoardTextOffset(buffer, offset) - 1];
        }

        public static int BoardTextOffset(byte[] buffer, int offset)
        {
            return FirmwareTextOffset(offset) + FirmwareBytes(buffer, offset) + 1;
        }
    }
}

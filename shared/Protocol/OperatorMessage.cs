// What an operator signs (ECDSA P-256 over SHA-256, r || s) so that a locked board obeys: one command, for one board, once. The nonce is the
// board's own and good for one try.
//
// offset  size  field
//      0     2  magic "DO"
//      2     1  version = 1
//      3     1  type of the command (see SerialTypes)
//      4    20  device id
//     24    32  nonce that the board gave
//     56    32  SHA-256 of the command's data

using System;

namespace DePIN.Protocol
{
    public static class OperatorMessage
    {
        public const int Bytes = 88;
        public const byte Version = 1;
        public const int NonceBytes = 32;
        public const int DeviceIdOffset = 4;
        public const int NonceOffset = 24;
        public const int DigestOffset = 56;

        /// <summary>Writes the 88 bytes to sign.</summary>
        public static void Write(byte type, byte[] deviceId, byte[] nonce, byte[] data, int dataOffset, int dataCount, byte[] destination, int offset)
        {
            if (deviceId == null || deviceId.Length != DeviceId.Bytes)
            {
                throw new ArgumentException("a device id has 20 bytes", nameof(deviceId));
            }

            if (nonce == null || nonce.Length != NonceBytes)
            {
                throw new ArgumentException("a nonce has 32 bytes", nameof(nonce));
            }

            Protocol.Bytes.CheckRange(data, dataOffset, dataCount);
            Protocol.Bytes.CheckRange(destination, offset, Bytes);
            destination[offset] = 0x44;
            destination[offset + 1] = 0x4F;
            destination[offset + 2] = Version;
            destination[offset + 3] = type;
            Array.Copy(deviceId, 0, destination, offset + DeviceIdOffset, DeviceId.Bytes);
            Array.Copy(nonce, 0, destination, offset + NonceOffset, NonceBytes);
            Sha256.Hash(data, dataOffset, dataCount, destination, offset + DigestOffset);
        }
    }
}

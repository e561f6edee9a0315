// What a board signs to show that it holds its key now: a nonce of who asks. Magic and length tell it from frames and claims.
//
// offset  size  field
//      0     2  magic "DN"
//      2     1  version = 1
//      3     1  key kind (see KeyKinds)
//      4    20  device id
//     24    32  nonce of who asks

using System;

namespace DePIN.Protocol
{
    public static class ChallengeMessage
    {
        public const int Bytes = 56;
        public const byte Version = 1;
        public const int NonceBytes = 32;
        public const int DeviceIdOffset = 4;
        public const int NonceOffset = 24;

        /// <summary>Writes the 56 bytes to sign.</summary>
        public static void Write(byte keyKind, byte[] deviceId, byte[] nonce, int nonceOffset, byte[] destination, int offset)
        {
            if (deviceId == null || deviceId.Length != DeviceId.Bytes)
            {
                throw new ArgumentException("a device id has 20 bytes", nameof(deviceId));
            }

            Protocol.Bytes.CheckRange(nonce, nonceOffset, NonceBytes);
            Protocol.Bytes.CheckRange(destination, offset, Bytes);
            destination[offset] = 0x44;
            destination[offset + 1] = 0x4E;
            destination[offset + 2] = Version;
            destination[offset + 3] = keyKind;
            Array.Copy(deviceId, 0, destination, offset + DeviceIdOffset, DeviceId.Bytes);
            Array.Copy(nonce, nonceOffset, destination, offset + NonceOffset, NonceBytes);
        }
    }
}

// What a device signs so that an owner may register it: chain, registry and owner are inside, so a claim works once and nowhere else.
//
// offset  size  field
//      0     2  magic "DC"
//      2     1  version = 1
//      3     1  key kind (see KeyKinds)
//      4    32  chain id, u256
//     36    20  address of the device registry
//     56    20  address of the owner

using System;

namespace DePIN.Protocol
{
    public static class ClaimMessage
    {
        public const int Bytes = 76;
        public const byte Version = 1;
        public const int ChainIdBytes = 32;
        public const int AddressBytes = 20;

        public const int KeyKindOffset = 3;
        public const int ChainIdOffset = 4;
        public const int RegistryOffset = 36;
        public const int OwnerOffset = 56;

        /// <summary>Writes the 76 bytes to sign.</summary>
        /// <exception cref="ArgumentException">A part does not have its size.</exception>
        public static void Write(byte keyKind, byte[] chainId32, byte[] registry20, byte[] owner20, byte[] destination, int offset)
        {
            CheckSize(chainId32, ChainIdBytes, nameof(chainId32));
            CheckSize(registry20, AddressBytes, nameof(registry20));
            CheckSize(owner20, AddressBytes, nameof(owner20));
            Protocol.Bytes.CheckRange(destination, offset, Bytes);
            destination[offset] = 0x44;
            destination[offset + 1] = 0x43;
            destination[offset + 2] = Version;
            destination[offset + KeyKindOffset] = keyKind;
            Array.Copy(chainId32, 0, destination, offset + ChainIdOffset, ChainIdBytes);
            Array.Copy(registry20, 0, destination, offset + RegistryOffset, AddressBytes);
            Array.Copy(owner20, 0, destination, offset + OwnerOffset, AddressBytes);
        }

        private static void CheckSize(byte[] part, int bytes, string name)
        {
            if (part == null || part.Length != bytes)
            {
                throw new ArgumentException(bytes + " bytes are needed", name);
            }
        }
    }
}

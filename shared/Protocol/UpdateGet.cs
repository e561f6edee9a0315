// Device to gateway: which piece of an offered update it wants next. QoS 0; a device asks again when no answer comes.
//
// offset  size  field
//      0     8  first 8 bytes of the manifest's SHA-256, all of it
//      8     1  index of the file in the manifest
//      9     4  offset in the file
//     13     2  count, 1..1024; less at the end of a file

namespace DePIN.Protocol
{
    public static class UpdateGet
    {
        public const int Bytes = 15;
        public const int CountMax = 1024;

        public const int FileOffset = 8;
        public const int AtOffset = 9;
        public const int CountOffset = 13;

        public static void Write(byte[] manifestHash, byte file, uint at, ushort count, byte[] destination, int offset)
        {
            Protocol.Bytes.CheckRange(manifestHash, 0, UpdateManifest.PrefixBytes);
            Protocol.Bytes.CheckRange(destination, offset, Bytes);
            System.Array.Copy(manifestHash, 0, destination, offset, UpdateManifest.PrefixBytes);
            destination[offset + FileOffset] = file;
            Protocol.Bytes.WriteUInt32(destination, offset + AtOffset, at);
            Protocol.Bytes.WriteUInt16(destination, offset + CountOffset, count);
        }

        /// <summary>Whether the bytes are a request: 15 of them, with a count in 1..1024 and an end below 2^32.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Protocol.Bytes.CheckRange(buffer, offset, count);
            return count == Bytes && HasCount(buffer, offset);
        }

        /// <summary>Whether it names the manifest with this SHA-256.</summary>
        public static bool IsFor(byte[] buffer, int offset, byte[] manifestHash)
        {
            for (int i = 0; i < UpdateManifest.PrefixBytes; i++)
            {
                if (buffer[offset + i] != manifestHash[i])
                {
                    return false;
                }
            }

            return true;
        }

        public static byte File(byte[] buffer, int offset)
        {
            return buffer[offset + FileOffset];
        }

        public static uint At(byte[] buffer, int offset)
        {
            return Protocol.Bytes.ReadUInt32(buffer, offset + AtOffset);
        }

        public static ushort Count(byte[] buffer, int offset)
        {
            return (ushort)Protocol.Bytes.ReadUInt16(buffer, offset + CountOffset);
        }

        internal static bool HasCount(byte[] buffer, int offset)
        {
            uint wanted = Count(buffer, offset);
            return wanted != 0 && wanted <= CountMax && At(buffer, offset) <= uint.MaxValue - wanted;
        }
    }
}

// The provisioning frames between a board and a technician's computer, over a serial line (115200 8N1) that also carries log text
// and noise. SerialFrame writes one; SerialDecoder finds them in a stream.
//
// offset  size  field
//      0     4  magic "DePN"
//      4     1  version = 1
//      5     1  type (see SerialTypes)
//      6     1  sequence: an answer repeats its request's
//      7     2  length N of the data, big-endian, at most 512
//      9     N  data
//    9+N     4  CRC-32 (IEEE 802.3) of all preceding bytes, big-endian

using System;

namespace DePIN.Protocol
{
    public static class SerialFrame
    {
        public const byte Version = 1;
        public const int HeaderBytes = 9;
        public const int DataBytesMax = 512;
        public const int CrcBytes = 4;
        public const int FrameBytesMin = HeaderBytes + CrcBytes;
        public const int FrameBytesMax = HeaderBytes + DataBytesMax + CrcBytes;

        public const int VersionOffset = 4;
        public const int TypeOffset = 5;
        public const int SequenceOffset = 6;
        public const int DataBytesOffset = 7;
        public const int DataOffset = 9;

        internal const byte Magic0 = 0x44; // 'D'
        internal const byte Magic1 = 0x65; // 'e'
        internal const byte Magic2 = 0x50; // 'P'
        internal const byte Magic3 = 0x4E; // 'N'

        /// <summary>Writes one frame and returns its size in bytes.</summary>
        /// <exception cref="ArgumentOutOfRangeException">More than 512 bytes of data, or no room at the destination.</exception>
        public static int Write(byte type, byte sequence, byte[] data, int dataOffset, int dataCount, byte[] destination, int offset)
        {
            Bytes.CheckRange(data, dataOffset, dataCount);
            if (dataCount > DataBytesMax)
            {
                throw new ArgumentOutOfRangeException(nameof(dataCount));
            }

            Bytes.CheckRange(destination, offset, FrameBytesMin + dataCount);
            destination[offset] = Magic0;
            destination[offset + 1] = Magic1;
            destination[offset + 2] = Magic2;
            destination[offset + 3] = Magic3;
            destination[offset + VersionOffset] = Version;
            destination[offset + TypeOffset] = type;
            destination[offset + SequenceOffset] = sequence;
            Bytes.WriteUInt16(destination, offset + DataBytesOffset, (uint)dataCount);
            Array.Copy(data, dataOffset, destination, offset + DataOffset, dataCount);
            uint crc = Crc32.Compute(destination, offset, HeaderBytes + dataCount);
            Bytes.WriteUInt32(destination, offset + HeaderBytes + dataCount, crc);
            return FrameBytesMin + dataCount;
        }
    }

    /// <summary>Types of serial frames and the layout of their data. A request's answer has the request's type with bit 7 set.</summary>
    public static class SerialTypes
    {
        /// <summary>No data.</summary>
        public const byte IdentityRequest = 0x01;

        /// <summary>Chain id 32 | registry 20 | owner 20.</summary>
        public const byte ClaimRequest = 0x02;

        /// <summary>Lines key=value, UTF-8.</summary>
        public const byte ConfigureRequest = 0x03;

        /// <summary>No data.</summary>
        public const byte RestartRequest = 0x04;

        /// <summary>See <see cref="SerialIdentity"/>.</summary>
        public const byte IdentityResponse = 0x81;

        /// <summary>r || s, 64 bytes, over the <see cref="ClaimMessage"/>.</summary>
        public const byte ClaimResponse = 0x82;

        /// <summary>One byte: 1 accepted, 0 not.</summary>
        public const byte ConfigureResponse = 0x83;

        /// <summary>No data.</summary>
        public const byte RestartResponse = 0x84;

        /// <summary>Code u8 | text, UTF-8.</summary>
        public const byte Error = 0xFF;

        public const int ClaimRequestBytes = ClaimMessage.ChainIdBytes + ClaimMessage.AddressBytes + ClaimMessage.AddressBytes;
    }
}

// Improv Wi-Fi over a serial line (improv-wifi.com/serial, version 1; 115200 8N1): the open protocol by which any client gives a board its
// Wi-Fi. It has no security of its own. ImprovFrame writes one frame; SerialDecoder finds them; ImprovRpc and ImprovResult are the data.
//
// offset  size  field
//      0     6  "IMPROV"
//      6     1  version = 1
//      7     1  type (see ImprovTypes)
//      8     1  length N of the data
//      9     N  data
//    9+N     1  checksum: sum of all preceding bytes, modulo 256
//
// On the wire a line feed goes before and behind it. The official JavaScript client searches for a frame behind a line feed only, and takes
// one within the first nine bytes for a new beginning: so each of our frames has one before it, and a board sends none of length 10.

using System;

namespace DePIN.Protocol
{
    public static class ImprovFrame
    {
        public const byte Version = 1;
        public const int HeaderBytes = 9;
        public const int DataBytesMax = 255;
        public const int ChecksumBytes = 1;
        public const int FrameBytesMin = HeaderBytes + ChecksumBytes;
        public const int FrameBytesMax = FrameBytesMin + DataBytesMax;

        /// <summary>With the line feeds around it.</summary>
        public const int WireBytesMax = FrameBytesMax + 2;

        /// <summary>A length that reads as a line feed: the official client loses such a frame of a board.</summary>
        public const int DataBytesLost = 10;

        public const int VersionOffset = 6;
        public const int TypeOffset = 7;
        public const int DataBytesOffset = 8;
        public const int DataOffset = 9;

        internal const int MagicBytes = 6;

        private const byte LineFeed = 10;

        private static readonly byte[] Magic = { 0x49, 0x4D, 0x50, 0x52, 0x4F, 0x56 };

        /// <summary>Writes line feed, frame, line feed, and returns the bytes written.</summary>
        /// <exception cref="ArgumentOutOfRangeException">More than 255 bytes of data, a board's frame of 10, or no room at the destination.</exception>
        public static int Write(byte type, byte[] data, int dataOffset, int dataCount, byte[] destination, int offset)
        {
            Bytes.CheckRange(data, dataOffset, dataCount);
            if (dataCount > DataBytesMax || (dataCount == DataBytesLost && type != ImprovTypes.Rpc))
            {
                throw new ArgumentOutOfRangeException(nameof(dataCount));
            }

            Bytes.CheckRange(destination, offset, FrameBytesMin + dataCount + 2);
            destination[offset] = LineFeed;
            int start = offset + 1;
            Array.Copy(Magic, 0, destination, start, MagicBytes);
            destination[start + VersionOffset] = Version;
            destination[start + TypeOffset] = type;
            destination[start + DataBytesOffset] = (byte)dataCount;
            Array.Copy(data, dataOffset, destination, start + DataOffset, dataCount);
            destination[start + HeaderBytes + dataCount] = Checksum(destination, start, HeaderBytes + dataCount);
            destination[start + FrameBytesMin + dataCount] = LineFeed;
            return FrameBytesMin + dataCount + 2;
        }

        /// <summary>The sum of a range of bytes, modulo 256.</summary>
        public static byte Checksum(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            uint sum = 0;
            for (int i = offset; i < offset + count; i++)
            {
                sum += buffer[i];
            }

            return (byte)sum;
        }

        /// <summary>Whether a frame may begin there, judged by as much of its header as is there.</summary>
        internal static bool MayBegin(byte[] buffer, int offset, int count)
        {
            for (int i = 0; i < MagicBytes && i < count; i++)
            {
                if (buffer[offset + i] != Magic[i])
                {
                    return false;
                }
            }

            return count <= VersionOffset || buffer[offset + VersionOffset] == Version;
        }
    }

    /// <summary>Types of Improv frames.</summary>
    public static class ImprovTypes
    {
        /// <summary>Board to client: one of <see cref="ImprovStates"/>.</summary>
        public const byte CurrentState = 1;

        /// <summary>Board to client: one of <see cref="ImprovErrors"/>.</summary>
        public const byte ErrorState = 2;

        /// <summary>Client to board: see <see cref="ImprovRpc"/>.</summary>
        public const byte Rpc = 3;

        /// <summary>Board to client: see <see cref="ImprovResult"/>.</summary>
        public const byte RpcResult = 4;
    }

    /// <summary>Where a board is on its way to a network.</summary>
    public static class ImprovStates
    {
        public const byte Ready = 2;
        public const byte Provisioning = 3;
        public const byte Provisioned = 4;
    }

    /// <summary>What was wrong with the last command.</summary>
    public static class ImprovErrors
    {
        public const byte None = 0;
        public const byte InvalidPacket = 1;
        public const byte UnknownCommand = 2;
        public const byte UnableToConnect = 3;
        public const byte BadHostname = 5;
        public const byte Unknown = 0xFF;
    }

    /// <summary>Commands of a client.</summary>
    public static class ImprovCommands
    {
        /// <summary>Length, network name, length, password; answered by a result with a URL, or none.</summary>
        public const byte WifiSettings = 1;

        /// <summary>Answered by the state, and by a result with a URL when provisioned.</summary>
        public const byte CurrentState = 2;

        /// <summary>Answered by firmware, version, chip, name.</summary>
        public const byte DeviceInfo = 3;

        /// <summary>Answered by name, signal in dBm, YES or NO (password) of each network, then by an empty result.</summary>
        public const byte ScanNetworks = 4;

        /// <summary>Empty: tells it; else sets it.</summary>
        public const byte Hostname = 5;

        /// <summary>Empty: tells it; else sets it.</summary>
        public const byte DeviceName = 6;
    }
}

// Gateway to devices, on Topics.Time: the gateway's clock, 8 bytes, ms since the Unix epoch, big-endian.
// For devices without SNTP. Time orders nothing here; frames are ordered by sequence.

namespace DePIN.Protocol
{
    public static class TimeMessage
    {
        public const int Bytes = 8;

        public static void Write(ulong unixMs, byte[] destination, int offset)
        {
            Protocol.Bytes.CheckRange(destination, offset, Bytes);
            Protocol.Bytes.WriteUInt64(destination, offset, unixMs);
        }

        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Protocol.Bytes.CheckRange(buffer, offset, count);
            return count == Bytes;
        }

        public static ulong UnixMs(byte[] buffer, int offset)
        {
            return Protocol.Bytes.ReadUInt64(buffer, offset);
        }
    }
}

// Gateway to device: what became of a frame that was not accepted, for MQTT 3.1.1 where a PUBACK carries no reason.
//
// offset  size  field
//      0     8  sequence of the frame
//      8     1  verdict (the gateway's FrameVerdict)
//      9     1  flags: bit 0 keep the frame and send it again later; the others are zero and ignored

namespace DePIN.Protocol
{
    public static class VerdictMessage
    {
        public const int Bytes = 10;
        public const byte FlagKeep = 1;

        public static void Write(ulong sequence, byte verdict, byte flags, byte[] destination, int offset)
        {
            Protocol.Bytes.CheckRange(destination, offset, Bytes);
            Protocol.Bytes.WriteUInt64(destination, offset, sequence);
            destination[offset + 8] = verdict;
            destination[offset + 9] = flags;
        }

        /// <summary>Whether the bytes are a verdict. Longer messages are of a later version and not read.</summary>
        public static bool IsValid(byte[] buffer, int offset, int count)
        {
            Protocol.Bytes.CheckRange(buffer, offset, count);
            return count == Bytes;
        }

        public static ulong Sequence(byte[] buffer, int offset)
        {
            return Protocol.Bytes.ReadUInt64(buffer, offset);
        }

        public static byte Verdict(byte[] buffer, int offset)
        {
            return buffer[offset + 8];
        }

        public static byte Flags(byte[] buffer, int offset)
        {
            return buffer[offset + 9];
        }

        /// <summary>Whether the device keeps the frame and sends it again later.</summary>
        public static bool Keep(byte[] buffer, int offset)
        {
            return (Flags(buffer, offset) & FlagKeep) != 0;
        }
    }
}

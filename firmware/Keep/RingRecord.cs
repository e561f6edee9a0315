using System;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Keep
{
    /// <summary>
    /// The bytes of one record in a ring segment. Big-endian.
    ///   0  2  "Rg"
    ///   2  1  kind: 1 segment, 2 body, 3 signature, 4 mark, 5 sleep
    ///   3  1  zero
    ///   4  2  length of data, n
    ///   6  8  sequence (of the frame; of a mark and a segment: every frame up to it is free)
    ///  14  n  data: body = frame without its signature; signature = 64 bytes; segment and mark = dropped u32, refused u32;
    ///        sleep = SleepState, then samples (WaitingSamples)
    /// 14+n 4  CRC-32 of all before
    /// </summary>
    internal static class RingRecord
    {
        public const byte KindSegment = 1;
        public const byte KindBody = 2;
        public const byte KindSignature = 3;
        public const byte KindMark = 4;
        public const byte KindSleep = 5;

        public const int HeaderBytes = 14;
        public const int OverheadBytes = HeaderBytes + 4;
        public const int CountersBytes = 8;

        /// <summary>Writes one record; returns the offset behind it.</summary>
        public static int Put(byte[] buffer, int offset, byte kind, ulong sequence, byte[] data, int dataOffset, int count)
        {
            Array.Copy(data, dataOffset, buffer, offset + HeaderBytes, count);
            return Close(buffer, offset, kind, sequence, count);
        }

        /// <summary>Writes one record that holds the two counters; returns the offset behind it.</summary>
        public static int PutCounters(byte[] buffer, int offset, byte kind, ulong sequence, uint dropped, uint refused)
        {
            BigEndian.WriteUInt32(buffer, offset + HeaderBytes, dropped);
            BigEndian.WriteUInt32(buffer, offset + HeaderBytes + 4, refused);
            return Close(buffer, offset, kind, sequence, CountersBytes);
        }

        /// <summary>Bytes of the whole record at the offset, or 0 when there is no good one.</summary>
        public static int LengthAt(byte[] buffer, int offset, int end)
        {
            if (end - offset < OverheadBytes || buffer[offset] != (byte)'R' || buffer[offset + 1] != (byte)'g' || buffer[offset + 3] != 0)
            {
                return 0;
            }

            int length = OverheadBytes + ((buffer[offset + 4] << 8) | buffer[offset + 5]);
            if (length > end - offset)
            {
                return 0;
            }

            uint stored = BigEndian.ReadUInt32(buffer, offset + length - 4);
            return stored == Crc32.Compute(buffer, offset, length - 4) ? length : 0;
        }

        public static byte KindAt(byte[] buffer, int offset)
        {
            return buffer[offset + 2];
        }

        public static ulong SequenceAt(byte[] buffer, int offset)
        {
            return BigEndian.ReadUInt64(buffer, offset + 6);
        }

        /// <summary>Completes a record whose data is in its place already; returns the offset behind it.</summary>
        public static int Close(byte[] buffer, int offset, byte kind, ulong sequence, int count)
        {
            buffer[offset] = (byte)'R';
            buffer[offset + 1] = (byte)'g';
            buffer[offset + 2] = kind;
            buffer[offset + 3] = 0;
            buffer[offset + 4] = (byte)((uint)count >> 8);
            buffer[offset + 5] = (byte)count;
            BigEndian.WriteUInt64(buffer, offset + 6, sequence);
            int end = offset + HeaderBytes + count;
            BigEndian.WriteUInt32(buffer, end, Crc32.Compute(buffer, offset, end - offset));
            return end + 4;
        }
    }
}

// Checks and reads a frame where it lies, without copying. Hostile bytes give a FrameFault, never an exception.
// Call Check first: the accessors trust that the bytes are a frame. Whether the signature verifies, the device is known and the
// sequence is new is decided by the gateway, not here.

using System;

namespace DePIN.Protocol
{
    public static class FrameParser
    {
        /// <summary>Every structural rule of version 1, and r, s in range with a low s.</summary>
        /// <param name="buffer">Holds the frame.</param>
        /// <param name="offset">First byte of the frame.</param>
        /// <param name="count">All the bytes there are: more than the frame says is a fault.</param>
        /// <returns>The first rule broken, or <see cref="FrameFault.None"/>.</returns>
        /// <exception cref="ArgumentOutOfRangeException">The range is not inside the buffer.</exception>
        public static FrameFault Check(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            if (count < FrameFormat.FrameBytesMin)
            {
                return FrameFault.TooShort;
            }

            if (count > FrameFormat.FrameBytesMax)
            {
                return FrameFault.TooLong;
            }

            if (buffer[offset] != FrameFormat.Magic0 || buffer[offset + 1] != FrameFormat.Magic1)
            {
                return FrameFault.BadMagic;
            }

            if (buffer[offset + FrameFormat.VersionOffset] != FrameFormat.Version)
            {
                return FrameFault.UnknownVersion;
            }

            byte flags = buffer[offset + FrameFormat.FlagsOffset];
            if ((flags & ~FrameFormat.FlagsKnown) != 0)
            {
                return FrameFault.ReservedFlags;
            }

            int payloadBytes = PayloadBytes(buffer, offset);
            if (payloadBytes != count - FrameFormat.FrameBytesMin)
            {
                return FrameFault.LengthMismatch;
            }

            if ((flags & FrameFormat.FlagPayloadSealed) == 0 && (payloadBytes & (FrameFormat.SampleBytes - 1)) != 0)
            {
                return FrameFault.PayloadNotSamples;
            }

            ulong sequence = Sequence(buffer, offset);
            if (sequence == 0)
            {
                return FrameFault.SequenceZero;
            }

            if (sequence == 1 && !IsZero(buffer, offset + FrameFormat.PreviousOffset, FrameFormat.PreviousBytes))
            {
                return FrameFault.PreviousNotZero;
            }

            int signature = offset + FrameFormat.PayloadOffset + payloadBytes;
            if (!P256Order.IsInRange(buffer, signature) || !P256Order.IsInRange(buffer, signature + 32))
            {
                return FrameFault.SignatureOutOfRange;
            }

            return P256Order.IsHigh(buffer, signature + 32) ? FrameFault.HighS : FrameFault.None;
        }

        public static byte Flags(byte[] buffer, int offset)
        {
            return buffer[offset + FrameFormat.FlagsOffset];
        }

        public static bool IsClockSynchronised(byte[] buffer, int offset)
        {
            return (Flags(buffer, offset) & FrameFormat.FlagClockSynchronised) != 0;
        }

        public static bool IsSealed(byte[] buffer, int offset)
        {
            return (Flags(buffer, offset) & FrameFormat.FlagPayloadSealed) != 0;
        }

        public static ushort Profile(byte[] buffer, int offset)
        {
            return (ushort)Bytes.ReadUInt16(buffer, offset + FrameFormat.ProfileOffset);
        }

        /// <summary>Bytes between header and signature.</summary>
        public static int PayloadBytes(byte[] buffer, int offset)
        {
            return (buffer[offset + FrameFormat.PayloadBytesOffset] << 8) | buffer[offset + FrameFormat.PayloadBytesOffset + 1];
        }

        /// <summary>Bytes the signature covers: everything before it.</summary>
        public static int SignedBytes(byte[] buffer, int offset)
        {
            return FrameFormat.HeaderBytes + PayloadBytes(buffer, offset);
        }

        /// <summary>Where r || s begins.</summary>
        public static int SignatureOffset(byte[] buffer, int offset)
        {
            return offset + SignedBytes(buffer, offset);
        }

        public static uint BootCount(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt32(buffer, offset + FrameFormat.BootCountOffset);
        }

        public static ulong Sequence(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt64(buffer, offset + FrameFormat.SequenceOffset);
        }

        /// <summary>Milliseconds since the Unix epoch, or since boot when the clock was not synchronised.</summary>
        public static ulong TimeMs(byte[] buffer, int offset)
        {
            return Bytes.ReadUInt64(buffer, offset + FrameFormat.TimeOffset);
        }

        /// <summary>Samples that can be read; none when the payload is sealed.</summary>
        public static int SampleCount(byte[] buffer, int offset)
        {
            return IsSealed(buffer, offset) ? 0 : (int)((uint)PayloadBytes(buffer, offset) >> 4);
        }

        /// <summary>Reads one sample into a record the caller reuses.</summary>
        /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
        public static void ReadSample(byte[] buffer, int offset, int index, Sample sample)
        {
            if (index < 0 || index >= SampleCount(buffer, offset))
            {
                throw new ArgumentOutOfRangeException(nameof(index));
            }

            int at = offset + FrameFormat.PayloadOffset + (index * FrameFormat.SampleBytes);
            sample.Channel = (ushort)Bytes.ReadUInt16(buffer, at + FrameFormat.SampleChannelOffset);
            sample.Exponent = (sbyte)buffer[at + FrameFormat.SampleExponentOffset];
            sample.Quality = buffer[at + FrameFormat.SampleQualityOffset];
            sample.OffsetMs = Bytes.ReadUInt32(buffer, at + FrameFormat.SampleOffsetMsOffset);
            sample.Value = (long)Bytes.ReadUInt64(buffer, at + FrameFormat.SampleValueOffset);
        }

        private static bool IsZero(byte[] buffer, int offset, int count)
        {
            for (int i = 0; i < count; i++)
            {
                if (buffer[offset + i] != 0)
                {
                    return false;
                }
            }

            return true;
        }
    }
}

// The frame, version 1: what a device signs and everyone stores. Big-endian, so that a contract reads it by slicing.
// It is never re-encoded after signing; a parser reads it where it lies.
//
// offset  size  field
//      0     2  magic "DF"
//      2     1  version = 1
//      3     1  flags: bit 0 clock synchronised, bit 1 payload sealed; the others are zero
//      4     2  profile (see Profiles)
//      6     2  payload length L, bytes, at most 1,024; a multiple of 16 unless sealed
//      8    20  device id = last 20 bytes of SHA-256(X || Y)
//     28     4  boot count
//     32     8  sequence, from 1
//     40     8  time of the first sample: ms since the Unix epoch, or since boot when the clock is not synchronised
//     48    32  previous: SHA-256 of the previous frame without its signature; zero for sequence 1
//     80     L  payload: L / 16 samples, or the sealed form
//   80+L    64  signature r || s, ECDSA P-256 over SHA-256(bytes 0 .. 80+L), low s
//
// A sample: channel u16 | exponent i8 | quality u8 (0 = good) | offset u32, ms from the frame's time | value i64.

namespace DePIN.Protocol
{
    public static class FrameFormat
    {
        public const byte Magic0 = 0x44; // 'D'
        public const byte Magic1 = 0x46; // 'F'
        public const byte Version = 1;

        public const int HeaderBytes = 80;
        public const int SignatureBytes = 64;
        public const int PayloadBytesMax = 1024;
        public const int SampleBytes = 16;
        public const int SamplesMax = PayloadBytesMax / SampleBytes;
        public const int FrameBytesMin = HeaderBytes + SignatureBytes;
        public const int FrameBytesMax = HeaderBytes + PayloadBytesMax + SignatureBytes;
        public const int PreviousBytes = 32;

        public const int MagicOffset = 0;
        public const int VersionOffset = 2;
        public const int FlagsOffset = 3;
        public const int ProfileOffset = 4;
        public const int PayloadBytesOffset = 6;
        public const int DeviceIdOffset = 8;
        public const int BootCountOffset = 28;
        public const int SequenceOffset = 32;
        public const int TimeOffset = 40;
        public const int PreviousOffset = 48;
        public const int PayloadOffset = 80;

        public const int SampleChannelOffset = 0;
        public const int SampleExponentOffset = 2;
        public const int SampleQualityOffset = 3;
        public const int SampleOffsetMsOffset = 4;
        public const int SampleValueOffset = 8;

        /// <summary>The frame's time is ms since the Unix epoch; without it, ms since boot.</summary>
        public const byte FlagClockSynchronised = 1;

        /// <summary>The payload is encrypted to a reader's key; header and signature stay public.</summary>
        public const byte FlagPayloadSealed = 2;

        /// <summary>Every flag version 1 knows. A frame with any other bit is malformed.</summary>
        public const byte FlagsKnown = FlagClockSynchronised | FlagPayloadSealed;
    }
}

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

    /// <summary>
    /// The same requests as a file on the board's drive, for a board whose only port belongs to the runtime's debug protocol: frames one behind
    /// the other, done once at the next start by the line's own rules. Each answer is a line of the console: "answer frame=" and the frame in Base64.
    /// </summary>
    public static class SerialFile
    {
        public const string Name = "requests";

        /// <summary>The largest enrolment in pieces and a restart fit.</summary>
        public const int BytesMax = 8192;

        /// <summary>What an answer's line begins with.</summary>
        public const string AnswerEvent = "answer";
    }

    /// <summary>Types of serial frames and the layout of their data. A request's answer has the request's type with bit 7 set.</summary>
    public static class SerialTypes
    {
        /// <summary>No data. Open in every state.</summary>
        public const byte IdentityRequest = 0x01;

        /// <summary>Chain id 32 | registry 20 | owner 20.</summary>
        public const byte ClaimRequest = 0x02;

        /// <summary>Lines key=value, ASCII.</summary>
        public const byte ConfigureRequest = 0x03;

        /// <summary>No data.</summary>
        public const byte RestartRequest = 0x04;

        /// <summary>Nonce, 32 bytes. Open in every state.</summary>
        public const byte ChallengeRequest = 0x05;

        /// <summary>Length u32 | CRC-32 of the whole <see cref="SerialEnrolment"/>. Asked again with both the same, it tells where to go on.</summary>
        public const byte EnrolBeginRequest = 0x06;

        /// <summary>Offset u32 | bytes. A piece that is there already, or that leaves a gap, changes nothing.</summary>
        public const byte EnrolDataRequest = 0x07;

        /// <summary>Length u32 | CRC-32 | SHA-256: the enrolment takes effect as a whole at the next start. Asked again it is answered alike.</summary>
        public const byte EnrolCommitRequest = 0x08;

        /// <summary>Page u8: 0 the node, 1 its last faults, newest first. Open in every state.</summary>
        public const byte DiagnosticsRequest = 0x09;

        /// <summary>255: begin; else the number of a sensor, from 0. Open in every state.</summary>
        public const byte SelfTestRequest = 0x0A;

        /// <summary>No data: a nonce for <see cref="SignedRequest"/>, which makes the one before worthless.</summary>
        public const byte NonceRequest = 0x0B;

        /// <summary>Type u8 of a command | its data | r || s, 64 bytes, over the <see cref="OperatorMessage"/>. Answered as that command.</summary>
        public const byte SignedRequest = 0x0C;

        /// <summary>No data: from now on only signed commands change anything.</summary>
        public const byte LockRequest = 0x0D;

        /// <summary>No data; only within <see cref="SignedRequest"/>.</summary>
        public const byte UnlockRequest = 0x0E;

        /// <summary>What to erase u8 (<see cref="WipeFlags"/>) | frames given up at most, u32. Done when the board's button proves presence.</summary>
        public const byte WipeRequest = 0x0F;

        /// <summary>No data: how far it is.</summary>
        public const byte WipeStateRequest = 0x10;

        /// <summary>See <see cref="SerialIdentity"/>.</summary>
        public const byte IdentityResponse = 0x81;

        /// <summary>r || s, 64 bytes, over the <see cref="ClaimMessage"/>.</summary>
        public const byte ClaimResponse = 0x82;

        /// <summary>One byte: 1 accepted, 0 not.</summary>
        public const byte ConfigureResponse = 0x83;

        /// <summary>No data.</summary>
        public const byte RestartResponse = 0x84;

        /// <summary>r || s, 64 bytes, over the <see cref="ChallengeMessage"/>.</summary>
        public const byte ChallengeResponse = 0x85;

        /// <summary>Bytes u32 that the board has: the next piece's offset.</summary>
        public const byte EnrolBeginResponse = 0x86;

        /// <summary>Bytes u32 that the board has: the next piece's offset.</summary>
        public const byte EnrolDataResponse = 0x87;

        /// <summary>One byte: 1 kept, takes effect at the next start.</summary>
        public const byte EnrolCommitResponse = 0x88;

        /// <summary>Lines key=value, UTF-8, as many as fit.</summary>
        public const byte DiagnosticsResponse = 0x89;

        /// <summary>State u8 (1 running, 2 done) | sensors u8; of one sensor then: present u8 | read u8 | duration u16 ms | lines, UTF-8: its name, then channel=value or what went wrong.</summary>
        public const byte SelfTestResponse = 0x8A;

        /// <summary>Nonce, 32 bytes.</summary>
        public const byte NonceResponse = 0x8B;

        /// <summary>One byte: 1 locked.</summary>
        public const byte LockResponse = 0x8D;

        /// <summary>One byte: 0 not locked.</summary>
        public const byte UnlockResponse = 0x8E;

        /// <summary>State u8 (<see cref="WipeStates"/>) | time to hold the button, u16 ms | time left to begin, u16 ms.</summary>
        public const byte WipeResponse = 0x8F;

        /// <summary>As <see cref="WipeResponse"/>.</summary>
        public const byte WipeStateResponse = 0x90;

        /// <summary>Code u8 (<see cref="SerialErrors"/>) | text, UTF-8.</summary>
        public const byte Error = 0xFF;

        public const int ClaimRequestBytes = ClaimMessage.ChainIdBytes + ClaimMessage.AddressBytes + ClaimMessage.AddressBytes;
        public const int EnrolBeginBytes = 8;
        public const int EnrolDataOffset = 4;
        public const int EnrolPieceBytesMax = SerialFrame.DataBytesMax - EnrolDataOffset;
        public const int EnrolCommitBytes = 8 + Sha256.DigestBytes;
        public const int WipeRequestBytes = 5;
        public const int SignatureBytes = 64;
        public const byte SelfTestBegin = 255;
    }

    /// <summary>Codes of an error answer.</summary>
    public static class SerialErrors
    {
        public const byte UnknownType = 1;
        public const byte WrongLength = 2;
        public const byte NoKey = 3;
        public const byte Refused = 4;
        public const byte Failed = 5;

        /// <summary>The board is locked: the command must be signed.</summary>
        public const byte Locked = 6;

        /// <summary>The signature is not the operator's, or not over this nonce.</summary>
        public const byte BadSignature = 7;

        /// <summary>The part of the node that knows is not running (yet).</summary>
        public const byte NotReady = 8;
    }

    /// <summary>What to erase.</summary>
    public static class WipeFlags
    {
        /// <summary>Settings, enrolment, names, lock and Wi-Fi.</summary>
        public const byte Settings = 1;

        /// <summary>The device key in flash, for ever: what starts afterwards is another device. Only together with the other two.</summary>
        public const byte Key = 2;

        /// <summary>Frames that no gateway has yet, and their place in the chain.</summary>
        public const byte Frames = 4;
    }

    /// <summary>How far an erasure is.</summary>
    public static class WipeStates
    {
        public const byte None = 0;
        public const byte AwaitsButton = 1;
        public const byte Held = 2;
        public const byte Done = 3;
        public const byte Expired = 4;
    }
}

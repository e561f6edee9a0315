// Why bytes are not a frame. The first rule broken, in the order FrameParser.Check reads; each is counted by who refuses it.

namespace DePIN.Protocol
{
    public enum FrameFault
    {
        /// <summary>Well formed. The signature itself is not verified by the parser.</summary>
        None = 0,

        /// <summary>Fewer than <see cref="FrameFormat.FrameBytesMin"/> bytes.</summary>
        TooShort,

        /// <summary>More than <see cref="FrameFormat.FrameBytesMax"/> bytes.</summary>
        TooLong,

        /// <summary>Does not begin with "DF".</summary>
        BadMagic,

        /// <summary>Another version than 1.</summary>
        UnknownVersion,

        /// <summary>A flag bit is set that version 1 does not define.</summary>
        ReservedFlags,

        /// <summary>The payload length and the number of bytes disagree: truncated, or bytes trail behind the signature.</summary>
        LengthMismatch,

        /// <summary>An unsealed payload that is not a whole number of samples.</summary>
        PayloadNotSamples,

        /// <summary>Sequence 0: they count from 1.</summary>
        SequenceZero,

        /// <summary>The first frame of a device names a previous one.</summary>
        PreviousNotZero,

        /// <summary>r or s is not in [1, n-1] (FIPS 186-5, section 6.4.2).</summary>
        SignatureOutOfRange,

        /// <summary>s is above n/2: a second signature for the same bytes, which the protocol refuses.</summary>
        HighS,
    }
}

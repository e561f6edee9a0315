namespace DePIN.Gateway.Verify;

/// <summary>
/// What became of one submitted frame. Exactly one per frame, each counted (<see cref="VerifyCounters"/>).
/// Only <see cref="Accepted"/> and <see cref="Duplicate"/> may be acknowledged as success: the frame is durable.
/// </summary>
public enum FrameVerdict : byte
{
    /// <summary>New, verified and durable.</summary>
    Accepted = 0,

    /// <summary>Same device, sequence and bytes as a durable frame.</summary>
    Duplicate = 1,

    /// <summary>Not a frame of DESIGN section 4. Permanent.</summary>
    Malformed = 2,

    /// <summary>The topic names another device than the frame. Permanent.</summary>
    TopicMismatch = 3,

    /// <summary>Not in the registry, as far as this gateway knows. Retry later.</summary>
    UnknownDevice = 4,

    /// <summary>The owner revoked the device. Permanent.</summary>
    Revoked = 5,

    /// <summary>The signature is not the registered key's. Permanent.</summary>
    BadSignature = 6,

    /// <summary>At or below the last accepted sequence and not stored. Permanent.</summary>
    Replayed = 7,

    /// <summary>Validly signed, but the sequence is taken by other bytes; both are kept as evidence. Permanent.</summary>
    Equivocation = 8,

    /// <summary>The disk budget or the free-space floor is reached. Retry later.</summary>
    StoreFull = 9,

    /// <summary>A queue is full, or an earlier frame of the device must be resubmitted first. Retry later.</summary>
    Busy = 10,

    /// <summary>The store cannot commit at the moment, or the gateway is stopping. Retry later.</summary>
    Unavailable = 11,

    /// <summary>Longer than a frame can be. Permanent.</summary>
    TooLarge = 12,
}

/// <summary>The two questions a caller asks of a verdict.</summary>
public static class FrameVerdicts
{
    /// <summary>How many verdicts there are; they are numbered from 0 without holes.</summary>
    public const int Count = 13;

    /// <summary>True when the frame is durable here, so an acknowledgement is the truth.</summary>
    public static bool IsDurable(this FrameVerdict verdict) => verdict is FrameVerdict.Accepted or FrameVerdict.Duplicate;

    /// <summary>True when the device must keep the frame and submit it again later.</summary>
    public static bool IsRetryLater(this FrameVerdict verdict) =>
        verdict is FrameVerdict.UnknownDevice or FrameVerdict.StoreFull or FrameVerdict.Busy or FrameVerdict.Unavailable;
}

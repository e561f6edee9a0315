namespace DePIN.Contracts;

/// <summary>What governance may set, with the numbers of Parameters.sol.</summary>
public enum Parameter : byte
{
    /// <summary>Least stake of a gateway; tokens.</summary>
    StakeMin,

    /// <summary>Gateways in the set at most.</summary>
    GatewaysMax,

    /// <summary>From leaving until the stake may be withdrawn.</summary>
    UnbondingSeconds,

    /// <summary>How long a slashed gateway stays away.</summary>
    JailSeconds,

    /// <summary>Of 10,000: what two signatures in one place cost.</summary>
    EquivocationSlash,

    /// <summary>Of 10,000: what a certified bad frame costs.</summary>
    BadFrameSlash,

    /// <summary>Of 10,000: the reporter's part of it.</summary>
    ReporterShare,

    /// <summary>What an accusation that can be refuted must deposit; tokens.</summary>
    DisputeBond,

    /// <summary>Time to refute one.</summary>
    ResponseSeconds,

    /// <summary>For who reports a device; tokens.</summary>
    DeviceBounty,

    /// <summary>From an owner's change of a device's key to its effect.</summary>
    KeyDelaySeconds,

    /// <summary>What rewards may emit in a day; tokens.</summary>
    EmissionPerDay,

    /// <summary>From a published root to its claims.</summary>
    EscrowSeconds,

    /// <summary>After which what is not claimed may lapse.</summary>
    ClaimWindowSeconds,

    /// <summary>Of 10,000: the owners' part of the emission.</summary>
    DeviceShare,

    /// <summary>Frames of one device that count in an epoch.</summary>
    FramesPerDeviceMax,

    /// <summary>What an application pays; tokens.</summary>
    ApplicationFee,

    /// <summary>Of 10,000: what a frame counts of which a sample says that it is not good.</summary>
    DoubtfulShare,
}

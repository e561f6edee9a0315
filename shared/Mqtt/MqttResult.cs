// What decoding gave: a whole packet, not enough bytes yet, or the one rule that hostile or broken input violated.
// Input never throws; every refusal has its own value so that each is counted by reason.

namespace DePIN.Mqtt;

/// <summary>The result of decoding; everything above <see cref="NeedMore"/> is a refusal.</summary>
public enum MqttResult : byte
{
    Ok = 0,

    /// <summary>The bytes so far are the beginning of a packet.</summary>
    NeedMore = 1,

    /// <summary>Packet type 0, or AUTH in 3.1.1.</summary>
    UnknownPacketType,

    /// <summary>A reserved bit of the fixed header, of CONNECT flags or of subscription options is not as the standard says.</summary>
    ReservedBits,

    /// <summary>A variable byte integer of more than four bytes.</summary>
    LengthTooLong,

    /// <summary>A variable byte integer with more bytes than it needs (section 1.5.5).</summary>
    LengthNotMinimal,

    /// <summary>A packet above the receiver's maximum packet size.</summary>
    PacketTooLarge,

    /// <summary>A field runs beyond the end of its packet.</summary>
    Truncated,

    /// <summary>Bytes are left after the last field.</summary>
    TrailingBytes,

    /// <summary>A string that is not well-formed UTF-8 (surrogates included).</summary>
    StringNotUtf8,

    /// <summary>A string with U+0000.</summary>
    StringHasNull,

    /// <summary>QoS 3.</summary>
    QosInvalid,

    /// <summary>DUP on a QoS 0 message.</summary>
    DuplicateFlagInvalid,

    /// <summary>Packet identifier 0.</summary>
    PacketIdZero,

    /// <summary>An empty topic without alias, or one with a wildcard.</summary>
    TopicNameInvalid,

    /// <summary>Topic alias 0.</summary>
    TopicAliasInvalid,

    /// <summary>An identifier that is not a property.</summary>
    PropertyUnknown,

    /// <summary>A property that this packet type does not have.</summary>
    PropertyNotAllowed,

    /// <summary>A property twice where once is allowed.</summary>
    PropertyDuplicate,

    /// <summary>A property with a value outside of its range.</summary>
    PropertyValueInvalid,

    /// <summary>A reason code that this packet type does not have.</summary>
    ReasonInvalid,

    /// <summary>SUBSCRIBE, UNSUBSCRIBE or their acknowledgement without any entry.</summary>
    EmptyList,

    /// <summary>Subscription options with retain handling 3, or no-local on a shared subscription.</summary>
    SubscriptionOptionsInvalid,

    /// <summary>The protocol name is not "MQTT".</summary>
    ProtocolNameInvalid,

    /// <summary>A protocol level other than 4 or 5.</summary>
    VersionUnsupported,

    /// <summary>Will flags without a will, or a password without a user name in 3.1.1.</summary>
    ConnectFlagsInvalid,
}

/// <summary>What a refusal means to the peer.</summary>
public static class MqttResults
{
    /// <summary>Whether the input was refused.</summary>
    public static bool IsRefused(this MqttResult result) => result > MqttResult.NeedMore;

    /// <summary>The MQTT 5 reason code to disconnect with (section 4.13).</summary>
    public static MqttReason ToReason(this MqttResult result) => result switch
    {
        MqttResult.Ok or MqttResult.NeedMore => MqttReason.Success,
        MqttResult.PacketTooLarge => MqttReason.PacketTooLarge,
        MqttResult.TopicNameInvalid => MqttReason.TopicNameInvalid,
        MqttResult.TopicAliasInvalid => MqttReason.TopicAliasInvalid,
        MqttResult.VersionUnsupported or MqttResult.ProtocolNameInvalid => MqttReason.UnsupportedProtocolVersion,
        MqttResult.PropertyDuplicate or MqttResult.PropertyNotAllowed or MqttResult.PropertyValueInvalid or MqttResult.EmptyList
            or MqttResult.PacketIdZero or MqttResult.SubscriptionOptionsInvalid => MqttReason.ProtocolError,
        _ => MqttReason.MalformedPacket,
    };
}

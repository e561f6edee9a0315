// Reason codes of MQTT 5 (section 2.4). 0x80 and above mean failure. The CONNACK return codes of 3.1.1 (1 to 5) overlap with
// success values of 5 (granted QoS), so they have names of their own in ConnectReturnCode.

namespace DePIN.Mqtt;

/// <summary>MQTT 5 reason code; several success values share a byte and mean what the packet they come in says.</summary>
public enum MqttReason : byte
{
    /// <summary>Also: normal disconnection, granted QoS 0.</summary>
    Success = 0x00,
    GrantedQos1 = 0x01,
    GrantedQos2 = 0x02,
    DisconnectWithWill = 0x04,
    NoMatchingSubscribers = 0x10,
    NoSubscriptionExisted = 0x11,
    ContinueAuthentication = 0x18,
    Reauthenticate = 0x19,
    UnspecifiedError = 0x80,
    MalformedPacket = 0x81,
    ProtocolError = 0x82,
    ImplementationSpecificError = 0x83,
    UnsupportedProtocolVersion = 0x84,
    ClientIdentifierNotValid = 0x85,
    BadUserNameOrPassword = 0x86,
    NotAuthorized = 0x87,
    ServerUnavailable = 0x88,
    ServerBusy = 0x89,
    Banned = 0x8A,
    ServerShuttingDown = 0x8B,
    BadAuthenticationMethod = 0x8C,
    KeepAliveTimeout = 0x8D,
    SessionTakenOver = 0x8E,
    TopicFilterInvalid = 0x8F,
    TopicNameInvalid = 0x90,
    PacketIdentifierInUse = 0x91,
    PacketIdentifierNotFound = 0x92,
    ReceiveMaximumExceeded = 0x93,
    TopicAliasInvalid = 0x94,
    PacketTooLarge = 0x95,
    MessageRateTooHigh = 0x96,
    QuotaExceeded = 0x97,
    AdministrativeAction = 0x98,
    PayloadFormatInvalid = 0x99,
    RetainNotSupported = 0x9A,
    QosNotSupported = 0x9B,
    UseAnotherServer = 0x9C,
    ServerMoved = 0x9D,
    SharedSubscriptionsNotSupported = 0x9E,
    ConnectionRateExceeded = 0x9F,
    MaximumConnectTime = 0xA0,
    SubscriptionIdentifiersNotSupported = 0xA1,
    WildcardSubscriptionsNotSupported = 0xA2,
}

/// <summary>CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3).</summary>
public enum ConnectReturnCode : byte
{
    Accepted = 0,
    UnacceptableProtocolVersion = 1,
    IdentifierRejected = 2,
    ServerUnavailable = 3,
    BadUserNameOrPassword = 4,
    NotAuthorized = 5,
}

/// <summary>Questions about reason codes.</summary>
public static class MqttReasons
{
    /// <summary>Whether the code reports a failure (section 2.4: 0x80 and above).</summary>
    public static bool IsFailure(this MqttReason reason) => (byte)reason >= 0x80;

    /// <summary>The nearest CONNACK return code of 3.1.1 for a refusal of a connection.</summary>
    public static ConnectReturnCode ToReturnCode(this MqttReason reason) => reason switch
    {
        MqttReason.Success => ConnectReturnCode.Accepted,
        MqttReason.UnsupportedProtocolVersion => ConnectReturnCode.UnacceptableProtocolVersion,
        MqttReason.ClientIdentifierNotValid => ConnectReturnCode.IdentifierRejected,
        MqttReason.BadUserNameOrPassword => ConnectReturnCode.BadUserNameOrPassword,
        MqttReason.NotAuthorized or MqttReason.Banned => ConnectReturnCode.NotAuthorized,
        _ => ConnectReturnCode.ServerUnavailable,
    };

    /// <summary>Whether MQTT 5 allows this code in a packet of this type (tables of sections 3.2 to 3.15).</summary>
    public static bool IsAllowedIn(this MqttReason reason, MqttPacketType type) => type switch
    {
        MqttPacketType.ConnAck => (byte)reason is 0 or (>= 0x80 and <= 0x8A) or 0x8C or 0x90 or 0x95 or 0x97 or (>= 0x99 and <= 0x9D) or 0x9F,
        MqttPacketType.PubAck or MqttPacketType.PubRec => (byte)reason is 0 or 0x10 or 0x80 or 0x83 or 0x87 or 0x90 or 0x91 or 0x97 or 0x99,
        MqttPacketType.PubRel or MqttPacketType.PubComp => (byte)reason is 0 or 0x92,
        MqttPacketType.SubAck => (byte)reason is 0 or 1 or 2 or 0x80 or 0x83 or 0x87 or 0x8F or 0x91 or 0x97 or 0x9E or 0xA1 or 0xA2,
        MqttPacketType.UnsubAck => (byte)reason is 0 or 0x11 or 0x80 or 0x83 or 0x87 or 0x8F or 0x91,
        MqttPacketType.Disconnect => (byte)reason is 0 or 4 or (>= 0x80 and <= 0x83) or 0x87 or 0x89 or 0x8B or (>= 0x8D and <= 0x90)
            or (>= 0x93 and <= 0xA2),
        MqttPacketType.Auth => (byte)reason is 0 or 0x18 or 0x19,
        _ => false,
    };
}

// The small enumerations of MQTT: protocol versions, control packet types and delivery qualities.
// Values are the bytes on the wire (MQTT 3.1.1 and 5.0, sections 2.1.2, 3.1.2.2 and 4.3), so they are cast and never mapped.

namespace DePIN.Mqtt;

/// <summary>The protocol level byte of CONNECT. MQTT 3.1 (level 3) is refused.</summary>
public enum MqttVersion : byte
{
    /// <summary>MQTT 3.1.1.</summary>
    V311 = 4,

    /// <summary>MQTT 5.0.</summary>
    V5 = 5,
}

/// <summary>The high four bits of a packet's first byte (section 2.1.2).</summary>
public enum MqttPacketType : byte
{
    /// <summary>Reserved; a packet of this type is malformed.</summary>
    None = 0,
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,

    /// <summary>MQTT 5 only.</summary>
    Auth = 15,
}

/// <summary>Quality of service (section 4.3).</summary>
public enum MqttQos : byte
{
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

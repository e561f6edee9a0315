// CONNACK (section 3.2): 0 flags (bit 0 session present) | 1 reason code (5) or return code (3.1.1) | 2 properties (5).

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>CONNACK.</summary>
public ref struct ConnAckPacket
{
    public bool SessionPresent { get; set; }

    /// <summary>The byte on the wire: <see cref="MqttReason"/> in 5, <see cref="ConnectReturnCode"/> in 3.1.1.</summary>
    public byte Code { get; set; }

    /// <summary>Empty in 3.1.1.</summary>
    public MqttProperties Properties { get; set; }

    /// <summary>Decodes the body.</summary>
    public static MqttResult Read(MqttVersion version, ReadOnlySpan<byte> body, out ConnAckPacket packet)
    {
        packet = default;
        SpanReader reader = new(body);
        MqttResult result = reader.ReadByte(out byte flags);
        if (result != MqttResult.Ok || (result = reader.ReadByte(out byte code)) != MqttResult.Ok)
        {
            return result;
        }

        if (flags > 1 || (flags == 1 && code != 0))
        {
            return MqttResult.ReservedBits;
        }

        packet.SessionPresent = flags == 1;
        packet.Code = code;
        if (version == MqttVersion.V311)
        {
            return code > (byte)ConnectReturnCode.NotAuthorized ? MqttResult.ReasonInvalid : reader.AtEnd ? MqttResult.Ok : MqttResult.TrailingBytes;
        }

        if (!((MqttReason)code).IsAllowedIn(MqttPacketType.ConnAck))
        {
            return MqttResult.ReasonInvalid;
        }

        result = MqttProperties.Read(ref reader, MqttPacketType.ConnAck, out MqttProperties properties);
        packet.Properties = properties;
        return result != MqttResult.Ok ? result : reader.AtEnd ? MqttResult.Ok : MqttResult.TrailingBytes;
    }

    /// <summary>Encodes the packet.</summary>
    public readonly void Write(MqttVersion version, IBufferWriter<byte> output)
    {
        int length = 2 + (version == MqttVersion.V5 ? SpanWriter.Measure(Properties) : 0);
        SpanWriter writer = new(PacketFraming.Begin(output, MqttPacketType.ConnAck, 0, length, out _, out int packetBytes));
        writer.Byte(SessionPresent ? (byte)1 : (byte)0);
        writer.Byte(Code);
        if (version == MqttVersion.V5)
        {
            writer.Properties(Properties);
        }

        output.Advance(packetBytes);
    }
}

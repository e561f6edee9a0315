// DISCONNECT and AUTH (sections 3.14 and 3.15): 0 reason code | 1 properties; an empty body means success. 3.1.1 has only the empty DISCONNECT.
// PINGREQ and PINGRESP (sections 3.12 and 3.13) have no body at all.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>DISCONNECT or AUTH.</summary>
public ref struct DisconnectPacket
{
    public MqttReason Reason { get; set; }

    public MqttProperties Properties { get; set; }

    /// <summary>Decodes the body of a packet of <paramref name="type"/> (DISCONNECT or AUTH).</summary>
    public static MqttResult Read(MqttVersion version, MqttPacketType type, ReadOnlySpan<byte> body, out DisconnectPacket packet)
    {
        packet = default;
        if (version == MqttVersion.V311)
        {
            return type == MqttPacketType.Auth ? MqttResult.UnknownPacketType : body.IsEmpty ? MqttResult.Ok : MqttResult.TrailingBytes;
        }

        SpanReader reader = new(body);
        if (reader.AtEnd)
        {
            return MqttResult.Ok;
        }

        reader.ReadByte(out byte reason);
        packet.Reason = (MqttReason)reason;
        if (!packet.Reason.IsAllowedIn(type))
        {
            return MqttResult.ReasonInvalid;
        }

        if (reader.AtEnd)
        {
            return MqttResult.Ok;
        }

        MqttResult result = MqttProperties.Read(ref reader, type, out MqttProperties properties);
        packet.Properties = properties;
        return result != MqttResult.Ok ? result : reader.AtEnd ? MqttResult.Ok : MqttResult.TrailingBytes;
    }

    /// <summary>Encodes the packet as <paramref name="type"/>.</summary>
    public readonly void Write(MqttVersion version, MqttPacketType type, IBufferWriter<byte> output)
    {
        bool complete = version == MqttVersion.V5 && (Reason != MqttReason.Success || !Properties.IsEmpty);
        int length = complete ? 1 + SpanWriter.Measure(Properties) : 0;
        SpanWriter writer = new(PacketFraming.Begin(output, type, 0, length, out _, out int packetBytes));
        if (complete)
        {
            writer.Byte((byte)Reason);
            writer.Properties(Properties);
        }

        output.Advance(packetBytes);
    }
}

/// <summary>PINGREQ and PINGRESP.</summary>
public static class PingPacket
{
    /// <summary>A PINGREQ's or PINGRESP's body has to be empty.</summary>
    public static MqttResult Read(ReadOnlySpan<byte> body) => body.IsEmpty ? MqttResult.Ok : MqttResult.TrailingBytes;

    /// <summary>Encodes the packet as <paramref name="type"/>.</summary>
    public static void Write(MqttPacketType type, IBufferWriter<byte> output)
    {
        PacketFraming.Begin(output, type, 0, 0, out _, out int packetBytes);
        output.Advance(packetBytes);
    }
}

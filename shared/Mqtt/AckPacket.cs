// PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7): 0 packet identifier (2) | 2 reason code (5) | 3 properties (5).
// Both may be missing when the reason is success. With a reason we always write the properties' length too: nanoFramework.M2Mqtt
// misreads the 3-byte form.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>An acknowledgement of a message, or a step of QoS 2.</summary>
public ref struct AckPacket
{
    public ushort PacketId { get; set; }

    /// <summary>Always <see cref="MqttReason.Success"/> in 3.1.1.</summary>
    public MqttReason Reason { get; set; }

    public MqttProperties Properties { get; set; }

    /// <summary>Decodes the body of a packet of <paramref name="type"/>.</summary>
    public static MqttResult Read(MqttVersion version, MqttPacketType type, ReadOnlySpan<byte> body, out AckPacket packet)
    {
        packet = default;
        SpanReader reader = new(body);
        MqttResult result = reader.ReadPacketId(out ushort packetId);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        packet.PacketId = packetId;
        if (reader.AtEnd)
        {
            return MqttResult.Ok;
        }

        if (version == MqttVersion.V311)
        {
            return MqttResult.TrailingBytes;
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

        result = MqttProperties.Read(ref reader, type, out MqttProperties properties);
        packet.Properties = properties;
        return result != MqttResult.Ok ? result : reader.AtEnd ? MqttResult.Ok : MqttResult.TrailingBytes;
    }

    /// <summary>Encodes the packet as <paramref name="type"/>.</summary>
    public readonly void Write(MqttVersion version, MqttPacketType type, IBufferWriter<byte> output)
    {
        bool complete = version == MqttVersion.V5 && (Reason != MqttReason.Success || !Properties.IsEmpty);
        int length = 2 + (complete ? 1 + SpanWriter.Measure(Properties) : 0);
        SpanWriter writer = new(PacketFraming.Begin(output, type, type == MqttPacketType.PubRel ? 2 : 0, length, out _, out int packetBytes));
        writer.UInt16(PacketId);
        if (complete)
        {
            writer.Byte((byte)Reason);
            writer.Properties(Properties);
        }

        output.Advance(packetBytes);
    }
}

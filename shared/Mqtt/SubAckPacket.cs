// SUBACK and UNSUBACK (sections 3.9 and 3.11): 0 packet identifier (2) | properties (5) | one code for each filter.
// UNSUBACK of 3.1.1 has no codes.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>SUBACK or UNSUBACK.</summary>
public ref struct SubAckPacket
{
    public ushort PacketId { get; set; }

    public MqttProperties Properties { get; set; }

    /// <summary>One <see cref="MqttReason"/> byte for each filter, in the order asked.</summary>
    public ReadOnlySpan<byte> Reasons { get; set; }

    /// <summary>Decodes the body of a packet of <paramref name="type"/> (SUBACK or UNSUBACK).</summary>
    public static MqttResult Read(MqttVersion version, MqttPacketType type, ReadOnlySpan<byte> body, out SubAckPacket packet)
    {
        packet = default;
        SpanReader reader = new(body);
        MqttResult result = reader.ReadPacketId(out ushort packetId);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        packet.PacketId = packetId;
        if (version == MqttVersion.V5)
        {
            if ((result = MqttProperties.Read(ref reader, type, out MqttProperties properties)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Properties = properties;
        }

        packet.Reasons = reader.Rest;
        if (version == MqttVersion.V311 && type == MqttPacketType.UnsubAck)
        {
            return reader.AtEnd ? MqttResult.Ok : MqttResult.TrailingBytes;
        }

        foreach (byte reason in packet.Reasons)
        {
            bool allowed = version == MqttVersion.V5 ? ((MqttReason)reason).IsAllowedIn(type) : reason is 0 or 1 or 2 or 0x80;
            if (!allowed)
            {
                return MqttResult.ReasonInvalid;
            }
        }

        return packet.Reasons.IsEmpty ? MqttResult.EmptyList : MqttResult.Ok;
    }

    /// <summary>Encodes the packet as <paramref name="type"/>.</summary>
    public readonly void Write(MqttVersion version, MqttPacketType type, IBufferWriter<byte> output)
    {
        bool codes = version == MqttVersion.V5 || type == MqttPacketType.SubAck;
        int length = 2 + (version == MqttVersion.V5 ? SpanWriter.Measure(Properties) : 0) + (codes ? Reasons.Length : 0);
        SpanWriter writer = new(PacketFraming.Begin(output, type, 0, length, out _, out int packetBytes));
        writer.UInt16(PacketId);
        if (version == MqttVersion.V5)
        {
            writer.Properties(Properties);
        }

        if (codes)
        {
            writer.Bytes(Reasons);
        }

        output.Advance(packetBytes);
    }
}

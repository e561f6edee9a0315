// PUBLISH (section 3.3). Fixed header flags: 3 DUP, 2-1 QoS, 0 RETAIN. Body:
//   0  2+n  topic (may be empty in 5 when a topic alias property names it)
//        2  packet identifier, only for QoS 1 and 2
//           properties (5) | payload: the rest

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>PUBLISH. Spans point into the received body.</summary>
public ref struct PublishPacket
{
    public bool Duplicate { get; set; }

    public MqttQos Qos { get; set; }

    public bool Retain { get; set; }

    /// <summary>UTF-8.</summary>
    public ReadOnlySpan<byte> Topic { get; set; }

    /// <summary>0 for QoS 0.</summary>
    public ushort PacketId { get; set; }

    public MqttProperties Properties { get; set; }

    public ReadOnlySpan<byte> Payload { get; set; }

    /// <summary>Decodes the body; <paramref name="flags"/> come from a header that <see cref="PacketFraming"/> has accepted.</summary>
    public static MqttResult Read(MqttVersion version, byte flags, ReadOnlySpan<byte> body, out PublishPacket packet)
    {
        packet = new PublishPacket { Duplicate = (flags & 8) != 0, Qos = (MqttQos)((flags >> 1) & 3), Retain = (flags & 1) != 0 };
        if (packet.Qos > MqttQos.ExactlyOnce)
        {
            return MqttResult.QosInvalid;
        }

        SpanReader reader = new(body);
        MqttResult result = reader.ReadString(out ReadOnlySpan<byte> topic);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        packet.Topic = topic;
        if (packet.Qos != MqttQos.AtMostOnce)
        {
            if ((result = reader.ReadPacketId(out ushort packetId)) != MqttResult.Ok)
            {
                return result;
            }

            packet.PacketId = packetId;
        }

        if (version == MqttVersion.V5)
        {
            if ((result = MqttProperties.Read(ref reader, MqttPacketType.Publish, out MqttProperties properties)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Properties = properties;
        }

        packet.Payload = reader.Rest;
        return TopicRules.IsName(topic) || (topic.IsEmpty && packet.Properties.Has(MqttPropertyId.TopicAlias))
            ? MqttResult.Ok
            : MqttResult.TopicNameInvalid;
    }

    /// <summary>The encoded packet's length in bytes.</summary>
    public readonly int Measure(MqttVersion version)
    {
        int body = BodyBytes(version);
        return 1 + VariableInteger.Measure((uint)body) + body;
    }

    /// <summary>Encodes the packet.</summary>
    public readonly void Write(MqttVersion version, IBufferWriter<byte> output)
    {
        int flags = (Duplicate ? 8 : 0) | ((int)Qos << 1) | (Retain ? 1 : 0);
        SpanWriter writer = new(PacketFraming.Begin(output, MqttPacketType.Publish, flags, BodyBytes(version), out _, out int packetBytes));
        writer.Binary(Topic);
        if (Qos != MqttQos.AtMostOnce)
        {
            writer.UInt16(PacketId);
        }

        if (version == MqttVersion.V5)
        {
            writer.Properties(Properties);
        }

        writer.Bytes(Payload);
        output.Advance(packetBytes);
    }

    private readonly int BodyBytes(MqttVersion version) =>
        2 + Topic.Length + (Qos != MqttQos.AtMostOnce ? 2 : 0) + (version == MqttVersion.V5 ? SpanWriter.Measure(Properties) : 0) + Payload.Length;
}

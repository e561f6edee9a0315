// UNSUBSCRIBE (section 3.10): 0 packet identifier (2) | properties (5) | one or more filters.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>UNSUBSCRIBE. Spans point into the received body; <c>foreach</c> walks the filters.</summary>
public ref struct UnsubscribePacket
{
    private ReadOnlySpan<byte> _filters;

    public ushort PacketId { get; set; }

    public MqttProperties Properties { get; set; }

    /// <summary>How many filters there are.</summary>
    public int Count { get; private set; }

    /// <summary>Decodes the body.</summary>
    public static MqttResult Read(MqttVersion version, ReadOnlySpan<byte> body, out UnsubscribePacket packet)
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
            if ((result = MqttProperties.Read(ref reader, MqttPacketType.Unsubscribe, out MqttProperties properties)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Properties = properties;
        }

        packet._filters = reader.Rest;
        while (!reader.AtEnd)
        {
            if ((result = reader.ReadString(out _)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Count++;
        }

        return packet.Count == 0 ? MqttResult.EmptyList : MqttResult.Ok; // MQTT-3.10.3-2
    }

    /// <summary>Encodes an UNSUBSCRIBE of one filter.</summary>
    public static void Write(MqttVersion version, ushort packetId, ReadOnlySpan<byte> filter, IBufferWriter<byte> output)
    {
        int length = 2 + (version == MqttVersion.V5 ? 1 : 0) + 2 + filter.Length;
        SpanWriter writer = new(PacketFraming.Begin(output, MqttPacketType.Unsubscribe, 2, length, out _, out int packetBytes));
        writer.UInt16(packetId);
        if (version == MqttVersion.V5)
        {
            writer.Variable(0);
        }

        writer.Binary(filter);
        output.Advance(packetBytes);
    }

    /// <summary>Walks the filters.</summary>
    public readonly Enumerator GetEnumerator() => new(_filters);

    /// <summary>Walks filters that <see cref="Read"/> has checked.</summary>
    public ref struct Enumerator
    {
        private SpanReader _reader;
        private ReadOnlySpan<byte> _filter;

        internal Enumerator(ReadOnlySpan<byte> filters)
        {
            _reader = new SpanReader(filters);
            _filter = default;
        }

        /// <summary>The filter at this position, UTF-8.</summary>
        public readonly ReadOnlySpan<byte> Current => _filter;

        /// <summary>Goes to the next filter; false at the end.</summary>
        public bool MoveNext() => _reader.ReadString(out _filter) == MqttResult.Ok;
    }
}

// SUBSCRIBE (section 3.8): 0 packet identifier (2) | properties (5) | one or more of: filter | options.
// Options: 1-0 QoS, and in 5: 2 no-local, 3 retain as published, 5-4 retain handling; the rest is reserved.
// A filter's own syntax is the server's to judge, since 5 refuses it with a reason in SUBACK.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>When retained messages are sent on subscribing (section 3.8.3.1).</summary>
public enum RetainHandling : byte
{
    Send = 0,
    SendIfNew = 1,
    DoNotSend = 2,
}

/// <summary>The options byte of one subscription.</summary>
/// <param name="Value">The byte on the wire.</param>
public readonly record struct SubscriptionOptions(byte Value)
{
    /// <summary>Options from their parts.</summary>
    public SubscriptionOptions(MqttQos qos, bool noLocal = false, bool retainAsPublished = false, RetainHandling retainHandling = RetainHandling.Send)
        : this((byte)((int)qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | ((int)retainHandling << 4)))
    {
    }

    public MqttQos Qos => (MqttQos)(Value & 3);

    /// <summary>Do not send back what this client publishes.</summary>
    public bool NoLocal => (Value & 4) != 0;

    /// <summary>Keep the RETAIN flag as it was published.</summary>
    public bool RetainAsPublished => (Value & 8) != 0;

    public RetainHandling RetainHandling => (RetainHandling)((Value >> 4) & 3);
}

/// <summary>One filter of SUBSCRIBE.</summary>
public readonly ref struct SubscriptionRequest(ReadOnlySpan<byte> filter, SubscriptionOptions options)
{
    /// <summary>UTF-8.</summary>
    public ReadOnlySpan<byte> Filter { get; } = filter;

    public SubscriptionOptions Options { get; } = options;
}

/// <summary>SUBSCRIBE. Spans point into the received body; <c>foreach</c> walks the requests.</summary>
public ref struct SubscribePacket
{
    private ReadOnlySpan<byte> _requests;

    public ushort PacketId { get; set; }

    public MqttProperties Properties { get; set; }

    /// <summary>How many filters there are.</summary>
    public int Count { get; private set; }

    /// <summary>Decodes the body.</summary>
    public static MqttResult Read(MqttVersion version, ReadOnlySpan<byte> body, out SubscribePacket packet)
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
            if ((result = MqttProperties.Read(ref reader, MqttPacketType.Subscribe, out MqttProperties properties)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Properties = properties;
        }

        packet._requests = reader.Rest;
        while (!reader.AtEnd)
        {
            if ((result = reader.ReadString(out ReadOnlySpan<byte> filter)) != MqttResult.Ok
                || (result = reader.ReadByte(out byte options)) != MqttResult.Ok
                || (result = CheckOptions(version, filter, options)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Count++;
        }

        return packet.Count == 0 ? MqttResult.EmptyList : MqttResult.Ok; // MQTT-3.8.3-2
    }

    /// <summary>Encodes a SUBSCRIBE of one filter.</summary>
    public static void Write(MqttVersion version, ushort packetId, ReadOnlySpan<byte> filter, SubscriptionOptions options, MqttProperties properties, IBufferWriter<byte> output)
    {
        int length = 2 + (version == MqttVersion.V5 ? SpanWriter.Measure(properties) : 0) + 2 + filter.Length + 1;
        SpanWriter writer = new(PacketFraming.Begin(output, MqttPacketType.Subscribe, 2, length, out _, out int packetBytes));
        writer.UInt16(packetId);
        if (version == MqttVersion.V5)
        {
            writer.Properties(properties);
        }

        writer.Binary(filter);
        writer.Byte(version == MqttVersion.V5 ? options.Value : (byte)options.Qos);
        output.Advance(packetBytes);
    }

    /// <summary>Walks the requests.</summary>
    public readonly Enumerator GetEnumerator() => new(_requests);

    /// <summary>Walks requests that <see cref="Read"/> has checked.</summary>
    public ref struct Enumerator
    {
        private SpanReader _reader;
        private ReadOnlySpan<byte> _filter;
        private byte _options;

        internal Enumerator(ReadOnlySpan<byte> requests)
        {
            _reader = new SpanReader(requests);
            _filter = default;
            _options = 0;
        }

        /// <summary>The request at this position.</summary>
        public readonly SubscriptionRequest Current => new(_filter, new SubscriptionOptions(_options));

        /// <summary>Goes to the next request; false at the end.</summary>
        public bool MoveNext() => _reader.ReadString(out _filter) == MqttResult.Ok && _reader.ReadByte(out _options) == MqttResult.Ok;
    }

    private static MqttResult CheckOptions(MqttVersion version, ReadOnlySpan<byte> filter, byte options)
    {
        if ((options & (version == MqttVersion.V5 ? 0xC0 : 0xFC)) != 0)
        {
            return MqttResult.ReservedBits;
        }

        if ((options & 3) == 3)
        {
            return MqttResult.QosInvalid;
        }

        SubscriptionOptions parsed = new(options);
        return (int)parsed.RetainHandling == 3 || (parsed.NoLocal && TopicRules.IsShared(filter)) // MQTT-3.8.3-4
            ? MqttResult.SubscriptionOptionsInvalid
            : MqttResult.Ok;
    }
}

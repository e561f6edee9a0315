// The properties of MQTT 5 (section 2.2.2) as the bytes they came in: checked once (known, allowed in this packet, not twice,
// in range), then looked up in place. Nothing is allocated; a packet has a handful of properties, so a lookup is a short scan.

using System.Buffers.Binary;

namespace DePIN.Mqtt;

/// <summary>Identifiers of properties (table 2-4).</summary>
public enum MqttPropertyId : byte
{
    PayloadFormat = 0x01,
    MessageExpirySeconds = 0x02,
    ContentType = 0x03,
    ResponseTopic = 0x08,
    CorrelationData = 0x09,
    SubscriptionId = 0x0B,
    SessionExpirySeconds = 0x11,
    AssignedClientId = 0x12,
    ServerKeepAliveSeconds = 0x13,
    AuthenticationMethod = 0x15,
    AuthenticationData = 0x16,
    RequestProblemInformation = 0x17,
    WillDelaySeconds = 0x18,
    RequestResponseInformation = 0x19,
    ResponseInformation = 0x1A,
    ServerReference = 0x1C,
    ReasonString = 0x1F,
    ReceiveMaximum = 0x21,
    TopicAliasMaximum = 0x22,
    TopicAlias = 0x23,
    MaximumQos = 0x24,
    RetainAvailable = 0x25,
    UserProperty = 0x26,
    MaximumPacketBytes = 0x27,
    WildcardSubscriptionAvailable = 0x28,
    SubscriptionIdAvailable = 0x29,
    SharedSubscriptionAvailable = 0x2A,
}

internal enum PropertyKind : byte
{
    Unknown,
    Byte,
    UInt16,
    UInt32,
    Variable,
    Text,
    Binary,
    Pair,
}

/// <summary>One property in a block: numbers in <see cref="Number"/>, text and binary data in <see cref="Bytes"/>, a pair's value in <see cref="Value"/>.</summary>
public readonly ref struct MqttProperty
{
    /// <summary>Which property.</summary>
    public MqttPropertyId Id { get; init; }

    /// <summary>The value of a numeric property.</summary>
    public uint Number { get; init; }

    /// <summary>The value of a string or binary property, or a user property's name.</summary>
    public ReadOnlySpan<byte> Bytes { get; init; }

    /// <summary>A user property's value.</summary>
    public ReadOnlySpan<byte> Value { get; init; }
}

/// <summary>A checked property block; empty in MQTT 3.1.1.</summary>
public readonly ref struct MqttProperties
{
    /// <summary>The pseudo packet type of the will's properties inside CONNECT.</summary>
    internal const MqttPacketType Will = MqttPacketType.None;

    private readonly ReadOnlySpan<byte> _raw;

    /// <summary>Takes a block made by <see cref="PropertyWriter"/>; received bytes come through <see cref="Read"/>.</summary>
    public MqttProperties(ReadOnlySpan<byte> raw) => _raw = raw;

    /// <summary>The encoded properties without their length.</summary>
    public ReadOnlySpan<byte> Raw => _raw;

    /// <summary>Whether there are none.</summary>
    public bool IsEmpty => _raw.IsEmpty;

    /// <summary>Checks the block in front of <paramref name="reader"/> for a packet of <paramref name="type"/>.</summary>
    internal static MqttResult Read(scoped ref SpanReader reader, MqttPacketType type, out MqttProperties properties)
    {
        properties = default;
        MqttResult result = reader.ReadVariable(out uint length);
        if (result != MqttResult.Ok || (result = reader.Take((int)length, out ReadOnlySpan<byte> raw)) != MqttResult.Ok)
        {
            return result;
        }

        result = Check(raw, type);
        if (result == MqttResult.Ok)
        {
            properties = new MqttProperties(raw);
        }

        return result;
    }

    /// <summary>A number property, or null when it is absent.</summary>
    public uint? Number(MqttPropertyId id)
    {
        foreach (MqttProperty property in this)
        {
            if (property.Id == id)
            {
                return property.Number;
            }
        }

        return null;
    }

    /// <summary>A string or binary property; false when it is absent.</summary>
    public bool TryBytes(MqttPropertyId id, out ReadOnlySpan<byte> value)
    {
        foreach (MqttProperty property in this)
        {
            if (property.Id == id)
            {
                value = property.Bytes;
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>Whether the property is there.</summary>
    public bool Has(MqttPropertyId id)
    {
        foreach (MqttProperty property in this)
        {
            if (property.Id == id)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Walks the properties in the order they came.</summary>
    public Enumerator GetEnumerator() => new(_raw);

    /// <summary>Walks a property block.</summary>
    public ref struct Enumerator
    {
        private ReadOnlySpan<byte> _rest;
        private MqttProperty _current;

        internal Enumerator(ReadOnlySpan<byte> raw)
        {
            _rest = raw;
            _current = default;
        }

        /// <summary>The property at this position.</summary>
        public readonly MqttProperty Current => _current;

        /// <summary>Goes to the next property; false at the end.</summary>
        public bool MoveNext()
        {
            if (_rest.IsEmpty)
            {
                return false;
            }

            SpanReader reader = new(_rest);
            if (ReadOne(ref reader, out _current) != MqttResult.Ok)
            {
                throw new InvalidOperationException("A property block was not checked before it was walked.");
            }

            _rest = reader.Rest;
            return true;
        }
    }

    internal static MqttResult Check(ReadOnlySpan<byte> raw, MqttPacketType type)
    {
        SpanReader reader = new(raw);
        ulong seen = 0;
        while (!reader.AtEnd)
        {
            MqttResult result = ReadOne(ref reader, out MqttProperty property);
            if (result != MqttResult.Ok)
            {
                return result;
            }

            if (!IsAllowed(property.Id, type))
            {
                return MqttResult.PropertyNotAllowed;
            }

            ulong bit = 1UL << (int)property.Id;
            bool repeatable = property.Id == MqttPropertyId.UserProperty
                || (property.Id == MqttPropertyId.SubscriptionId && type == MqttPacketType.Publish);
            if ((seen & bit) != 0 && !repeatable)
            {
                return MqttResult.PropertyDuplicate;
            }

            seen |= bit;
            result = CheckValue(property);
            if (result != MqttResult.Ok)
            {
                return result;
            }
        }

        // Section 3.1.2.11.10: authentication data without a method is a protocol error.
        return (seen & (1UL << (int)MqttPropertyId.AuthenticationData)) != 0 && (seen & (1UL << (int)MqttPropertyId.AuthenticationMethod)) == 0
            ? MqttResult.PropertyValueInvalid
            : MqttResult.Ok;
    }

    private static MqttResult ReadOne(scoped ref SpanReader reader, out MqttProperty property)
    {
        property = default;
        MqttResult result = reader.ReadVariable(out uint id);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        MqttPropertyId known = (MqttPropertyId)Math.Min(id, byte.MaxValue);
        switch (KindOf(known))
        {
            case PropertyKind.Byte:
                result = reader.ReadByte(out byte small);
                property = new MqttProperty { Id = known, Number = small };
                return result;
            case PropertyKind.UInt16:
                result = reader.ReadUInt16(out ushort medium);
                property = new MqttProperty { Id = known, Number = medium };
                return result;
            case PropertyKind.UInt32:
                result = reader.ReadUInt32(out uint large);
                property = new MqttProperty { Id = known, Number = large };
                return result;
            case PropertyKind.Variable:
                result = reader.ReadVariable(out uint variable);
                property = new MqttProperty { Id = known, Number = variable };
                return result;
            case PropertyKind.Text:
                result = reader.ReadString(out ReadOnlySpan<byte> text);
                property = new MqttProperty { Id = known, Bytes = text };
                return result;
            case PropertyKind.Binary:
                result = reader.ReadBinary(out ReadOnlySpan<byte> binary);
                property = new MqttProperty { Id = known, Bytes = binary };
                return result;
            case PropertyKind.Pair:
                result = reader.ReadString(out ReadOnlySpan<byte> name);
                if (result != MqttResult.Ok)
                {
                    return result;
                }

                result = reader.ReadString(out ReadOnlySpan<byte> value);
                property = new MqttProperty { Id = known, Bytes = name, Value = value };
                return result;
            default:
                return MqttResult.PropertyUnknown;
        }
    }

    internal static PropertyKind KindOf(MqttPropertyId id) => id switch
    {
        MqttPropertyId.PayloadFormat or MqttPropertyId.RequestProblemInformation or MqttPropertyId.RequestResponseInformation
            or MqttPropertyId.MaximumQos or MqttPropertyId.RetainAvailable or MqttPropertyId.WildcardSubscriptionAvailable
            or MqttPropertyId.SubscriptionIdAvailable or MqttPropertyId.SharedSubscriptionAvailable => PropertyKind.Byte,
        MqttPropertyId.ServerKeepAliveSeconds or MqttPropertyId.ReceiveMaximum or MqttPropertyId.TopicAliasMaximum
            or MqttPropertyId.TopicAlias => PropertyKind.UInt16,
        MqttPropertyId.MessageExpirySeconds or MqttPropertyId.SessionExpirySeconds or MqttPropertyId.WillDelaySeconds
            or MqttPropertyId.MaximumPacketBytes => PropertyKind.UInt32,
        MqttPropertyId.SubscriptionId => PropertyKind.Variable,
        MqttPropertyId.ContentType or MqttPropertyId.ResponseTopic or MqttPropertyId.AssignedClientId or MqttPropertyId.AuthenticationMethod
            or MqttPropertyId.ResponseInformation or MqttPropertyId.ServerReference or MqttPropertyId.ReasonString => PropertyKind.Text,
        MqttPropertyId.CorrelationData or MqttPropertyId.AuthenticationData => PropertyKind.Binary,
        MqttPropertyId.UserProperty => PropertyKind.Pair,
        _ => PropertyKind.Unknown,
    };

    // Table 2-4, column "Packet / Will Properties".
    private static bool IsAllowed(MqttPropertyId id, MqttPacketType type) => id switch
    {
        MqttPropertyId.PayloadFormat or MqttPropertyId.MessageExpirySeconds or MqttPropertyId.ContentType or MqttPropertyId.ResponseTopic
            or MqttPropertyId.CorrelationData => type is MqttPacketType.Publish or Will,
        MqttPropertyId.SubscriptionId => type is MqttPacketType.Publish or MqttPacketType.Subscribe,
        MqttPropertyId.SessionExpirySeconds => type is MqttPacketType.Connect or MqttPacketType.ConnAck or MqttPacketType.Disconnect,
        MqttPropertyId.AuthenticationMethod or MqttPropertyId.AuthenticationData => type is MqttPacketType.Connect or MqttPacketType.ConnAck or MqttPacketType.Auth,
        MqttPropertyId.RequestProblemInformation or MqttPropertyId.RequestResponseInformation => type is MqttPacketType.Connect,
        MqttPropertyId.WillDelaySeconds => type is Will,
        MqttPropertyId.ServerReference => type is MqttPacketType.ConnAck or MqttPacketType.Disconnect,
        MqttPropertyId.ReasonString => type is not (MqttPacketType.Connect or MqttPacketType.Publish or MqttPacketType.Subscribe or MqttPacketType.Unsubscribe or Will),
        MqttPropertyId.ReceiveMaximum or MqttPropertyId.TopicAliasMaximum or MqttPropertyId.MaximumPacketBytes => type is MqttPacketType.Connect or MqttPacketType.ConnAck,
        MqttPropertyId.TopicAlias => type is MqttPacketType.Publish,
        MqttPropertyId.UserProperty => true,
        _ => type is MqttPacketType.ConnAck,
    };

    private static MqttResult CheckValue(in MqttProperty property) => property.Id switch
    {
        MqttPropertyId.TopicAlias => property.Number == 0 ? MqttResult.TopicAliasInvalid : MqttResult.Ok,
        MqttPropertyId.ReceiveMaximum or MqttPropertyId.MaximumPacketBytes or MqttPropertyId.SubscriptionId =>
            property.Number == 0 ? MqttResult.PropertyValueInvalid : MqttResult.Ok,
        MqttPropertyId.ResponseTopic => TopicRules.IsName(property.Bytes) ? MqttResult.Ok : MqttResult.PropertyValueInvalid,
        _ => KindOf(property.Id) == PropertyKind.Byte && property.Number > 1 ? MqttResult.PropertyValueInvalid : MqttResult.Ok,
    };
}

/// <summary>Builds a property block in the caller's buffer. A value that does not fit, or of another kind than the property's, throws.</summary>
public ref struct PropertyWriter
{
    private readonly Span<byte> _buffer;
    private int _count;

    /// <summary>Writes into <paramref name="buffer"/>.</summary>
    public PropertyWriter(Span<byte> buffer) => _buffer = buffer;

    /// <summary>What has been written.</summary>
    public readonly MqttProperties Written => new(_buffer[.._count]);

    /// <summary>Adds a numeric property.</summary>
    public void Add(MqttPropertyId id, uint value)
    {
        _buffer[_count++] = (byte)id;
        switch (MqttProperties.KindOf(id))
        {
            case PropertyKind.Byte:
                _buffer[_count++] = checked((byte)value);
                break;
            case PropertyKind.UInt16:
                BinaryPrimitives.WriteUInt16BigEndian(_buffer[_count..], checked((ushort)value));
                _count += 2;
                break;
            case PropertyKind.UInt32:
                BinaryPrimitives.WriteUInt32BigEndian(_buffer[_count..], value);
                _count += 4;
                break;
            case PropertyKind.Variable:
                _count += VariableInteger.Write(value, _buffer[_count..]);
                break;
            default:
                throw new ArgumentException($"{id} is not a number.", nameof(id));
        }
    }

    /// <summary>Adds a string (UTF-8) or binary property.</summary>
    public void Add(MqttPropertyId id, scoped ReadOnlySpan<byte> value)
    {
        if (MqttProperties.KindOf(id) is not (PropertyKind.Text or PropertyKind.Binary))
        {
            throw new ArgumentException($"{id} is neither text nor binary data.", nameof(id));
        }

        _buffer[_count++] = (byte)id;
        AddBinary(value);
    }

    /// <summary>Adds a user property.</summary>
    public void AddUser(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
    {
        _buffer[_count++] = (byte)MqttPropertyId.UserProperty;
        AddBinary(name);
        AddBinary(value);
    }

    /// <summary>Adds properties that are encoded already.</summary>
    public void AddRaw(scoped ReadOnlySpan<byte> encoded)
    {
        encoded.CopyTo(_buffer[_count..]);
        _count += encoded.Length;
    }

    private void AddBinary(scoped ReadOnlySpan<byte> value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[_count..], checked((ushort)value.Length));
        value.CopyTo(_buffer[(_count + 2)..]);
        _count += 2 + value.Length;
    }
}

// CONNECT (section 3.1), the body after the fixed header:
//   0   2+4  protocol name "MQTT"
//   6     1  protocol level: 4 or 5
//   7     1  flags: 7 user name, 6 password, 5 will retain, 4-3 will QoS, 2 will, 1 clean start, 0 reserved
//   8     2  keep alive, seconds
//  10        properties (5) | client id | will properties (5), topic, payload | user name | password

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>CONNECT. Spans point into the received body.</summary>
public ref struct ConnectPacket
{
    public MqttVersion Version { get; set; }

    /// <summary>Clean session in 3.1.1.</summary>
    public bool CleanStart { get; set; }

    /// <summary>0 turns keep alive off.</summary>
    public ushort KeepAliveSeconds { get; set; }

    public MqttProperties Properties { get; set; }

    /// <summary>UTF-8; may be empty.</summary>
    public ReadOnlySpan<byte> ClientId { get; set; }

    public bool HasWill { get; set; }

    public MqttQos WillQos { get; set; }

    public bool WillRetain { get; set; }

    public MqttProperties WillProperties { get; set; }

    public ReadOnlySpan<byte> WillTopic { get; set; }

    public ReadOnlySpan<byte> WillPayload { get; set; }

    public bool HasUserName { get; set; }

    public ReadOnlySpan<byte> UserName { get; set; }

    public bool HasPassword { get; set; }

    public ReadOnlySpan<byte> Password { get; set; }

    /// <summary>Decodes the body. After <see cref="MqttResult.VersionUnsupported"/> nothing but the refusal is known.</summary>
    public static MqttResult Read(ReadOnlySpan<byte> body, out ConnectPacket packet)
    {
        packet = default;
        SpanReader reader = new(body);
        MqttResult result = reader.ReadString(out ReadOnlySpan<byte> name);
        if (result != MqttResult.Ok || (result = reader.ReadByte(out byte level)) != MqttResult.Ok)
        {
            return result;
        }

        if (!name.SequenceEqual("MQTT"u8))
        {
            return name.SequenceEqual("MQIsdp"u8) ? MqttResult.VersionUnsupported : MqttResult.ProtocolNameInvalid;
        }

        if (level is not ((byte)MqttVersion.V311 or (byte)MqttVersion.V5))
        {
            return MqttResult.VersionUnsupported;
        }

        packet.Version = (MqttVersion)level;
        if ((result = reader.ReadByte(out byte flags)) != MqttResult.Ok || (result = reader.ReadUInt16(out ushort keepAlive)) != MqttResult.Ok)
        {
            return result;
        }

        packet.KeepAliveSeconds = keepAlive;
        if ((result = packet.ReadFlags(flags)) != MqttResult.Ok)
        {
            return result;
        }

        if (packet.Version == MqttVersion.V5)
        {
            if ((result = MqttProperties.Read(ref reader, MqttPacketType.Connect, out MqttProperties properties)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Properties = properties;
        }

        if ((result = reader.ReadString(out ReadOnlySpan<byte> clientId)) != MqttResult.Ok)
        {
            return result;
        }

        packet.ClientId = clientId;
        if (packet.HasWill)
        {
            result = ReadWill(packet.Version, ref reader, out MqttProperties willProperties, out ReadOnlySpan<byte> willTopic, out ReadOnlySpan<byte> willPayload);
            if (result != MqttResult.Ok)
            {
                return result;
            }

            packet.WillProperties = willProperties;
            packet.WillTopic = willTopic;
            packet.WillPayload = willPayload;
        }

        if (packet.HasUserName)
        {
            if ((result = reader.ReadString(out ReadOnlySpan<byte> userName)) != MqttResult.Ok)
            {
                return result;
            }

            packet.UserName = userName;
        }

        if (packet.HasPassword)
        {
            if ((result = reader.ReadBinary(out ReadOnlySpan<byte> password)) != MqttResult.Ok)
            {
                return result;
            }

            packet.Password = password;
        }

        return reader.AtEnd ? MqttResult.Ok : MqttResult.TrailingBytes;
    }

    /// <summary>Encodes the packet.</summary>
    public readonly void Write(IBufferWriter<byte> output)
    {
        bool five = Version == MqttVersion.V5;
        int length = 10 + 2 + ClientId.Length;
        length += five ? SpanWriter.Measure(Properties) : 0;
        if (HasWill)
        {
            length += 4 + WillTopic.Length + WillPayload.Length + (five ? SpanWriter.Measure(WillProperties) : 0);
        }

        length += HasUserName ? 2 + UserName.Length : 0;
        length += HasPassword ? 2 + Password.Length : 0;

        SpanWriter writer = new(PacketFraming.Begin(output, MqttPacketType.Connect, 0, length, out _, out int packetBytes));
        writer.Binary("MQTT"u8);
        writer.Byte((byte)Version);
        writer.Byte((byte)((HasUserName ? 0x80 : 0) | (HasPassword ? 0x40 : 0) | (CleanStart ? 0x02 : 0)
            | (HasWill ? 0x04 | (WillRetain ? 0x20 : 0) | ((int)WillQos << 3) : 0)));
        writer.UInt16(KeepAliveSeconds);
        if (five)
        {
            writer.Properties(Properties);
        }

        writer.Binary(ClientId);
        if (HasWill)
        {
            if (five)
            {
                writer.Properties(WillProperties);
            }

            writer.Binary(WillTopic);
            writer.Binary(WillPayload);
        }

        if (HasUserName)
        {
            writer.Binary(UserName);
        }

        if (HasPassword)
        {
            writer.Binary(Password);
        }

        output.Advance(packetBytes);
    }

    private MqttResult ReadFlags(byte flags)
    {
        if ((flags & 1) != 0)
        {
            return MqttResult.ReservedBits;
        }

        HasUserName = (flags & 0x80) != 0;
        HasPassword = (flags & 0x40) != 0;
        WillRetain = (flags & 0x20) != 0;
        HasWill = (flags & 0x04) != 0;
        CleanStart = (flags & 0x02) != 0;
        int qos = (flags >> 3) & 3;
        if (qos == 3)
        {
            return MqttResult.QosInvalid;
        }

        WillQos = (MqttQos)qos;
        bool willFlagsWithoutWill = !HasWill && (qos != 0 || WillRetain);
        bool passwordAlone = HasPassword && !HasUserName && Version == MqttVersion.V311; // MQTT-3.1.2-22 of 3.1.1; 5 allows it.
        return willFlagsWithoutWill || passwordAlone ? MqttResult.ConnectFlagsInvalid : MqttResult.Ok;
    }

    private static MqttResult ReadWill(
        MqttVersion version, scoped ref SpanReader reader, out MqttProperties properties, out ReadOnlySpan<byte> topic, out ReadOnlySpan<byte> payload)
    {
        properties = default;
        topic = default;
        payload = default;
        MqttResult result;
        if (version == MqttVersion.V5 && (result = MqttProperties.Read(ref reader, MqttProperties.Will, out properties)) != MqttResult.Ok)
        {
            return result;
        }

        if ((result = reader.ReadString(out topic)) != MqttResult.Ok || (result = reader.ReadBinary(out payload)) != MqttResult.Ok)
        {
            return result;
        }

        return TopicRules.IsName(topic) ? MqttResult.Ok : MqttResult.TopicNameInvalid;
    }
}

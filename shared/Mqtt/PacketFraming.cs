// Finds packets in a byte stream: the fixed header (section 2.1).
//   0     1  type (high four bits) and flags (low four bits)
//   1   1-4  remaining length, variable byte integer
//   ..       the body, decoded by the packet's own type
// Refuses unknown types, wrong reserved flags and oversized packets before a single byte of the body is buffered.

using System.Buffers;

namespace DePIN.Mqtt;

/// <summary>The fixed header of a packet.</summary>
/// <param name="First">The first byte: type and flags.</param>
/// <param name="HeaderBytes">Length of the header itself, 2 to 5.</param>
/// <param name="BodyBytes">Length of what follows it.</param>
public readonly record struct MqttHeader(byte First, int HeaderBytes, int BodyBytes)
{
    /// <summary>The packet's type.</summary>
    public MqttPacketType Type => (MqttPacketType)(First >> 4);

    /// <summary>The low four bits of the first byte.</summary>
    public byte Flags => (byte)(First & 0x0F);

    /// <summary>Header and body together.</summary>
    public int PacketBytes => HeaderBytes + BodyBytes;
}

/// <summary>Splits a byte stream into packets.</summary>
public static class PacketFraming
{
    /// <summary>The most bytes a fixed header takes.</summary>
    public const int HeaderBytesMax = 1 + VariableInteger.BytesMax;

    /// <summary>Reads the fixed header at the start of <paramref name="buffer"/>; the body need not be there yet.</summary>
    /// <param name="buffer">Received bytes.</param>
    /// <param name="packetBytesMax">The largest packet to accept, header included.</param>
    /// <param name="header">The header when the result is <see cref="MqttResult.Ok"/>.</param>
    public static MqttResult TryReadHeader(ReadOnlySpan<byte> buffer, int packetBytesMax, out MqttHeader header)
    {
        header = default;
        if (buffer.IsEmpty)
        {
            return MqttResult.NeedMore;
        }

        MqttResult result = CheckFirst(buffer[0]);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        result = VariableInteger.TryRead(buffer[1..], out uint length, out int lengthBytes);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        header = new MqttHeader(buffer[0], 1 + lengthBytes, (int)length);
        return header.PacketBytes > packetBytesMax ? MqttResult.PacketTooLarge : MqttResult.Ok;
    }

    /// <summary>Reads one whole packet from the start of <paramref name="buffer"/>.</summary>
    public static MqttResult TryReadPacket(ReadOnlySpan<byte> buffer, int packetBytesMax, out MqttHeader header, out ReadOnlySpan<byte> body)
    {
        body = default;
        MqttResult result = TryReadHeader(buffer, packetBytesMax, out header);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        if (buffer.Length < header.PacketBytes)
        {
            return MqttResult.NeedMore;
        }

        body = buffer.Slice(header.HeaderBytes, header.BodyBytes);
        return MqttResult.Ok;
    }

    /// <summary>Reads one whole packet from the start of <paramref name="buffer"/>; the body may lie in several segments.</summary>
    public static MqttResult TryReadPacket(in ReadOnlySequence<byte> buffer, int packetBytesMax, out MqttHeader header, out ReadOnlySequence<byte> body)
    {
        ReadOnlySpan<byte> start = buffer.FirstSpan;
        if (start.Length < HeaderBytesMax && !buffer.IsSingleSegment)
        {
            Span<byte> copy = stackalloc byte[HeaderBytesMax];
            int length = (int)Math.Min(HeaderBytesMax, buffer.Length);
            buffer.Slice(0, length).CopyTo(copy);
            return Finish(buffer, TryReadHeader(copy[..length], packetBytesMax, out header), header, out body);
        }

        return Finish(buffer, TryReadHeader(start, packetBytesMax, out header), header, out body);
    }

    private static MqttResult Finish(in ReadOnlySequence<byte> buffer, MqttResult result, MqttHeader header, out ReadOnlySequence<byte> body)
    {
        body = default;
        if (result != MqttResult.Ok)
        {
            return result;
        }

        if (buffer.Length < header.PacketBytes)
        {
            return MqttResult.NeedMore;
        }

        body = buffer.Slice(header.HeaderBytes, header.BodyBytes);
        return MqttResult.Ok;
    }

    // Section 2.1.3: PUBREL, SUBSCRIBE and UNSUBSCRIBE carry 0010, PUBLISH its own flags, all others 0000.
    private static MqttResult CheckFirst(byte first)
    {
        int flags = first & 0x0F;
        switch ((MqttPacketType)(first >> 4))
        {
            case MqttPacketType.None:
                return MqttResult.UnknownPacketType;
            case MqttPacketType.Publish:
                int qos = (flags >> 1) & 3;
                return qos == 3 ? MqttResult.QosInvalid : qos == 0 && (flags & 8) != 0 ? MqttResult.DuplicateFlagInvalid : MqttResult.Ok;
            case MqttPacketType.PubRel or MqttPacketType.Subscribe or MqttPacketType.Unsubscribe:
                return flags == 2 ? MqttResult.Ok : MqttResult.ReservedBits;
            default:
                return flags == 0 ? MqttResult.Ok : MqttResult.ReservedBits;
        }
    }

    internal static Span<byte> Begin(IBufferWriter<byte> output, MqttPacketType type, int flags, int bodyBytes, out int headerBytes, out int packetBytes)
    {
        int lengthBytes = VariableInteger.Measure((uint)bodyBytes);
        headerBytes = 1 + lengthBytes;
        packetBytes = headerBytes + bodyBytes;
        Span<byte> span = output.GetSpan(packetBytes);
        span[0] = (byte)(((int)type << 4) | flags);
        VariableInteger.Write((uint)bodyBytes, span[1..]);
        return span[headerBytes..packetBytes];
    }
}

// Reads the primitive types of MQTT (section 1.5) from one packet's body: integers big-endian, strings and binary data
// with a two-byte length, variable byte integers in their shortest form. Never reads beyond the body, never throws.

using System.Buffers.Binary;
using System.Text.Unicode;

namespace DePIN.Mqtt;

internal ref struct SpanReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    public readonly ReadOnlySpan<byte> Rest => _rest;

    public readonly bool AtEnd => _rest.IsEmpty;

    public MqttResult ReadByte(out byte value)
    {
        if (_rest.IsEmpty)
        {
            value = 0;
            return MqttResult.Truncated;
        }

        value = _rest[0];
        _rest = _rest[1..];
        return MqttResult.Ok;
    }

    public MqttResult ReadUInt16(out ushort value)
    {
        if (!BinaryPrimitives.TryReadUInt16BigEndian(_rest, out value))
        {
            return MqttResult.Truncated;
        }

        _rest = _rest[2..];
        return MqttResult.Ok;
    }

    public MqttResult ReadUInt32(out uint value)
    {
        if (!BinaryPrimitives.TryReadUInt32BigEndian(_rest, out value))
        {
            return MqttResult.Truncated;
        }

        _rest = _rest[4..];
        return MqttResult.Ok;
    }

    public MqttResult ReadPacketId(out ushort value)
    {
        MqttResult result = ReadUInt16(out value);
        return result == MqttResult.Ok && value == 0 ? MqttResult.PacketIdZero : result;
    }

    public MqttResult ReadVariable(out uint value)
    {
        MqttResult result = VariableInteger.TryRead(_rest, out value, out int bytes);
        if (result == MqttResult.NeedMore)
        {
            return MqttResult.Truncated;
        }

        if (result == MqttResult.Ok)
        {
            _rest = _rest[bytes..];
        }

        return result;
    }

    public MqttResult ReadBinary(out ReadOnlySpan<byte> value)
    {
        if (!BinaryPrimitives.TryReadUInt16BigEndian(_rest, out ushort length) || _rest.Length < 2 + length)
        {
            value = default;
            return MqttResult.Truncated;
        }

        value = _rest.Slice(2, length);
        _rest = _rest[(2 + length)..];
        return MqttResult.Ok;
    }

    public MqttResult ReadString(out ReadOnlySpan<byte> value)
    {
        MqttResult result = ReadBinary(out value);
        return result == MqttResult.Ok ? CheckString(value) : result;
    }

    /// <summary>The rules for every string (MQTT-1.5.4-1 and -2): well-formed UTF-8 and no U+0000.</summary>
    public static MqttResult CheckString(ReadOnlySpan<byte> value) =>
        !Utf8.IsValid(value) ? MqttResult.StringNotUtf8
        : value.Contains((byte)0) ? MqttResult.StringHasNull
        : MqttResult.Ok;

    public MqttResult Take(int count, out ReadOnlySpan<byte> value)
    {
        if (_rest.Length < count)
        {
            value = default;
            return MqttResult.Truncated;
        }

        value = _rest[..count];
        _rest = _rest[count..];
        return MqttResult.Ok;
    }
}

// Writes the primitive types of MQTT into a span that the caller has measured. Running over its end is a programmer's error and throws.

using System.Buffers.Binary;

namespace DePIN.Mqtt;

internal ref struct SpanWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;

    public int Count { get; private set; }

    public void Byte(byte value) => _destination[Count++] = value;

    public void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_destination[Count..], value);
        Count += 2;
    }

    public void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_destination[Count..], value);
        Count += 4;
    }

    public void Variable(uint value) => Count += VariableInteger.Write(value, _destination[Count..]);

    public void Bytes(ReadOnlySpan<byte> value)
    {
        value.CopyTo(_destination[Count..]);
        Count += value.Length;
    }

    public void Binary(ReadOnlySpan<byte> value)
    {
        UInt16(checked((ushort)value.Length));
        Bytes(value);
    }

    /// <summary>A property block with its length in front.</summary>
    public void Properties(MqttProperties value)
    {
        Variable((uint)value.Raw.Length);
        Bytes(value.Raw);
    }

    public static int Measure(MqttProperties value) => VariableInteger.Measure((uint)value.Raw.Length) + value.Raw.Length;
}

// The variable byte integer (section 1.5.5): seven bits a byte, least significant first, at most four bytes, shortest form only.

namespace DePIN.Mqtt;

/// <summary>Reads, measures and writes variable byte integers.</summary>
public static class VariableInteger
{
    /// <summary>The largest value, 268,435,455.</summary>
    public const uint ValueMax = 0x0FFF_FFFF;

    /// <summary>The most bytes a value takes.</summary>
    public const int BytesMax = 4;

    /// <summary>Reads one value from the start of <paramref name="source"/>.</summary>
    public static MqttResult TryRead(ReadOnlySpan<byte> source, out uint value, out int bytes)
    {
        value = 0;
        for (bytes = 0; bytes < BytesMax;)
        {
            if (bytes >= source.Length)
            {
                return MqttResult.NeedMore;
            }

            byte next = source[bytes];
            value |= (uint)(next & 0x7F) << (7 * bytes++);
            if (next < 0x80)
            {
                return next == 0 && bytes > 1 ? MqttResult.LengthNotMinimal : MqttResult.Ok;
            }
        }

        return MqttResult.LengthTooLong;
    }

    /// <summary>How many bytes <paramref name="value"/> takes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is above <see cref="ValueMax"/>.</exception>
    public static int Measure(uint value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, ValueMax);
        return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4;
    }

    /// <summary>Writes <paramref name="value"/> and returns how many bytes it took.</summary>
    public static int Write(uint value, Span<byte> destination)
    {
        int bytes = Measure(value);
        for (int i = 0; i < bytes; i++)
        {
            destination[i] = (byte)((value & 0x7F) | (i + 1 < bytes ? 0x80u : 0));
            value >>= 7;
        }

        return bytes;
    }
}

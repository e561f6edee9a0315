// Words with their CRC-8, from the chip's side: polynomial division over the message as one number, not the driver's shift register.

namespace DePIN.VirtualBoard.Hardware;

/// <summary>What Sensirion chips put on the bus.</summary>
internal static class SensirionBytes
{
    // x^8 + x^5 + x^4 + 1.
    private const uint Divisor = 0x131;

    /// <summary>Each word as high byte, low byte, CRC.</summary>
    public static byte[] Of(params ushort[] words)
    {
        byte[] bytes = new byte[words.Length * 3];
        for (int i = 0; i < words.Length; i++)
        {
            bytes[3 * i] = (byte)(words[i] >> 8);
            bytes[(3 * i) + 1] = (byte)words[i];
            bytes[(3 * i) + 2] = Crc(words[i]);
        }

        return bytes;
    }

    /// <summary>The remainder of the word, its first byte XORed with the initial value 0xFF, times x^8.</summary>
    public static byte Crc(ushort word)
    {
        uint remainder = (word ^ 0xFF00u) << 8;
        for (int bit = 23; bit >= 8; bit--)
        {
            if ((remainder & (1u << bit)) != 0)
            {
                remainder ^= Divisor << (bit - 8);
            }
        }

        return (byte)remainder;
    }

    /// <summary>The word that stands for a value on a scale that begins at an offset and spans 65,535 words.</summary>
    public static ushort Word(double value, double offset, double span) =>
        (ushort)Math.Clamp(Math.Round((value - offset) * 65535 / span), 0, 65535);
}

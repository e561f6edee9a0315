using DePIN.Protocol;

namespace DePIN.EndToEnd.Tests.Serial;

/// <summary>A million mutated bytes to the decoder that the host reads boards with. CRC-32 is computed here once more, bit by bit.</summary>
public sealed class SerialDecoderFuzzTests
{
    private const int BytesMin = 1_000_000;

    [TestCase(1)]
    [TestCase(20261125)]
    public void No_crash_no_hang_and_no_frame_with_a_bad_CRC(int seed)
    {
        Random random = new(seed);
        SerialDecoder decoder = new();
        int pushed = 0, given = 0, untouched = 0;
        while (pushed < BytesMin)
        {
            byte[] data = new byte[random.Next(0, SerialFrame.DataBytesMax + 1)];
            random.NextBytes(data);
            byte[] frame = new byte[SerialFrame.FrameBytesMin + data.Length];
            SerialFrame.Write((byte)random.Next(256), (byte)random.Next(256), data, 0, data.Length, frame, 0);
            byte[] mutated = Mutate(frame, random);
            untouched += mutated.AsSpan().SequenceEqual(frame) ? 1 : 0;
            foreach (byte value in mutated)
            {
                decoder.Push(value);
                pushed++;
                while (decoder.TryRead())
                {
                    given++;
                    int end = decoder.DataOffset + decoder.DataCount;
                    uint written = (uint)((decoder.Buffer[end] << 24) | (decoder.Buffer[end + 1] << 16) | (decoder.Buffer[end + 2] << 8) | decoder.Buffer[end + 3]);
                    if (written != Crc(decoder.Buffer.AsSpan(0, end)))
                    {
                        Assert.Fail($"a frame with a bad CRC was given out after {pushed} bytes of seed {seed}");
                    }
                }
            }
        }

        Assert.Multiple(() =>
        {
            Assert.That(given, Is.GreaterThan(untouched / 2), "good frames between bad ones are found");
            Assert.That(decoder.CrcErrors, Is.GreaterThan(100u), "and the mutations bite");
            Assert.That(decoder.SkippedBytes, Is.GreaterThan(1000u));
        });
    }

    private static byte[] Mutate(byte[] frame, Random random)
    {
        switch (random.Next(8))
        {
            case 0: // bits turned
                byte[] turned = [.. frame];
                for (int times = random.Next(1, 4); times > 0; times--)
                {
                    turned[random.Next(turned.Length)] ^= (byte)(1 << random.Next(8));
                }

                return turned;
            case 1: // cut off, the next frame begins inside
                return frame[..random.Next(frame.Length)];
            case 2: // bytes lost in the middle
                int from = random.Next(frame.Length);
                return [.. frame[..from], .. frame[Math.Min(frame.Length, from + random.Next(1, 9))..]];
            case 3: // noise between
                byte[] noise = new byte[random.Next(1, 300)];
                random.NextBytes(noise);
                int at = random.Next(frame.Length);
                return [.. frame[..at], .. noise, .. frame[at..]];
            case 4: // the largest and too large lengths
                byte[] stretched = [.. frame];
                stretched[SerialFrame.DataBytesOffset] = (byte)random.Next(256);
                stretched[SerialFrame.DataBytesOffset + 1] = (byte)random.Next(256);
                return stretched;
            case 5: // beginnings without end
                return [.. Enumerable.Repeat(frame[..Math.Min(frame.Length, random.Next(1, SerialFrame.HeaderBytes + 1))], random.Next(1, 60)).SelectMany(part => part)];
            default:
                return frame;
        }
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            }
        }

        return ~crc;
    }
}

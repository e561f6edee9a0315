// Serial frames through noise: what was sent is found, what was damaged is not given out, and nothing hangs.

namespace DePIN.Protocol.Tests;

public sealed class SerialFrameTests
{
    [Test]
    public void A_frame_has_the_bytes_of_its_table()
    {
        byte[] destination = new byte[20];
        int count = SerialFrame.Write(SerialTypes.ConfigureResponse, 7, [1], 0, 1, destination, 0);
        Assert.That(Convert.ToHexStringLower(destination, 0, count - 4), Is.EqualTo("4465504e" + "01" + "83" + "07" + "0001" + "01"));
        Assert.That(Crc32.Compute("123456789"u8.ToArray(), 0, 9), Is.EqualTo(0xCBF43926));
    }

    [Test]
    public void The_crc_is_that_of_ieee_802_3()
    {
        // Bit by bit, from the polynomial.
        SeededRandom random = new(32);
        for (int i = 0; i < 200; i++)
        {
            byte[] bytes = random.Bytes(random.Below(300));
            Assert.That(Crc32.Compute(bytes, 0, bytes.Length), Is.EqualTo(BitwiseCrc(bytes)));
        }
    }

    [Test]
    public void Frames_between_log_lines_and_half_frames_are_all_found()
    {
        SeededRandom random = new(9600);
        List<byte> stream = [];
        List<byte[]> sent = [];
        for (int i = 0; i < 500; i++)
        {
            stream.AddRange(random.Below(4) switch
            {
                0 => "[boot] DePIN Edge starting DePN DeP\r\n"u8.ToArray(),
                1 => random.Bytes(random.Below(60)),
                // The beginning of the largest frame, which swallows what follows until its CRC is seen to be wrong.
                2 => [0x44, 0x65, 0x50, 0x4E, 1, 1, 1, 2, 0],
                _ => [],
            });
            byte[] data = random.Bytes(random.Below(SerialFrame.DataBytesMax + 1));
            byte[] frame = new byte[SerialFrame.FrameBytesMin + data.Length];
            Assert.That(SerialFrame.Write((byte)i, (byte)(i >> 8), data, 0, data.Length, frame, 0), Is.EqualTo(frame.Length));
            stream.AddRange(frame);
            sent.Add(frame);
        }

        // A decoder can only give up a false beginning when the bytes it announces have come.
        stream.AddRange(new byte[SerialFrame.FrameBytesMax]);
        Assert.That(Decode(stream, out SerialDecoder decoder), Is.EqualTo(sent));
        Assert.That(decoder.SkippedBytes, Is.EqualTo(stream.Count - sent.Sum(frame => frame.Length)));
    }

    [Test]
    public void A_million_mutated_bytes_never_hang_the_decoder_nor_pass_a_bad_crc()
    {
        SeededRandom random = new(115_200);
        SerialDecoder decoder = new();
        HashSet<string> sent = [];
        int pushed = 0;
        int found = 0;
        while (pushed < 1_000_000)
        {
            byte[] data = random.Bytes(random.Below(4) == 0 ? random.Below(513) : random.Below(40));
            byte[] frame = new byte[SerialFrame.FrameBytesMin + data.Length];
            SerialFrame.Write((byte)random.Below(256), (byte)random.Below(256), data, 0, data.Length, frame, 0);
            sent.Add(Convert.ToHexString(frame));
            for (int n = random.Below(3); n > 0; n--)
            {
                frame[random.Below(random.Below(2) == 0 ? 9 : frame.Length)] ^= (byte)(1 << random.Below(8));
            }

            int count = random.Below(5) == 0 ? random.Below(frame.Length) : frame.Length;
            foreach (byte value in frame.AsSpan(0, count))
            {
                decoder.Push(value);
                pushed++;
                while (decoder.TryRead())
                {
                    byte[] whole = decoder.Buffer[..(SerialFrame.FrameBytesMin + decoder.DataCount)];
                    uint crc = (uint)(whole[^4] << 24 | whole[^3] << 16 | whole[^2] << 8 | whole[^1]);
                    if (BitwiseCrc(whole[..^4]) != crc || !sent.Contains(Convert.ToHexString(whole)))
                    {
                        Assert.Fail("a frame that nobody sent was given out");
                    }

                    found++;
                }
            }
        }

        TestContext.Out.WriteLine($"{sent.Count:N0} sent with damage, {found:N0} found, {decoder.CrcErrors:N0} bad CRC, {decoder.SkippedBytes:N0} bytes skipped");
        Assert.Multiple(() =>
        {
            Assert.That(found, Is.GreaterThan(sent.Count / 8));
            Assert.That(decoder.CrcErrors, Is.Positive);
        });
    }

    [Test]
    public void A_decoder_that_is_not_read_says_so_before_it_overflows()
    {
        SerialDecoder decoder = new();
        Assert.That(() =>
        {
            for (int i = 0; i <= SerialFrame.FrameBytesMax; i++)
            {
                decoder.Push(0);
            }
        }, Throws.InvalidOperationException);
        decoder.Reset();
        Assert.That(decoder.TryRead(), Is.False);
    }

    [Test]
    public void An_identity_is_read_as_written_and_refused_when_damaged()
    {
        SeededRandom random = new(1);
        byte[] publicKey = random.Bytes(64);
        byte[] data = new byte[SerialIdentity.BytesMax];
        int count = SerialIdentity.Write(KeyKinds.SecureElement, publicKey, 3, "1.2.3"u8.ToArray(), "devkit"u8.ToArray(), data, 0);
        byte[] id = new byte[20];
        DeviceId.FromPublicKey(publicKey, 0, id, 0);
        Assert.Multiple(() =>
        {
            Assert.That(SerialIdentity.IsValid(data, 0, count), Is.True);
            Assert.That(SerialIdentity.KeyKind(data, 0), Is.EqualTo(2));
            Assert.That(SerialIdentity.State(data, 0), Is.EqualTo(3));
            Assert.That(data[1..65], Is.EqualTo(publicKey));
            Assert.That(data[65..85], Is.EqualTo(id));
            Assert.That(data.AsSpan(SerialIdentity.FirmwareTextOffset(0), SerialIdentity.FirmwareBytes(data, 0)).SequenceEqual("1.2.3"u8), Is.True);
            Assert.That(data.AsSpan(SerialIdentity.BoardTextOffset(data, 0), SerialIdentity.BoardBytes(data, 0)).SequenceEqual("devkit"u8), Is.True);
            Assert.That(SerialIdentity.IsValid(data, 0, count - 1), Is.False);
            Assert.That(SerialIdentity.IsValid(data, 0, count + 1), Is.False);
        });
        for (int i = 0; i < 200_000; i++)
        {
            byte[] damaged = [.. data[..count]];
            damaged[random.Below(damaged.Length)] = (byte)random.Below(256);
            SerialIdentity.IsValid(damaged, 0, random.Below(damaged.Length + 1));
        }
    }

    private static List<byte[]> Decode(IEnumerable<byte> stream, out SerialDecoder decoder)
    {
        decoder = new SerialDecoder();
        List<byte[]> frames = [];
        foreach (byte value in stream)
        {
            decoder.Push(value);
            while (decoder.TryRead())
            {
                frames.Add(decoder.Buffer[..(SerialFrame.FrameBytesMin + decoder.DataCount)]);
            }
        }

        // The last, unfinished beginning is not counted as skipped before more bytes come.
        return frames;
    }

    private static uint BitwiseCrc(byte[] bytes)
    {
        uint crc = uint.MaxValue;
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

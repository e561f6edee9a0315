using System.Buffers.Binary;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Verify;

/// <summary>Hostile bytes, seeded: each is refused with the verdict its damage deserves, counted, and costs no memory.</summary>
internal sealed class MutatedFramesTests
{
    private const int Frames = 1_000_000;
    private const int Seed = 20261122;

    // Every 64th keeps its structure and costs a P-256 check; the rest must be refused without one.
    private const int CheckedEvery = 64;

    [Test]
    public async Task A_million_mutated_frames_are_each_refused_with_their_reason()
    {
        using Pipeline pipeline = new(new VerifierOptions { UnknownDevicesMax = 256 });
        using SigningDevice device = await pipeline.AddDeviceAsync();
        byte[][] samples = [device.Next(1), device.Next(8), device.Next(64)];
        foreach (byte[] sample in samples)
            Assert.That(await pipeline.SubmitAsync(device, sample), Is.EqualTo(FrameVerdict.Accepted));

        Random random = new(Seed);
        long[] expected = new long[FrameVerdicts.Count];
        expected[(int)FrameVerdict.Accepted] = samples.Length;
        byte[] buffer = new byte[2_048];
        byte[] id = device.IdBytes;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < Frames; i++)
        {
            byte[] original = samples[random.Next(samples.Length)];
            int length = original.Length;
            original.CopyTo(buffer, 0);
            byte[] topic = id;
            FrameVerdict verdict = i % CheckedEvery == 0 ? Break(buffer, length, random) : Damage(buffer, ref length, ref topic, random);
            FrameVerdict got = await pipeline.Verifier.SubmitAsync(topic, buffer.AsMemory(0, length), default);
            if (got != verdict)
                Assert.Fail($"seed {Seed}, frame {i}: {got} instead of {verdict}: {Convert.ToHexString(buffer, 0, length)}");
            expected[(int)verdict]++;
        }
        long after = GC.GetTotalMemory(forceFullCollection: true);

        Assert.Multiple(() =>
        {
            for (int verdict = 0; verdict < FrameVerdicts.Count; verdict++)
                Assert.That(pipeline.Counters.Of((FrameVerdict)verdict), Is.EqualTo(expected[verdict]), $"{(FrameVerdict)verdict}");
            Assert.That(after - before, Is.LessThan(16L << 20), "bytes kept");
            Assert.That(pipeline.Verifier.UnknownRemembered, Is.LessThanOrEqualTo(256));
            Assert.That(pipeline.Verifier.InFlight, Is.Zero);
            Assert.That(pipeline.Counters.SignaturesChecked, Is.LessThanOrEqualTo(samples.Length + (Frames / CheckedEvery) + 1));
            Assert.That(pipeline.Rows(), Is.EqualTo(samples.Length));
        });
    }

    // Still a frame: only the signature tells.
    private static FrameVerdict Break(byte[] frame, int length, Random random)
    {
        switch (random.Next(3))
        {
            case 0:
                frame[40 + random.Next(8)] ^= (byte)(1 << random.Next(8));
                return FrameVerdict.BadSignature;
            case 1:
                frame[80 + random.Next(length - 144)] ^= (byte)(1 << random.Next(8));
                return FrameVerdict.BadSignature;
            default:
                // A sequence nobody signed, beyond the last.
                BinaryPrimitives.WriteUInt64BigEndian(frame.AsSpan(32), 4 + (ulong)random.Next());
                return FrameVerdict.BadSignature;
        }
    }

    private static FrameVerdict Damage(byte[] frame, ref int length, ref byte[] topic, Random random)
    {
        switch (random.Next(12))
        {
            case 0:
                length = random.Next(length);
                return FrameVerdict.Malformed;
            case 1:
                length += 1 + random.Next(700);
                return length > 1_168 ? FrameVerdict.TooLarge : FrameVerdict.Malformed;
            case 2:
                frame[random.Next(3)] ^= (byte)(1 + random.Next(255));
                return FrameVerdict.Malformed;
            case 3:
                frame[3] |= (byte)(4 << random.Next(6));
                return FrameVerdict.Malformed;
            case 4:
                frame[6 + random.Next(2)] ^= (byte)(1 + random.Next(255));
                return FrameVerdict.Malformed;
            case 5:
                random.NextBytes(frame.AsSpan(0, length));
                frame[0] = 0;
                return FrameVerdict.Malformed;
            case 6:
                frame.AsSpan(32, 8).Clear();
                return FrameVerdict.Malformed;
            case 7:
                frame.AsSpan(length - 64 + (32 * random.Next(2)), 32).Fill((byte)(random.Next(2) * 255));
                return FrameVerdict.Malformed;
            case 8:
                frame[length - 32] |= 0x80;
                return FrameVerdict.Malformed;
            case 9:
                frame[8 + random.Next(20)] ^= (byte)(1 + random.Next(255));
                return FrameVerdict.TopicMismatch;
            case 10:
                random.NextBytes(frame.AsSpan(8, 20));
                topic = frame[8..28];
                return FrameVerdict.UnknownDevice;
            default:
                // Bit 63 of the sequence: beyond what the store numbers.
                frame[32] |= 0x80;
                return FrameVerdict.Malformed;
        }
    }
}

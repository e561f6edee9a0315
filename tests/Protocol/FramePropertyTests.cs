// Random frames survive the way from builder to parser, and a million damaged ones are all judged, each with a reason, none with an
// exception.

using System.Globalization;
using System.Security.Cryptography;

namespace DePIN.Protocol.Tests;

public sealed class FramePropertyTests
{
    [Test]
    public void What_is_built_is_what_is_read()
    {
        SeededRandom random = new(4);
        P256Signer signer = new(P256Signer.CreatePrivateKey(random));
        byte[] publicKey = new byte[64];
        signer.ReadPublicKey(publicKey, 0);
        byte[] id = new byte[20];
        DeviceId.FromPublicKey(publicKey, 0, id, 0);
        using ECDsa key = P256Reference.Import(publicKey);
        FrameBuilder builder = new(id);
        Sample sample = new();
        byte[]? previous = null;
        for (ulong sequence = 1; sequence <= 300; sequence++)
        {
            byte[] header = random.Bytes(32);
            ushort profile = BitConverter.ToUInt16(header, 0);
            uint bootCount = BitConverter.ToUInt32(header, 4);
            ulong timeMs = BitConverter.ToUInt64(header, 8);
            bool synchronised = (header[16] & 1) != 0;
            builder.Begin(profile, synchronised, bootCount, sequence, timeMs, previous);
            byte[][] samples = [.. Enumerable.Range(0, random.Below(FrameFormat.SamplesMax + 1)).Select(_ => random.Bytes(16))];
            foreach (byte[] s in samples)
            {
                Assert.That(builder.TryAdd(BitConverter.ToUInt16(s, 0), (sbyte)s[2], s[3], BitConverter.ToUInt32(s, 4), BitConverter.ToInt64(s, 8)), Is.True);
            }

            Assert.That(builder.SampleCount, Is.EqualTo(samples.Length));
            builder.Sign(signer);
            byte[] frame = builder.Buffer[..builder.Count];
            Assert.Multiple(() =>
            {
                Assert.That(FrameParser.Check(frame, 0, frame.Length), Is.EqualTo(FrameFault.None));
                Assert.That(frame, Has.Length.EqualTo(FrameFormat.FrameBytesMin + (16 * samples.Length)));
                Assert.That(FrameParser.Profile(frame, 0), Is.EqualTo(profile));
                Assert.That(FrameParser.IsClockSynchronised(frame, 0), Is.EqualTo(synchronised));
                Assert.That(FrameParser.BootCount(frame, 0), Is.EqualTo(bootCount));
                Assert.That(FrameParser.Sequence(frame, 0), Is.EqualTo(sequence));
                Assert.That(FrameParser.TimeMs(frame, 0), Is.EqualTo(timeMs));
                Assert.That(frame[8..28], Is.EqualTo(id));
                Assert.That(frame[48..80], Is.EqualTo(previous ?? new byte[32]));
                Assert.That(FrameParser.SampleCount(frame, 0), Is.EqualTo(samples.Length));
                for (int i = 0; i < samples.Length; i++)
                {
                    FrameParser.ReadSample(frame, 0, i, sample);
                    Assert.That(
                        (sample.Channel, sample.Exponent, sample.Quality, sample.OffsetMs, sample.Value),
                        Is.EqualTo((BitConverter.ToUInt16(samples[i], 0), (sbyte)samples[i][2], samples[i][3], BitConverter.ToUInt32(samples[i], 4), BitConverter.ToInt64(samples[i], 8))));
                }

                Assert.That(key.VerifyData(frame[..^64], frame[^64..], HashAlgorithmName.SHA256), Is.True);
            });
            previous = new byte[32];
            builder.CopyDigest(previous, 0);
            Assert.That(previous, Is.EqualTo(SHA256.HashData(frame[..^64])));
        }
    }

    [Test]
    public void A_million_mutated_frames_are_each_judged_without_an_exception()
    {
        SeededRandom random = new(1_000_000);
        byte[][] seeds = [.. FrameVectors.Read().Valid.Select(vector => Convert.FromHexString(vector.Frame))];
        int[] counts = new int[Enum.GetValues<FrameFault>().Length];
        byte[] buffer = new byte[FrameFormat.FrameBytesMax + 64];
        Sample sample = new();
        for (int i = 0; i < 1_000_000; i++)
        {
            byte[] seed = seeds[i % seeds.Length];
            int offset = random.Below(4);
            Array.Clear(buffer);
            seed.CopyTo(buffer, offset);
            int count = Mutate(random, buffer, offset, seed.Length);
            FrameFault fault = FrameParser.Check(buffer, offset, count);
            counts[(int)fault]++;
            if (fault == FrameFault.None)
            {
                for (int s = 0; s < FrameParser.SampleCount(buffer, offset); s++)
                {
                    FrameParser.ReadSample(buffer, offset, s, sample);
                }
            }
        }

        TestContext.Out.WriteLine(string.Join(", ", Enum.GetValues<FrameFault>().Select(fault => string.Create(CultureInfo.InvariantCulture, $"{fault} {counts[(int)fault]:N0}"))));
        Assert.Multiple(() =>
        {
            Assert.That(counts.Sum(), Is.EqualTo(1_000_000));
            Assert.That(counts, Is.All.Positive, "a fault that never happened was not tested");
        });
    }

    [Test]
    public void A_full_frame_takes_no_more_samples_and_stays_valid()
    {
        FrameBuilder builder = new(new byte[20]);
        builder.Begin(Profiles.Energy, true, 1, 1, 0, null);
        for (int i = 0; i < FrameFormat.SamplesMax; i++)
        {
            Assert.That(builder.TryAdd(1, 0, 0, 0, i), Is.True);
        }

        Assert.That(builder.TryAdd(1, 0, 0, 0, 64), Is.False);
        builder.Sign(new P256Signer(P256Reference.Bytes32(1)));
        Assert.Multiple(() =>
        {
            Assert.That(builder.Count, Is.EqualTo(FrameFormat.FrameBytesMax));
            Assert.That(FrameParser.Check(builder.Buffer, 0, builder.Count), Is.EqualTo(FrameFault.None));
        });
    }

    [Test]
    public void A_builder_used_out_of_order_is_an_error()
    {
        FrameBuilder builder = new(new byte[20]);
        P256Signer signer = new(P256Reference.Bytes32(1));
        Assert.Multiple(() =>
        {
            Assert.That(() => builder.TryAdd(1, 0, 0, 0, 0), Throws.InvalidOperationException);
            Assert.That(() => builder.Sign(signer), Throws.InvalidOperationException);
            Assert.That(() => builder.CopyDigest(new byte[32], 0), Throws.InvalidOperationException);
            Assert.That(() => builder.Begin(1, true, 1, 0, 0, null), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => builder.Begin(1, true, 1, 1, 0, new byte[32]), Throws.ArgumentException);
            Assert.That(() => builder.Begin(1, true, 1, 2, 0, null), Throws.ArgumentException);
            Assert.That(() => new FrameBuilder(new byte[19]), Throws.ArgumentException);
        });
        builder.Begin(1, true, 1, 1, 0, null);
        builder.Sign(signer);
        Assert.That(() => builder.Sign(signer), Throws.InvalidOperationException);
        builder.Begin(1, true, 1, 1, 0, null);
        builder.SetSealedPayload(new byte[5], 0, 5);
        Assert.That(() => builder.TryAdd(1, 0, 0, 0, 0), Throws.InvalidOperationException);
    }

    [Test]
    public void A_signer_without_digests_gives_the_same_frame()
    {
        P256Signer signer = new(P256Reference.Bytes32(7));
        FrameBuilder builder = new(new byte[20]);
        builder.Begin(1, true, 1, 1, 0, null);
        builder.Sign(signer);
        byte[] first = builder.Buffer[..builder.Count];
        builder.Begin(1, true, 1, 1, 0, null);
        builder.Sign(new MessageSigner(signer));
        Assert.That(builder.Buffer[..builder.Count], Is.EqualTo(first));
    }

    // Changes the frame in place and returns its new length: bits, bytes, fields that matter, or the length.
    private static int Mutate(SeededRandom random, byte[] buffer, int offset, int count)
    {
        for (int n = 1 + random.Below(3); n > 0; n--)
        {
            switch (random.Below(7))
            {
                case 0:
                    buffer[offset + random.Below(count)] ^= (byte)(1 << random.Below(8));
                    break;
                case 1:
                    buffer[offset + random.Below(count)] = (byte)random.Below(256);
                    break;
                case 2:
                    buffer[offset + random.Below(8)] ^= (byte)(1 << random.Below(8));
                    break;
                case 3:
                    buffer.AsSpan(offset + FrameFormat.SequenceOffset, 8).Clear();
                    buffer[offset + FrameFormat.SequenceOffset + 7] = (byte)random.Below(2);
                    break;
                case 4:
                    int half = offset + count - 64 + (32 * random.Below(2));
                    buffer.AsSpan(half, 32).Fill(random.Below(2) == 0 ? (byte)0 : (byte)0xFF);
                    break;
                case 5:
                    count = Math.Max(1, count - random.Below(40));
                    break;
                default:
                    int payloadBytes = Math.Max(0, count - 144 + random.Below(33) - 16);
                    if (payloadBytes <= FrameFormat.PayloadBytesMax + 16)
                    {
                        count = 144 + payloadBytes;
                        buffer[offset + 6] = (byte)(payloadBytes >> 8);
                        buffer[offset + 7] = (byte)payloadBytes;
                        buffer.AsSpan(offset + count - 64, 64).Fill((byte)random.Below(128));
                    }

                    break;
            }
        }

        return count;
    }

    private sealed class MessageSigner(P256Signer signer) : IDeviceSigner
    {
        public byte KeyKind => KeyKinds.SecureElement;

        public void ReadPublicKey(byte[] destination, int offset) => signer.ReadPublicKey(destination, offset);

        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset) =>
            signer.Sign(buffer, offset, count, signature, signatureOffset);
    }
}

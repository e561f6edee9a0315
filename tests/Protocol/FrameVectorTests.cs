// The golden frames against parser, builder and signer, with .NET's ECDsa and SHA-256 as the second opinion.

using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;

namespace DePIN.Protocol.Tests;

public sealed class FrameVectorTests
{
    private static readonly Lazy<FrameVectors> Vectors = new(FrameVectors.Read);

    [Test]
    public void Valid_frames_read_as_the_vectors_say_and_verify()
    {
        FrameVectors vectors = Vectors.Value;
        using ECDsa key = P256Reference.Import(Hex(vectors.PublicKey));
        Assert.That(vectors.Valid, Has.Length.GreaterThanOrEqualTo(5));
        foreach (FrameVector vector in vectors.Valid)
        {
            // Behind other bytes, because a parser of buffers must honour its offset.
            byte[] bytes = Hex(vector.Frame);
            byte[] frame = [0xAA, .. bytes, 0xBB];
            byte[] payload = Hex(vector.Payload);
            Assert.Multiple(() =>
            {
                Assert.That(FrameParser.Check(frame, 1, bytes.Length), Is.EqualTo(FrameFault.None), vector.Name);
                Assert.That(FrameParser.Flags(frame, 1), Is.EqualTo(vector.Flags), vector.Name);
                Assert.That(FrameParser.IsClockSynchronised(frame, 1), Is.EqualTo((vector.Flags & 1) != 0), vector.Name);
                Assert.That(FrameParser.IsSealed(frame, 1), Is.EqualTo((vector.Flags & 2) != 0), vector.Name);
                Assert.That(FrameParser.Profile(frame, 1), Is.EqualTo(vector.Profile), vector.Name);
                Assert.That(FrameParser.BootCount(frame, 1), Is.EqualTo(vector.BootCount), vector.Name);
                Assert.That(FrameParser.Sequence(frame, 1).ToString(CultureInfo.InvariantCulture), Is.EqualTo(vector.Sequence), vector.Name);
                Assert.That(FrameParser.TimeMs(frame, 1).ToString(CultureInfo.InvariantCulture), Is.EqualTo(vector.TimeMs), vector.Name);
                Assert.That(FrameParser.PayloadBytes(frame, 1), Is.EqualTo(payload.Length), vector.Name);
                Assert.That(bytes[80..^64], Is.EqualTo(payload), vector.Name);
                Assert.That(DeviceId.ToText(frame, 1 + FrameFormat.DeviceIdOffset), Is.EqualTo(vectors.DeviceId), vector.Name);
                Assert.That(Convert.ToHexStringLower(bytes, FrameFormat.PreviousOffset, 32), Is.EqualTo(vector.Previous), vector.Name);
                Assert.That(Convert.ToHexStringLower(bytes[^64..]), Is.EqualTo(vector.Signature), vector.Name);
                Assert.That(Convert.ToHexStringLower(SHA256.HashData(bytes[..^64])), Is.EqualTo(vector.Digest), vector.Name);
                Assert.That(key.VerifyData(bytes[..^64], bytes[^64..], HashAlgorithmName.SHA256), Is.True, vector.Name);
                Assert.That(FrameParser.SampleCount(frame, 1), Is.EqualTo(vector.Samples.Length), vector.Name);
                Assert.That(ReadSamples(frame, 1), Is.EqualTo(vector.Samples), vector.Name);
            });
        }
    }

    [Test]
    public void The_builder_makes_the_very_bytes_of_the_vectors()
    {
        FrameVectors vectors = Vectors.Value;
        byte[] id = new byte[DeviceId.Bytes];
        Assert.That(DeviceId.TryParse(vectors.DeviceId, id), Is.True);
        FrameBuilder builder = new(id);
        P256Signer signer = new(Hex(vectors.PrivateKey));
        foreach (FrameVector vector in vectors.Valid)
        {
            Assert.That(Build(builder, signer, vector), Is.EqualTo(Hex(vector.Frame)), vector.Name);
            byte[] digest = new byte[32];
            builder.CopyDigest(digest, 0);
            Assert.That(Convert.ToHexStringLower(digest), Is.EqualTo(vector.Digest), vector.Name);
        }
    }

    [Test]
    public void Every_fault_has_a_vector_and_every_vector_its_fault()
    {
        FaultVector[] faults = Vectors.Value.Faults;
        Assert.Multiple(() =>
        {
            foreach (FaultVector vector in faults)
            {
                byte[] frame = Hex(vector.Frame);
                Assert.That(FrameParser.Check(frame, 0, frame.Length).ToString(), Is.EqualTo(vector.Fault), vector.Name);
            }

            Assert.That(faults.Select(vector => vector.Fault).Distinct().Order(), Is.EqualTo(Enum.GetNames<FrameFault>().Where(name => name != nameof(FrameFault.None)).Order()));
        });
    }

    [Test]
    public void The_signer_vectors_hold()
    {
        foreach (SignerVector vector in SignerVector.Read())
        {
            P256Signer signer = new(Hex(vector.PrivateKey));
            byte[] publicKey = new byte[64];
            signer.ReadPublicKey(publicKey, 0);
            byte[] signature = new byte[64];
            signer.SignDigest(Hex(vector.Digest), 0, signature, 0);
            byte[] id = new byte[20];
            DeviceId.FromPublicKey(publicKey, 0, id, 0);
            Assert.Multiple(() =>
            {
                Assert.That(Convert.ToHexStringLower(publicKey), Is.EqualTo(vector.PublicKey));
                Assert.That(Convert.ToHexStringLower(signature), Is.EqualTo(vector.Signature));
                Assert.That(DeviceId.ToText(id, 0), Is.EqualTo(vector.DeviceId));
            });
            using ECDsa key = P256Reference.Import(publicKey);
            Assert.That(key.VerifyHash(Hex(vector.Digest), signature), Is.True);
        }
    }

    [Test]
    [Category("ByHand"), Explicit("writes shared/vectors/frame.json and shared/vectors/signer.json")]
    public void Write_the_frame_vectors()
    {
        SeededRandom random = new(20_26);
        byte[] privateKey = Hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        P256Signer signer = new(privateKey);
        byte[] publicKey = new byte[64];
        signer.ReadPublicKey(publicKey, 0);
        byte[] id = new byte[20];
        DeviceId.FromPublicKey(publicKey, 0, id, 0);
        FrameBuilder builder = new(id);
        string zero = new('0', 64);
        List<FrameVector> valid = [];

        void Add(string name, int flags, int profile, uint bootCount, ulong sequence, ulong timeMs, string previous, string payload, params SampleVector[] samples)
        {
            FrameVector fields = new(
                name, "", flags, profile, bootCount, sequence.ToString(CultureInfo.InvariantCulture), timeMs.ToString(CultureInfo.InvariantCulture),
                previous, payload, samples, "", "", "");
            byte[] frame = Build(builder, signer, fields);
            valid.Add(fields with
            {
                Frame = Convert.ToHexStringLower(frame),
                Payload = Convert.ToHexStringLower(frame[80..^64]),
                Digest = Convert.ToHexStringLower(SHA256.HashData(frame[..^64])),
                Signature = Convert.ToHexStringLower(frame[^64..]),
                Leaf = Convert.ToHexStringLower(Keccak256.Hash(Keccak256.Hash(frame))),
            });
        }

        Add("the first frame of a device, one sample", 1, 1, 1, 1, 1_790_000_000_000, zero, "", new SampleVector(1, -2, 0, 0, "2150"));
        Add("the next one, named by previous", 1, 1, 1, 2, 1_790_000_060_000, valid[0].Digest, "",
            new SampleVector(1, -2, 0, 0, "2149"), new SampleVector(2, -1, 0, 10, "478"), new SampleVector(3, 0, 3, 20, "101325"));
        Add("no samples, clock not synchronised", 0, 7, 2, 3, 61_234, valid[1].Digest, "");
        Add("the extremes of every field", 1, 65535, uint.MaxValue, ulong.MaxValue, ulong.MaxValue, new string('f', 64), "",
            new SampleVector(65535, -128, 255, uint.MaxValue, "-9223372036854775808"), new SampleVector(0, 127, 0, 0, "9223372036854775807"), new SampleVector(32768, -1, 128, 0x80000000, "-1"));
        Add("64 samples, the most there can be", 1, 2, 7, 1_000_000, 1_790_000_120_000, valid[1].Digest, "",
            [.. Enumerable.Range(0, 64).Select(i => new SampleVector(i, i - 32, i & 3, (uint)i * 1_000, ((i * 123_456_789_012L) - 4_000_000_000_000).ToString(CultureInfo.InvariantCulture)))]);
        Add("a sealed payload of 45 bytes", 3, 5, 7, 4, 1_790_000_180_000, valid[2].Digest, Convert.ToHexStringLower(random.Bytes(45)));
        Add("a sealed payload of 1,024 bytes", 2, 5, 7, 5, 99, valid[5].Digest, Convert.ToHexStringLower(random.Bytes(1024)));

        byte[] first = Hex(valid[1].Frame);
        byte[] r = first[^64..^32];
        byte[] s = first[^32..];
        byte[] order = P256Reference.Bytes32(P256Reference.N);
        List<FaultVector> faults = [];
        void Fault(FrameFault fault, string name, params byte[][] parts) => faults.Add(new(name, fault.ToString(), Convert.ToHexStringLower([.. parts.SelectMany(part => part)])));
        byte[] With(int offset, params byte[] bytes)
        {
            byte[] changed = [.. first];
            bytes.CopyTo(changed, offset);
            return changed;
        }

        Fault(FrameFault.TooShort, "nothing");
        Fault(FrameFault.TooShort, "143 bytes", first[..143]);
        Fault(FrameFault.TooLong, "1,169 bytes", Hex(valid[6].Frame), [0]);
        Fault(FrameFault.BadMagic, "magic DG", With(1, 0x47));
        Fault(FrameFault.BadMagic, "magic of a claim", With(0, 0x44, 0x43));
        Fault(FrameFault.UnknownVersion, "version 0", With(2, 0));
        Fault(FrameFault.UnknownVersion, "version 2", With(2, 2));
        Fault(FrameFault.ReservedFlags, "flag bit 2", With(3, 5));
        Fault(FrameFault.ReservedFlags, "flag bit 7", With(3, 0x81));
        Fault(FrameFault.LengthMismatch, "a byte behind the signature", first, [0]);
        Fault(FrameFault.LengthMismatch, "the last byte is missing", first[..^1]);
        Fault(FrameFault.LengthMismatch, "length one sample too long", With(6, 0, 64));
        Fault(FrameFault.LengthMismatch, "length 65,535", With(6, 0xFF, 0xFF));
        Fault(FrameFault.PayloadNotSamples, "47 bytes of samples", With(6, 0, 47)[..127], first[^64..]);
        Fault(FrameFault.PayloadNotSamples, "the sealed payload of 45 bytes without its flag", Hex(valid[5].Frame)[..3], [1], Hex(valid[5].Frame)[4..]);
        Fault(FrameFault.SequenceZero, "sequence 0", With(32, new byte[8]));
        Fault(FrameFault.PreviousNotZero, "sequence 1 with a previous", With(32, 0, 0, 0, 0, 0, 0, 0, 1));
        Fault(FrameFault.SignatureOutOfRange, "r is 0", first[..^64], new byte[32], s);
        Fault(FrameFault.SignatureOutOfRange, "s is 0", first[..^32], new byte[32]);
        Fault(FrameFault.SignatureOutOfRange, "r is n", first[..^64], order, s);
        Fault(FrameFault.SignatureOutOfRange, "s is n", first[..^32], order);
        Fault(FrameFault.SignatureOutOfRange, "r is above n", first[..^64], Hex(new string('f', 64)), s);
        Fault(FrameFault.HighS, "n - s, which verifies", first[..^64], r, P256Reference.Bytes32(P256Reference.N - P256Reference.Number(s)));
        Fault(FrameFault.HighS, "s is (n + 1) / 2, the least that is high", first[..^64], r, P256Reference.Bytes32((P256Reference.N + 1) / 2));

        new FrameVectors(
            "Frames of version 1 signed by the private key, and bytes that are no frame with the rule they break. All hex without 0x; 64-bit integers are decimal strings; digest = SHA-256 of the frame without its signature; leaf = keccak256(keccak256(frame)).",
            Convert.ToHexStringLower(privateKey), Convert.ToHexStringLower(publicKey), DeviceId.ToText(id, 0), [.. valid], [.. faults]).Write();

        BigInteger n = P256Reference.N;
        BigInteger[] keys = [1, 2, n - 1, n / 2, BigInteger.One << 128, (BigInteger.One << 255) - 1, .. Enumerable.Range(0, 10).Select(_ => P256Reference.Number(P256Signer.CreatePrivateKey(random)))];
        BigInteger[] digests = [0, 1, n - 1, n, (BigInteger.One << 256) - 1];
        SignerVector.Write([.. keys.Select((key, i) => SignerVector.Make(key, i < digests.Length ? P256Reference.Bytes32(digests[i]) : random.Bytes(32)))]);
    }

    private static byte[] Build(FrameBuilder builder, P256Signer signer, FrameVector vector)
    {
        ulong sequence = ulong.Parse(vector.Sequence, CultureInfo.InvariantCulture);
        builder.Begin(
            (ushort)vector.Profile, (vector.Flags & FrameFormat.FlagClockSynchronised) != 0, vector.BootCount, sequence,
            ulong.Parse(vector.TimeMs, CultureInfo.InvariantCulture), sequence == 1 ? null : Hex(vector.Previous));
        if ((vector.Flags & FrameFormat.FlagPayloadSealed) != 0)
        {
            byte[] payload = Hex(vector.Payload);
            builder.SetSealedPayload(payload, 0, payload.Length);
        }

        foreach (SampleVector sample in vector.Samples)
        {
            Assert.That(builder.TryAdd((ushort)sample.Channel, (sbyte)sample.Exponent, (byte)sample.Quality, sample.OffsetMs, long.Parse(sample.Value, CultureInfo.InvariantCulture)), Is.True);
        }

        builder.Sign(signer);
        return builder.Buffer[..builder.Count];
    }

    private static SampleVector[] ReadSamples(byte[] frame, int offset)
    {
        Sample sample = new();
        List<SampleVector> samples = [];
        for (int i = 0; i < FrameParser.SampleCount(frame, offset); i++)
        {
            FrameParser.ReadSample(frame, offset, i, sample);
            samples.Add(new(sample.Channel, sample.Exponent, sample.Quality, sample.OffsetMs, sample.Value.ToString(CultureInfo.InvariantCulture)));
        }

        return [.. samples];
    }

    private static byte[] Hex(string hex) => Convert.FromHexString(hex);
}

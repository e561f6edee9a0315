using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Evidence.Tests;

/// <summary>Which frames a batch holds: one canonical encoding, a function of the frames, hostile bytes named.</summary>
[TestFixture]
public sealed class FrameSpansTests
{
    private static readonly Address A = Device(1), B = Device(2);

    [Test]
    public void Runs_are_as_long_as_they_can_be_whatever_the_order()
    {
        FrameSpans spans = FrameSpans.From([new(B, 9), new(A, 3), new(A, 1), new(A, 2), new(A, 5), new(B, 10)])!;
        Assert.That(spans.Runs, Is.EqualTo(new[] { new FrameSpan(A, 1, 3), new FrameSpan(A, 5, 5), new FrameSpan(B, 9, 10) }));
        Assert.That(spans.Frames, Is.EqualTo(6));
    }

    [Test]
    public void A_run_has_one_profile_and_counts_its_doubtful_frames()
    {
        FrameSpans spans = FrameSpans.From([new(A, 1, 1), new(A, 2, 1, true), new(A, 3, 2, true), new(A, 4, 1)])!;
        Assert.That(spans.Runs, Is.EqualTo(new[] { new FrameSpan(A, 1, 2, 1, 1), new FrameSpan(A, 3, 3, 2, 1), new FrameSpan(A, 4, 4, 1) }));
    }

    [Test]
    public void A_frame_is_doubtful_when_a_sample_says_so_or_it_has_none_and_nobody_knows_of_a_sealed_one()
    {
        using SampleDevice device = new();
        FrameKey Key(Action<FrameBuilder> fill) => FrameSpans.Key(device.Frame(7, fill));
        Assert.Multiple(() =>
        {
            Assert.That(Key(builder => builder.TryAdd(Channels.Temperature, -2, 0, 0, 2150)), Is.EqualTo(new FrameKey(new Address(device.Id), 7, Profiles.Environment)));
            Assert.That(Key(builder => { builder.TryAdd(Channels.Temperature, -2, 0, 0, 2150); builder.TryAdd(Channels.Temperature, -2, 3, 1, 2150); }).IsDoubtful, Is.True);
            Assert.That(Key(_ => { }).IsDoubtful, Is.True);
            Assert.That(Key(builder => builder.SetSealedPayload(Enumerable.Repeat((byte)1, 33).ToArray(), 0, 33)).IsDoubtful, Is.False);
        });
    }

    [Test]
    public void A_frame_given_twice_is_no_batch()
    {
        Assert.That(FrameSpans.From([new(A, 1), new(B, 1), new(A, 1, 2)]), Is.Null);
        Assert.That(FrameSpans.From([]), Is.Null);
        using SampleDevice device = new();
        byte[] frame = device.Frame(1);
        BatchBody twice = BatchBody.Encode([frame, frame]);
        Assert.That(() => twice.ToHeader(A, 1, Hash32.Zero, 1, 1), Throws.InvalidOperationException);
        BatchHeader made = BatchBody.Encode([frame]).ToHeader(A, 1, Hash32.Zero, 1, 1) with { Frames = 2 };
        Assert.That(twice.Compare(made), Is.EqualTo(BatchMatch.FrameRepeated));
    }

    [Test]
    public void The_encoding_goes_both_ways_and_is_the_only_one()
    {
        Random random = new(7);
        for (int round = 0; round < 300; round++)
        {
            FrameSpans spans = FrameSpans.From(Enumerable.Range(0, random.Next(1, 60)).Select(_ => (Device(random.Next(4)), (ulong)random.Next(1, 40))).Distinct()
                .Select(frame => new FrameKey(frame.Item1, frame.Item2, (ushort)random.Next(2), random.Next(3) == 0)))!;
            byte[] bytes = spans.ToArray();
            Assert.That(FrameSpans.TryRead(bytes, out FrameSpans? read), Is.EqualTo(FrameSpansFault.None));
            Assert.That((read!.Runs.AsSpan().SequenceEqual(spans.Runs.AsSpan()), read.Hash()), Is.EqualTo((true, spans.Hash())));
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            if (FrameSpans.TryRead(bytes, out FrameSpans? other) == FrameSpansFault.None)
                Assert.That(other!.ToArray(), Is.EqualTo(bytes), "what is read is canonical");
        }
    }

    [Test]
    public void What_is_not_canonical_is_named()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Read([]), Is.EqualTo(FrameSpansFault.LengthMismatch));
            Assert.That(Read(new byte[35]), Is.EqualTo(FrameSpansFault.LengthMismatch));
            Assert.That(Read(Raw((A, 0, 1))), Is.EqualTo(FrameSpansFault.BadRange));
            Assert.That(Read(Raw((A, 2, 1))), Is.EqualTo(FrameSpansFault.BadRange));
            Assert.That(Read(Raw((A, 1, 65_537))), Is.EqualTo(FrameSpansFault.TooManyFrames));
            Assert.That(Read(Raw((A, 1, ulong.MaxValue))), Is.EqualTo(FrameSpansFault.TooManyFrames));
            Assert.That(Read(Raw((A, 1, 65_536), (B, 1, 1))), Is.EqualTo(FrameSpansFault.TooManyFrames));
            Assert.That(Read(Raw((B, 1, 1), (A, 1, 1))), Is.EqualTo(FrameSpansFault.NotCanonical));
            Assert.That(Read(Raw((A, 1, 2), (A, 2, 3))), Is.EqualTo(FrameSpansFault.NotCanonical), "overlap");
            Assert.That(Read(Raw((A, 1, 2), (A, 3, 3))), Is.EqualTo(FrameSpansFault.NotCanonical), "one run in two");
            Assert.That(Read(Raw((A, 1, 2), (A, 4, 4))), Is.EqualTo(FrameSpansFault.None));
            Assert.That(Read(FrameSpans.From([new(A, 1, 1), new(A, 2, 2)])!.ToArray()), Is.EqualTo(FrameSpansFault.None), "two profiles");
            byte[] doubtful = FrameSpans.From([new(A, 1, 1, true), new(A, 2, 1, true)])!.ToArray();
            Assert.That(Read(doubtful), Is.EqualTo(FrameSpansFault.None));
            doubtful[^1]++;
            Assert.That(Read(doubtful), Is.EqualTo(FrameSpansFault.BadRange), "three doubtful ones of two");
        });
    }

    private static Address Device(int n) => new(Enumerable.Repeat((byte)n, Address.Bytes).ToArray());

    private static FrameSpansFault Read(byte[] bytes) => FrameSpans.TryRead(bytes, out _);

    private static byte[] Raw(params (Address Device, ulong First, ulong Last)[] runs) => [.. runs.SelectMany(run =>
    {
        byte[] bytes = new byte[FrameSpan.Bytes];
        run.Device.CopyTo(bytes);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(20), run.First);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(28), run.Last);
        return bytes;
    })];
}

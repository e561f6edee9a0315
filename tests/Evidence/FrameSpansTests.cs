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
        FrameSpans spans = FrameSpans.From([(B, 9), (A, 3), (A, 1), (A, 2), (A, 5), (B, 10)])!;
        Assert.That(spans.Runs, Is.EqualTo(new[] { new FrameSpan(A, 1, 3), new FrameSpan(A, 5, 5), new FrameSpan(B, 9, 10) }));
        Assert.That(spans.Frames, Is.EqualTo(6));
    }

    [Test]
    public void A_frame_given_twice_is_no_batch()
    {
        Assert.That(FrameSpans.From([(A, 1), (B, 1), (A, 1)]), Is.Null);
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
            FrameSpans spans = FrameSpans.From(Enumerable.Range(0, random.Next(1, 60)).Select(_ => (Device(random.Next(4)), (ulong)random.Next(1, 40))).Distinct())!;
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

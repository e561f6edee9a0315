using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Evidence.Tests;

/// <summary>The batch body: one encoding, and hostile bytes that only ever give a result.</summary>
[TestFixture]
public sealed class BatchBodyTests
{
    private readonly byte[][] _frames = MakeFrames();

    [Test]
    public void A_body_gives_back_its_frames_and_its_header_fits()
    {
        BatchBody body = BatchBody.Encode(_frames.Select(frame => (ReadOnlyMemory<byte>)frame));
        Assert.That(body.Count, Is.EqualTo(_frames.Length));
        for (int i = 0; i < body.Count; i++) Assert.That(body[i].ToArray(), Is.EqualTo(_frames[i]));
        Assert.That(body.Bytes.Length, Is.EqualTo(_frames.Sum(frame => frame.Length + 2)));
        BatchHeader header = body.ToHeader(SampleEvidence.Ledger, 1, Hash32.Zero, 5, 6);
        Assert.Multiple(() =>
        {
            Assert.That(header.Check(), Is.EqualTo(BatchHeaderFault.None));
            Assert.That(header.Samples, Is.EqualTo(0 + 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9), "the sealed frame counts none");
            Assert.That(body.Compare(header), Is.EqualTo(BatchMatch.Matches));
            Assert.That(body.Compare(header with { Frames = 9 }), Is.EqualTo(BatchMatch.FrameCountDiffers));
            Assert.That(body.Compare(header with { Samples = 9 }), Is.EqualTo(BatchMatch.SampleCountDiffers));
            Assert.That(body.Compare(header with { Body = Hash32.Zero }), Is.EqualTo(BatchMatch.BodyHashDiffers));
            Assert.That(body.Compare(header with { Root = Hash32.Zero }), Is.EqualTo(BatchMatch.RootDiffers));
            Assert.That(body.Root(), Is.EqualTo(body.BuildTree().Root));
        });
    }

    [Test]
    public void What_is_no_body_is_named()
    {
        byte[] body = BatchBody.Encode([_frames[0], _frames[1]]).Bytes.ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(BatchBody.TryParse(default, out _), Is.EqualTo(BatchBodyFault.Empty));
            Assert.That(BatchBody.TryParse(body.AsMemory(0, 1), out _), Is.EqualTo(BatchBodyFault.Truncated));
            Assert.That(BatchBody.TryParse(body.AsMemory(0, body.Length - 1), out _), Is.EqualTo(BatchBodyFault.Truncated));
            Assert.That(BatchBody.TryParse(new byte[] { 0, 143 }, out _), Is.EqualTo(BatchBodyFault.FrameLengthOutOfRange));
            Assert.That(BatchBody.TryParse(new byte[] { 4, 145 }, out _), Is.EqualTo(BatchBodyFault.FrameLengthOutOfRange));
            Assert.That(BatchBody.TryParse(new byte[EvidenceLimits.BatchBodyBytesMax + 1], out _), Is.EqualTo(BatchBodyFault.TooLong));
            Assert.That(() => BatchBody.Encode([]), Throws.ArgumentException);
            Assert.That(() => BatchBody.Encode([new byte[10]]), Throws.ArgumentException);
        });
    }

    [Test]
    public void A_body_of_too_many_frames_is_refused()
    {
        byte[] body = new byte[(EvidenceLimits.BatchFramesMax + 1) * (2 + FrameFormat.FrameBytesMin)];
        for (int at = 0; at < body.Length; at += 2 + FrameFormat.FrameBytesMin) body[at + 1] = FrameFormat.FrameBytesMin;
        Assert.That(BatchBody.TryParse(body, out _), Is.EqualTo(BatchBodyFault.TooManyFrames));
        Assert.That(BatchBody.TryParse(body.AsMemory(0, body.Length - 146), out BatchBody? most), Is.EqualTo(BatchBodyFault.None));
        Assert.That(most!.Count, Is.EqualTo(EvidenceLimits.BatchFramesMax));
    }

    [Test]
    public void Mutated_bytes_give_a_result_and_what_is_accepted_encodes_to_itself()
    {
        byte[] good = BatchBody.Encode(_frames.Select(frame => (ReadOnlyMemory<byte>)frame)).Bytes.ToArray();
        Random random = new(13);
        int accepted = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = Mutation.Of(good, random);
            if (BatchBody.TryParse(bytes, out BatchBody? body) != BatchBodyFault.None) continue;
            accepted++;
            Assert.That(BatchBody.Encode(Enumerable.Range(0, body!.Count).Select(n => body[n])).Bytes.Span.SequenceEqual(bytes), Is.True);
        }
        Assert.That(accepted, Is.GreaterThan(100));
    }

    private static byte[][] MakeFrames()
    {
        using SampleDevice device = new();
        List<byte[]> frames = [];
        for (int n = 0; n < 10; n++)
        {
            frames.Add(device.Frame((ulong)n + 1, builder =>
            {
                for (int i = 0; i < n; i++) builder.TryAdd(1, 0, 0, 0, i);
            }));
        }
        frames.Add(device.Frame(11, builder => builder.SetSealedPayload(new byte[100], 0, 100)));
        return [.. frames];
    }
}

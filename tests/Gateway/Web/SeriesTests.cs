using System.Buffers.Binary;
using System.Diagnostics;
using DePIN.Cli.Bench;
using DePIN.Gateway.Store;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Web.Page;
using DePIN.Protocol;

namespace DePIN.Gateway.Tests.Web;

/// <summary>A plot's data over months of frames in many partitions, in bounded readings.</summary>
internal sealed class SeriesTests
{
    private const int Frames = 300_000;
    private const ulong Spike = 123_457;

    [Test]
    public async Task Months_of_frames_become_600_points_with_their_least_mean_and_greatest_in_bounded_readings_and_a_zoom_finds_the_single_reading()
    {
        using Pipeline pipeline = new(store: new FrameLogOptions { Path = "", PartitionBytesMax = 8L << 20 });
        using SigningDevice device = await pipeline.AddDeviceAsync(), other = await pipeline.AddDeviceAsync();
        (DeviceLog log, DeviceLog others) = (pipeline.Devices.Find(device.Id)!.Log, pipeline.Devices.Find(other.Id)!.Log);
        (byte[] frame, byte[] otherFrame) = (device.Next(), other.Next());
        for (ulong sequence = 1; sequence <= Frames;)
        {
            Appended? last = null;
            for (; sequence <= Frames && (last is null || sequence % 1_000 != 1); sequence++)
            {
                if (sequence % 10 == 0) pipeline.Log.Append(new Appended(pipeline.Log.Epoch, others, sequence / 10, With(otherFrame, sequence / 10, -1_000_000)));
                pipeline.Log.Append(last = new Appended(pipeline.Log.Epoch, log, sequence, With(frame, sequence, sequence == Spike ? 1_000_000 : (long)(sequence % 1_000))));
            }

            await last!.Done;
        }

        Assert.That(pipeline.Log.PartitionCount, Is.GreaterThan(4));
        const ulong Every = Frames / 600;
        Dictionary<ulong, (double Min, double Sum, double Max, int Count)> points = [];
        int readings = 0;
        long begun = Stopwatch.GetTimestamp();
        for (ulong? next = Frames + 1; next is { } before; readings++)
        {
            SeriesJson part = Series.Read(pipeline.Frames, log.Device, 1, 1, before, Every);
            Assert.That(part.Count.Sum(), Is.LessThanOrEqualTo(Series.FramesMax));
            Assert.That(part.TimesMs, Is.Ordered);
            for (int i = 0; i < part.Count.Count; i++)
            {
                (double min, double sum, double max, int count) = points.GetValueOrDefault(part.Sequences[i] / Every, (double.MaxValue, 0, double.MinValue, 0));
                points[part.Sequences[i] / Every] = (Math.Min(min, part.Min[i]), sum + (part.Mean[i] * part.Count[i]), Math.Max(max, part.Max[i]), count + part.Count[i]);
            }

            next = part.Next;
        }

        TestContext.Out.WriteLine($"{readings} readings, {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:0} ms");
        Assert.That(readings, Is.EqualTo(Frames / Series.FramesMax));
        Assert.That(points, Has.Count.EqualTo(601)); // 0: sequences 1 to 499; 600: the last one
        Assert.That(points.Values.Sum(point => point.Count), Is.EqualTo(Frames));
        Assert.That(points.Where(point => point.Value.Max > 1_000).Select(point => point.Key), Is.EqualTo(new[] { Spike / Every }), "the one high reading is seen at every width");
        (double least, double total, double greatest, int number) = points[100]; // sequences 50,000 to 50,499
        Assert.That((least, greatest, number), Is.EqualTo((0.0, 49.9, 500)).Using<double>((a, b) => Math.Abs(a - b) < 1e-6 ? 0 : 1));
        Assert.That(total / number, Is.EqualTo(24.95).Within(1e-6));

        SeriesJson zoom = Series.Read(pipeline.Frames, log.Device, 1, Spike - 10, Spike + 11, 1);
        Assert.That((zoom.Mean.Count, zoom.Next), Is.EqualTo((21, (ulong?)null)));
        Assert.That(zoom.Mean[10], Is.EqualTo(100_000).Within(1e-6));
        Assert.That(zoom.Sequences, Is.EqualTo(Enumerable.Range((int)Spike - 10, 21).Select(sequence => (ulong)sequence)));
        SeriesJson raw = Series.Read(pipeline.Frames, log.Device, 1, 1, Frames + 1, 1);
        Assert.That((raw.Mean.Count, raw.Next), Is.EqualTo((Series.RawFramesMax, (ulong?)Frames - Series.RawFramesMax + 1)));
        Assert.That(Series.Read(pipeline.Frames, log.Device, 7, 1, Frames + 1, Every).Mean, Is.Empty, "a channel that it has not");
    }

    private static byte[] With(byte[] frame, ulong sequence, long value)
    {
        byte[] made = (byte[])frame.Clone();
        BinaryPrimitives.WriteUInt64BigEndian(made.AsSpan(FrameFormat.SequenceOffset), sequence);
        BinaryPrimitives.WriteUInt64BigEndian(made.AsSpan(FrameFormat.TimeOffset), 1_700_000_000_000 + (sequence * 60_000));
        BinaryPrimitives.WriteInt64BigEndian(made.AsSpan(FrameFormat.PayloadOffset + FrameFormat.SampleValueOffset), value);
        return made;
    }

    private sealed class Appended : FrameAppend
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Appended(long epoch, DeviceLog log, ulong sequence, byte[] frame) => (Epoch, Log, Sequence, ReceivedMs, Frame) = (epoch, log, sequence, 1_780_000_000_000 + (long)sequence, frame);

        public Task Done => _done.Task;

        protected internal override void Committed() => _done.SetResult();

        internal override void Failed(StoreFault fault) => _done.SetException(new StoreException(fault, "not stored"));
    }
}

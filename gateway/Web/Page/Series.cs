using System.Runtime.InteropServices;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using DePIN.Protocol;

namespace DePIN.Gateway.Web.Page;

/// <summary>
/// One channel of a device, columns for a plot, ascending by sequence. With Every = 1 each point is one sample; else a point is all samples of the frames whose
/// sequence divided by Every is the same: their mean time, the least, mean and greatest value, how many, and the lowest sequence.
/// Next: the sequence before which older ones are, in the same division; null at the end.
/// </summary>
internal sealed record SeriesJson(string Channel, string Unit, ulong Every, IReadOnlyList<long> TimesMs, IReadOnlyList<double> Min, IReadOnlyList<double> Mean, IReadOnlyList<double> Max,
    IReadOnlyList<int> Count, IReadOnlyList<ulong> Sequences, ulong? Next);

/// <summary>
/// Reads a series from the store, every frame of it: what a plot shows as least and greatest is that, and no sample of it. Bounded: one reading takes the newest
/// <see cref="FramesMax"/> frames of what is asked (<see cref="RawFramesMax"/> undivided) in pages, and who asks goes on with Next; a year of a frame a minute is 27 readings.
/// </summary>
internal static class Series
{
    /// <summary>Frames that one reading takes when they are gathered.</summary>
    public const int FramesMax = 20_000;

    /// <summary>Frames that one reading takes when every sample is a point.</summary>
    public const int RawFramesMax = 2_000;

    /// <summary>Points beyond which a reading ends: a frame may hold many samples.</summary>
    public const int PointsMax = 20_000;

    private const int PageFrames = 512;

    /// <summary>The newest part of sequences <paramref name="from"/> … <paramref name="before"/> - 1.</summary>
    public static SeriesJson Read(IFrameStore frames, int device, ushort channel, ulong from, ulong before, ulong every)
    {
        int left = every == 1 ? RawFramesMax : FramesMax;
        List<Point> points = []; // the newest first
        ulong? next = before;
        while (left > 0 && points.Count < PointsMax)
        {
            int count = Math.Min(left, PageFrames);
            List<StoredFrame> page = frames.NewestOf(device, from, next.Value, count);
            foreach (StoredFrame stored in page) Add(points, stored, channel, every);
            left -= page.Count;
            next = page.Count < count ? null : FrameParser.Sequence(page[^1].Frame, 0);
            if (next is null || next <= from)
            {
                next = null;
                break;
            }
        }

        points.Reverse();
        return new SeriesJson(Channels.Name(channel) ?? $"channel {channel}", Channels.Unit(channel) ?? "", every, [.. points.Select(p => p.FirstMs + (long)(p.SinceFirstMs / p.Count))],
            [.. points.Select(p => p.Min)], [.. points.Select(p => p.Sum / p.Count)], [.. points.Select(p => p.Max)], [.. points.Select(p => p.Count)], [.. points.Select(p => p.Sequence)], next);
    }

    private static void Add(List<Point> points, StoredFrame stored, ushort channel, ulong every)
    {
        byte[] frame = stored.Frame;
        ulong sequence = FrameParser.Sequence(frame, 0);
        // A frame without a clock is shown when it came.
        long at = FrameParser.IsClockSynchronised(frame, 0) ? (long)FrameParser.TimeMs(frame, 0) : stored.ReceivedMs;
        Sample sample = new();
        for (int i = FrameParser.SampleCount(frame, 0) - 1; i >= 0; i--)
        {
            FrameParser.ReadSample(frame, 0, i, sample);
            if (sample.Channel != channel) continue;
            double value = sample.Value * Math.Pow(10, sample.Exponent);
            if (every == 1 || points.Count == 0 || points[^1].Sequence / every != sequence / every)
                points.Add(new Point { FirstMs = at + sample.OffsetMs, Min = double.PositiveInfinity, Max = double.NegativeInfinity });
            ref Point point = ref CollectionsMarshal.AsSpan(points)[^1];
            point.Sequence = sequence;
            point.SinceFirstMs += at + sample.OffsetMs - (double)point.FirstMs;
            point.Sum += value;
            point.Count++;
            point.Min = Math.Min(point.Min, value);
            point.Max = Math.Max(point.Max, value);
        }
    }

    private struct Point
    {
        public long FirstMs;
        public double SinceFirstMs, Sum, Min, Max;
        public int Count;
        public ulong Sequence;
    }
}

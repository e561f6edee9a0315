using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>A set of frames as runs per device: adding what touches merges, so a device without holes is one run however long it lives.</summary>
public sealed class SpanSet
{
    private readonly Dictionary<Address, List<(ulong First, ulong Last)>> _runs = [];

    /// <summary>True when one of these frames is in the set.</summary>
    public bool Overlaps(FrameSpans spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        foreach (FrameSpan span in spans.Runs)
        {
            if (_runs.TryGetValue(span.Device, out List<(ulong First, ulong Last)>? runs) && FirstEndingFrom(runs, span.First) is var i && i < runs.Count && runs[i].First <= span.Last)
                return true;
        }

        return false;
    }

    /// <summary>True when the frame is in the set.</summary>
    public bool Contains(Address device, ulong sequence) =>
        _runs.TryGetValue(device, out List<(ulong First, ulong Last)>? runs) && FirstEndingFrom(runs, sequence) is var i && i < runs.Count && runs[i].First <= sequence;

    /// <summary>Adds frames.</summary>
    public void Add(FrameSpans spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        foreach (FrameSpan span in spans.Runs)
        {
            if (!_runs.TryGetValue(span.Device, out List<(ulong First, ulong Last)>? runs)) _runs[span.Device] = runs = [];
            (ulong first, ulong last) = (span.First, span.Last);
            int from = FirstEndingFrom(runs, first - 1); // one that ends right before touches
            int to = from;
            while (to < runs.Count && (last == ulong.MaxValue || runs[to].First <= last + 1))
            {
                first = Math.Min(first, runs[to].First);
                last = Math.Max(last, runs[to].Last);
                to++;
            }

            runs.RemoveRange(from, to - from);
            runs.Insert(from, (first, last));
        }
    }

    /// <summary>Takes frames out.</summary>
    public void Remove(FrameSpans spans)
    {
        ArgumentNullException.ThrowIfNull(spans);
        foreach (FrameSpan span in spans.Runs)
        {
            if (!_runs.TryGetValue(span.Device, out List<(ulong First, ulong Last)>? runs)) continue;
            int i = FirstEndingFrom(runs, span.First);
            while (i < runs.Count && runs[i].First <= span.Last)
            {
                (ulong first, ulong last) = runs[i];
                runs.RemoveAt(i);
                if (first < span.First) runs.Insert(i++, (first, span.First - 1));
                if (last > span.Last) runs.Insert(i++, (span.Last + 1, last));
            }

            if (runs.Count == 0) _runs.Remove(span.Device);
        }
    }

    /// <summary>Index of the first run that ends at or after a sequence.</summary>
    private static int FirstEndingFrom(List<(ulong First, ulong Last)> runs, ulong sequence)
    {
        (int low, int high) = (0, runs.Count);
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (runs[middle].Last < sequence) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}

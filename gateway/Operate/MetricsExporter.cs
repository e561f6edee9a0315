using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Collects every instrument of our meters (names that begin with "DePIN.") and writes the Prometheus text format 0.0.4.
/// Counters get the suffix _total, histograms have the buckets that their instrument advises. Bounded: what goes beyond <see cref="SeriesMax"/> is
/// dropped and counted, so a hostile label value cannot fill the memory.
/// </summary>
public sealed class MetricsExporter : IDisposable
{
    /// <summary>Series kept at most.</summary>
    public const int SeriesMax = 4_096;

    /// <summary>Media type of the text.</summary>
    public const string MediaType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<(Instrument Instrument, string Labels), Series> _series = new();
    private long _dropped;

    public MetricsExporter()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name.StartsWith("DePIN.", StringComparison.Ordinal)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<int>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<double>((i, v, t, _) => Record(i, v, t));
        _listener.SetMeasurementEventCallback<float>((i, v, t, _) => Record(i, v, t));
        _listener.Start();
    }

    /// <summary>Reads the observable instruments and writes everything, sorted by name.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        StringBuilder text = new();
        foreach (var family in _series.GroupBy(s => Name(s.Key.Instrument)).OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            Instrument instrument = family.First().Key.Instrument;
            if (!string.IsNullOrEmpty(instrument.Description))
                text.Append("# HELP ").Append(family.Key).Append(' ').Append(instrument.Description.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
            text.Append("# TYPE ").Append(family.Key).Append(' ').Append(IsHistogram(instrument) ? "histogram" : IsMonotonic(instrument) ? "counter" : "gauge").Append('\n');
            foreach (((Instrument _, string labels), Series series) in family.OrderBy(s => s.Key.Labels, StringComparer.Ordinal))
            {
                (double sum, long count, long[] buckets) = series.Get();
                if (IsHistogram(instrument))
                {
                    long below = 0;
                    string others = labels.Length == 0 ? "{" : labels[..^1] + ",";
                    for (int i = 0; i < buckets.Length; i++)
                        Line(text, family.Key + "_bucket", others + "le=\"" + series.Bounds[i].ToString("R", CultureInfo.InvariantCulture) + "\"}", below += buckets[i]);
                    Line(text, family.Key + "_bucket", others + "le=\"+Inf\"}", count);
                    Line(text, family.Key + "_sum", labels, sum);
                    Line(text, family.Key + "_count", labels, count);
                }
                else
                {
                    Line(text, family.Key, labels, sum);
                }
            }
        }

        text.Append("# TYPE depin_metrics_dropped_total counter\n");
        Line(text, "depin_metrics_dropped_total", "", Interlocked.Read(ref _dropped));
        return text.ToString();
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        (Instrument, string) key = (instrument, tags.IsEmpty ? "" : Labels(tags));
        if (!_series.TryGetValue(key, out Series? series))
        {
            if (_series.Count >= SeriesMax)
            {
                Interlocked.Increment(ref _dropped);
                return;
            }

            series = _series.GetOrAdd(key, static key => new Series(key.Instrument is Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds } ? [.. bounds] : []));
        }

        // Observable instruments report totals, the others report steps.
        series.Add(value, absolute: instrument.IsObservable || IsGauge(instrument));
    }

    private static bool IsHistogram(Instrument i) => Is(i, "Histogram");

    private static bool IsGauge(Instrument i) => Is(i, "Gauge");

    private static bool IsMonotonic(Instrument i) => Is(i, "Counter") || Is(i, "ObservableCounter");

    private static bool Is(Instrument i, string kind) => i.GetType().Name.StartsWith(kind + "`", StringComparison.Ordinal);

    private static string Name(Instrument instrument)
    {
        StringBuilder name = new();
        foreach (char c in instrument.Name) name.Append(char.IsAsciiLetterOrDigit(c) ? c : '_');
        if (IsMonotonic(instrument) && !instrument.Name.EndsWith("total", StringComparison.Ordinal)) name.Append("_total");
        return name.ToString();
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        StringBuilder text = new("{");
        foreach ((string key, object? value) in tags)
        {
            if (text.Length > 1) text.Append(',');
            foreach (char c in key) text.Append(char.IsAsciiLetterOrDigit(c) ? c : '_');
            string shown = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
            text.Append("=\"").Append(shown.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('"');
        }

        return text.Append('}').ToString();
    }

    private static void Line(StringBuilder text, string name, string labels, double value) =>
        text.Append(name).Append(labels).Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');

    private sealed class Series(double[] bounds)
    {
        private readonly Lock _gate = new();
        private readonly long[] _buckets = new long[bounds.Length];
        private double _sum;
        private long _count;

        /// <summary>Upper bounds of the buckets, ascending; none for what is no histogram.</summary>
        public double[] Bounds => bounds;

        public void Add(double value, bool absolute)
        {
            int bucket = Array.BinarySearch(bounds, value);
            if (bucket < 0) bucket = ~bucket; // the first bound above it
            lock (_gate)
            {
                _sum = absolute ? value : _sum + value;
                _count++;
                if (bucket < _buckets.Length) _buckets[bucket]++;
            }
        }

        public (double Sum, long Count, long[] Buckets) Get()
        {
            lock (_gate) return (_sum, _count, [.. _buckets]);
        }
    }
}

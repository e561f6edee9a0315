using System.Diagnostics.Metrics;

namespace DePIN.Gateway.Verify;

/// <summary>
/// What the verifier counted since it started: one verdict per frame, and what it noticed in accepted ones.
/// Readable here and published by the meter "DePIN.Gateway.Verify" (observable counters: nothing is paid on the hot path).
/// </summary>
public sealed class VerifyCounters : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "DePIN.Gateway.Verify";

    private readonly long[] verdicts = new long[FrameVerdicts.Count];
    private readonly Meter meter = new(MeterName);
    private readonly Histogram<double> duration;
    private long gaps;
    private long missing;
    private long brokenChains;
    private long signaturesChecked;
    private long evidenceKept;

    internal VerifyCounters(Func<int> inFlight)
    {
        meter.CreateObservableCounter("depin.frames", Verdicts, "{frame}", "Frames by verdict.");
        duration = meter.CreateHistogram("depin.frames.duration.seconds", "s", "From a frame's arrival to its commit, accepted frames.", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10] });
        meter.CreateObservableCounter("depin.frames.gaps", () => Gaps, "{gap}", "Accepted frames whose sequence was not the next one.");
        meter.CreateObservableCounter("depin.frames.missing", () => Missing, "{frame}", "Sequences skipped by gaps.");
        meter.CreateObservableCounter("depin.frames.broken_chains", () => BrokenChains, "{frame}", "Accepted frames whose previous hash is not the stored predecessor's.");
        meter.CreateObservableCounter("depin.signatures.checked", () => SignaturesChecked, "{signature}", "P-256 checks done.");
        meter.CreateObservableCounter("depin.equivocations.kept", () => EvidenceKept, "{equivocation}", "Equivocations kept as evidence.");
        meter.CreateObservableUpDownCounter("depin.frames.in_flight", inFlight, "{frame}", "Frames between submission and verdict.");
    }

    internal void Took(TimeSpan time) => duration.Record(time.TotalSeconds);

    /// <summary>Accepted frames whose sequence was not the next one.</summary>
    public long Gaps => Interlocked.Read(ref gaps);

    /// <summary>Sequences skipped by gaps.</summary>
    public long Missing => Interlocked.Read(ref missing);

    /// <summary>Accepted frames whose `previous` is not the hash of the stored predecessor.</summary>
    public long BrokenChains => Interlocked.Read(ref brokenChains);

    /// <summary>P-256 checks done.</summary>
    public long SignaturesChecked => Interlocked.Read(ref signaturesChecked);

    /// <summary>Equivocations kept as evidence (bounded; the verdict's count is not).</summary>
    public long EvidenceKept => Interlocked.Read(ref evidenceKept);

    /// <summary>Frames decided.</summary>
    public long Total => verdicts.Sum();

    /// <summary>Frames with one verdict.</summary>
    public long Of(FrameVerdict verdict) => Interlocked.Read(ref verdicts[(int)verdict]);

    /// <inheritdoc/>
    public void Dispose() => meter.Dispose();

    internal void Count(FrameVerdict verdict) => Interlocked.Increment(ref verdicts[(int)verdict]);

    internal void CountSignature() => Interlocked.Increment(ref signaturesChecked);

    internal void CountEvidence() => Interlocked.Increment(ref evidenceKept);

    internal void CountBrokenChain() => Interlocked.Increment(ref brokenChains);

    internal void CountGap(ulong skipped)
    {
        Interlocked.Increment(ref gaps);
        Interlocked.Add(ref missing, (long)Math.Min(skipped, int.MaxValue));
    }

    private IEnumerable<Measurement<long>> Verdicts()
    {
        for (int i = 0; i < verdicts.Length; i++)
            yield return new Measurement<long>(Interlocked.Read(ref verdicts[i]), new KeyValuePair<string, object?>("verdict", ((FrameVerdict)i).ToString()));
    }
}

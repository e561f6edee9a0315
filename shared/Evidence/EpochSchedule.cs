// When epochs begin. Governance may change their length, so they are counted in segments, as Ledger.sol keeps them.
using System.Collections.Immutable;

namespace DePIN.Evidence;

/// <summary>A stretch of time with epochs of one length.</summary>
/// <param name="FirstEpoch">Number of its first epoch.</param>
/// <param name="StartS">When that begins, seconds since the Unix epoch.</param>
/// <param name="Seconds">Length of each, at least 1.</param>
public readonly record struct EpochSegment(ulong FirstEpoch, ulong StartS, ulong Seconds);

/// <summary>
/// The ledger's segments: epoch(t) = first + (t - start) / length of the last segment that has begun. A new length begins two borders after the block that
/// set it, so what is past never changes and who follows the chain knows it for a whole epoch. Immutable.
/// </summary>
public sealed class EpochSchedule
{
    private readonly ImmutableArray<EpochSegment> _segments;

    /// <param name="segments">At least one, the first from epoch 0 and time 0, the others in order.</param>
    /// <exception cref="ArgumentException">They are not what the ledger can have.</exception>
    public EpochSchedule(IEnumerable<EpochSegment> segments)
    {
        _segments = [.. segments];
        if (_segments.IsEmpty || _segments[0] is not { FirstEpoch: 0, StartS: 0 }) throw new ArgumentException("The first segment begins with epoch 0 at time 0.", nameof(segments));
        for (int i = 0; i < _segments.Length; i++)
        {
            if (_segments[i].Seconds == 0 || (i > 0 && (_segments[i].FirstEpoch <= _segments[i - 1].FirstEpoch || StartIn(_segments[i - 1], _segments[i].FirstEpoch) != _segments[i].StartS)))
                throw new ArgumentException($"Segment {i} does not continue the one before it.", nameof(segments));
        }
    }

    /// <summary>Epochs of one length for ever.</summary>
    public static EpochSchedule Fixed(ulong seconds) => new([new EpochSegment(0, 0, seconds)]);

    /// <summary>The segments, oldest first; the last may still be to come.</summary>
    public IReadOnlyList<EpochSegment> Segments => _segments;

    /// <summary>The epoch of a time.</summary>
    /// <param name="timeS">Seconds since the Unix epoch.</param>
    public ulong EpochAt(ulong timeS)
    {
        EpochSegment segment = SegmentAt(timeS);
        return segment.FirstEpoch + (timeS - segment.StartS) / segment.Seconds;
    }

    /// <summary>When an epoch begins, seconds since the Unix epoch; one to come moves when the length changes. The largest number for what no clock reaches.</summary>
    public ulong StartOf(ulong epoch)
    {
        int i = _segments.Length - 1;
        while (_segments[i].FirstEpoch > epoch) i--;
        return StartIn(_segments[i], epoch);
    }

    /// <summary>Length of the epoch of a time, seconds.</summary>
    public ulong SecondsAt(ulong timeS) => SegmentAt(timeS).Seconds;

    private static ulong StartIn(EpochSegment segment, ulong epoch)
    {
        UInt128 start = segment.StartS + (UInt128)(epoch - segment.FirstEpoch) * segment.Seconds;
        return start > ulong.MaxValue ? ulong.MaxValue : (ulong)start;
    }

    private EpochSegment SegmentAt(ulong timeS)
    {
        int i = _segments.Length - 1;
        while (_segments[i].StartS > timeS) i--;
        return _segments[i];
    }
}

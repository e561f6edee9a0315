using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Evidence;

/// <summary>What spans keep of a frame.</summary>
/// <param name="Device">The device id as it stands in the frame, 20 bytes.</param>
/// <param name="Sequence">From 1.</param>
/// <param name="Profile">Profile number.</param>
/// <param name="IsDoubtful">A sample says of itself that it is not good, or there is none. Of a sealed payload nobody knows: it is not doubtful.</param>
public readonly record struct FrameKey(Address Device, ulong Sequence, ushort Profile = 0, bool IsDoubtful = false);

/// <summary>A run of one device's frames of one profile without a hole: first to last sequence, both included.</summary>
/// <param name="Device">The device id as it stands in the frames, 20 bytes.</param>
/// <param name="First">From 1.</param>
/// <param name="Last">At least <paramref name="First"/>.</param>
/// <param name="Profile">Profile number of all.</param>
/// <param name="Doubtful">How many of them are doubtful (<see cref="FrameKey"/>).</param>
public readonly record struct FrameSpan(Address Device, ulong First, ulong Last, ushort Profile = 0, uint Doubtful = 0)
{
    /// <summary>Size of the canonical bytes.</summary>
    public const int Bytes = 42;

    /// <summary>Frames in the run.</summary>
    public ulong Count => Last - First + 1;
}

/// <summary>Why bytes are no spans.</summary>
public enum FrameSpansFault
{
    /// <summary>They are.</summary>
    None = 0,

    /// <summary>Not 1 to 65,536 spans of 42 bytes.</summary>
    LengthMismatch,

    /// <summary>A sequence of zero, a last before its first, or more doubtful frames than frames.</summary>
    BadRange,

    /// <summary>Not strictly ascending by device and sequence, or two runs that are one.</summary>
    NotCanonical,

    /// <summary>More frames than a batch has.</summary>
    TooManyFrames,
}

/// <summary>
/// Which frames a batch holds, as (device, sequence) runs: what a gateway that does not have the body needs in order to see that no frame
/// is anchored twice, and what rewards are computed from. A function of the frames; a batch header commits to it (<see cref="BatchBody.Commitment"/>). Canonical bytes, big-endian,
/// ascending by device, then sequence, runs as long as they can be: device 20 | first u64 | last u64 | profile u16 | doubtful u32, 42 each.
/// </summary>
public sealed class FrameSpans
{
    private Hash32? _hash;

    private FrameSpans(ImmutableArray<FrameSpan> runs) => Runs = runs;

    /// <summary>Of a batch whose frames are not here any more; no batch has it.</summary>
    public static FrameSpans None { get; } = new([]);

    /// <summary>The runs in canonical order; at least one, but in <see cref="None"/>.</summary>
    public ImmutableArray<FrameSpan> Runs { get; }

    /// <summary>Frames in all runs.</summary>
    public ulong Frames => Runs.Aggregate(0UL, static (sum, run) => sum + run.Count);

    /// <summary>The spans of these frames, in any order. Null when a (device, sequence) is given twice or none is given: no batch then.</summary>
    public static FrameSpans? From(IEnumerable<FrameKey> frames)
    {
        FrameKey[] sorted = [.. frames];
        Array.Sort(sorted, static (a, b) => a.Device != b.Device ? a.Device.CompareTo(b.Device) : a.Sequence.CompareTo(b.Sequence));
        ImmutableArray<FrameSpan>.Builder runs = ImmutableArray.CreateBuilder<FrameSpan>();
        foreach ((Address device, ulong sequence, ushort profile, bool isDoubtful) in sorted)
        {
            uint doubtful = isDoubtful ? 1u : 0;
            if (runs.Count > 0 && runs[^1] is var last && last.Device == device)
            {
                if (last.Last == sequence) return null;
                if (last.Last + 1 == sequence && last.Profile == profile)
                {
                    runs[^1] = last with { Last = sequence, Doubtful = last.Doubtful + doubtful };
                    continue;
                }
            }
            runs.Add(new FrameSpan(device, sequence, sequence, profile, doubtful));
        }
        return runs.Count == 0 ? null : new FrameSpans(runs.ToImmutable());
    }

    /// <summary>The spans of a body; null when it holds one (device, sequence) twice. Trusts that the frames are well formed.</summary>
    public static FrameSpans? Of(BatchBody body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return From(Enumerable.Range(0, body.Count).Select(i => Key(body[i].Span)));
    }

    /// <summary>What spans keep of a well-formed frame.</summary>
    public static FrameKey Key(ReadOnlySpan<byte> frame) => new(
        new Address(frame.Slice(FrameFormat.DeviceIdOffset, Address.Bytes)), BinaryPrimitives.ReadUInt64BigEndian(frame[FrameFormat.SequenceOffset..]),
        BinaryPrimitives.ReadUInt16BigEndian(frame[FrameFormat.ProfileOffset..]), IsDoubtful(frame));

    /// <summary>SHA-256 of the canonical bytes.</summary>
    public Hash32 Hash()
    {
        if (_hash is { } known) return known;
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        SHA256.HashData(ToArray(), digest);
        Hash32 hash = new(digest);
        _hash = hash;
        return hash;
    }

    /// <summary>The canonical bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Runs.Length * FrameSpan.Bytes];
        for (int i = 0; i < Runs.Length; i++)
        {
            Span<byte> at = bytes.AsSpan(i * FrameSpan.Bytes);
            Runs[i].Device.CopyTo(at);
            BinaryPrimitives.WriteUInt64BigEndian(at[20..], Runs[i].First);
            BinaryPrimitives.WriteUInt64BigEndian(at[28..], Runs[i].Last);
            BinaryPrimitives.WriteUInt16BigEndian(at[36..], Runs[i].Profile);
            BinaryPrimitives.WriteUInt32BigEndian(at[38..], Runs[i].Doubtful);
        }
        return bytes;
    }

    /// <summary>Reads canonical bytes; never throws for their contents.</summary>
    public static FrameSpansFault TryRead(ReadOnlySpan<byte> source, out FrameSpans? spans)
    {
        spans = null;
        if (source.IsEmpty || source.Length % FrameSpan.Bytes != 0 || source.Length > EvidenceLimits.BatchFramesMax * FrameSpan.Bytes) return FrameSpansFault.LengthMismatch;
        ImmutableArray<FrameSpan>.Builder runs = ImmutableArray.CreateBuilder<FrameSpan>(source.Length / FrameSpan.Bytes);
        ulong frames = 0;
        for (int at = 0; at < source.Length; at += FrameSpan.Bytes)
        {
            FrameSpan run = new(
                new Address(source.Slice(at, 20)), BinaryPrimitives.ReadUInt64BigEndian(source[(at + 20)..]), BinaryPrimitives.ReadUInt64BigEndian(source[(at + 28)..]),
                BinaryPrimitives.ReadUInt16BigEndian(source[(at + 36)..]), BinaryPrimitives.ReadUInt32BigEndian(source[(at + 38)..]));
            if (run.First == 0 || run.Last < run.First) return FrameSpansFault.BadRange;
            if (run.Last - run.First >= EvidenceLimits.BatchFramesMax || (frames += run.Count) > EvidenceLimits.BatchFramesMax) return FrameSpansFault.TooManyFrames;
            if (run.Doubtful > run.Count) return FrameSpansFault.BadRange;
            if (runs.Count > 0)
            {
                FrameSpan before = runs[^1];
                int order = before.Device.CompareTo(run.Device);
                if (order > 0 || (order == 0 && (before.Last >= run.First || (before.Last + 1 == run.First && before.Profile == run.Profile)))) return FrameSpansFault.NotCanonical;
            }
            runs.Add(run);
        }
        spans = new FrameSpans(runs.MoveToImmutable());
        return FrameSpansFault.None;
    }

    private static bool IsDoubtful(ReadOnlySpan<byte> frame)
    {
        if ((frame[FrameFormat.FlagsOffset] & FrameFormat.FlagPayloadSealed) != 0) return false;
        ReadOnlySpan<byte> samples = frame[FrameFormat.PayloadOffset..^FrameFormat.SignatureBytes];
        for (int at = FrameFormat.SampleQualityOffset; at < samples.Length; at += FrameFormat.SampleBytes)
            if (samples[at] != 0) return true;
        return samples.IsEmpty;
    }
}

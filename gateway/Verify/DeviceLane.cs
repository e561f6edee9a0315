using System.Security.Cryptography;

namespace DePIN.Gateway.Verify;

/// <summary>
/// One device's way through the verifier: frames are decided one at a time, in the order of submission, by whichever worker holds the lane.
/// All fields are guarded by <see cref="Gate"/>, except the digest, which only the worker that holds the lane touches, and the key,
/// which belongs to <see cref="KeyCache"/>.
/// </summary>
internal sealed class DeviceLane(KnownDevice device) : KeyHolder(device.Registration.PublicKey)
{
    /// <summary>Refused sequences remembered.</summary>
    private const int RefusedMax = 256;

    public readonly Lock Gate = new();

    /// <summary>Submitted, not yet decided.</summary>
    public readonly Queue<Submission> Waiting = new();

    /// <summary>Verified, on the way to the disk; ascending, but for late ones. Few: a look-up walks it.</summary>
    public readonly Queue<Submission> Committing = new();

    /// <summary>True while queued for, or held by, a worker.</summary>
    public bool Scheduled;

    /// <summary>Submitted and without a verdict.</summary>
    public int InFlight;

    /// <summary>Sequences refused "retry later" and not stored since, the lowest first; null when there are none.</summary>
    private SortedSet<ulong>? refused;

    /// <summary>When the lowest of them was last refused, timestamp.</summary>
    private long refusedAt;

    /// <summary>True once a frame of the device came in since the start.</summary>
    public bool Started;

    /// <summary>Hash of the signed bytes of frame <see cref="DigestSequence"/>: what the next frame must name as previous.</summary>
    public readonly byte[] Digest = new byte[SHA256.HashSizeInBytes];

    public ulong DigestSequence;

    public KnownDevice Device => device;

    /// <summary>The key the registry says now: a frame that comes in is judged by it, whatever key the device had before.</summary>
    public override ReadOnlyMemory<byte> PublicKey => device.Registration.PublicKey;

    /// <summary>The last sequence that is durable or about to be.</summary>
    public ulong LastAccepted()
    {
        ulong durable = device.Log.LastSequence;
        return Committing.Count > 0 ? Math.Max(LastCommitting, durable) : durable;
    }

    /// <summary>The highest of <see cref="Committing"/>, while there are any.</summary>
    public ulong LastCommitting;

    public Submission? FindCommitting(ulong sequence)
    {
        foreach (Submission one in Committing)
        {
            if (one.Sequence == sequence)
                return one;
        }
        return null;
    }

    /// <summary>Refused, retry later: frames behind it must wait for it.</summary>
    public void Hold(ulong sequence, long now)
    {
        if (sequence <= device.Log.LastSequence)
            return;
        refused ??= [];
        if (refused.Count == 0 || sequence <= refused.Min)
            refusedAt = now;
        refused.Add(sequence);
        // The lowest decide; a device sends the others again in order.
        if (refused.Count > RefusedMax)
            refused.Remove(refused.Max);
    }

    /// <summary>
    /// True when a frame with a lower sequence was refused and is expected again. What is on its way to the disk came again: should its commit fail, so do
    /// those of the frames behind it, and all are refused anew.
    /// </summary>
    public bool IsHeld(ulong sequence, ulong lastAccepted, long now, TimeProvider time, int holdMs)
    {
        if (refused is null)
            return false;
        // A commit in doubt that came true stores without a call of Stored.
        Stored(device.Log.LastSequence, now);
        if (refused is null)
            return false;
        if (time.GetElapsedTime(refusedAt, now).TotalMilliseconds >= holdMs)
        {
            refused = null;
            return false;
        }
        return refused.GetViewBetween(lastAccepted + 1, sequence).Min is > 0 and var lowest && lowest < sequence;
    }

    /// <summary>A frame is durable: nothing up to it is expected any more.</summary>
    public void Stored(ulong sequence, long now)
    {
        if (refused is null)
            return;
        while (refused.Count > 0 && refused.Min <= sequence)
        {
            refused.Remove(refused.Min);
            // The next one's turn to come again begins now.
            refusedAt = now;
        }
        if (refused.Count == 0)
            refused = null;
    }
}

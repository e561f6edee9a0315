using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DePIN.Gateway.Store;
using DePIN.Protocol;

namespace DePIN.Gateway.Verify;

/// <summary>
/// Decides every frame: cheap rejects on the caller's thread (size, structure, topic, device), then sequence and P-256 on a bounded pool of
/// workers, one lane per device so its frames keep their order, then the store. A verdict that acknowledges comes only after the commit.
/// The rules are DESIGN section 4; what they leave open is decided in gateway/Verify/README.md.
/// </summary>
public sealed class FrameVerifier : IFrameIntake, IDisposable
{
    /// <summary>The store keeps sequences as signed numbers; a higher one is Malformed. One frame per ms reaches it in 292 million years.</summary>
    public const ulong SequenceMax = long.MaxValue;

    /// <summary>Frames a worker decides on one lane before the next lane's turn.</summary>
    private const int TurnFramesMax = 32;

    /// <summary>Pooled submissions kept when idle; about 200 bytes each.</summary>
    private const int PooledMax = 4_096;

    private readonly VerifierOptions options;
    private readonly DeviceTable devices;
    private readonly IFrameStore log;
    private readonly IDeviceSource? source;
    private readonly TimeProvider time;
    private readonly IFrameWatch? watch;
    private readonly KeyCache keys;
    private readonly UnknownDevices unknown;
    private readonly Thread[] workers;
    private readonly object gate = new();
    private readonly Queue<DeviceLane> ready = new();
    private readonly ConcurrentQueue<Submission> pool = new();
    private readonly VerdictTeller teller = new();
    private readonly CancellationTokenSource stop = new();
    private int inFlight;
    private int undecided;
    private int pooled;
    private int idleWorkers;
    private bool stopping;

    /// <param name="source">Asked for devices the table does not know; null: they are simply unknown.</param>
    /// <param name="watch">Told of the frames it picks; null: none is.</param>
    public FrameVerifier(VerifierOptions options, DeviceTable devices, IFrameStore log, IDeviceSource? source = null, TimeProvider? time = null, IFrameWatch? watch = null)
    {
        (this.options, this.devices, this.log, this.source, this.time, this.watch) = (options, devices, log, source, time ?? TimeProvider.System, watch);
        keys = new KeyCache(options.KeysCachedMax);
        unknown = new UnknownDevices(options, this.time);
        Counters = new VerifyCounters(() => InFlight);
        log.MoreComing = () => Volatile.Read(ref undecided) > 0;
        workers = new Thread[options.Workers > 0 ? options.Workers : Environment.ProcessorCount];
        for (int i = 0; i < workers.Length; i++)
        {
            workers[i] = new Thread(Work) { Name = $"verify {i}", IsBackground = true };
            workers[i].Start();
        }
    }

    /// <summary>One verdict per frame, counted.</summary>
    public VerifyCounters Counters { get; }

    /// <summary>Frames between submission and verdict.</summary>
    public int InFlight => Volatile.Read(ref inFlight);

    /// <summary>Keys ready for use.</summary>
    public int KeysCached => keys.Count;

    /// <summary>Unknown devices remembered.</summary>
    public int UnknownRemembered => unknown.Remembered;

    /// <inheritdoc/>
    public ValueTask<FrameVerdict> SubmitAsync(ReadOnlyMemory<byte> topicDeviceId, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<FrameVerdict>(cancellationToken);
        if (frame.Length > FrameFormat.FrameBytesMax)
            return Refuse(FrameVerdict.TooLarge);
        if (!MemoryMarshal.TryGetArray(frame, out ArraySegment<byte> segment))
            segment = frame.ToArray();
        if (FrameParser.Check(segment.Array!, segment.Offset, segment.Count) != FrameFault.None)
            return Refuse(FrameVerdict.Malformed);
        ReadOnlySpan<byte> bytes = segment;
        ulong sequence = BinaryPrimitives.ReadUInt64BigEndian(bytes[FrameFormat.SequenceOffset..]);
        if (sequence > SequenceMax)
            return Refuse(FrameVerdict.Malformed);
        ReadOnlySpan<byte> idBytes = bytes.Slice(FrameFormat.DeviceIdOffset, DeviceIdValue.Bytes);
        if (!topicDeviceId.Span.SequenceEqual(idBytes))
            return Refuse(FrameVerdict.TopicMismatch);

        DeviceIdValue id = new(idBytes);
        // A question under way goes first: its frames came earlier.
        if (unknown.AnyLookup && unknown.Running(id) is UnknownDevices.Lookup running && Join(running, id, segment, sequence) is ValueTask<FrameVerdict> joined)
            return joined;
        KnownDevice? device = devices.Find(id);
        if (device is null)
            return SubmitUnknown(id, segment, sequence);
        return SubmitKnown(device, id, segment, sequence);
    }

    /// <summary>Stops taking frames, decides those it has, waits for their commits. Call before the store is disposed.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (stopping)
                return;
            stopping = true;
            Monitor.PulseAll(gate);
        }
        stop.Cancel();
        foreach (Thread worker in workers)
            worker.Join();
        keys.Dispose();
        Counters.Dispose();
        stop.Dispose();
    }

    private ValueTask<FrameVerdict> SubmitKnown(KnownDevice device, DeviceIdValue id, ArraySegment<byte> frame, ulong sequence)
    {
        if (device.Registration.IsRevoked)
        {
            device.CountRefused(FrameVerdict.Revoked);
            return Refuse(FrameVerdict.Revoked);
        }
        DeviceLane lane = device.Lane;
        StoreFault store = log.State;
        if (store != StoreFault.None)
            return RefuseForLater(lane, sequence, Later(store));
        if (options.IsClosed())
            return RefuseForLater(lane, sequence, FrameVerdict.Unavailable);
        if (Interlocked.Increment(ref inFlight) > options.FramesInFlightMax)
        {
            Interlocked.Decrement(ref inFlight);
            return RefuseForLater(lane, sequence, FrameVerdict.Busy);
        }
        Submission submission = Rent(frame, sequence);
        ValueTask<FrameVerdict> task = submission.Task;
        Enter(lane, id, submission);
        return task;
    }

    private void Enter(DeviceLane lane, DeviceIdValue id, Submission submission)
    {
        bool schedule = false;
        FrameVerdict refused = FrameVerdict.Accepted;
        submission.Lane = lane;
        submission.Log = lane.Device.Log;
        lock (lane.Gate)
        {
            if (!lane.Started)
            {
                lane.Started = true;
                if (unknown.AnyRemembered && unknown.TakeRefused(id) is ulong lowest and > 0)
                    lane.Hold(lowest, time.GetTimestamp());
            }
            if (Volatile.Read(ref stopping))
            {
                refused = FrameVerdict.Unavailable;
            }
            else if (lane.InFlight >= options.FramesInFlightPerDeviceMax)
            {
                lane.Hold(submission.Sequence, time.GetTimestamp());
                refused = FrameVerdict.Busy;
            }
            else
            {
                lane.Waiting.Enqueue(submission);
                Interlocked.Increment(ref lane.InFlight);
                submission.InLane = true;
                Interlocked.Increment(ref undecided);
                schedule = !lane.Scheduled;
                lane.Scheduled = true;
            }
        }
        if (refused != FrameVerdict.Accepted)
            Finish(submission, refused);
        else if (schedule && !Schedule(lane, evenWhenStopping: false))
            RefuseWaiting(lane);
    }

    private bool Schedule(DeviceLane lane, bool evenWhenStopping)
    {
        lock (gate)
        {
            if (stopping && !evenWhenStopping)
                return false;
            ready.Enqueue(lane);
            if (idleWorkers > 0)
                Monitor.Pulse(gate);
            return true;
        }
    }

    // The workers may be gone already.
    private void RefuseWaiting(DeviceLane lane)
    {
        while (true)
        {
            Submission submission;
            lock (lane.Gate)
            {
                lane.Scheduled = false;
                if (lane.Waiting.Count == 0)
                    return;
                submission = lane.Waiting.Dequeue();
            }
            Interlocked.Decrement(ref undecided);
            Finish(submission, FrameVerdict.Unavailable);
        }
    }

    private void Work()
    {
        while (true)
        {
            DeviceLane lane;
            lock (gate)
            {
                while (ready.Count == 0)
                {
                    if (stopping)
                        return;
                    idleWorkers++;
                    Monitor.Wait(gate);
                    idleWorkers--;
                }
                lane = ready.Dequeue();
            }
            Turn(lane);
        }
    }

    private void Turn(DeviceLane lane)
    {
        ECDsa? key = null;
        bool more = true;
        for (int i = 0; i < TurnFramesMax && more; i++)
        {
            Submission submission;
            lock (lane.Gate)
            {
                more = lane.Waiting.Count > 0;
                if (!more)
                    break;
                submission = lane.Waiting.Dequeue();
            }
            try
            {
                if (!Decide(lane, submission, ref key))
                    Interlocked.Decrement(ref undecided);
            }
            catch (Exception fault) when (fault is StoreException or System.Data.Common.DbException)
            {
                // A look-up in the store failed: the frame is not decided, the device keeps it.
                lock (lane.Gate)
                    lane.Hold(submission.Sequence, time.GetTimestamp());
                Finish(submission, FrameVerdict.Unavailable);
                Interlocked.Decrement(ref undecided);
            }
        }
        // Before the lane goes on: the next worker takes the key anew.
        if (key is not null)
            keys.Release(lane);
        lock (lane.Gate)
            more = lane.Scheduled = lane.Waiting.Count > 0;
        // This worker is still here, so even while stopping the lane gets its turn.
        if (more)
            Schedule(lane, evenWhenStopping: true);
    }

    /// <summary>True when the frame went to the store; else it has its verdict, or will get it with another frame.</summary>
    private bool Decide(DeviceLane lane, Submission submission, ref ECDsa? key)
    {
        // Read before anything is decided: a commit that fails from here on makes this decision void (FrameAppend).
        long epoch = log.Epoch;
        submission.Epoch = epoch;
        ulong sequence = submission.Sequence;
        if (lane.Device.Registration.IsRevoked)
        {
            Finish(submission, FrameVerdict.Revoked);
            return false;
        }

        ulong last;
        byte[]? rival = null;
        lock (lane.Gate)
        {
            last = lane.LastAccepted();
            long now = time.GetTimestamp();
            if (sequence > last)
            {
                // Frames of an older epoch on their way are lost causes: what comes after them must wait for them.
                if (lane.Committing.TryPeek(out Submission? oldest) && oldest.Epoch != epoch)
                {
                    lane.Hold(oldest.Sequence, now);
                    Finish(submission, FrameVerdict.Unavailable);
                    return false;
                }
                if (lane.IsHeld(sequence, last, now, time, options.RetryHoldMs))
                {
                    lane.Hold(sequence, now);
                    Finish(submission, FrameVerdict.Busy);
                    return false;
                }
            }
            else if (lane.FindCommitting(sequence) is Submission first)
            {
                if (first.Frame.Span.SequenceEqual(submission.Frame.Span))
                {
                    submission.Follower = first.Follower;
                    first.Follower = submission;
                    return false;
                }
                rival = first.Frame.ToArray();
            }
        }
        if (sequence <= last && rival is null)
        {
            rival = log.Find(lane.Device.Log.Device, sequence)?.Frame;
            if (rival is null && !log.TakesLate)
            {
                Finish(submission, FrameVerdict.Replayed);
                return false;
            }
            if (rival is not null && submission.Frame.Span.SequenceEqual(rival))
            {
                Finish(submission, FrameVerdict.Duplicate);
                return false;
            }
        }

        ReadOnlySpan<byte> frame = submission.Segment;
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        key ??= keys.Take(lane);
        Counters.CountSignature();
        if (key is null || !FrameSignature.Verify(key, frame, digest))
        {
            Finish(submission, FrameVerdict.BadSignature);
            return false;
        }
        if (rival is not null)
        {
            _ = KeepEvidenceAsync(submission, rival);
            return false;
        }
        if (watch is not null && watch.IsSampled(frame))
            submission.Decided = time.GetTimestamp();
        Accept(lane, submission, last, digest);
        return true;
    }

    private void Accept(DeviceLane lane, Submission submission, ulong last, ReadOnlySpan<byte> digest)
    {
        ulong sequence = submission.Sequence;
        if (sequence <= last)
        {
            Queue(lane, submission); // late: what it follows and what follows it were seen by other processes
            return;
        }
        // A device that is new here began elsewhere or lost frames before it came: not a gap of ours.
        submission.Skipped = last > 0 ? sequence - last - 1 : 0;
        submission.BreaksChain = last > 0 && sequence == last + 1
            && PredecessorDigest(lane, last) && !lane.Digest.AsSpan().SequenceEqual(submission.Frame.Span.Slice(FrameFormat.PreviousOffset, FrameFormat.PreviousBytes));
        digest.CopyTo(lane.Digest);
        lane.DigestSequence = sequence;
        Queue(lane, submission);
    }

    private void Queue(DeviceLane lane, Submission submission)
    {
        lock (lane.Gate)
        {
            lane.LastCommitting = lane.Committing.Count == 0 ? submission.Sequence : Math.Max(lane.LastCommitting, submission.Sequence);
            lane.Committing.Enqueue(submission);
        }
        // Before it is queued: the writer then knows at once whether more is coming.
        Interlocked.Decrement(ref undecided);
        log.Append(submission);
    }

    // After a start, or a commit that failed, it is read from the store.
    private bool PredecessorDigest(DeviceLane lane, ulong last)
    {
        if (lane.DigestSequence == last)
            return true;
        (ulong stored, long row) = lane.Device.Log.Last;
        if (stored != last || log.FrameAt(row) is not StoredFrame frame)
            return false;
        SHA256.HashData(frame.Frame.AsSpan(0, frame.Frame.Length - FrameFormat.SignatureBytes), lane.Digest);
        lane.DigestSequence = last;
        return true;
    }

    private async Task KeepEvidenceAsync(Submission submission, byte[] rival)
    {
        FrameVerdict verdict = FrameVerdict.Equivocation;
        try
        {
            if (await log.SaveEquivocationAsync(submission.Lane!.Device.Log.Device, submission.Sequence, submission.ReceivedMs, rival, submission.Frame.ToArray()).ConfigureAwait(false))
                Counters.CountEvidence();
        }
        catch (StoreException fault)
        {
            // Not kept: the device, or whoever speaks for it, must say it again.
            verdict = Later(fault.Fault);
        }
        Finish(submission, verdict);
    }

    internal void Committed(Submission submission)
    {
        DeviceLane lane = submission.Lane!;
        Submission? follower;
        lock (lane.Gate)
        {
            lane.Committing.Dequeue();
            follower = submission.Follower;
            lane.Stored(submission.Sequence, time.GetTimestamp());
        }
        if (submission.Skipped > 0)
            Counters.CountGap(submission.Skipped);
        if (submission.BreaksChain)
            Counters.CountBrokenChain();
        Counters.Took(time.GetElapsedTime(submission.Submitted));
        if (submission.Decided != 0)
            watch!.Committed(submission.Frame.Span, submission.Submitted, submission.Decided, time.GetTimestamp());
        Finish(submission, FrameVerdict.Accepted);
        FinishAll(follower, FrameVerdict.Duplicate);
    }

    internal void NotCommitted(Submission submission, StoreFault fault)
    {
        DeviceLane lane = submission.Lane!;
        Submission? follower;
        lock (lane.Gate)
        {
            lane.Committing.Dequeue();
            lane.Hold(submission.Sequence, time.GetTimestamp());
            follower = submission.Follower;
        }
        FrameVerdict verdict = Later(fault);
        Finish(submission, verdict);
        FinishAll(follower, verdict);
    }

    internal void Return(Submission submission)
    {
        if (Interlocked.Increment(ref pooled) <= PooledMax)
            pool.Enqueue(submission);
        else
            Interlocked.Decrement(ref pooled);
    }

    private ValueTask<FrameVerdict> SubmitUnknown(DeviceIdValue id, ArraySegment<byte> frame, ulong sequence)
    {
        if (source is null)
        {
            unknown.RememberRefused(id, sequence);
            return Refuse(FrameVerdict.UnknownDevice);
        }
        UnknownDevices.Lookup? lookup = unknown.Begin(id, sequence, out bool started);
        if (lookup is null)
            return Refuse(FrameVerdict.UnknownDevice);
        ValueTask<FrameVerdict>? joined = Join(lookup, id, frame, sequence);
        if (started)
            _ = LookUpAsync(lookup, id);
        // Null: answered in between. Then the table or the memory knows.
        return joined ?? (devices.Find(id) is KnownDevice device ? SubmitKnown(device, id, frame, sequence) : Refuse(FrameVerdict.UnknownDevice));
    }

    private ValueTask<FrameVerdict>? Join(UnknownDevices.Lookup lookup, DeviceIdValue id, ArraySegment<byte> frame, ulong sequence)
    {
        lock (lookup)
        {
            if (lookup.Done)
                return null;
            if (lookup.Waiting.Count >= options.FramesInFlightPerDeviceMax || Volatile.Read(ref inFlight) >= options.FramesInFlightMax)
            {
                unknown.RememberRefused(id, sequence);
                return Refuse(FrameVerdict.Busy);
            }
            Interlocked.Increment(ref inFlight);
            Submission submission = Rent(frame, sequence);
            lookup.Waiting.Add(submission);
            return submission.Task;
        }
    }

    private async Task LookUpAsync(UnknownDevices.Lookup lookup, DeviceIdValue id)
    {
        FrameVerdict verdict = FrameVerdict.UnknownDevice;
        bool asked = false;
        try
        {
            using CancellationTokenSource late = new(TimeSpan.FromMilliseconds(options.LookupTimeoutMs), time);
            using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token, late.Token);
            RegisteredDevice? found = await source!.FindAsync(id, limit.Token).ConfigureAwait(false);
            asked = true;
            if (found is not null && found.Id == id)
                await devices.PutAsync(found).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Another stage's failure, whatever it is, means the same here: not answered, so the device keeps its frames.
        catch (Exception)
#pragma warning restore CA1031
        {
            verdict = FrameVerdict.Unavailable;
        }

        KnownDevice? device = devices.Find(id);
        lock (lookup)
        {
            lookup.Done = true;
            if (device is null && lookup.Waiting.Count > 0)
            {
                ulong lowest = lookup.Waiting.Min(static one => one.Sequence);
                if (asked && verdict == FrameVerdict.UnknownDevice)
                    unknown.RememberNo(id, lowest);
                else
                    unknown.RememberRefused(id, lowest);
            }
            foreach (Submission submission in lookup.Waiting)
            {
                if (device is not null)
                    Enter(device.Lane, id, submission);
                else
                    Finish(submission, verdict);
            }
            unknown.End(id);
        }
    }

    private Submission Rent(ArraySegment<byte> frame, ulong sequence)
    {
        if (pool.TryDequeue(out Submission? submission))
            Interlocked.Decrement(ref pooled);
        else
            submission = new Submission(this);
        submission.Begin(frame, sequence, time.GetUtcNow().ToUnixTimeMilliseconds(), time.GetTimestamp());
        return submission;
    }

    private void FinishAll(Submission? follower, FrameVerdict verdict)
    {
        while (follower is not null)
        {
            Submission? next = follower.Follower;
            Finish(follower, verdict);
            follower = next;
        }
    }

    private void Finish(Submission submission, FrameVerdict verdict)
    {
        Counters.Count(verdict);
        submission.Lane?.Device.CountRefused(verdict);
        Interlocked.Decrement(ref inFlight);
        if (submission.InLane)
            Interlocked.Decrement(ref submission.Lane!.InFlight);
        submission.Verdict = verdict;
        teller.Tell(submission);
    }

    private ValueTask<FrameVerdict> Refuse(FrameVerdict verdict)
    {
        Counters.Count(verdict);
        return ValueTask.FromResult(verdict);
    }

    private ValueTask<FrameVerdict> RefuseForLater(DeviceLane lane, ulong sequence, FrameVerdict verdict)
    {
        lock (lane.Gate)
            lane.Hold(sequence, time.GetTimestamp());
        lane.Device.CountRefused(verdict);
        return Refuse(verdict);
    }

    private static FrameVerdict Later(StoreFault fault) => fault == StoreFault.Full ? FrameVerdict.StoreFull : FrameVerdict.Unavailable;
}

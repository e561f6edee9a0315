using System.Threading.Tasks.Sources;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Verify;

/// <summary>
/// One frame between submission and verdict: the caller's ValueTask, the store's append and the lane's queue entry in one pooled object,
/// so that a frame costs no allocation. Completed exactly once; goes back to the pool when the caller has taken the verdict.
/// </summary>
internal sealed class Submission : FrameAppend, IValueTaskSource<FrameVerdict>
{
    private readonly FrameVerifier verifier;
    private ManualResetValueTaskSourceCore<FrameVerdict> source;

    public Submission(FrameVerifier verifier) => this.verifier = verifier;

    public DeviceLane? Lane { get; set; }

    public ArraySegment<byte> Segment { get; private set; }

    /// <summary>Same bytes submitted while this one is on its way: they share its fate.</summary>
    public Submission? Follower { get; set; }

    public ulong Skipped { get; set; }

    public bool InLane { get; set; }

    public bool BreaksChain { get; set; }

    /// <summary>When it came, by the verifier's clock.</summary>
    public long Submitted { get; private set; }

    /// <summary>When its signature had been checked, for a frame that is followed; else 0.</summary>
    public long Decided { get; set; }

    public ValueTask<FrameVerdict> Task => new(this, source.Version);

    public void Begin(ArraySegment<byte> frame, ulong sequence, long receivedMs, long submitted)
    {
        (Segment, Frame, Sequence, ReceivedMs, Submitted) = (frame, frame, sequence, receivedMs, submitted);
        (Lane, InLane, Log, Follower, Skipped, BreaksChain, Row, Decided) = (null, false, null, null, 0, false, 0, 0);
    }

    public FrameVerdict Verdict { get; set; }

    /// <summary>Runs the caller's continuation: only <see cref="VerdictTeller"/> calls it.</summary>
    public void Complete() => source.SetResult(Verdict);

    public FrameVerdict GetResult(short token)
    {
        FrameVerdict verdict = source.GetResult(token);
        source.Reset();
        (Segment, Frame) = (default, default);
        verifier.Return(this);
        return verdict;
    }

    public ValueTaskSourceStatus GetStatus(short token) => source.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);

    protected internal override void Committed() => verifier.Committed(this);

    internal override void Failed(StoreFault fault) => verifier.NotCommitted(this, fault);
}

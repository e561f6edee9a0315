using System.Collections.Concurrent;

namespace DePIN.Gateway.Verify;

/// <summary>
/// Tells verdicts on the thread pool: one work item for all that came together, instead of one for each. The store's writer and the workers
/// never run the caller's code (it writes to sockets), and a group commit wakes the pool once. Several items run when one is slow.
/// </summary>
internal sealed class VerdictTeller : IThreadPoolWorkItem
{
    /// <summary>Verdicts told by one work item before it lets others run.</summary>
    private const int TurnMax = 256;

    private readonly ConcurrentQueue<Submission> verdicts = new();
    private int scheduled;

    public void Tell(Submission submission)
    {
        verdicts.Enqueue(submission);
        if (Interlocked.Exchange(ref scheduled, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public void Execute()
    {
        // Cleared before the queue is read: what comes now schedules the next item, so a continuation that blocks holds nobody else up.
        Volatile.Write(ref scheduled, 0);
        Interlocked.MemoryBarrier();
        int told = 0;
        while (told++ < TurnMax && verdicts.TryDequeue(out Submission? submission))
            submission.Complete();
        if (!verdicts.IsEmpty && Interlocked.Exchange(ref scheduled, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }
}

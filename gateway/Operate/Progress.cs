namespace DePIN.Gateway.Operate;

/// <summary>Work that waits and work that is done, as counters.</summary>
/// <param name="Name">The part.</param>
/// <param name="Waiting">What waits now.</param>
/// <param name="Done">Changes whenever the part has done something.</param>
/// <param name="QuietMax">Work may wait this long without any being done.</param>
public sealed record WorkQueue(string Name, Func<long> Waiting, Func<long> Done, Func<TimeSpan> QuietMax);

/// <summary>The disk, as the proof of progress asks for it.</summary>
public interface IDurableStore
{
    /// <summary>Commits so far.</summary>
    long Commits { get; }

    /// <summary>Commits something small; completes once it is durable, or throws <see cref="Store.StoreException"/>.</summary>
    Task ProveAsync();
}

/// <summary>
/// Whether the gateway moves: the store commits and no queue has work that nobody does. Only what a restart may mend counts; a chain, a peer
/// or a broker that is away does not. While frames are committed they are the proof; an idle gateway writes one page a check.
/// </summary>
public sealed class Progress(IDurableStore store, IReadOnlyList<WorkQueue> queues, TimeProvider time)
{
    private readonly (long Done, long Since)[] _seen = new (long, long)[queues.Count];
    private long _commits = -1;
    private Task? _proof;
    private bool _begun;

    /// <summary>Null when all moves, else what does not. The store gets <paramref name="storeMax"/> for a commit.</summary>
    public async Task<string?> WhyNotAsync(TimeSpan storeMax, CancellationToken stopping)
    {
        string? store = await StoreAsync(storeMax, stopping).ConfigureAwait(false);
        return Queues() ?? store; // every queue is looked at each time, so that its quiet time is right
    }

    private async Task<string?> StoreAsync(TimeSpan storeMax, CancellationToken stopping)
    {
        long commits = store.Commits;
        if (_commits >= 0 && commits != _commits)
        {
            _commits = commits;
            return null;
        }

        _proof ??= store.ProveAsync(); // one at a time: a disk that hangs is not given more
        try
        {
            await _proof.WaitAsync(storeMax, time, stopping).ConfigureAwait(false);
            _proof = null;
            _commits = store.Commits;
            return null;
        }
        catch (TimeoutException)
        {
            return $"the store has not committed for {storeMax.TotalSeconds:0} s";
        }
        catch (Store.StoreException fault)
        {
            _proof = null;
            return "the store cannot commit: " + fault.Message;
        }
    }

    private string? Queues()
    {
        string? stuck = null;
        long now = time.GetTimestamp();
        for (int i = 0; i < queues.Count; i++)
        {
            WorkQueue queue = queues[i];
            long done = queue.Done(), waiting = queue.Waiting();
            if (!_begun || waiting == 0 || done != _seen[i].Done) _seen[i] = (done, now);
            TimeSpan quiet = time.GetElapsedTime(_seen[i].Since, now);
            if (quiet > queue.QuietMax()) stuck ??= $"{queue.Name}: {waiting} wait and none was done for {quiet.TotalSeconds:0} s";
        }

        _begun = true;
        return stuck;
    }
}

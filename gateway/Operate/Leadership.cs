namespace DePIN.Gateway.Operate;

/// <summary>This process is not, or no longer, the one that may write and sign for the identity. It ends, and is started anew as a follower.</summary>
public sealed class LeadershipLostException : Exception
{
    /// <summary>Makes one.</summary>
    public LeadershipLostException() : this("Another process leads this gateway's identity.") { }

    /// <summary>Makes one.</summary>
    public LeadershipLostException(string message) : base(message) { }

    /// <summary>Makes one.</summary>
    public LeadershipLostException(string message, Exception inner) : base(message, inner) { }
}

/// <summary>
/// Which of the processes of one identity cuts batches, signs and anchors. With a store of its own a gateway always leads; with a shared one the lease in it decides
/// (<see cref="Store.Postgres.PostgresLease"/>).
/// </summary>
public class Leadership
{
    /// <summary>True while this process leads, as far as it knows; the store decides at every write.</summary>
    public virtual bool IsLeading => true;

    /// <summary>Completes once this process leads.</summary>
    public virtual Task LedAsync(CancellationToken stopping) => Task.CompletedTask;

    /// <summary>Seeks and keeps the lead until stopped. Throws <see cref="LeadershipLostException"/> when another process took it.</summary>
    public virtual Task RunAsync(CancellationToken stopping) => Stages.IdleAsync(stopping);

    /// <summary>Brings what followers know up to date, now and then, while this process does not lead.</summary>
    public virtual Task FollowAsync(Action refresh, CancellationToken stopping) => Stages.IdleAsync(stopping);

    /// <summary>A stage that begins when this process leads.</summary>
    public Func<CancellationToken, Task> Leading(Func<CancellationToken, Task> run) => async stopping =>
    {
        await LedAsync(stopping).ConfigureAwait(false);
        await run(stopping).ConfigureAwait(false);
    };
}

using DePIN.Gateway.Operate;
using Npgsql;

namespace DePIN.Gateway.Store.Postgres;

/// <summary>
/// The lead as a row with a term number and an end by the server's clock. Who takes it raises the term; every write of the leader's records reads the row
/// <c>FOR SHARE</c> in its own transaction (<see cref="Check"/>), so a take-over waits for writes under way, and after it no write of an earlier term commits: a leader
/// that was paused for a minute finds out at its first write, before anything that it signed can leave.
/// </summary>
public sealed class PostgresLease(PostgresDatabase database, string holder, HealthBoard health, TimeProvider time, ILogger log) : Leadership
{
    private readonly TaskCompletionSource _led = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private const string Part = "lead";
    private long _term;

    /// <summary>The term this process leads in; 0 while it follows.</summary>
    public long Term => Volatile.Read(ref _term);

    /// <inheritdoc/>
    public override bool IsLeading => Term != 0;

    /// <inheritdoc/>
    public override Task LedAsync(CancellationToken stopping) => _led.Task.WaitAsync(stopping);

    /// <inheritdoc/>
    public override async Task RunAsync(CancellationToken stopping)
    {
        TimeSpan pause = TimeSpan.FromMilliseconds(database.Options.LeaseMs / 8);
        try
        {
            while (true)
            {
                try
                {
                    if (IsLeading) Renew();
                    else if (TryTake()) log.LogInformation("this process leads, term {Term}", Term);
                    if (IsLeading) health.Report(Part, PartState.Ok, $"leads, term {Term}");
                    else health.Report(Part, PartState.Waiting, "follows: another process of this identity leads; this one takes frames and stands by");
                }
                catch (StoreException fault)
                {
                    health.Report(Part, PartState.Degraded, fault.Message, "While the database is away nobody leads; it goes on by itself.");
                }

                await Task.Delay(pause, time, stopping).ConfigureAwait(false);
            }
        }
        finally
        {
            Release();
        }
    }

    /// <inheritdoc/>
    public override async Task FollowAsync(Action refresh, CancellationToken stopping)
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), time, stopping).ConfigureAwait(false);
            if (IsLeading) continue;
            try
            {
                refresh();
            }
            catch (StoreException)
            {
                // Away: the store says so in /health, and what is known stays usable.
            }
        }
    }

    /// <summary>Takes the lead when it is free. False when another process has it.</summary>
    public bool TryTake()
    {
        long term = database.Write(connection => Sql.Scalar(connection,
            "UPDATE leader SET term = term + 1, holder = $0, until = clock_timestamp() + $1 * interval '1 millisecond' WHERE until < clock_timestamp() RETURNING term", holder, database.Options.LeaseMs), again: false);
        if (term == 0) return false;
        Volatile.Write(ref _term, term);
        _led.TrySetResult();
        return true;
    }

    /// <summary>In a transaction of the leader's: throws unless this process still leads, and keeps the lead where it is until the transaction ends.</summary>
    internal void Check(NpgsqlConnection connection)
    {
        long term = Term;
        if (term == 0 || Sql.Scalar(connection, "SELECT term FROM leader WHERE term = $0 FOR SHARE", term) != term)
            throw new LeadershipLostException(term == 0 ? "This process follows: only the leader writes this." : "Another process took the lead of this gateway's identity while this one stood still: nothing was written.");
    }

    private void Renew()
    {
        int renewed = database.Write(connection => Sql.Execute(connection,
            "UPDATE leader SET until = clock_timestamp() + $1 * interval '1 millisecond' WHERE term = $0", Term, database.Options.LeaseMs));
        if (renewed == 0) throw new LeadershipLostException("Another process took the lead of this gateway's identity. This one ends; started again it follows.");
    }

    private void Release()
    {
        if (!IsLeading) return;
        try
        {
            database.Write(connection => Sql.Execute(connection, "UPDATE leader SET until = '-infinity' WHERE term = $0", Term));
        }
        catch (StoreException fault)
        {
            log.LogWarning("the lead could not be given back; it ends by itself: {Reason}", fault.Message);
        }
    }
}

using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>One thing the writer does in a group's transaction: a frame to append, or a piece of SQL. Exactly one of the outcomes is called, once.</summary>
public abstract class StoreWork
{
    internal StoreWork? Next;

    internal abstract void Failed(StoreFault fault);
}

/// <summary>
/// A verified frame on its way into the log. <see cref="Epoch"/> is read before the decision to append: when a commit failed
/// since, the decision rested on frames that are not there, and the writer refuses it.
/// </summary>
public abstract class FrameAppend : StoreWork
{
    /// <summary>The store's epoch at the decision.</summary>
    public long Epoch { get; protected internal set; }

    /// <summary>Where the device's frames are.</summary>
    public DeviceLog? Log { get; protected internal set; }

    /// <summary>The frame's sequence.</summary>
    public ulong Sequence { get; protected internal set; }

    /// <summary>Gateway time of arrival, ms since the Unix epoch.</summary>
    public long ReceivedMs { get; protected internal set; }

    /// <summary>The bytes, unchanged until the outcome.</summary>
    public ReadOnlyMemory<byte> Frame { get; protected internal set; }

    internal long Row;

    /// <summary>The frame is durable. Called on the writer's thread: be short.</summary>
    protected internal abstract void Committed();
}

internal sealed class StoreWrite<T>(Func<SqliteConnection, T> work, bool whenFull) : StoreWork, IStoreWrite
{
    private readonly TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? result;

    public Task<T> Task => done.Task;

    public bool WhenFull => whenFull;

    public Exception? Error { get; set; }

    public void Run(SqliteConnection connection) => result = work(connection);

    public void Committed()
    {
        if (Error is not null)
            done.TrySetException(Error);
        else
            done.TrySetResult(result!);
    }

    internal override void Failed(StoreFault fault) => done.TrySetException(new StoreException(fault,
        fault == StoreFault.Full
            ? "The store is full: free disk space or raise the disk budget."
            : "The store could not commit; the change may or may not be there. Ask again: every write of the store may be repeated."));
}

internal interface IStoreWrite
{
    bool WhenFull { get; }

    Exception? Error { get; set; }

    void Run(SqliteConnection connection);

    void Committed();
}

/// <summary>The step that makes a group durable; tests put a failing one in its place, before or after the real commit.</summary>
public interface ICommitStep
{
    /// <summary>Commits the open transaction, or throws.</summary>
    void Commit(SqliteConnection connection);
}

internal sealed class SqliteCommit : ICommitStep
{
    public void Commit(SqliteConnection connection) => SqliteCode.Check(connection, SQLitePCL.raw.sqlite3_exec(connection.Handle, "COMMIT"));
}

internal static class SqliteCode
{
    public static void Check(SqliteConnection connection, int code)
    {
        if (code is not (SQLitePCL.raw.SQLITE_OK or SQLitePCL.raw.SQLITE_DONE or SQLitePCL.raw.SQLITE_ROW))
            throw new SqliteException(SQLitePCL.raw.sqlite3_errmsg(connection.Handle).utf8_to_string(), code & 0xFF, code);
    }
}

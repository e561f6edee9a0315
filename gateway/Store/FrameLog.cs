using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>
/// The durable arrival log with its devices and batches (what is signed for the chain is in chain.db), in one SQLite database: WAL, synchronous=FULL, one writer thread
/// that commits in groups. A frame's outcome is told only after its commit; what was told survives kill -9 and power loss, once.
/// Callers: the verifier (append, find), the device table, the batcher, attest (reads batches), the web reads.
/// Files of this class: FrameLog.cs (opening, recovery), .Writer.cs (group commit), .Restore.cs (batches that come back), .Reads.cs, .Records.cs (typed rows).
/// </summary>
public sealed partial class FrameLog : IFrameStore
{
    /// <summary>Read connections kept open.</summary>
    private const int ReadersMax = 4;

    /// <summary>Read connections of partitions kept open, of all together.</summary>
    private const int PartitionReadersMax = 8;

    private readonly FrameLogOptions options;
    private readonly IDisk disk;
    private readonly TimeProvider time;
    private readonly ICommitStep commit;
    private readonly FileStream exclusive;
    private readonly ConcurrentDictionary<int, DeviceLog> devices = new();
    private readonly ConcurrentBag<SqliteConnection> readers = [];
    private readonly FrameTail recent = new();
    private readonly Meter meter = new("DePIN.Gateway.Store");
    private SqliteConnection writer;
    private long lastRow;
    private long indexedRow;
    private int deviceCount;
    private long evidenceCount;
    private int idleReaders;

    static FrameLog() => SQLitePCL.Batteries_V2.Init();

    private FrameLog(FrameLogOptions options, IDisk disk, TimeProvider time, ICommitStep commit, FileStream exclusive)
    {
        (this.options, this.disk, this.time, this.commit, this.exclusive) = (options, disk, time, commit, exclusive);
        try
        {
            writer = OpenFiles();
            Prepare();
        }
        catch
        {
            writer?.Dispose();
            throw;
        }
        meter.CreateObservableCounter("depin.store.commits", () => Commits, "{commit}", "Commits; each is one fsync.");
        meter.CreateObservableCounter("depin.store.commits.failed", () => FailedCommits, "{commit}", "Commits that failed: their frames were not acknowledged.");
        meter.CreateObservableCounter("depin.store.commit.seconds", () => CommitTime.TotalSeconds, "s", "Time spent in commits; by their number it is the disk's write latency.");
        thread = new Thread(WriteLoop) { Name = "store", IsBackground = true };
        thread.Start();
    }

    /// <summary>Opens or creates the store and starts its writer. Throws <see cref="StoreException"/> with what to do next.</summary>
    public static FrameLog Open(FrameLogOptions options, IDisk? disk = null, TimeProvider? time = null, ICommitStep? commit = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        FileStream? exclusive = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(options.Path))!);
            exclusive = new FileStream(options.Path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            StoreUpgrade.Apply(options.Path);
            return new FrameLog(options, disk ?? new SystemDisk(), time ?? TimeProvider.System, commit ?? new SqliteCommit(), exclusive);
        }
        catch (Exception fault)
        {
            exclusive?.Dispose();
            throw Explain(fault, options.Path, exclusive is null);
        }
    }

    /// <summary>The database file.</summary>
    public string Place => options.Path;

    /// <summary>The last durable row; rows are 1 … LastRow without holes. 0 when empty.</summary>
    public long LastRow => Volatile.Read(ref lastRow);

    /// <summary>The device's place in the log. The device must have been saved.</summary>
    public DeviceLog LogOf(int device) => devices.GetOrAdd(device, static id => new DeviceLog(id));

    /// <summary>Reads all of the file and says what is wrong with it; empty when nothing is. Slow: seconds per GB.</summary>
    public IReadOnlyList<string> CheckAll()
    {
        List<string> lines = Read(Examine);
        foreach (PartitionFile one in partitions)
        {
            if (!one.IsDropped)
                lines.AddRange(ReadPartition(one, static (_, connection) => Examine(connection)) ?? []);
        }
        return lines;

        static List<string> Examine(SqliteConnection connection) => Sql.Rows(connection, static row => row.GetString(0), "PRAGMA integrity_check(100)") is var found && found is ["ok"] ? [] : found;
    }

    /// <summary>Stops the writer: what was queued is committed, the index saved, the WAL folded into the database.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (stopping)
                return;
            stopping = true;
            Monitor.PulseAll(gate);
        }
        thread.Join();
        meter.Dispose();
        while (readers.TryTake(out SqliteConnection? reader))
            reader.Dispose();
        DiscardReaders();
        writer.Dispose();
        exclusive.Dispose();
    }

    private SqliteConnection Connect(SqliteOpenMode mode)
    {
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = options.Path, Mode = mode, Pooling = false, DefaultTimeout = 5 }.ToString());
        try
        {
            connection.Open();
            if (mode == SqliteOpenMode.ReadOnly)
                return connection;
            Tune(connection, "main");
            // 16 MiB of WAL between two checkpoints: a page written several times goes to the card once.
            Sql.Execute(connection, "PRAGMA wal_autocheckpoint = 4096");
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private void Tune(SqliteConnection connection, string schema)
    {
        Sql.Execute(connection, $"PRAGMA {schema}.journal_mode = WAL");
        // FULL, not NORMAL: with NORMAL the WAL is not synced per commit, and an acknowledged frame dies with the power.
        Sql.Execute(connection, $"PRAGMA {schema}.synchronous = FULL");
        Sql.Execute(connection, $"PRAGMA {schema}.journal_size_limit = 33554432");
        Sql.Execute(connection, $"PRAGMA {schema}.cache_size = -2048");
        if (options.PagesMax > 0)
            Sql.Execute(connection, $"PRAGMA {schema}.max_page_count = {options.PagesMax}");
    }

    private void Check(SqliteConnection connection, string schema, string path)
    {
        if (new FileInfo(path).Length > options.QuickCheckBytesMax)
            return;
        List<string> lines = Sql.Rows(connection, static row => row.GetString(0), $"PRAGMA {schema}.quick_check(1)");
        if (lines is not ["ok"])
            throw new StoreException(StoreFault.Corrupt, Damaged(path, lines[0]));
    }

    // A process that was killed, or a commit whose fsync failed, leaves rows in the WAL that are readable and perhaps not on the disk.
    // A duplicate of such a row must not be acknowledged yet. Copying the WAL into the database file syncs both; only then is a row that
    // can be read also a row that is durable (a later fsync of the WAL alone may report success for pages the kernel already gave up).
    private static void Settle(SqliteConnection connection, string schema = "")
    {
        using SqliteCommand command = Sql.Command(connection, $"PRAGMA {schema}wal_checkpoint(TRUNCATE)");
        using SqliteDataReader reader = command.ExecuteReader();
        if (!reader.Read() || reader.GetInt64(0) != 0)
            throw new StoreException(StoreFault.Unavailable, "The write-ahead log is in use by another process: stop it and try again.");
    }

    // A group writes two files when it holds more than frames; the database is synced before the partition (SQLite commits them in the order they were
    // attached), so after a power cut it may know of rows that are not there: all of the one group, told to nobody. Never the other way round.
    private void Trim()
    {
        long last = Math.Max(partitions[^1].FirstRow - 1, Sql.Scalar(writer, "SELECT max(row) FROM log.frames"));
        Sql.Execute(writer, "BEGIN IMMEDIATE");
        int removed = Sql.Execute(writer, "DELETE FROM batches WHERE last_row > $0", last) + Sql.Execute(writer, "DELETE FROM late_frames WHERE row > $0", last)
            + Sql.Execute(writer, "UPDATE meta SET value = $0 WHERE key = 'cut_row' AND value > $0", last);
        Sql.Execute(writer, removed > 0 ? "COMMIT" : "ROLLBACK");
    }

    private void Restore()
    {
        indexedRow = Sql.Scalar(writer, "SELECT value FROM meta WHERE key = 'indexed_row'");
        lastRow = indexedRow;
        using (SqliteCommand states = Sql.Command(writer, "SELECT device, last_sequence, last_row, first_sequence, first_row, frames, entries FROM device_state"))
        using (SqliteDataReader row = states.ExecuteReader())
        {
            while (row.Read())
            {
                LogOf(row.GetInt32(0)).Restore(new IndexBlock(
                    (ulong)row.GetInt64(3), (ulong)row.GetInt64(1), row.GetInt64(4), row.GetInt64(2), row.GetInt32(5), (byte[])row.GetValue(6)));
            }
        }
        CatchUp();
        deviceCount = (int)Sql.Scalar(writer, "SELECT count(*) FROM devices WHERE length(public_key) > 0");
        evidenceCount = Sql.Scalar(writer, "SELECT count(*) FROM evidence");
    }

    // Takes into memory every durable row it does not know yet. Also after a commit in doubt: what did get through is then known,
    // and its retransmission a duplicate.
    private void CatchUp()
    {
        long row = lastRow;
        long end = Math.Max(partitions[^1].FirstRow - 1, Sql.Scalar(writer, "SELECT max(row) FROM log.frames"));
        foreach (StoredFrame frame in Frames(row + 1, end))
        {
            if (frame.Row > row + 1 && !IsLost(row + 1, frame.Row - 1) && !IsDropped(frame.Row - 1))
                throw MissingRow(row + 1);
            row = frame.Row;
            LogOf(frame.Device).Append(Sequence(frame), row);
        }
        if (row < end && !IsLost(row + 1, end) && !IsDropped(end))
            throw MissingRow(row + 1);
        row = Math.Max(row, end);
        hasLate = Sql.Scalar(writer, "SELECT EXISTS (SELECT 1 FROM late_frames)") != 0;
        Volatile.Write(ref lastRow, row);
    }

    private StoreException MissingRow(long row)
    {
        if (Array.Find(partitions, one => !one.IsDropped && row >= one.FirstRow && row <= one.LastRow) is { } partition) Suspect(partition);
        return new StoreException(StoreFault.Corrupt, Damaged(options.Path, $"row {row} of the frames is missing"));
    }

    // For who has nothing else left; not said of what is being salvaged.
    private const string LastResort = ": stop the gateway, keep a copy of the file, restore frames.db and chain.db from one backup. The gateway does not start over by itself: that would accept old frames again.";

    private static string Damaged(string path, string what) => $"{path} is damaged ({what}){LastResort}";

    private static StoreException Explain(Exception fault, string path, bool noLock) => fault switch
    {
        StoreException known => known,
        SqliteException { SqliteErrorCode: 11 or 26 } => new StoreException(StoreFault.Corrupt, Damaged(path, fault.Message), fault),
        SqliteException { SqliteErrorCode: 13 } => new StoreException(StoreFault.Full, $"The disk of {path} is full: free some space, then start again.", fault),
        SqliteException { SqliteErrorCode: 5 or 6 } => new StoreException(StoreFault.Locked, $"{path} is in use by another process: stop it, then start again.", fault),
        UnauthorizedAccessException or SqliteException { SqliteErrorCode: 8 or 14 or 3 or 23 } =>
            new StoreException(StoreFault.Access, $"{path} is not writable by user {Environment.UserName}: give the data folder to that user.", fault),
        IOException when noLock => new StoreException(StoreFault.Locked, $"{path} is in use by another gateway, or its folder cannot be written ({fault.Message}).", fault),
        _ => new StoreException(StoreFault.Unavailable, $"{path} could not be opened: {fault.Message}", fault),
    };
}

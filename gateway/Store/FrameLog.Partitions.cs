using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DePIN.Gateway.Store;

/// <summary>
/// The log's files. Frames are written into the last partition, one file beside the database, until it is large or old; then the next one begins and
/// it never changes again. Partitions are dropped whole, by deleting the file, and only when <see cref="Retention"/> says that all of it is on the ledger.
/// </summary>
public sealed partial class FrameLog
{
    private readonly Lock readersGate = new();
    private readonly List<(long FirstRow, SqliteConnection Connection)> partitionReaders = []; // idle ones, the last used last
    private volatile PartitionFile[] partitions = [];
    private long partitionBeganMs;
    private long partitionBytes; // of its rows, about
    private long writtenBytes = -1;

    /// <summary>Rows below it are dropped.</summary>
    public long FirstRow => partitions.FirstOrDefault(static one => !one.IsDropped)?.FirstRow ?? 1;

    /// <summary>Partitions on the disk.</summary>
    public int PartitionCount => partitions.Count(static one => !one.IsDropped);

    /// <summary>
    /// Bytes that the store's writer made the kernel write to the disk since the start (write_bytes of proc(5), /proc/pid/task/tid/io): write-ahead logs,
    /// databases and the pages around them, as a memory card sees them. Null where the system does not count.
    /// </summary>
    public long? WrittenBytes => Interlocked.Read(ref writtenBytes) is >= 0 and long bytes ? bytes : null;

    /// <summary>Bytes the database and all partitions take.</summary>
    public long UsedBytes => disk.UsedBytes(options.Path);

    /// <summary>True when this much of the disk budget is used that whole partitions should go, before frames have to be refused.</summary>
    public bool IsNearBudget => UsedBytes >= options.DiskBudgetBytes - Math.Min(options.DiskBudgetBytes / 8, 2 * options.PartitionBytesMax);

    /// <inheritdoc/>
    public bool IsDropped(long row) => row > 0 && row < FirstRow;

    /// <inheritdoc/>
    public DroppedFrame? FindDropped(int device, ulong sequence)
    {
        if (!devices.TryGetValue(device, out DeviceLog? log)) return null;
        long row = RowOf(log, sequence);
        return row > 0 && (IsDropped(row) || IsLost(row, row)) ? new DroppedFrame(row, BatchOf(row), !IsDropped(row)) : null;
    }

    /// <summary>The rows of the closed partitions that are on the disk, the oldest first.</summary>
    public IReadOnlyList<(long First, long Last)> ClosedPartitions() => [.. partitions.Where(static one => !one.IsDropped && !one.IsOpen).Select(static one => (one.FirstRow, one.LastRow))];

    /// <summary>
    /// Drops the oldest partition that is on the disk: first it is noted, then its file is deleted. False when the row is not the first of that one, or it is still written to.
    /// </summary>
    public async Task<bool> DropAsync(long firstRow)
    {
        PartitionFile? oldest = partitions.FirstOrDefault(static one => !one.IsDropped);
        if (oldest is null || oldest.IsOpen || oldest.FirstRow != firstRow || oldest.LastRow > Volatile.Read(ref indexedRow)) return false;
        await WriteAsync(connection => Sql.Execute(connection, "UPDATE partitions SET dropped = 1 WHERE first_row = $0", firstRow), whenFull: true).ConfigureAwait(false);
        lock (readersGate)
        {
            partitions = [.. partitions.Select(one => one.FirstRow == firstRow ? one with { IsDropped = true } : one)];
            DiscardReaders(firstRow);
        }
        Delete(oldest);
        return true;
    }

    // At the start: which files there are, and the one that is written to.
    private void OpenPartitions()
    {
        string folder = PartitionFile.FolderOf(options.Path);
        Directory.CreateDirectory(folder);
        ReadPartitionList();
        foreach (PartitionFile one in partitions)
        {
            string path = one.PathIn(options.Path);
            if (one.IsDropped) Delete(one); // noted, then the power went
            else if (File.Exists(path)) DeleteFiles(path + ".new"); // of a salvage that the power cut short
            else if (File.Exists(path + ".new")) File.Move(path + ".new", path);
            else Salvage(one, "it is missing");
        }
        if (partitions is [.., { IsOpen: true } written] && (!PartitionFile.LooksSound(written.PathIn(options.Path)) || PageSalvage.IsLogDamaged(written.PathIn(options.Path))))
            Salvage(written, "neither it nor its write-ahead log are what was written");
        if (partitions is [.., { IsOpen: true } open]) Attach(open.FirstRow);
        else Begin(partitions is [.., var last] ? last.LastRow + 1 : 1);
    }

    private void ReadPartitionList()
    {
        partitions = [.. Sql.Rows(writer, static row => new PartitionFile(row.GetInt64(0), row.GetInt64(1), (PartitionFormat)row.GetInt32(2), row.GetInt64(3) != 0),
            "SELECT first_row, last_row, format, dropped FROM partitions ORDER BY first_row")];
        lost = [.. Sql.Rows(writer, static row => (row.GetInt64(0), row.GetInt64(1)), "SELECT first_row, last_row FROM lost_rows ORDER BY first_row")];
    }

    // The file is there and durable before the database knows it, and the database before the first frame.
    private void Begin(long firstRow)
    {
        Attach(firstRow, create: true);
        StoreUpgrade.Flush(PartitionFile.FolderOf(options.Path));
        Sql.Execute(writer, "BEGIN IMMEDIATE");
        Sql.Execute(writer, "UPDATE partitions SET last_row = $0 WHERE last_row = $1", firstRow - 1, long.MaxValue);
        Sql.Execute(writer, "INSERT INTO partitions (first_row, last_row, format, dropped) VALUES ($0, $1, $2, 0)", firstRow, long.MaxValue, (int)PartitionFormat.Checked);
        Sql.Execute(writer, "COMMIT");
        partitions = [.. partitions.Select(one => one.IsOpen ? one with { LastRow = firstRow - 1 } : one), new PartitionFile(firstRow, long.MaxValue, PartitionFormat.Checked, IsDropped: false)];
    }

    private void Attach(long firstRow, bool create = false)
    {
        string path = PartitionFile.PathOf(options.Path, firstRow);
        if (create)
        {
            DeleteFiles(path); // of a start that did not come so far as to write a frame: the database does not know it
            File.Create(path).Dispose();
        }
        Sql.Execute(writer, "ATTACH DATABASE $0 AS log", path);
        Tune(writer, "log");
        if (create) Sql.Execute(writer, PartitionFile.Mark("log"));
        Sql.Execute(writer, PartitionFile.TableIn("log"));
        partitionBytes = 4096 * Sql.Scalar(writer, "PRAGMA log.page_count");
        partitionBeganMs = time.GetUtcNow().ToUnixTimeMilliseconds();
        if (Sql.Scalar(writer, "SELECT received_ms FROM log.frames ORDER BY row LIMIT 1") is > 0 and long began) partitionBeganMs = began;
    }

    // Between two groups. A reader in the middle of a page holds the write-ahead log: then it is tried again a second later.
    private void CloseOldPartition()
    {
        PartitionFile open = partitions[^1];
        if (lastRow < open.FirstRow) return;
        long age = time.GetUtcNow().ToUnixTimeMilliseconds() - partitionBeganMs;
        if (partitionBytes < options.PartitionBytesMax && age < options.PartitionAgeMaxMs) return;
        try
        {
            lock (readersGate) DiscardReaders(open.FirstRow);
            // The sequences of what may be dropped are in the index before it is closed: an old frame never counts as new.
            Sql.Execute(writer, "BEGIN IMMEDIATE");
            Sql.Execute(writer, SaveIndex(always: true) ? "COMMIT" : "ROLLBACK");
            if (indexToSave is not null) IndexSaved();
            Settle(writer, "log.");
            insert.Dispose();
            Sql.Execute(writer, "DETACH DATABASE log");
            Begin(lastRow + 1);
            Prepare();
        }
        catch (StoreException)
        {
            // In use: nothing was changed.
        }
        catch (Exception fault) when (fault is SqliteException or IOException)
        {
            indexToSave = null;
            LastError = fault.Message;
            state = StoreFault.Unavailable; // opened anew, from what the files say
        }
    }

    private void Delete(PartitionFile partition) => DeleteFiles(partition.PathIn(options.Path));

    private static void DeleteFiles(string path)
    {
        foreach (string suffix in (ReadOnlySpan<string>)["", "-wal", "-shm"]) File.Delete(path + suffix);
    }

    /// <summary>Runs a read on a partition; null when it is dropped.</summary>
    private T? ReadPartition<T>(PartitionFile partition, Func<PartitionFile, SqliteConnection, T> read)
        where T : class
    {
        SqliteConnection? connection = null;
        lock (readersGate)
        {
            int at = partitionReaders.FindLastIndex(one => one.FirstRow == partition.FirstRow);
            if (at >= 0)
            {
                connection = partitionReaders[at].Connection;
                partitionReaders.RemoveAt(at);
            }
        }
        bool sound = false;
        try
        {
            try
            {
                connection ??= partition.Connect(options.Path);
            }
            catch (SqliteException) when (IsDropped(partition.FirstRow))
            {
                return null;
            }
            T result = read(partition, connection);
            sound = true;
            return result;
        }
        catch (Exception fault) when (IsDamage(fault) || fault is InvalidCastException or InvalidOperationException /* a column of another type */ || (!partition.IsOpen && fault is SqliteException { SqliteErrorCode: raw.SQLITE_IOERR })) // a bad sector
        {
            Suspect(partition);
            throw fault as StoreException ?? new StoreException(StoreFault.Corrupt, $"{partition.PathIn(options.Path)} is damaged ({fault.Message}): what can be read of it is being saved; look at the folder {StoreDamage.Folder}.", fault);
        }
        finally
        {
            if (connection is not null) PutBack(partition, connection, sound);
        }
    }

    private void PutBack(PartitionFile partition, SqliteConnection connection, bool sound)
    {
        lock (readersGate)
        {
            // One that was opened while the partition was written to is not kept beyond that: it holds locks.
            if (sound && !stopping && partitions.Contains(partition))
            {
                partitionReaders.Add((partition.FirstRow, connection));
                if (partitionReaders.Count <= PartitionReadersMax) return;
                connection = partitionReaders[0].Connection;
                partitionReaders.RemoveAt(0);
            }
        }
        connection.Dispose();
    }

    private void DiscardReaders(long firstRow)
    {
        foreach ((long first, SqliteConnection connection) in partitionReaders)
            if (first == firstRow) connection.Dispose();
        partitionReaders.RemoveAll(one => one.FirstRow == firstRow);
    }

    private void DiscardReaders()
    {
        lock (readersGate)
        {
            foreach ((_, SqliteConnection connection) in partitionReaders) connection.Dispose();
            partitionReaders.Clear();
        }
    }

    private List<StoredFrame> ReadRows(long from, long to)
    {
        List<StoredFrame> frames = [];
        foreach (PartitionFile one in partitions)
        {
            if (one.IsDropped || one.LastRow < from || one.FirstRow > to) continue;
            List<StoredFrame>? part = ReadPartition(one, (partition, connection) => partition.Read(connection, from, to));
            if (part is null) continue;
            if (frames.Count == 0) frames = part;
            else frames.AddRange(part);
        }
        return frames;
    }

    private StoredFrame? ReadRow(long row) => ReadRows(row, row) is [StoredFrame frame] ? frame : null;

    // write_bytes of this very thread: all of SQLite's writing happens on it.
    private void CountWritten()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            foreach (string line in File.ReadLines("/proc/thread-self/io"))
                if (line.StartsWith("write_bytes: ", StringComparison.Ordinal)) Interlocked.Exchange(ref writtenBytes, long.Parse(line.AsSpan(13), System.Globalization.CultureInfo.InvariantCulture));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A kernel without task I/O accounting: no figure.
        }
    }
}

/// <summary>Where a frame was that is not here any more.</summary>
/// <param name="Row">Its row.</param>
/// <param name="Batch">The batch that holds it; its header stays.</param>
/// <param name="IsLost">True when the disk lost it; else it was dropped after it was anchored.</param>
public sealed record DroppedFrame(long Row, StoredBatch? Batch, bool IsLost);

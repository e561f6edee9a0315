using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DePIN.Gateway.Store;

/// <summary>
/// The writer: takes all that is queued, one transaction, one fsync, then tells every outcome. Its queue is bounded by those who fill it
/// (the verifier's frames in flight, <see cref="WritesMax"/> for the rest). After a commit that failed or is in doubt the epoch rises,
/// everything queued is refused, the file is opened anew, and only what is then readable and synced counts as stored.
/// </summary>
public sealed partial class FrameLog
{
    /// <summary>Pieces of SQL queued at most; more wait for nothing and are refused.</summary>
    public const int WritesMax = 1_024;

    /// <summary>What a row takes beside its frame: cell pointer, lengths, header, row, device, time, checksum.</summary>
    private const int RowBytes = 24;

    private static readonly TimeSpan DiskCheckInterval = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private readonly Thread thread;
    private StoreWork? head;
    private StoreWork? tail;
    private int queuedFrames;
    private int queuedWrites;
    private bool stopping;
    private bool waitingForFirst;
    private bool waitingForMore;
    private bool waitingForTurn;
    private long commitsPaidUntil;

    private sqlite3_stmt insert = null!;
    private long epoch = 1;
    private volatile StoreFault state;
    private long diskCheckedAt;
    private bool diskCheckedOnce;
    private long committedFrames;
    private long commits;
    private long failedCommits;
    private long commitTicks;
    private TaskCompletionSource frameCommitted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long awaitedRow = long.MaxValue;

    /// <summary>Says whether more frames are on their way, so that a commit is worth a short wait. Set by the verifier.</summary>
    public Func<bool>? MoreComing { get; set; }

    /// <summary>Rises with every failed commit; see <see cref="FrameAppend"/>.</summary>
    public long Epoch => Volatile.Read(ref epoch);

    /// <summary>None when frames are taken, else Full or Unavailable.</summary>
    public StoreFault State => state;

    /// <summary>Frames committed by this process.</summary>
    public long CommittedFrames => Interlocked.Read(ref committedFrames);

    /// <summary>Groups committed by this process.</summary>
    public long Commits => Interlocked.Read(ref commits);

    /// <summary>Time spent in commits that did not fail: mostly waiting for the disk.</summary>
    public TimeSpan CommitTime => TimeSpan.FromTicks(Interlocked.Read(ref commitTicks));

    /// <summary>Groups whose commit failed.</summary>
    public long FailedCommits => Interlocked.Read(ref failedCommits);

    /// <summary>Queued and not yet committed: frames and pieces of SQL.</summary>
    public int QueueDepth => Volatile.Read(ref queuedFrames) + Volatile.Read(ref queuedWrites);

    /// <summary>Queues a verified frame; its outcome is told on the writer's thread. The caller bounds how many.</summary>
    public void Append(FrameAppend frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        lock (gate)
        {
            if (!stopping)
            {
                Enqueue(frame);
                queuedFrames++;
                if (waitingForFirst || (waitingForTurn && queuedFrames >= options.CommitFramesMin) || (waitingForMore && (queuedFrames >= options.GroupFramesMax || MoreComing?.Invoke() != true)))
                    Monitor.Pulse(gate);
                return;
            }
        }
        frame.Failed(StoreFault.Unavailable);
    }

    /// <summary>
    /// Runs SQL in the writer's next transaction and completes after its commit. <paramref name="work"/> must be repeatable (a commit in doubt
    /// is reported as a failure) and short, and must not begin or end transactions. An SQL error undoes this work alone.
    /// </summary>
    /// <param name="whenFull">True for what must be kept even at the disk budget (batches, devices); the disk itself may still refuse.</param>
    /// <exception cref="StoreException">Full, or Unavailable: not known to be done, ask again.</exception>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> work, bool whenFull = false)
    {
        StoreWrite<T> write = new(work, whenFull);
        lock (gate)
        {
            if (!stopping && queuedWrites < WritesMax)
            {
                Enqueue(write);
                queuedWrites++;
                Monitor.Pulse(gate);
                return write.Task;
            }
        }
        write.Failed(StoreFault.Unavailable);
        return write.Task;
    }

    /// <summary>Completes when a frame with a row above <paramref name="row"/> is durable.</summary>
    public async Task WaitForRowAsync(long row, CancellationToken cancellationToken)
    {
        while (LastRow <= row)
        {
            Task committed;
            lock (gate)
            {
                awaitedRow = Math.Min(awaitedRow, row);
                committed = frameCommitted.Task;
            }
            if (LastRow > row)
                return;
            await committed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private void Enqueue(StoreWork work)
    {
        work.Next = null;
        if (tail is null)
            head = work;
        else
            tail.Next = work;
        tail = work;
    }

    private void WriteLoop()
    {
        while (true)
        {
            StoreWork? group;
            int frames;
            int writes;
            lock (gate)
            {
                while (head is null && !stopping)
                {
                    waitingForFirst = true;
                    // Awake now and then while closed or full, so that the store recovers without being asked.
                    bool told = state == StoreFault.None ? Monitor.Wait(gate) : Monitor.Wait(gate, options.ReopenIntervalMs);
                    waitingForFirst = false;
                    if (!told)
                        break;
                }
                if (head is null && stopping)
                    break;
                if (MayWaitBelow(options.CommitFramesMin) && state == StoreFault.None && UntilTurnMs() is > 0 and int turn)
                {
                    waitingForTurn = true;
                    Monitor.Wait(gate, turn);
                    waitingForTurn = false;
                }
                if (MayWaitBelow(options.GroupFramesMax) && MoreComing?.Invoke() == true)
                {
                    waitingForMore = true;
                    Monitor.Wait(gate, options.LingerMs);
                    waitingForMore = false;
                }
                (group, head, tail) = (head, null, null);
                (frames, writes) = (queuedFrames, queuedWrites);
                (queuedFrames, queuedWrites) = (0, 0);
            }
            if (state == StoreFault.Unavailable)
                Reopen();
            WatchDisk();
            if (state != StoreFault.Unavailable)
            {
                SalvageSuspects();
                CloseOldPartition();
            }
            if (group is not null)
                WriteGroup(group);
        }
        Close();
    }

    // Frames alone wait for company; SQL that somebody waits for, and a stop, do not.
    private bool MayWaitBelow(int frames) => queuedFrames > 0 && queuedFrames < frames && queuedWrites == 0 && !stopping;

    // A leaky bucket of commits, as one point in time up to which they are paid for (the virtual scheduling of ITU-T I.371, annex A).
    private int UntilTurnMs()
    {
        TimeSpan ahead = time.GetElapsedTime(time.GetTimestamp(), commitsPaidUntil);
        return (int)Math.Ceiling(Math.Clamp(ahead.TotalMilliseconds - ((double)options.CommitBurst * options.CommitIntervalMs), 0, options.CommitIntervalMs));
    }

    private void PayCommit() =>
        commitsPaidUntil = Math.Max(commitsPaidUntil, time.GetTimestamp()) + (options.CommitIntervalMs * time.TimestampFrequency / 1_000);

    private void WriteGroup(StoreWork group)
    {
        long epochNow = epoch;
        if (state == StoreFault.Unavailable)
        {
            Tell(group, StoreFault.Unavailable);
            return;
        }

        long row = lastRow;
        bool committing = false;
        bool any = false;
        bool restored = false;
        int refused = 0;
        try
        {
            SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "BEGIN IMMEDIATE"));
            any = SaveIndex();
            for (StoreWork? work = group; work is not null; work = work.Next)
            {
                if (work is FrameAppend frame)
                {
                    frame.Row = 0;
                    if (frame.Epoch != epochNow || restored || state == StoreFault.Full)
                    {
                        refused++;
                        continue;
                    }
                    Insert(frame.Log!, frame.ReceivedMs, frame.Frame.Span, row + 1);
                    frame.Row = ++row;
                    any = true;
                }
                else if (work is BatchAppend batch)
                {
                    row = Insert(batch, group, row);
                    any |= batch.FirstRow > 0;
                    restored |= batch.FirstRow > 0;
                }
                else
                {
                    any |= RunWrite((IStoreWrite)work);
                }
            }
            committing = true;
            if (any)
            {
                long began = time.GetTimestamp();
                PayCommit();
                commit.Commit(writer);
                Interlocked.Add(ref commitTicks, time.GetElapsedTime(began).Ticks);
            }
            else
                SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "ROLLBACK"));
        }
        catch (SqliteException fault)
        {
            Fail(group, row, committing, fault.SqliteErrorCode == raw.SQLITE_FULL ? StoreFault.Full : StoreFault.Unavailable);
            return;
        }
        catch (Exception fault) when (fault is IOException or InvalidOperationException or StoreException)
        {
            Fail(group, row, committing, StoreFault.Unavailable);
            return;
        }
        if (indexToSave is not null)
            IndexSaved();
        // What rests on a refused frame must be refused with it.
        if (refused > 0)
            Volatile.Write(ref epoch, epoch + 1);
        Succeed(group, row, restored);
    }

    private void Succeed(StoreWork group, long row, bool restored)
    {
        long added = row - lastRow;
        for (StoreWork? work = group; work is not null; work = work.Next)
        {
            if (work is FrameAppend { Row: > 0 } frame)
                frame.Log!.Append(frame.Sequence, frame.Row);
            else if (work is BatchAppend { FirstRow: > 0 } batch)
                Know(batch);
        }
        // Decisions made before the frames that came back were known are void; not before, or a new decision could rest on the old view.
        if (restored)
            Volatile.Write(ref epoch, epoch + 1);
        if (added > 0)
            recent.Append(group);
        Volatile.Write(ref lastRow, row);
        Interlocked.Add(ref committedFrames, added);
        Interlocked.Increment(ref commits);
        StoreFault reason = state == StoreFault.Full ? StoreFault.Full : StoreFault.Unavailable;
        for (StoreWork? work = group; work is not null;)
        {
            // An outcome may recycle the object: read its successor first.
            StoreWork? next = work.Next;
            work.Next = null;
            if (work is FrameAppend frame)
            {
                if (frame.Row > 0)
                    frame.Committed();
                else
                    frame.Failed(reason);
            }
            else if (work is BatchAppend batch)
            {
                batch.Committed();
            }
            else
            {
                ((IStoreWrite)work).Committed();
            }
            work = next;
        }
        if (added > 0)
            Announce();
    }

    private void Announce()
    {
        TaskCompletionSource? announced = null;
        lock (gate)
        {
            if (lastRow > awaitedRow)
            {
                announced = frameCommitted;
                frameCommitted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                awaitedRow = long.MaxValue;
            }
        }
        announced?.SetResult();
    }

    private bool RunWrite(IStoreWrite write)
    {
        write.Error = null;
        if (state == StoreFault.Full && !write.WhenFull)
        {
            write.Error = new StoreException(StoreFault.Full, "The store is full: free disk space or raise the disk budget.");
            return false;
        }
        SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "SAVEPOINT work"));
        try
        {
            write.Run(writer);
            SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "RELEASE work"));
            return true;
        }
        catch (SqliteException fault) when (fault.SqliteErrorCode is raw.SQLITE_FULL or raw.SQLITE_IOERR or raw.SQLITE_CORRUPT or raw.SQLITE_NOMEM)
        {
            throw;
        }
#pragma warning disable CA1031 // The caller's own error, whatever it is, is the caller's outcome and nobody else's.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "ROLLBACK TO work"));
            SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "RELEASE work"));
            write.Error = fault;
            return false;
        }
    }

    private void Fail(StoreWork group, long row, bool committing, StoreFault fault)
    {
        Interlocked.Increment(ref failedCommits);
        Volatile.Write(ref epoch, epoch + 1);
        indexToSave = null;
        // SQLITE_FULL before the commit step is certain: nothing of the group is stored, the connection is sound.
        if (fault == StoreFault.Full && !committing)
        {
            if (raw.sqlite3_get_autocommit(writer.Handle) == 0 && raw.sqlite3_exec(writer.Handle, "ROLLBACK") != raw.SQLITE_OK)
                state = StoreFault.Unavailable;
            else
                state = StoreFault.Full;
            fullUntil = time.GetTimestamp();
            Tell(group, fault);
            return;
        }
        state = StoreFault.Unavailable;
        long before = lastRow;
        Reopen();
        // In doubt is now decided: the transaction is there as a whole or not at all. SQL work is repeatable and told as failed.
        bool stored = state != StoreFault.Unavailable && row > before && lastRow == row;
        if (fault == StoreFault.Full && state == StoreFault.None)
        {
            state = StoreFault.Full;
            fullUntil = time.GetTimestamp();
        }
        for (StoreWork? work = group; work is not null;)
        {
            StoreWork? next = work.Next;
            work.Next = null;
            if (stored && work is FrameAppend { Row: > 0 } frame)
                frame.Committed();
            else
                work.Failed(fault);
            work = next;
        }
        if (stored)
        {
            Interlocked.Add(ref committedFrames, row - before);
            Announce();
        }
    }

    private static void Tell(StoreWork group, StoreFault fault)
    {
        for (StoreWork? work = group; work is not null;)
        {
            StoreWork? next = work.Next;
            work.Next = null;
            work.Failed(fault);
            work = next;
        }
    }

    private void Reopen()
    {
        insert?.Dispose();
        writer.Dispose();
        DiscardReaders();
        while (readers.TryTake(out SqliteConnection? reader))
        {
            Interlocked.Decrement(ref idleReaders);
            reader.Dispose();
        }
        try
        {
            writer = Connect(SqliteOpenMode.ReadWrite);
            OpenPartitions();
            Settle(writer);
            Trim();
            CatchUp();
            Prepare();
            // The frames decided while it was closed rest on an old view.
            Volatile.Write(ref epoch, epoch + 1);
            state = StoreFault.None;
        }
        catch (Exception fault) when (fault is SqliteException or StoreException or IOException or UnauthorizedAccessException)
        {
            // Stays Unavailable, which health shows; tried again after ReopenIntervalMs.
            LastError = fault.Message;
        }
    }

    /// <summary>What the last failed attempt to reopen said; null when it never failed.</summary>
    public string? LastError { get; private set; }

    private long fullUntil;

    private void WatchDisk()
    {
        if (state == StoreFault.Unavailable)
            return;
        long now = time.GetTimestamp();
        if (diskCheckedOnce && time.GetElapsedTime(diskCheckedAt, now) < DiskCheckInterval && state == StoreFault.None)
            return;
        // After SQLITE_FULL the disk may look free (quota, max_page_count): one attempt a second tells.
        if (state == StoreFault.Full && fullUntil != 0 && time.GetElapsedTime(fullUntil, now) < DiskCheckInterval)
            return;
        (diskCheckedAt, diskCheckedOnce, fullUntil) = (now, true, 0);
        CountWritten();
        bool full;
        try
        {
            full = IsFull();
            if (full)
            {
                Settle(writer); // write-ahead logs are space that can be had back
                full = IsFull();
            }
        }
        catch (Exception fault) when (fault is IOException or SqliteException or StoreException)
        {
            LastError = fault.Message;
            full = true;
        }
        state = full ? StoreFault.Full : StoreFault.None;
    }

    private bool IsFull() => disk.FreeBytes(options.Path) < options.FreeSpaceFloorBytes || disk.UsedBytes(options.Path) >= options.DiskBudgetBytes;

    private void Prepare()
    {
        SqliteCode.Check(writer, raw.sqlite3_prepare_v2(writer.Handle, "INSERT INTO log.frames (row, device, received_ms, frame) VALUES (?, ?, ?, ?)", out insert));
    }

    // Straight to SQLite: a parameter collection costs more than the row itself.
    private void Insert(DeviceLog log, long receivedMs, ReadOnlySpan<byte> frame, long row)
    {
        raw.sqlite3_bind_int64(insert, 1, row);
        raw.sqlite3_bind_int64(insert, 2, log.Device);
        raw.sqlite3_bind_int64(insert, 3, receivedMs);
        Span<byte> stored = stackalloc byte[Protocol.FrameFormat.FrameBytesMax + PartitionFile.CheckBytes];
        PartitionFile.Encode(row, log.Device, receivedMs, frame, stored);
        raw.sqlite3_bind_blob(insert, 4, stored[..(frame.Length + PartitionFile.CheckBytes)]);
        int code = raw.sqlite3_step(insert);
        partitionBytes += frame.Length + RowBytes;
        raw.sqlite3_reset(insert);
        SqliteCode.Check(writer, code);
    }

    private List<(DeviceLog Log, IndexBlock Open, IndexBlock[] Full)>? indexToSave;
    private long indexToSaveRow;

    // The index of all durable frames, in the transaction of the next ones: it never runs ahead of the log.
    private bool SaveIndex(bool always = false)
    {
        if (lastRow == indexedRow || (!always && lastRow - indexedRow < options.IndexIntervalFrames))
            return false;
        indexToSave = [];
        indexToSaveRow = lastRow;
        using SqliteCommand block = Sql.Command(writer,
            "INSERT OR REPLACE INTO frame_index (device, first_sequence, last_sequence, first_row, frames, entries) VALUES ($0, $1, $2, $3, $4, $5)", 0, 0L, 0L, 0L, 0, Array.Empty<byte>());
        using SqliteCommand open = Sql.Command(writer,
            "INSERT OR REPLACE INTO device_state (device, last_sequence, last_row, first_sequence, first_row, frames, entries) VALUES ($0, $1, $2, $3, $4, $5, $6)", 0, 0L, 0L, 0L, 0L, 0, Array.Empty<byte>());
        foreach (DeviceLog log in devices.Values)
        {
            if (log.Snapshot() is not (IndexBlock last, IndexBlock[] full))
                continue;
            foreach (IndexBlock one in full)
                Set(block, log.Device, (long)one.FirstSequence, (long)one.LastSequence, one.FirstRow, one.Frames, one.Entries);
            Set(open, log.Device, (long)last.LastSequence, last.LastRow, (long)last.FirstSequence, last.FirstRow, last.Frames, last.Entries);
            indexToSave.Add((log, last, full));
        }
        Sql.Execute(writer, "INSERT OR REPLACE INTO meta (key, value) VALUES ('indexed_row', $0)", lastRow);
        return true;
    }

    private static void Set(SqliteCommand command, params ReadOnlySpan<object> values)
    {
        for (int i = 0; i < values.Length; i++)
            command.Parameters[i].Value = values[i];
        command.ExecuteNonQuery();
    }

    private void IndexSaved()
    {
        foreach ((DeviceLog log, _, IndexBlock[] full) in indexToSave!)
            log.Saved(full.Length);
        (indexedRow, indexToSave) = (indexToSaveRow, null);
    }

    private void Close()
    {
        try
        {
            if (state != StoreFault.Unavailable)
            {
                SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "BEGIN IMMEDIATE"));
                SaveIndex(always: true);
                SqliteCode.Check(writer, raw.sqlite3_exec(writer.Handle, "COMMIT"));
            }
        }
        catch (SqliteException fault)
        {
            // The index is a cache of the log: the next start reads the tail instead.
            LastError = fault.Message;
        }
        insert?.Dispose();
    }
}

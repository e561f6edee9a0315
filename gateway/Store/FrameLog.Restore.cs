using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>
/// A batch that came back from peers goes into the log whole: all its frames as consecutive rows and the batch, in one transaction. So the rows give
/// the header again whatever was stored before: a frame that is there already is there twice, and the row in the batch is the one that is found.
/// Frames older than what was taken of their device meanwhile are found through `late_frames`.
/// </summary>
public sealed partial class FrameLog
{
    private volatile bool hasLate;

    /// <summary>
    /// Appends the frames and saves the batch over them; its rows are set here. True also when the batch is there already, false when another one has its number.
    /// </summary>
    /// <exception cref="StoreException">Full, or Unavailable: not known to be done, ask again.</exception>
    public Task<bool> AppendBatchAsync(StoredBatch batch, IReadOnlyList<RestoredFrame> frames)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(frames);
        ArgumentOutOfRangeException.ThrowIfZero(frames.Count);
        BatchAppend work = new(batch, frames);
        lock (gate)
        {
            if (!stopping && queuedWrites < WritesMax)
            {
                Enqueue(work);
                queuedWrites++;
                Monitor.Pulse(gate);
                return work.Task;
            }
        }
        work.Failed(StoreFault.Unavailable);
        return work.Task;
    }

    // In the writer's transaction; gives the last row then used.
    private long Insert(BatchAppend work, StoreWork group, long row)
    {
        (work.FirstRow, work.HasLate, work.Outcome) = (0, false, StoreFault.None);
        StoredBatch batch = work.Batch;
        if (Sql.First(writer, static known => (byte[])known.GetValue(0), "SELECT hash FROM batches WHERE number = $0", (long)batch.Number) is { } hash)
        {
            work.IsSaved = hash.AsSpan().SequenceEqual(batch.Hash);
            return row;
        }
        if (state == StoreFault.Full)
        {
            work.Outcome = StoreFault.Full;
            return row;
        }

        Dictionary<DeviceLog, ulong> newest = InGroup(group, work);
        using SqliteCommand late = Sql.Command(writer, "INSERT OR REPLACE INTO late_frames (device, sequence, row) VALUES ($0, $1, $2)", 0, 0L, 0L);
        long first = row + 1;
        foreach (RestoredFrame frame in work.Frames)
        {
            Insert(frame.Log, frame.ReceivedMs, frame.Frame.Span, ++row);
            if (frame.Sequence > Math.Max(frame.Log.LastSequence, newest.GetValueOrDefault(frame.Log)))
            {
                newest[frame.Log] = frame.Sequence;
            }
            else if (frame.IsFound)
            {
                Set(late, frame.Log.Device, (long)frame.Sequence, row);
                work.HasLate = true;
            }
        }
        Insert(writer, batch with { FirstRow = first, LastRow = row, Skipped = [], RecutOf = 0 });
        if (ReadCutRow(writer) == first - 1)
            SaveCutRow(writer, row);
        (work.FirstRow, work.IsSaved) = (first, true);
        return row;
    }

    /// <summary>The highest sequences that earlier work of the group stores, by device: not in the devices' logs yet.</summary>
    private static Dictionary<DeviceLog, ulong> InGroup(StoreWork group, BatchAppend until)
    {
        Dictionary<DeviceLog, ulong> newest = [];
        for (StoreWork work = group; work != until; work = work.Next!)
        {
            if (work is FrameAppend { Row: > 0 } one)
                newest[one.Log!] = one.Sequence;
            else if (work is BatchAppend { FirstRow: > 0 } batch)
            {
                foreach (RestoredFrame frame in batch.Frames)
                    newest[frame.Log] = Math.Max(frame.Sequence, newest.GetValueOrDefault(frame.Log));
            }
        }
        return newest;
    }

    // Durable now.
    private void Know(BatchAppend batch)
    {
        long row = batch.FirstRow;
        foreach (RestoredFrame frame in batch.Frames)
            frame.Log.Append(frame.Sequence, row++);
        if (batch.HasLate)
            hasLate = true;
    }

    private sealed class BatchAppend(StoredBatch batch, IReadOnlyList<RestoredFrame> frames) : StoreWork
    {
        private readonly TaskCompletionSource<bool> done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public StoredBatch Batch => batch;

        public IReadOnlyList<RestoredFrame> Frames => frames;

        public Task<bool> Task => done.Task;

        /// <summary>0 when nothing was appended.</summary>
        public long FirstRow { get; set; }

        public bool HasLate { get; set; }

        public bool IsSaved { get; set; }

        public StoreFault Outcome { get; set; }

        public void Committed()
        {
            if (Outcome == StoreFault.None)
                done.TrySetResult(IsSaved);
            else
                Failed(Outcome);
        }

        internal override void Failed(StoreFault fault) => done.TrySetException(new StoreException(fault,
            fault == StoreFault.Full
                ? "The store is full, so own batches cannot come back from peers: free disk space or raise the disk budget."
                : "A batch that came back from a peer could not be stored; it is tried again."));
    }
}

/// <summary>A frame of a batch that comes back.</summary>
/// <param name="Log">Where its device's frames are.</param>
/// <param name="Sequence">Its sequence.</param>
/// <param name="ReceivedMs">When it was received as far as the header says, ms since the Unix epoch.</param>
/// <param name="Frame">Its bytes.</param>
/// <param name="IsFound">False when the row of it that is stored already is the one to be found: it is in a later batch.</param>
public readonly record struct RestoredFrame(DeviceLog Log, ulong Sequence, long ReceivedMs, ReadOnlyMemory<byte> Frame, bool IsFound);

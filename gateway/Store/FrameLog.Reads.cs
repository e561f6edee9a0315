using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>Reads of frames: by row range, by device, by (device, sequence), latest. Each is one short snapshot; ranges are read in pages, so the WAL is not held.</summary>
public sealed partial class FrameLog
{
    /// <summary>Frames in one page of a streamed range.</summary>
    private const int PageFrames = 512;

    /// <summary>Frames one call gives at most.</summary>
    public const int ReadFramesMax = 4_096;

    /// <summary>Runs a read on a connection of its own (read-only). For the tables of others too.</summary>
    public T Read<T>(Func<SqliteConnection, T> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        if (readers.TryTake(out SqliteConnection? reader))
            Interlocked.Decrement(ref idleReaders);
        else
            reader = Connect(SqliteOpenMode.ReadOnly);
        bool sound = false;
        try
        {
            T result = read(reader);
            sound = true;
            return result;
        }
        finally
        {
            if (sound && !stopping && Interlocked.Increment(ref idleReaders) <= ReadersMax)
                readers.Add(reader);
            else
                Discard(reader, sound);
        }
    }

    /// <summary>The frame at a row, or null.</summary>
    public StoredFrame? FrameAt(long row) => row < 1 || row > LastRow || IsDropped(row) ? null
        : recent.Read(row, row)?[0] ?? ReadRow(row) ?? (IsLost(row, row) || IsDropped(row) ? null : throw MissingRow(row));

    /// <summary>Frames of rows <paramref name="firstRow"/> … <paramref name="lastRow"/>, ascending, streamed in pages; the newest come from memory (<see cref="FrameTail"/>).</summary>
    public IEnumerable<StoredFrame> Frames(long firstRow, long lastRow)
    {
        for (long row = Math.Max(firstRow, FirstRow); row <= lastRow;)
        {
            long from = row;
            long to = Math.Min(lastRow, from + PageFrames - 1);
            List<StoredFrame> page = recent.Read(from, to) ?? ReadRows(from, to);
            // A damaged tree may hide rows without an error.
            if (page.Count < to - from + 1 && to <= LastRow && FirstMissing(page, from, to) is > 0 and long missing)
                throw MissingRow(missing);
            foreach (StoredFrame frame in page)
                yield return frame;
            row = to + 1;
        }
    }

    private long FirstMissing(List<StoredFrame> page, long from, long to)
    {
        HashSet<long> accounted = [.. page.Select(static frame => frame.Row), .. LostRows(from, to)];
        for (long row = from; row <= to; row++)
            if (!accounted.Contains(row) && !IsDropped(row)) return row;
        return 0;
    }

    /// <summary>Rows and their frames' lengths in a range, ascending, streamed in pages.</summary>
    public IEnumerable<(long Row, int Bytes)> Lengths(long firstRow, long lastRow)
    {
        for (long from = firstRow; from <= lastRow; from += ReadFramesMax)
        {
            (long first, long last) = (from, Math.Min(lastRow, from + ReadFramesMax - 1));
            foreach (PartitionFile one in partitions)
            {
                if (one.IsDropped || one.LastRow < first || one.FirstRow > last) continue;
                foreach ((long, int) length in ReadPartition(one, (partition, connection) => partition.Lengths(connection, first, last)) ?? [])
                    yield return length;
            }
        }
    }

    /// <summary>The newest frames, newest first; page on with <paramref name="beforeRow"/> = the last row got (0 = from the newest).</summary>
    public List<StoredFrame> Latest(int count, long beforeRow = 0)
    {
        long before = beforeRow > 0 ? beforeRow : long.MaxValue;
        count = Math.Clamp(count, 0, ReadFramesMax);
        List<StoredFrame> frames = [];
        foreach (PartitionFile one in partitions.Reverse())
        {
            if (frames.Count == count) break;
            if (one.IsDropped || one.FirstRow >= before) continue;
            frames.AddRange(ReadPartition(one, (partition, connection) => partition.Latest(connection, before, count - frames.Count)) ?? []);
        }
        return frames;
    }

    /// <summary>A device's frames from a sequence on, ascending; page on with the last sequence + 1.</summary>
    public List<StoredFrame> FramesOf(int device, ulong fromSequence, int count)
    {
        count = Math.Clamp(count, 0, ReadFramesMax);
        if (!devices.TryGetValue(device, out DeviceLog? log))
            return [];
        long kept = FirstRow;
        return Read(connection =>
        {
            // Memory first: a block saved in between is then read twice, not missed.
            List<long> recent = [];
            log.Collect(fromSequence, recent, int.MaxValue);
            List<long> rows = [];
            if (fromSequence < log.FirstInMemory)
            {
                int blocks = 2 + (count / DeviceLog.BlockFramesMax);
                foreach (IndexBlock block in Sql.Rows(connection, Block,
                    "SELECT first_sequence, last_sequence, first_row, frames, entries FROM frame_index WHERE device = $0 AND last_sequence >= $1 AND first_sequence >= " +
                    "coalesce((SELECT max(first_sequence) FROM frame_index WHERE device = $0 AND (first_sequence <= $1 OR first_row <= $3)), 0) ORDER BY first_sequence LIMIT $2",
                    device, (long)Math.Min(fromSequence, long.MaxValue), blocks, kept))
                    block.Collect(fromSequence, rows, int.MaxValue);
            }
            long last = rows.Count > 0 ? rows[^1] : 0;
            foreach (long row in recent)
            {
                if (row > last)
                    rows.Add(row);
            }
            List<StoredFrame> frames = new(Math.Min(rows.Count, count));
            foreach (long row in rows.Where(row => row >= kept).Take(count))
            {
                if (FrameAt(row) is { } frame)
                    frames.Add(Checked(log, Sequence(frame), frame)!);
                else if (!IsDropped(row) && !IsLost(row, row))
                    throw MissingRow(row);
            }
            return hasLate ? WithLate(connection, device, fromSequence, count, frames) : frames;
        });
    }

    /// <inheritdoc/>
    public List<StoredFrame> NewestOf(int device, ulong from, ulong before, int count)
    {
        if (!devices.TryGetValue(device, out DeviceLog? log))
            return [];
        List<(ulong Sequence, long Row)> entries = NewestEntries(log, from, before, Math.Clamp(count, 0, ReadFramesMax));
        Dictionary<long, StoredFrame> read = ReadSome([.. entries.Select(static entry => entry.Row).Order()]);
        List<StoredFrame> frames = new(read.Count);
        foreach ((ulong sequence, long row) in entries)
        {
            if (read.TryGetValue(row, out StoredFrame? frame))
                frames.Add(Checked(log, sequence, frame)!);
            else if (!IsDropped(row) && !IsLost(row, row))
                throw MissingRow(row);
        }
        return frames;
    }

    /// <inheritdoc/>
    public List<ulong> NewestSequences(int device, int count) => devices.TryGetValue(device, out DeviceLog? log)
        ? [.. NewestEntries(log, 1, ulong.MaxValue, Math.Clamp(count, 0, ReadFramesMax)).Select(static entry => entry.Sequence)] : [];

    /// <summary>Where a device's newest frames of a range are, the newest first.</summary>
    private List<(ulong Sequence, long Row)> NewestEntries(DeviceLog log, ulong from, ulong before, int count)
    {
        long kept = FirstRow;
        // Memory first: a block saved in between is in both, and read from one, not missed.
        List<(ulong Sequence, long Row)> entries = [];
        log.Collect(from, before, entries);
        entries.Reverse();
        if ((entries.Count < count && from < log.FirstInMemory) || hasLate)
            entries = Read(connection =>
            {
                AddIndexed(connection, log, from, before, count, kept, entries);
                return hasLate ? WithLate(connection, log, from, before, count, entries) : entries;
            });
        return [.. entries.Where(entry => entry.Row >= kept).Take(count)];
    }

    /// <summary>Adds the entries of saved blocks below the last one, until there are enough or those left are dropped.</summary>
    private static void AddIndexed(SqliteConnection connection, DeviceLog log, ulong from, ulong before, int count, long kept, List<(ulong Sequence, long Row)> entries)
    {
        for (ulong below = entries.Count > 0 ? entries[^1].Sequence : before; entries.Count < count;)
        {
            List<IndexBlock> blocks = Sql.Rows(connection, Block,
                "SELECT first_sequence, last_sequence, first_row, frames, entries FROM frame_index WHERE device = $0 AND first_sequence < $1 AND first_sequence >= " +
                "coalesce((SELECT max(first_sequence) FROM frame_index WHERE device = $0 AND first_sequence <= $2), 0) ORDER BY first_sequence DESC LIMIT $3",
                log.Device, (long)Math.Min(below, long.MaxValue), (long)Math.Min(from, long.MaxValue), 1 + (count / DeviceLog.BlockFramesMax));
            foreach (IndexBlock block in blocks)
            {
                List<(ulong Sequence, long Row)> part = [];
                block.Collect(from, below, part);
                entries.AddRange(Enumerable.Reverse(part));
                below = block.FirstSequence;
            }
            if (blocks.Count == 0 || blocks[^1].FirstRow < kept)
                return;
        }
    }

    /// <summary>The same with the frames that came back with their batches: their rows are the ones that count.</summary>
    private static List<(ulong Sequence, long Row)> WithLate(SqliteConnection connection, DeviceLog log, ulong from, ulong before, int count, List<(ulong Sequence, long Row)> entries)
    {
        Dictionary<ulong, long> rows = entries.ToDictionary(static entry => entry.Sequence, static entry => entry.Row);
        foreach ((ulong sequence, long row) in Sql.Rows(connection, static late => ((ulong)late.GetInt64(0), late.GetInt64(1)),
            "SELECT sequence, row FROM late_frames WHERE device = $0 AND sequence >= $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3",
            log.Device, (long)Math.Min(from, long.MaxValue), (long)Math.Min(before, long.MaxValue), count))
            rows[sequence] = row;
        return [.. rows.Select(static entry => (entry.Key, entry.Value)).OrderByDescending(static entry => entry.Key)];
    }

    /// <summary>The frames of these rows, ascending, as far as they are here: the newest from memory.</summary>
    private Dictionary<long, StoredFrame> ReadSome(List<long> rows)
    {
        Dictionary<long, StoredFrame> frames = new(rows.Count);
        List<long> onDisk = [];
        foreach (long row in rows)
        {
            if (recent.Read(row, row) is [StoredFrame frame])
                frames[row] = frame;
            else
                onDisk.Add(row);
        }
        foreach (PartitionFile one in onDisk.Count == 0 ? [] : partitions)
        {
            List<long> there = [.. onDisk.Where(row => row >= one.FirstRow && row <= one.LastRow)];
            if (one.IsDropped || there.Count == 0) continue;
            foreach (StoredFrame frame in ReadPartition(one, (partition, connection) => partition.Read(connection, there)) ?? [])
                frames[frame.Row] = frame;
        }
        return frames;
    }

    /// <summary>The frame of a device with a sequence, or null.</summary>
    public StoredFrame? Find(int device, ulong sequence) => devices.TryGetValue(device, out DeviceLog? log) ? Find(log, sequence) : null;

    internal StoredFrame? Find(DeviceLog log, ulong sequence) => RowOf(log, sequence) is > 0 and long row && !IsDropped(row) ? Checked(log, sequence, FrameAt(row)) : null;

    // The index is not under a checksum: a frame tells whose it is.
    private StoredFrame? Checked(DeviceLog log, ulong sequence, StoredFrame? frame) => frame is null || (frame.Device == log.Device && Sequence(frame) == sequence) ? frame
        : throw new StoreException(StoreFault.Corrupt, Damaged(options.Path, $"the index of device {log.Device} points to another frame"));

    /// <summary>The row of a device's frame, on the disk still or not; 0 when there never was one.</summary>
    private long RowOf(DeviceLog log, ulong sequence)
    {
        long row = log.Find(sequence, out bool before);
        if (row == 0 && !before && !hasLate)
            return 0;
        if (row != 0 && !hasLate)
            return row;
        return Read(connection =>
        {
            // The row of a frame that came back with its batch is the one that a proof can be made of.
            if (hasLate && Sql.Scalar(connection, "SELECT row FROM late_frames WHERE device = $0 AND sequence = $1", log.Device, (long)sequence) is > 0 and long late)
                return late;
            if (row == 0 && before)
            {
                row = Sql.Rows(connection, Block,
                    "SELECT first_sequence, last_sequence, first_row, frames, entries FROM frame_index WHERE device = $0 AND first_sequence <= $1 ORDER BY first_sequence DESC LIMIT 1",
                    log.Device, (long)sequence) is [IndexBlock block] ? block.Find(sequence) : 0;
            }
            return row;
        });
    }

    private List<StoredFrame> WithLate(SqliteConnection connection, int device, ulong fromSequence, int count, List<StoredFrame> frames)
    {
        SortedDictionary<ulong, StoredFrame> merged = new(frames.ToDictionary(static frame => Sequence(frame)));
        foreach (long row in Sql.Rows(connection, static late => late.GetInt64(0),
            "SELECT row FROM late_frames WHERE device = $0 AND sequence >= $1 AND row >= $3 ORDER BY sequence LIMIT $2", device, (long)Math.Min(fromSequence, long.MaxValue), count, FirstRow))
        {
            if (ReadRow(row) is { } frame)
                merged[Sequence(frame)] = frame;
        }
        return [.. merged.Values.Take(count)];
    }

    private static ulong Sequence(StoredFrame frame) => System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(frame.Frame.AsSpan(32));

    private static IndexBlock Block(SqliteDataReader row) =>
        new((ulong)row.GetInt64(0), (ulong)row.GetInt64(1), row.GetInt64(2), 0, row.GetInt32(3), (byte[])row.GetValue(4));

    private void Discard(SqliteConnection reader, bool counted)
    {
        if (counted && !stopping)
            Interlocked.Decrement(ref idleReaders);
        reader.Dispose();
    }
}

namespace DePIN.Gateway.Store;

/// <summary>
/// Where one device's frames are in the arrival log. A device's sequences rise with the rows, so a frame is a pair of differences,
/// 2 to 4 bytes: an open block in memory, full blocks in table `frame_index`. Written by the store's writer, read by the verifier:
/// both under this object's lock. At most <see cref="BlockFramesMax"/> frames in the open block.
/// </summary>
public sealed class DeviceLog
{
    /// <summary>Frames of one device in one row of the index.</summary>
    public const int BlockFramesMax = 128;

    private readonly Lock gate = new();
    private IndexBlock open;
    private List<IndexBlock>? unsaved;
    private bool dirty;

    internal DeviceLog(int device) => Device = device;

    /// <summary>The store's integer for the device.</summary>
    public int Device { get; }

    /// <summary>The highest durable sequence; 0 none.</summary>
    public ulong LastSequence { get { lock (gate) return open.LastSequence; } }

    /// <summary>Its row; 0 none.</summary>
    public long LastRow { get { lock (gate) return open.LastRow; } }

    /// <summary>Both at one moment.</summary>
    public (ulong Sequence, long Row) Last { get { lock (gate) return (open.LastSequence, open.LastRow); } }

    internal void Restore(IndexBlock block)
    {
        lock (gate)
            open = block;
    }

    /// <summary>For a store that finds frames by itself: only the newest is remembered.</summary>
    internal void Advance(ulong sequence, long row)
    {
        lock (gate)
        {
            if (sequence > open.LastSequence)
                open = new IndexBlock { LastSequence = sequence, LastRow = row };
        }
    }

    internal void Append(ulong sequence, long row)
    {
        lock (gate)
        {
            // A sequence that does not rise came back after later ones: `late_frames` has it.
            if (row <= open.LastRow || sequence <= open.LastSequence)
                return;
            if (open.Frames == BlockFramesMax)
            {
                (unsaved ??= []).Add(open);
                open = new IndexBlock { LastSequence = open.LastSequence, LastRow = open.LastRow };
            }
            open.Append(sequence, row);
            dirty = true;
        }
    }

    /// <summary>The row of a sequence in what is in memory: 0 not here; <paramref name="before"/> is then true when it can only be in the saved index.</summary>
    internal long Find(ulong sequence, out bool before)
    {
        lock (gate)
        {
            before = false;
            if (sequence > open.LastSequence)
                return 0;
            if (open.Frames > 0 && sequence >= open.FirstSequence)
                return open.Find(sequence);
            for (int i = (unsaved?.Count ?? 0) - 1; i >= 0; i--)
            {
                if (sequence >= unsaved![i].FirstSequence)
                    return unsaved[i].Find(sequence);
            }
            before = true;
            return 0;
        }
    }

    /// <summary>What is to be saved now, and how many full blocks of it; null when nothing changed.</summary>
    internal (IndexBlock Open, IndexBlock[] Full)? Snapshot()
    {
        lock (gate)
            return dirty ? (open.Copy(), unsaved?.ToArray() ?? []) : null;
    }

    /// <summary>A snapshot is durable. The writer calls it before it appends more.</summary>
    internal void Saved(int fullBlocks)
    {
        lock (gate)
        {
            dirty = false;
            unsaved?.RemoveRange(0, fullBlocks);
            if (unsaved?.Count == 0)
                unsaved = null;
        }
    }

    /// <summary>The rows in memory whose sequence is at least <paramref name="from"/>, ascending.</summary>
    internal void Collect(ulong from, List<long> rows, int max)
    {
        lock (gate)
        {
            foreach (IndexBlock block in unsaved ?? [])
                block.Collect(from, rows, max);
            open.Collect(from, rows, max);
        }
    }

    /// <summary>The sequences in memory from one to before another with their rows, ascending.</summary>
    internal void Collect(ulong from, ulong before, List<(ulong Sequence, long Row)> entries)
    {
        lock (gate)
        {
            foreach (IndexBlock block in unsaved ?? [])
                block.Collect(from, before, entries);
            open.Collect(from, before, entries);
        }
    }

    /// <summary>The lowest sequence in memory; <see cref="ulong.MaxValue"/> when none is.</summary>
    internal ulong FirstInMemory
    {
        get
        {
            lock (gate)
                return unsaved is { Count: > 0 } ? unsaved[0].FirstSequence : open.Frames > 0 ? open.FirstSequence : ulong.MaxValue;
        }
    }
}

/// <summary>
/// Up to 128 frames of one device. entries = for each frame after the first: LEB128 of the sequence's difference,
/// then LEB128 of the row's difference, both at least 1.
/// </summary>
internal struct IndexBlock
{
    public ulong FirstSequence;
    public ulong LastSequence;
    public long FirstRow;
    public long LastRow;
    public int Frames;
    private byte[]? entries;
    private int length;

    public IndexBlock(ulong firstSequence, ulong lastSequence, long firstRow, long lastRow, int frames, byte[] entries)
    {
        (FirstSequence, LastSequence, FirstRow, LastRow, Frames) = (firstSequence, lastSequence, firstRow, lastRow, frames);
        (this.entries, length) = (entries, entries.Length);
    }

    public readonly byte[] Entries => entries is null ? [] : entries.AsSpan(0, length).ToArray();

    public void Append(ulong sequence, long row)
    {
        if (Frames == 0)
        {
            (FirstSequence, FirstRow) = (sequence, row);
        }
        else
        {
            if (entries is null || entries.Length - length < 20)
                Array.Resize(ref entries, Math.Max(48, length * 2));
            Write(sequence - LastSequence);
            Write((ulong)(row - LastRow));
        }
        (LastSequence, LastRow) = (sequence, row);
        Frames++;
    }

    public readonly long Find(ulong sequence)
    {
        ulong at = FirstSequence;
        long row = FirstRow;
        int offset = 0;
        for (int i = 0; i < Frames; i++)
        {
            if (at >= sequence)
                return at == sequence ? row : 0;
            if (!Next(ref offset, ref at, ref row))
                return 0;
        }
        return 0;
    }

    public readonly void Collect(ulong from, List<long> rows, int max)
    {
        ulong at = FirstSequence;
        long row = FirstRow;
        int offset = 0;
        for (int i = 0; i < Frames && rows.Count < max; i++)
        {
            if (at >= from)
                rows.Add(row);
            if (!Next(ref offset, ref at, ref row))
                return;
        }
    }

    public readonly void Collect(ulong from, ulong before, List<(ulong Sequence, long Row)> entries)
    {
        ulong at = FirstSequence;
        long row = FirstRow;
        int offset = 0;
        for (int i = 0; i < Frames && at < before; i++)
        {
            if (at >= from)
                entries.Add((at, row));
            if (!Next(ref offset, ref at, ref row))
                return;
        }
    }

    public readonly IndexBlock Copy()
    {
        IndexBlock copy = this;
        copy.entries = entries?.ToArray();
        return copy;
    }

    private readonly bool Next(ref int offset, ref ulong sequence, ref long row)
    {
        if (!Read(ref offset, out ulong sequences) || !Read(ref offset, out ulong rows))
            return false;
        sequence += sequences;
        row += (long)rows;
        return true;
    }

    private void Write(ulong value)
    {
        while (value >= 0x80)
        {
            entries![length++] = (byte)(value | 0x80);
            value >>= 7;
        }
        entries![length++] = (byte)value;
    }

    private readonly bool Read(ref int offset, out ulong value)
    {
        value = 0;
        for (int shift = 0; offset < length && shift < 64; shift += 7)
        {
            byte part = entries![offset++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return true;
        }
        return false;
    }
}

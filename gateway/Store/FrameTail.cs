namespace DePIN.Gateway.Store;

/// <summary>
/// The newest durable frames in memory, so that who follows the log (the batcher, the export) need not read back from SQLite what was
/// written a moment ago. Only a copy of rows: what is not here is read from the database, with the same result. Filled by the store's writer
/// after each commit, read by anyone. At most <see cref="RowsMax"/> frames and <see cref="BytesMax"/> bytes; nothing until the first frame.
/// </summary>
internal sealed class FrameTail
{
    /// <summary>Twice the rows of a batch by default: one being cut, one filling up.</summary>
    public const int RowsMax = 8_192;

    /// <summary>Bytes of frames: 10,000 of 208 bytes.</summary>
    public const int BytesMax = 2 * 1024 * 1024;

    private readonly Lock gate = new();
    private Entry[] entries = [];
    private byte[] bytes = [];
    private long firstRow = 1;
    private long nextRow = 1;
    private long end; // bytes ever written, the skipped ones at the ring's end included

    /// <summary>Takes durable frames in the order of their rows: those of a group whose row is not 0.</summary>
    public void Append(StoreWork? group)
    {
        lock (gate)
        {
            for (StoreWork? work = group; work is not null; work = work.Next)
            {
                if (work is FrameAppend { Row: > 0 } frame)
                    Append(frame);
            }
        }
    }

    /// <summary>Copies of the frames of rows <paramref name="from"/> … <paramref name="to"/>; null when one of them is not here.</summary>
    public List<StoredFrame>? Read(long from, long to)
    {
        lock (gate)
        {
            if (from < firstRow || to >= nextRow)
                return null;
            List<StoredFrame> frames = new((int)(to - from + 1));
            for (long row = from; row <= to; row++)
            {
                ref readonly Entry entry = ref entries[row % RowsMax];
                frames.Add(new StoredFrame(row, entry.Device, entry.ReceivedMs, bytes.AsSpan((int)(entry.Start % BytesMax), entry.Length).ToArray()));
            }
            return frames;
        }
    }

    private void Append(FrameAppend frame)
    {
        if (frame.Row != nextRow)
        {
            // After a start, or rows that came to light after a commit in doubt: those before are in the database only.
            firstRow = nextRow = frame.Row;
        }
        if (bytes.Length == 0)
        {
            entries = new Entry[RowsMax];
            bytes = GC.AllocateUninitializedArray<byte>(BytesMax);
        }
        ReadOnlySpan<byte> source = frame.Frame.Span;
        int left = BytesMax - (int)(end % BytesMax);
        long start = left >= source.Length ? end : end + left;
        end = start + source.Length;
        while (firstRow < nextRow && (nextRow - firstRow == RowsMax || entries[firstRow % RowsMax].Start < end - BytesMax))
            firstRow++;
        source.CopyTo(bytes.AsSpan((int)(start % BytesMax)));
        entries[nextRow % RowsMax] = new Entry(start, source.Length, frame.Log!.Device, frame.ReceivedMs);
        nextRow++;
    }

    private readonly record struct Entry(long Start, int Length, int Device, long ReceivedMs);
}

using System.Buffers;

namespace DePIN.Gateway.Store;

/// <summary>The rows a batch leaves out, as bytes: differences, 7 bits a byte, the low ones first, the top bit set while more follow.</summary>
public static class SkippedRows
{
    /// <summary>The bytes of ascending rows, counted from the batch's first.</summary>
    public static byte[] Write(IReadOnlyList<long> rows, long firstRow)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArrayBufferWriter<byte> bytes = new(Math.Max(1, rows.Count));
        long before = firstRow;
        foreach (long row in rows)
        {
            ulong difference = checked((ulong)(row - before));
            for (; difference >= 0x80; difference >>= 7) bytes.Write([(byte)(difference | 0x80)]);
            bytes.Write([(byte)difference]);
            before = row;
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static IReadOnlyList<long> Read(ReadOnlySpan<byte> bytes, long firstRow)
    {
        List<long> rows = [];
        long row = firstRow;
        ulong difference = 0;
        int shift = 0;
        foreach (byte part in bytes)
        {
            difference |= (ulong)(part & 0x7F) << shift;
            shift += 7;
            if (part >= 0x80) continue;
            row += (long)difference;
            rows.Add(row);
            (difference, shift) = (0, 0);
        }

        return rows;
    }

    /// <summary>True when an ascending list has the row.</summary>
    public static bool Contains(IReadOnlyList<long> rows, long row) => Before(rows, row) is var i && i < rows.Count && rows[i] == row;

    /// <summary>How many of an ascending list lie before the row.</summary>
    public static int Before(IReadOnlyList<long> rows, long row)
    {
        (int low, int high) = (0, rows.Count);
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (rows[middle] < row) low = middle + 1;
            else high = middle;
        }

        return low;
    }
}

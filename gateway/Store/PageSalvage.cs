using System.Buffers.Binary;

namespace DePIN.Gateway.Store;

/// <summary>
/// Reads frames out of a damaged partition page by page, trusting nothing above a row: table leaves and their cells as the SQLite file format has them
/// (sqlite.org/fileformat2.html, sections 1.6, 2.1 and 4.1). Only rows whose checksum is right count. Pages of the write-ahead log count up to its last
/// commit: what was not committed was never acknowledged.
/// </summary>
internal static class PageSalvage
{
    private const int PageBytes = 4096; // SQLite's default, which the store never changes
    private const int FirstPageHeader = 100;
    private const byte TableLeaf = 0x0D;
    private const int LeafHeader = 8;
    private const int WalHeader = 32;
    private const int WalFrameHeader = 24;

    /// <summary>The sound rows, in the order of the pages; a row may come twice.</summary>
    public static IEnumerable<StoredFrame> Read(string path, PartitionFormat format)
    {
        byte[] page = new byte[PageBytes];
        if (File.Exists(path))
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            for (long at = 0; at + PageBytes <= file.Length; at += PageBytes)
            {
                if (!TryRead(file, at, page)) continue;
                foreach (StoredFrame frame in Rows(page, at == 0 ? FirstPageHeader : 0, format)) yield return frame;
            }
        }

        if (!File.Exists(path + "-wal")) yield break;
        using FileStream wal = new(path + "-wal", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        foreach (long at in Committed(wal))
        {
            if (!TryRead(wal, at, page)) continue;
            foreach (StoredFrame frame in Rows(page, 0, format)) yield return frame;
        }
    }

    // Where the pages of the log's committed frames begin. All frames of one generation carry the same salts.
    private static List<long> Committed(FileStream wal)
    {
        List<long> pages = [];
        int committed = 0;
        byte[] header = new byte[WalFrameHeader];
        ulong? salts = null;
        for (long at = WalHeader; at + WalFrameHeader + PageBytes <= wal.Length; at += WalFrameHeader + PageBytes)
        {
            if (!TryRead(wal, at, header)) break;
            ulong these = BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(8));
            if (these != (salts ??= these)) break;
            pages.Add(at + WalFrameHeader);
            if (BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)) != 0) committed = pages.Count;
        }

        return pages[..committed];
    }

    /// <summary>
    /// True when a frame of the write-ahead log is not what was written although a later group was committed after it: that group was begun only after the
    /// sync of the one before, so no power cut explains it. SQLite itself would take the log to end there.
    /// </summary>
    public static bool IsLogDamaged(string path)
    {
        if (!File.Exists(path + "-wal")) return false;
        using FileStream wal = new(path + "-wal", FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] header = new byte[WalHeader], frame = new byte[WalFrameHeader + PageBytes];
        if (wal.Length < WalHeader + WalFrameHeader + PageBytes || !TryRead(wal, 0, header)) return false;
        bool isBig = (header[3] & 1) != 0, isBroken = false;
        (uint a, uint b) = Sum(header.AsSpan(0, 24), isBig, (0, 0));
        int after = 0;
        for (long at = WalHeader; at + frame.Length <= wal.Length; at += frame.Length)
        {
            if (!TryRead(wal, at, frame)) return true;
            if (!header.AsSpan(16, 8).SequenceEqual(frame.AsSpan(8, 8)))
            {
                if (at == WalHeader) return false; // an empty log; what follows is of an older one
                isBroken = true; // of an older log, or a damaged header
                continue;
            }

            if (!isBroken)
            {
                (a, b) = Sum(frame.AsSpan(WalFrameHeader), isBig, Sum(frame.AsSpan(0, 8), isBig, (a, b)));
                isBroken = a != BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(16)) || b != BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(20));
            }

            if (isBroken && BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(4)) != 0) after++;
        }

        return after > 1;
    }

    // fileformat2.html, section 4.2.
    private static (uint, uint) Sum(ReadOnlySpan<byte> bytes, bool isBig, (uint A, uint B) before)
    {
        (uint a, uint b) = before;
        for (int i = 0; i < bytes.Length; i += 8)
        {
            a += (isBig ? BinaryPrimitives.ReadUInt32BigEndian(bytes[i..]) : BinaryPrimitives.ReadUInt32LittleEndian(bytes[i..])) + b;
            b += (isBig ? BinaryPrimitives.ReadUInt32BigEndian(bytes[(i + 4)..]) : BinaryPrimitives.ReadUInt32LittleEndian(bytes[(i + 4)..])) + a;
        }

        return (a, b);
    }

    private static bool TryRead(FileStream file, long at, byte[] into)
    {
        try
        {
            file.Position = at;
            file.ReadExactly(into);
            return true;
        }
        catch (IOException)
        {
            return false; // a bad sector: the next page may be sound
        }
    }

    private static List<StoredFrame> Rows(byte[] page, int header, PartitionFormat format)
    {
        List<StoredFrame> rows = [];
        if (page[header] != TableLeaf) return rows;
        int cells = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(page.AsSpan(header + 3)), (PageBytes - header - LeafHeader) / 2);
        for (int i = 0; i < cells; i++)
        {
            int at = BinaryPrimitives.ReadUInt16BigEndian(page.AsSpan(header + LeafHeader + 2 * i));
            if (Row(page, at, format) is { } frame) rows.Add(frame);
        }

        return rows;
    }

    // payload length, rowid, header length, types of: rowid (NULL), device, receive time, frame; then their values.
    private static StoredFrame? Row(byte[] page, int at, PartitionFormat format)
    {
        if (!Varint(page, ref at, out long payload) || !Varint(page, ref at, out long row) || row < 1) return null;
        int begin = at;
        if (!Varint(page, ref at, out long headerBytes) || !Varint(page, ref at, out long none) || none != 0
            || !Varint(page, ref at, out long deviceType) || !Varint(page, ref at, out long timeType) || !Varint(page, ref at, out long blobType)
            || at != begin + headerBytes || blobType < 12 || blobType % 2 != 0) return null;
        long length = (blobType - 12) / 2;
        if (payload > PageBytes || !Integer(page, ref at, deviceType, out long device) || device is < 1 or > int.MaxValue || !Integer(page, ref at, timeType, out long receivedMs)
            || length > payload || at + length > PageBytes || at + length != begin + payload) return null;
        return PartitionFile.Decode(row, (int)device, receivedMs, page.AsSpan(at, (int)length), format);
    }

    private static bool Varint(byte[] page, ref int at, out long value)
    {
        value = 0;
        for (int i = 0; i < 9 && at < PageBytes; i++)
        {
            byte part = page[at++];
            if (i == 8)
            {
                value = (value << 8) | part;
                return true;
            }

            value = (value << 7) | (long)(part & 0x7F);
            if (part < 0x80) return true;
        }

        return false;
    }

    private static bool Integer(byte[] page, ref int at, long type, out long value)
    {
        value = type == 9 ? 1 : 0;
        if (type is 8 or 9) return true;
        int bytes = type switch { >= 1 and <= 4 => (int)type, 5 => 6, 6 => 8, _ => 0 };
        if (bytes == 0 || at + bytes > PageBytes) return false;
        value = (sbyte)page[at];
        for (int i = 1; i < bytes; i++) value = (value << 8) | page[at + i];
        at += bytes;
        return true;
    }
}

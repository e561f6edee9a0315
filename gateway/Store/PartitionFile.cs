using System.Buffers.Binary;
using System.Numerics;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>What a partition's rows look like.</summary>
public enum PartitionFormat
{
    /// <summary>Of schema 2: the frame as received. Its rows carry no checksum.</summary>
    Plain = 1,

    /// <summary>The frame, then CRC-32C (RFC 3720 appendix B.4) over row, device, receive time (8 bytes each, little-endian) and frame.</summary>
    Checked = 2,
}

/// <summary>A file of the arrival log: the rows from its first to the next one's. Only the last one is written to.</summary>
/// <param name="FirstRow">Its first row; also its name.</param>
/// <param name="LastRow">Its last; <see cref="long.MaxValue"/> while it is written to.</param>
/// <param name="Format">What its rows look like.</param>
/// <param name="IsDropped">Its file is gone: all its frames are on the ledger.</param>
public sealed record PartitionFile(long FirstRow, long LastRow, PartitionFormat Format, bool IsDropped)
{
    /// <summary>Bytes after the frame in a checked row.</summary>
    public const int CheckBytes = 4;

    internal static string TableIn(string schema) => $"CREATE TABLE IF NOT EXISTS {schema}.frames (row INTEGER PRIMARY KEY, device INTEGER NOT NULL, received_ms INTEGER NOT NULL, frame BLOB NOT NULL)";

    private const string Columns = "SELECT row, device, received_ms, frame FROM frames ";

    /// <summary>Says in the file what it is, so that it can be known again without the database.</summary>
    internal static string Mark(string schema) => $"PRAGMA {schema}.application_id = {StoreSchema.ApplicationId}; PRAGMA {schema}.user_version = {StoreSchema.Version}";

    /// <summary>False for a file that is no SQLite database any more: opening it could cost its write-ahead log.</summary>
    internal static bool LooksSound(string path)
    {
        Span<byte> magic = stackalloc byte[16];
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return file.Length >= 512 && file.ReadAtLeast(magic, 16, throwOnEndOfStream: false) == 16 && magic.SequenceEqual("SQLite format 3\0"u8);
    }

    internal bool IsOpen => LastRow == long.MaxValue;

    /// <summary>The folder of the partitions of a database: its path without the extension.</summary>
    public static string FolderOf(string database) => Path.HasExtension(database) ? Path.ChangeExtension(database, null) : database + ".partitions";

    /// <summary>The file of the partition that begins with a row.</summary>
    public static string PathOf(string database, long firstRow) => Path.Combine(FolderOf(database), firstRow.ToString("D12", System.Globalization.CultureInfo.InvariantCulture) + ".db");

    internal string PathIn(string database) => PathOf(database, FirstRow);

    /// <summary>Read-only. A closed partition never changes again, so it needs neither locks nor shared memory, and can lie on a disk that went read-only.</summary>
    internal SqliteConnection Connect(string database)
    {
        string path = Path.GetFullPath(PathIn(database));
        SqliteConnection connection = new(new SqliteConnectionStringBuilder
        {
            DataSource = IsOpen ? path : new Uri(path).AbsoluteUri + "?immutable=1", Mode = SqliteOpenMode.ReadOnly, Pooling = false, DefaultTimeout = 5,
        }.ToString());
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    internal List<StoredFrame> Read(SqliteConnection connection, long from, long to) => Sql.Rows(connection, Frame, Columns + "WHERE row BETWEEN $0 AND $1 ORDER BY row", from, to);

    /// <summary>Single rows, ascending; by one statement that is prepared once, or in one range where they lie close together.</summary>
    internal List<StoredFrame> Read(SqliteConnection connection, List<long> rows)
    {
        if (rows[^1] - rows[0] < 2L * rows.Count)
        {
            HashSet<long> wanted = [.. rows];
            return [.. Read(connection, rows[0], rows[^1]).Where(frame => wanted.Contains(frame.Row))];
        }
        using SqliteCommand command = Sql.Command(connection, Columns + "WHERE row = $0", 0L);
        List<StoredFrame> frames = new(rows.Count);
        foreach (long row in rows)
        {
            command.Parameters[0].Value = row;
            using SqliteDataReader reader = command.ExecuteReader();
            if (reader.Read()) frames.Add(Frame(reader));
        }
        return frames;
    }

    internal List<StoredFrame> Latest(SqliteConnection connection, long before, int count) => Sql.Rows(connection, Frame, Columns + "WHERE row < $0 ORDER BY row DESC LIMIT $1", before, count);

    internal List<(long Row, int Bytes)> Lengths(SqliteConnection connection, long from, long to) => Sql.Rows(connection, static row => (row.GetInt64(0), row.GetInt32(1)),
        $"SELECT row, length(frame) - {(Format == PartitionFormat.Checked ? CheckBytes : 0)} FROM frames WHERE row BETWEEN $0 AND $1 ORDER BY row", from, to);

    /// <summary>True when there is a partition, or was one.</summary>
    internal static bool AnyIn(string database) => Directory.Exists(FolderOf(database)) && FirstRowsIn(database).Length > 0;

    /// <summary>The first rows of the files that are there, ascending.</summary>
    internal static long[] FirstRowsIn(string database) => [.. Directory.GetFiles(FolderOf(database), "*.db")
        .Select(static file => long.TryParse(Path.GetFileNameWithoutExtension(file), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out long row) ? row : 0).Where(static row => row > 0).Order()];

    /// <summary>What the file says of itself (user_version, at byte 60 of the header); one that says nothing sensible is taken for a checked one: its rows show.</summary>
    internal static PartitionFormat FormatOf(string path)
    {
        Span<byte> header = stackalloc byte[64];
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length && BinaryPrimitives.ReadUInt32BigEndian(header[60..]) == 2 ? PartitionFormat.Plain : PartitionFormat.Checked;
    }

    /// <summary>The frame and its checksum into <paramref name="stored"/>, which has room for both.</summary>
    internal static void Encode(long row, int device, long receivedMs, ReadOnlySpan<byte> frame, Span<byte> stored)
    {
        frame.CopyTo(stored);
        BinaryPrimitives.WriteUInt32LittleEndian(stored[frame.Length..], Check(row, device, receivedMs, frame));
    }

    /// <summary>The checksum of a row.</summary>
    internal static uint Check(long row, int device, long receivedMs, ReadOnlySpan<byte> frame)
    {
        uint check = BitOperations.Crc32C(BitOperations.Crc32C(BitOperations.Crc32C(uint.MaxValue, (ulong)row), (ulong)device), (ulong)receivedMs);
        for (; frame.Length >= 8; frame = frame[8..]) check = BitOperations.Crc32C(check, BinaryPrimitives.ReadUInt64LittleEndian(frame));
        foreach (byte one in frame) check = BitOperations.Crc32C(check, one);
        return ~check;
    }

    /// <summary>A row as stored; null when it is not what was written. Of a plain row only its shape can be told.</summary>
    internal static StoredFrame? Decode(long row, int device, long receivedMs, ReadOnlySpan<byte> stored, PartitionFormat format)
    {
        int check = format == PartitionFormat.Checked ? CheckBytes : 0;
        if (stored.Length - check is < Protocol.FrameFormat.FrameBytesMin or > Protocol.FrameFormat.FrameBytesMax) return null;
        ReadOnlySpan<byte> frame = stored[..^check];
        if (check > 0 && BinaryPrimitives.ReadUInt32LittleEndian(stored[^check..]) != Check(row, device, receivedMs, frame)) return null;
        return new StoredFrame(row, device, receivedMs, frame.ToArray());
    }

    private StoredFrame Frame(SqliteDataReader row) => Decode(row.GetInt64(0), row.GetInt32(1), row.GetInt64(2), (byte[])row.GetValue(3), Format)
        ?? throw new StoreException(StoreFault.Corrupt, $"Row {row.GetInt64(0)} of the frames is not what was written: the disk damaged it. What can be read is being saved; look at the folder {StoreDamage.Folder}.");
}

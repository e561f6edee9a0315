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

    internal const string Table = "CREATE TABLE IF NOT EXISTS log.frames (row INTEGER PRIMARY KEY, device INTEGER NOT NULL, received_ms INTEGER NOT NULL, frame BLOB NOT NULL)";

    private const string Columns = "SELECT row, device, received_ms, frame FROM frames ";

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

    internal List<StoredFrame> Latest(SqliteConnection connection, long before, int count) => Sql.Rows(connection, Frame, Columns + "WHERE row < $0 ORDER BY row DESC LIMIT $1", before, count);

    internal List<(long Row, int Bytes)> Lengths(SqliteConnection connection, long from, long to) => Sql.Rows(connection, static row => (row.GetInt64(0), row.GetInt32(1)),
        $"SELECT row, length(frame) - {(Format == PartitionFormat.Checked ? CheckBytes : 0)} FROM frames WHERE row BETWEEN $0 AND $1 ORDER BY row", from, to);

    /// <summary>The checksum of a row.</summary>
    internal static uint Check(long row, int device, long receivedMs, ReadOnlySpan<byte> frame)
    {
        uint check = BitOperations.Crc32C(BitOperations.Crc32C(BitOperations.Crc32C(uint.MaxValue, (ulong)row), (ulong)device), (ulong)receivedMs);
        for (; frame.Length >= 8; frame = frame[8..]) check = BitOperations.Crc32C(check, BinaryPrimitives.ReadUInt64LittleEndian(frame));
        foreach (byte one in frame) check = BitOperations.Crc32C(check, one);
        return ~check;
    }

    private StoredFrame Frame(SqliteDataReader row)
    {
        (long number, int device, long receivedMs, byte[] stored) = (row.GetInt64(0), row.GetInt32(1), row.GetInt64(2), (byte[])row.GetValue(3));
        if (Format == PartitionFormat.Plain) return new StoredFrame(number, device, receivedMs, stored);
        if (stored.Length < CheckBytes || BinaryPrimitives.ReadUInt32LittleEndian(stored.AsSpan(stored.Length - CheckBytes)) != Check(number, device, receivedMs, stored.AsSpan(0, stored.Length - CheckBytes)))
            throw new StoreException(StoreFault.Corrupt, $"Row {number} of the frames is not what was written: the disk damaged it. Copy the data folder to another disk.");
        return new StoredFrame(number, device, receivedMs, stored[..^CheckBytes]);
    }
}

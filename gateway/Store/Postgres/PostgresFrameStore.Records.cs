using System.Data.Common;
using DePIN.Gateway.Verify;
using Npgsql;

namespace DePIN.Gateway.Store.Postgres;

/// <summary>Reads, and the typed rows beside the frames. Batches and what is cut are the leader's: their transactions check the lease.</summary>
public sealed partial class PostgresFrameStore
{
    private const int PageFrames = 512;

    private const string SelectFrame = "SELECT row, device, received_ms, frame FROM frames ";
    private const string SelectBatch = "SELECT number, first_row, last_row, gateway, previous, root, samples, first_received_ms, last_received_ms, body, hash, frames_hash, skipped, recut_of FROM batches ";

    /// <inheritdoc/>
    public StoredFrame? FrameAt(long row) => _database.Read(c => Sql.First(c, Frame, SelectFrame + "WHERE row = $0", row));

    /// <inheritdoc/>
    public IEnumerable<StoredFrame> Frames(long firstRow, long lastRow)
    {
        for (long row = firstRow; row <= lastRow; row += PageFrames)
        {
            (long from, long to) = (row, Math.Min(lastRow, row + PageFrames - 1));
            foreach (StoredFrame frame in _database.Read(c => Sql.Rows(c, Frame, SelectFrame + "WHERE row BETWEEN $0 AND $1 ORDER BY row", from, to)))
                yield return frame;
        }
    }

    /// <inheritdoc/>
    public IEnumerable<(long Row, int Bytes)> Lengths(long firstRow, long lastRow)
    {
        for (long row = firstRow; row <= lastRow; row += FrameLog.ReadFramesMax)
        {
            (long from, long to) = (row, Math.Min(lastRow, row + FrameLog.ReadFramesMax - 1));
            foreach ((long, int) length in _database.Read(c => Sql.Rows(c, static r => (r.GetInt64(0), r.GetInt32(1)), "SELECT row, length(frame) FROM frames WHERE row BETWEEN $0 AND $1 ORDER BY row", from, to)))
                yield return length;
        }
    }

    /// <inheritdoc/>
    public List<StoredFrame> Latest(int count, long beforeRow = 0) => _database.Read(c => Sql.Rows(c, Frame, SelectFrame + "WHERE row < $0 ORDER BY row DESC LIMIT $1",
        beforeRow > 0 ? beforeRow : long.MaxValue, Math.Clamp(count, 0, FrameLog.ReadFramesMax)));

    /// <inheritdoc/>
    public List<StoredFrame> FramesOf(int device, ulong fromSequence, int count) => _database.Read(c => Sql.Rows(c, Frame,
        SelectFrame + "WHERE device = $0 AND sequence >= $1 AND found ORDER BY sequence LIMIT $2", device, (long)Math.Min(fromSequence, long.MaxValue), Math.Clamp(count, 0, FrameLog.ReadFramesMax)));

    /// <inheritdoc/>
    public List<StoredFrame> NewestOf(int device, ulong from, ulong before, int count) => _database.Read(c => Sql.Rows(c, Frame,
        SelectFrame + "WHERE device = $0 AND sequence >= $1 AND sequence < $2 AND found ORDER BY sequence DESC LIMIT $3",
        device, (long)Math.Min(from, long.MaxValue), (long)Math.Min(before, long.MaxValue), Math.Clamp(count, 0, FrameLog.ReadFramesMax)));

    /// <inheritdoc/>
    public List<ulong> NewestSequences(int device, int count) => _database.Read(c => Sql.Rows(c, static r => (ulong)r.GetInt64(0),
        "SELECT sequence FROM frames WHERE device = $0 AND found ORDER BY sequence DESC LIMIT $1", device, Math.Clamp(count, 0, FrameLog.ReadFramesMax)));

    /// <inheritdoc/>
    public StoredFrame? Find(int device, ulong sequence) => sequence > long.MaxValue ? null
        : _database.Read(c => Sql.First(c, Frame, SelectFrame + "WHERE device = $0 AND sequence = $1 AND found", device, (long)sequence));

    /// <summary>A follower adds devices and revokes them; only the leader, which follows the chain, changes owners and keys.</summary>
    public Task<int> SaveDeviceAsync(RegisteredDevice device) => Task.Run(() => _database.Write(c =>
    {
        byte[] key = device.Id.ToArray();
        bool leads = _lease?.IsLeading ?? true;
        if (leads) _lease?.Check(c);
        Sql.Execute(c, "SELECT pg_advisory_xact_lock($0)", 0x44657673L); // "Devs": the count and the order of the changes
        long known = Sql.Scalar(c, "SELECT id FROM devices WHERE device_id = $0", key);
        if (known == 0 && Sql.Scalar(c, "SELECT count(*) FROM devices") >= _options.DevicesMax) return 0;
        return (int)Sql.Scalar(c,
            "INSERT INTO devices (device_id, public_key, key_kind, owner, registered_at, revoked_at, changed) VALUES ($0, $1, $2, $3, $4, $5, nextval('device_changes')) ON CONFLICT (device_id) DO UPDATE SET " +
            (leads ? "public_key = excluded.public_key, owner = excluded.owner, registered_at = excluded.registered_at, " : "") + "revoked_at = greatest(devices.revoked_at, excluded.revoked_at), changed = excluded.changed RETURNING id",
            key, device.PublicKey.ToArray(), (short)device.KeyKind, device.Owner.ToArray(), (long)device.RegisteredAt, (long)device.RevokedAt);
    }));

    /// <inheritdoc/>
    public List<(int Id, RegisteredDevice Device)> Devices() => _database.Read(c => Sql.Rows(c,
        static r => (r.GetInt32(0), new RegisteredDevice(new DeviceIdValue(r.GetFieldValue<byte[]>(1)), r.GetFieldValue<byte[]>(2), (byte)r.GetInt16(3), r.GetFieldValue<byte[]>(4), (ulong)r.GetInt64(5), (ulong)r.GetInt64(6))),
        "SELECT id, device_id, public_key, key_kind, owner, registered_at, revoked_at FROM devices ORDER BY id"));

    /// <inheritdoc/>
    public long DeviceChanges => _database.Read(c => Sql.Scalar(c, "SELECT max(changed) FROM devices"));

    /// <inheritdoc/>
    public Task<bool> SaveBatchAsync(StoredBatch batch) => Lead(c =>
    {
        Insert(c, batch);
        bool saved = Sql.Scalar(c, "SELECT count(*) FROM batches WHERE number = $0 AND hash = $1 AND first_row = $2 AND last_row = $3", (long)batch.Number, batch.Hash, batch.FirstRow, batch.LastRow) == 1;
        if (saved && batch.RecutOf == 0) SaveCutRow(c, batch.LastRow);
        return saved;
    });

    /// <inheritdoc/>
    public Task<bool> AppendBatchAsync(StoredBatch batch, IReadOnlyList<RestoredFrame> frames)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(frames);
        ArgumentOutOfRangeException.ThrowIfZero(frames.Count);
        return Lead(c =>
        {
            long before = Sql.Scalar(c, LockCounter), row = before;
            if (Sql.First(c, static known => known.GetFieldValue<byte[]>(0), "SELECT hash FROM batches WHERE number = $0", (long)batch.Number) is { } hash) return hash.AsSpan().SequenceEqual(batch.Hash);
            foreach (RestoredFrame frame in frames)
            {
                // The row that is found is the one that a proof can be made of.
                bool isFound = frame.IsFound || Sql.Scalar(c, "SELECT count(*) FROM frames WHERE device = $0 AND sequence = $1 AND found", frame.Log.Device, (long)frame.Sequence) == 0;
                if (isFound) Sql.Execute(c, "UPDATE frames SET found = false WHERE device = $0 AND sequence = $1 AND found", frame.Log.Device, (long)frame.Sequence);
                Sql.Execute(c, "INSERT INTO frames (row, device, sequence, received_ms, found, frame) VALUES ($0, $1, $2, $3, $4, $5)",
                    ++row, frame.Log.Device, (long)frame.Sequence, frame.ReceivedMs, isFound, frame.Frame.ToArray());
            }

            Insert(c, batch with { FirstRow = before + 1, LastRow = row, Skipped = [], RecutOf = 0 });
            if (ReadCutRow(c) == before) SaveCutRow(c, row);
            Sql.Execute(c, "UPDATE store_state SET value = $0 WHERE key = 'last_row'", row);
            return true;
        });
    }

    /// <inheritdoc/>
    public long CutRow => _database.Read(ReadCutRow);

    /// <inheritdoc/>
    public Task SaveCutRowAsync(long row) => Lead(c => SaveCutRow(c, row));

    /// <inheritdoc/>
    public (long First, long Last)? NextRange(long row) => _database.Read(c =>
        Sql.Rows(c, static r => (r.GetInt64(0), r.GetInt64(1)), "SELECT first_row, last_row FROM batches WHERE first_row >= $0 ORDER BY first_row LIMIT 1", row) is [var next] ? next : ((long, long)?)null);

    /// <inheritdoc/>
    public StoredBatch? BatchOfBody(byte[] framesHash) => _database.Read(c => Sql.First(c, Batch, SelectBatch + "WHERE frames_hash = $0 LIMIT 1", framesHash));

    /// <inheritdoc/>
    public StoredBatch? RecutOf(ulong number) => _database.Read(c => Sql.First(c, Batch, SelectBatch + "WHERE recut_of = $0 AND recut_of > 0", (long)number));

    /// <inheritdoc/>
    public StoredBatch? LastBatch() => _database.Read(c => Sql.First(c, Batch, SelectBatch + "ORDER BY number DESC LIMIT 1"));

    /// <inheritdoc/>
    public StoredBatch? BatchAt(ulong number) => _database.Read(c => Sql.First(c, Batch, SelectBatch + "WHERE number = $0", (long)number));

    /// <inheritdoc/>
    public ulong FirstMissingBatch(ulong from) => _database.Read(c => Sql.Scalar(c, "SELECT count(*) FROM batches WHERE number = $0", (long)from) == 0
        ? from
        : (ulong)Sql.Scalar(c, "SELECT number + 1 FROM batches AS b WHERE number >= $0 AND NOT EXISTS (SELECT 1 FROM batches WHERE number = b.number + 1) ORDER BY number LIMIT 1", (long)from));

    /// <inheritdoc/>
    public List<StoredBatch> Batches(ulong fromNumber, int count) => _database.Read(c => Sql.Rows(c, Batch,
        SelectBatch + "WHERE number >= $0 ORDER BY number LIMIT $1", (long)fromNumber, Math.Clamp(count, 0, FrameLog.ReadFramesMax)));

    /// <inheritdoc/>
    public StoredBatch? BatchOf(long row) => _database.Read(c =>
    {
        // Ranges do not overlap, except that a batch cut again has the range of the one it was cut from.
        long first = Sql.Scalar(c, "SELECT max(first_row) FROM batches WHERE first_row <= $0", row);
        return Sql.Rows(c, Batch, SelectBatch + "WHERE first_row = $0 ORDER BY number DESC", first).Find(batch => batch.Contains(row));
    });

    /// <inheritdoc/>
    public Task<bool> SaveEquivocationAsync(int device, ulong sequence, long receivedMs, byte[] first, byte[] second) => Task.Run(() => _database.Write(c =>
    {
        if (Sql.Scalar(c, "SELECT count(*) FROM evidence") >= _options.EvidenceMax
            || Sql.Scalar(c, "SELECT count(*) FROM evidence WHERE device = $0", device) >= _options.EvidencePerDeviceMax
            || Sql.Scalar(c, "SELECT count(*) FROM evidence WHERE device = $0 AND sequence = $1 AND second = $2", device, (long)sequence, second) > 0) return false;
        Sql.Execute(c, "INSERT INTO evidence (device, sequence, received_ms, first, second) VALUES ($0, $1, $2, $3, $4)", device, (long)sequence, receivedMs, first, second);
        return true;
    }));

    /// <inheritdoc/>
    public List<StoredEquivocation> Equivocations(long fromId, int count) => _database.Read(c => Sql.Rows(c,
        static r => new StoredEquivocation(r.GetInt64(0), r.GetInt32(1), (ulong)r.GetInt64(2), r.GetInt64(3), r.GetFieldValue<byte[]>(4), r.GetFieldValue<byte[]>(5)),
        "SELECT id, device, sequence, received_ms, first, second FROM evidence WHERE id >= $0 ORDER BY id LIMIT $1", fromId, Math.Clamp(count, 0, FrameLog.ReadFramesMax)));

    private Task<T> Lead<T>(Func<NpgsqlConnection, T> changes) => Task.Run(() => _database.Write(c =>
    {
        _lease?.Check(c);
        return changes(c);
    }));

    private static long ReadCutRow(NpgsqlConnection c) => Sql.Scalar(c, "SELECT value FROM store_state WHERE key = 'cut_row'");

    private static int SaveCutRow(NpgsqlConnection c, long row) => Sql.Execute(c, "UPDATE store_state SET value = greatest(value, $0) WHERE key = 'cut_row'", row);

    private static void Insert(NpgsqlConnection c, StoredBatch batch) => Sql.Execute(c,
        "INSERT INTO batches (number, first_row, last_row, gateway, previous, root, samples, first_received_ms, last_received_ms, body, hash, frames_hash, skipped, recut_of) " +
        "VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
        (long)batch.Number, batch.FirstRow, batch.LastRow, batch.Gateway, batch.Previous, batch.Root, (long)batch.Samples, (long)batch.FirstReceivedMs, (long)batch.LastReceivedMs, batch.Body, batch.Hash,
        batch.FramesHash, SkippedRows.Write(batch.Skipped, batch.FirstRow), (long)batch.RecutOf);

    private static StoredFrame Frame(DbDataReader r) => new(r.GetInt64(0), r.GetInt32(1), r.GetInt64(2), r.GetFieldValue<byte[]>(3));

    private static StoredBatch Batch(DbDataReader r) => new((ulong)r.GetInt64(0), r.GetInt64(1), r.GetInt64(2), r.GetFieldValue<byte[]>(3), r.GetFieldValue<byte[]>(4),
        r.GetFieldValue<byte[]>(5), (uint)r.GetInt64(6), (ulong)r.GetInt64(7), (ulong)r.GetInt64(8), r.GetFieldValue<byte[]>(9), r.GetFieldValue<byte[]>(10))
    {
        FramesHash = r.GetFieldValue<byte[]>(11), Skipped = SkippedRows.Read(r.GetFieldValue<byte[]>(12), r.GetInt64(1)), RecutOf = (ulong)r.GetInt64(13),
    };
}

using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>
/// Typed rows beside the frames: devices, batches, evidence of equivocation. Every Save may be repeated
/// with the same content. Stages with needs of their own add tables through <see cref="WriteAsync{T}"/> and <see cref="Read{T}"/>.
/// </summary>
public sealed partial class FrameLog
{
    /// <summary>Registered devices in the store.</summary>
    public int DeviceCount => Volatile.Read(ref deviceCount);

    /// <summary>Inserts or updates a device; gives its integer, or 0 when <see cref="FrameLogOptions.DevicesMax"/> are there already.</summary>
    public async Task<int> SaveDeviceAsync(RegisteredDevice device)
    {
        (int id, int count) = await WriteAsync(connection =>
        {
            byte[] key = device.Id.ToArray();
            int known = (int)Sql.Scalar(connection, "SELECT id FROM devices WHERE device_id = $0", key);
            int total = (int)Sql.Scalar(connection, "SELECT count(*) FROM devices");
            if (known == 0 && total >= options.DevicesMax)
                return (0, total);
            Sql.Execute(connection,
                "INSERT INTO devices (device_id, public_key, key_kind, owner, registered_at, revoked_at) VALUES ($0, $1, $2, $3, $4, $5) ON CONFLICT (device_id) DO UPDATE SET " +
                "public_key = excluded.public_key, key_kind = excluded.key_kind, owner = excluded.owner, registered_at = excluded.registered_at, revoked_at = max(revoked_at, excluded.revoked_at)",
                key, device.PublicKey.ToArray(), (int)device.KeyKind, device.Owner.ToArray(), (long)device.RegisteredAt, (long)device.RevokedAt);
            return known != 0 ? (known, total) : ((int)Sql.Scalar(connection, "SELECT id FROM devices WHERE device_id = $0", key), total + 1);
        }, whenFull: true).ConfigureAwait(false);
        Volatile.Write(ref deviceCount, count);
        return id;
    }

    /// <summary>All devices with their integers.</summary>
    public List<(int Id, RegisteredDevice Device)> Devices() => Read(connection => Sql.Rows(connection,
        static row => (row.GetInt32(0), new RegisteredDevice(new DeviceIdValue((byte[])row.GetValue(1)), (byte[])row.GetValue(2), row.GetByte(3), (byte[])row.GetValue(4), (ulong)row.GetInt64(5), (ulong)row.GetInt64(6))),
        "SELECT id, device_id, public_key, key_kind, owner, registered_at, revoked_at FROM devices WHERE length(public_key) > 0 ORDER BY id"));

    /// <summary>
    /// Saves a batch before anything of it leaves, and that the rows up to its last are done, unless it is one cut again.
    /// False when another batch with the number is there: then nothing changed.
    /// </summary>
    public Task<bool> SaveBatchAsync(StoredBatch batch) => WriteAsync(connection =>
    {
        Insert(connection, batch);
        bool saved = Sql.Scalar(connection, "SELECT count(*) FROM batches WHERE number = $0 AND hash = $1 AND first_row = $2 AND last_row = $3", (long)batch.Number, batch.Hash, batch.FirstRow, batch.LastRow) == 1;
        if (saved && batch.RecutOf == 0)
            SaveCutRow(connection, batch.LastRow);
        return saved;
    }, whenFull: true);

    /// <summary>The last row that was looked at for a batch: those up to it are in one, or were left out for good.</summary>
    public long CutRow => Read(ReadCutRow);

    /// <summary>Notes that the rows up to one are in batches, or left out. Never goes back.</summary>
    public Task SaveCutRowAsync(long row) => WriteAsync(connection => SaveCutRow(connection, row), whenFull: true);

    /// <summary>Commits one small row, even at the disk budget: shows that the disk still takes something and keeps it.</summary>
    public Task ProveAsync()
    {
        long nowMs = time.GetUtcNow().ToUnixTimeMilliseconds();
        return WriteAsync(connection => Sql.Execute(connection, "INSERT OR REPLACE INTO meta (key, value) VALUES ('proved_ms', $0)", nowMs), whenFull: true);
    }

    private static long ReadCutRow(SqliteConnection connection) => Sql.Scalar(connection, "SELECT value FROM meta WHERE key = 'cut_row'");

    private static int SaveCutRow(SqliteConnection connection, long row) =>
        Sql.Execute(connection, "INSERT INTO meta VALUES ('cut_row', $0) ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)", row);

    private static void Insert(SqliteConnection connection, StoredBatch batch) => Sql.Execute(connection,
            "INSERT OR IGNORE INTO batches (number, first_row, last_row, gateway, previous, root, samples, first_received_ms, last_received_ms, body, hash, frames_hash, skipped, recut_of) VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            (long)batch.Number, batch.FirstRow, batch.LastRow, batch.Gateway, batch.Previous, batch.Root, (long)batch.Samples, (long)batch.FirstReceivedMs, (long)batch.LastReceivedMs, batch.Body, batch.Hash,
            batch.FramesHash, SkippedRows.Write(batch.Skipped, batch.FirstRow), (long)batch.RecutOf);

    /// <summary>The range of the batch that begins at or after a row, the lowest; null when there is none. Ahead of what is cut there are only batches that came back.</summary>
    public (long First, long Last)? NextRange(long row) => Read(connection =>
        Sql.Rows(connection, static range => (range.GetInt64(0), range.GetInt64(1)), "SELECT first_row, last_row FROM batches WHERE first_row >= $0 ORDER BY first_row LIMIT 1", row) is [var next] ? next : ((long, long)?)null);

    /// <summary>The batch whose encoded body has this SHA-256, or null.</summary>
    public StoredBatch? BatchOfBody(byte[] framesHash) => Read(connection => Sql.First(connection, Batch, SelectBatch + "WHERE frames_hash = $0 LIMIT 1", framesHash));

    /// <summary>The batch that holds what was left of a void one, or null.</summary>
    public StoredBatch? RecutOf(ulong number) => Read(connection => Sql.First(connection, Batch, SelectBatch + "WHERE recut_of = $0 AND recut_of > 0", (long)number));

    /// <summary>The last batch, or null.</summary>
    public StoredBatch? LastBatch() => Read(connection => Sql.First(connection, Batch, SelectBatch + "ORDER BY number DESC LIMIT 1"));

    /// <summary>The batch with a number, or null.</summary>
    public StoredBatch? BatchAt(ulong number) => Read(connection => Sql.First(connection, Batch, SelectBatch + "WHERE number = $0", (long)number));

    /// <summary>The lowest number from this one on that no batch has: reads on until there is a hole.</summary>
    public ulong FirstMissingBatch(ulong from) => Read(connection => Sql.Scalar(connection, "SELECT count(*) FROM batches WHERE number = $0", (long)from) == 0
        ? from
        : (ulong)Sql.Scalar(connection, "SELECT number + 1 FROM batches AS b WHERE number >= $0 AND NOT EXISTS (SELECT 1 FROM batches WHERE number = b.number + 1) ORDER BY number LIMIT 1", (long)from));

    /// <summary>Batches from a number on, ascending.</summary>
    public List<StoredBatch> Batches(ulong fromNumber, int count) => Read(connection => Sql.Rows(connection, Batch,
        SelectBatch + "WHERE number >= $0 ORDER BY number LIMIT $1", (long)fromNumber, Math.Clamp(count, 0, ReadFramesMax)));

    /// <summary>The newest batch a row is in, or null when it is in none (yet).</summary>
    public StoredBatch? BatchOf(long row) => Read(connection =>
    {
        // Ranges do not overlap, except that a batch cut again has the range of the one it was cut from.
        long first = Sql.Scalar(connection, "SELECT max(first_row) FROM batches WHERE first_row <= $0", row);
        return Sql.Rows(connection, Batch, SelectBatch + "WHERE first_row = $0 ORDER BY number DESC", first).Find(batch => batch.Contains(row));
    });

    /// <summary>The batches that have rows in a range, those cut again as well, by their first rows.</summary>
    public List<StoredBatch> BatchesOver(long firstRow, long lastRow) => Read(connection => Sql.Rows(connection, Batch,
        SelectBatch + "WHERE first_row BETWEEN $0 AND $1 AND last_row >= $2 ORDER BY first_row, number", firstRow - Evidence.EvidenceLimits.BatchFramesMax, lastRow, firstRow));

    /// <summary>Forgets batches whose frames the disk lost: they come back from peers, or are cut anew from after <paramref name="cutRow"/> on.</summary>
    public Task ForgetBatchesAsync(ulong firstNumber, ulong lastNumber, long? cutRow) => WriteAsync(connection =>
    {
        int gone = Sql.Execute(connection, "DELETE FROM batches WHERE number BETWEEN $0 AND $1", (long)firstNumber, (long)lastNumber);
        return cutRow is { } row ? gone + Sql.Execute(connection, "UPDATE meta SET value = min(value, $0) WHERE key = 'cut_row'", row) : gone;
    }, whenFull: true);

    /// <summary>Keeps two frames that contradict each other. False when it is kept already or one of the limits is reached.</summary>
    public async Task<bool> SaveEquivocationAsync(int device, ulong sequence, long receivedMs, byte[] first, byte[] second)
    {
        bool added = await WriteAsync(connection =>
        {
            if (Interlocked.Read(ref evidenceCount) >= options.EvidenceMax
                || Sql.Scalar(connection, "SELECT count(*) FROM evidence WHERE device = $0", device) >= options.EvidencePerDeviceMax
                || Sql.Scalar(connection, "SELECT count(*) FROM evidence WHERE device = $0 AND sequence = $1 AND second = $2", device, (long)sequence, second) > 0)
                return false;
            Sql.Execute(connection, "INSERT INTO evidence (device, sequence, received_ms, first, second) VALUES ($0, $1, $2, $3, $4)", device, (long)sequence, receivedMs, first, second);
            return true;
        }).ConfigureAwait(false);
        if (added)
            Interlocked.Increment(ref evidenceCount);
        return added;
    }

    /// <summary>Kept equivocations from an id on, ascending.</summary>
    public List<StoredEquivocation> Equivocations(long fromId, int count) => Read(connection => Sql.Rows(connection,
        static row => new StoredEquivocation(row.GetInt64(0), row.GetInt32(1), (ulong)row.GetInt64(2), row.GetInt64(3), (byte[])row.GetValue(4), (byte[])row.GetValue(5)),
        "SELECT id, device, sequence, received_ms, first, second FROM evidence WHERE id >= $0 ORDER BY id LIMIT $1", fromId, Math.Clamp(count, 0, ReadFramesMax)));

    private const string SelectBatch = "SELECT number, first_row, last_row, gateway, previous, root, samples, first_received_ms, last_received_ms, body, hash, frames_hash, skipped, recut_of FROM batches ";

    private static StoredBatch Batch(SqliteDataReader row) => new((ulong)row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), (byte[])row.GetValue(3), (byte[])row.GetValue(4),
        (byte[])row.GetValue(5), (uint)row.GetInt64(6), (ulong)row.GetInt64(7), (ulong)row.GetInt64(8), (byte[])row.GetValue(9), (byte[])row.GetValue(10))
    {
        FramesHash = (byte[])row.GetValue(11), Skipped = SkippedRows.Read((byte[])row.GetValue(12), row.GetInt64(1)), RecutOf = (ulong)row.GetInt64(13),
    };
}

using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Store;

/// <summary>
/// The tables. The arrival log `frames` is keyed by rowid and has no index: one row costs its own bytes and little more, so
/// an SD card lasts (a 20-byte key per row writes 12 times as much). (device, sequence) is found through `frame_index`,
/// one row per <see cref="DeviceLog.BlockFramesMax"/> frames of a device, and `device_state`, both rebuilt from the log at any time. Frames that came back
/// after later ones of their device had been taken are in `late_frames`, written with them: normally there are none.
/// </summary>
internal static class StoreSchema
{
    public const int Version = 3;

    // "DePN": tells our database from any other SQLite file (PRAGMA application_id).
    public const int ApplicationId = 0x4465504E;

    private const string Tables = """
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS devices (
            id INTEGER PRIMARY KEY, device_id BLOB NOT NULL UNIQUE, public_key BLOB NOT NULL, key_kind INTEGER NOT NULL,
            owner BLOB NOT NULL, registered_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS partitions (first_row INTEGER PRIMARY KEY, last_row INTEGER NOT NULL, format INTEGER NOT NULL, dropped INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS lost_rows (first_row INTEGER PRIMARY KEY, last_row INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS frame_index (
            device INTEGER NOT NULL, first_sequence INTEGER NOT NULL, last_sequence INTEGER NOT NULL, first_row INTEGER NOT NULL,
            frames INTEGER NOT NULL, entries BLOB NOT NULL, PRIMARY KEY (device, first_sequence)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS device_state (
            device INTEGER PRIMARY KEY, last_sequence INTEGER NOT NULL, last_row INTEGER NOT NULL, first_sequence INTEGER NOT NULL,
            first_row INTEGER NOT NULL, frames INTEGER NOT NULL, entries BLOB NOT NULL);
        CREATE TABLE IF NOT EXISTS late_frames (device INTEGER NOT NULL, sequence INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (device, sequence)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS batches (
            number INTEGER PRIMARY KEY, first_row INTEGER NOT NULL, last_row INTEGER NOT NULL, gateway BLOB NOT NULL, previous BLOB NOT NULL,
            root BLOB NOT NULL, samples INTEGER NOT NULL, first_received_ms INTEGER NOT NULL, last_received_ms INTEGER NOT NULL,
            body BLOB NOT NULL, hash BLOB NOT NULL, frames_hash BLOB NOT NULL, skipped BLOB NOT NULL, recut_of INTEGER NOT NULL);
        CREATE INDEX IF NOT EXISTS batches_rows ON batches (first_row, number);
        CREATE INDEX IF NOT EXISTS batches_frames_hash ON batches (frames_hash);
        CREATE UNIQUE INDEX IF NOT EXISTS batches_recut_of ON batches (recut_of) WHERE recut_of > 0;
        CREATE TABLE IF NOT EXISTS evidence (
            id INTEGER PRIMARY KEY, device INTEGER NOT NULL, sequence INTEGER NOT NULL, received_ms INTEGER NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL);
        CREATE INDEX IF NOT EXISTS evidence_device ON evidence (device, sequence);
        """;

    /// <summary>Makes the tables in a new database; refuses another program's or a newer one.</summary>
    public static void Apply(SqliteConnection connection, string path)
    {
        long version = Sql.Scalar(connection, "PRAGMA user_version");
        long application = Sql.Scalar(connection, "PRAGMA application_id");
        bool isNew = version == 0 && application == 0 && Sql.Scalar(connection, "SELECT count(*) FROM sqlite_master") == 0;
        if (!isNew && application != ApplicationId)
            throw new StoreException(StoreFault.Corrupt, $"{path} is an SQLite database of another program: give the gateway a file of its own.");
        if (!isNew && version < Version)
            throw new StoreException(StoreFault.Version, $"{path} has schema {version}, from before gateways formed a network: its batches are signed otherwise. Start with a new data folder, or keep the older gateway.");
        if (version > Version)
            throw new StoreException(StoreFault.Version, $"{path} has schema {version}, this gateway knows {Version}: install the newer gateway again, or restore the backup taken before it.");
        if (!isNew)
            return;
        Sql.Execute(connection, "BEGIN IMMEDIATE");
        Sql.Execute(connection, Tables);
        Sql.Execute(connection, $"PRAGMA application_id = {ApplicationId}");
        Sql.Execute(connection, $"PRAGMA user_version = {Version}");
        Sql.Execute(connection, "COMMIT");
    }
}

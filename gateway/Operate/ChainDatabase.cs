using System.Data.Common;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Operate;

/// <summary>
/// <c>chain.db</c>: what this gateway read from the chain and what it signed for it (registry and ledger events,
/// certificates, anchors, transactions). A file of its own, apart from the frames, so that neither load nor damage of
/// one touches the other. SQLite WAL with synchronous=FULL: a completed <see cref="Write"/> survives a power cut.
/// One connection under one lock: a few small writes per epoch. Processes that share an identity have the same tables in
/// PostgreSQL (<see cref="Store.Postgres.PostgresChain"/>).
/// </summary>
public abstract class ChainDatabase : IDisposable
{
    /// <summary>The file's name in the data folder.</summary>
    public const string FileName = "chain.db";

    private const int SchemaVersion = 4;
    private const int ApplicationId = 0x44654343; // "DeCC": tells this file from any other SQLite database

    private const string Schema = """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE checkpoints (block INTEGER PRIMARY KEY, hash BLOB NOT NULL);
        CREATE TABLE device_events (
            block INTEGER NOT NULL, position INTEGER NOT NULL, device BLOB NOT NULL, kind INTEGER NOT NULL,
            public_key BLOB NOT NULL, key_kind INTEGER NOT NULL, owner BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (block, position)) WITHOUT ROWID;
        CREATE INDEX device_events_device ON device_events (device, block, position);
        CREATE TABLE gateway_sets (block INTEGER NOT NULL, version INTEGER PRIMARY KEY, signers BLOB NOT NULL, at INTEGER NOT NULL);
        CREATE TABLE gateway_records (
            block INTEGER NOT NULL, position INTEGER NOT NULL, gateway BLOB NOT NULL, tls_key_hash BLOB NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (block, position)) WITHOUT ROWID;
        CREATE INDEX gateway_records_gateway ON gateway_records (gateway, block, position);
        CREATE TABLE ledger (
            ordinal INTEGER PRIMARY KEY, epoch INTEGER NOT NULL UNIQUE, hash BLOB NOT NULL UNIQUE, header BLOB NOT NULL,
            block INTEGER NOT NULL, transaction_hash BLOB NOT NULL);
        CREATE INDEX ledger_block ON ledger (block);
        CREATE TABLE attempts (
            id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, anchor BLOB NOT NULL, nonce INTEGER NOT NULL, max_fee TEXT NOT NULL, priority_fee TEXT NOT NULL,
            gas_limit INTEGER NOT NULL, saved_ms INTEGER NOT NULL, sent_ms INTEGER NOT NULL, raw BLOB NOT NULL);
        CREATE INDEX attempts_anchor ON attempts (anchor, id);
        """;

    /// <summary>All tables of a new database, in SQLite's dialect.</summary>
    internal const string Tables = $"{Schema} {Peer.NetworkLog.Schema} {Peer.NetworkLog.SchemaSince3} {SchemaSince4}";

    /// <summary>What schema 4 added: lengths of epochs, device batches, and what was made of evidence.</summary>
    private const string SchemaSince4 = $"""
        CREATE TABLE epoch_segments (block INTEGER NOT NULL, first_epoch INTEGER PRIMARY KEY, start_s INTEGER NOT NULL, seconds INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE device_batches (
            block INTEGER NOT NULL, number INTEGER PRIMARY KEY, owner BLOB NOT NULL, root BLOB NOT NULL, count INTEGER NOT NULL, profile INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
        {Dispute.DisputeLog.Schema}
        {Dispute.CaseLog.Schema}
        """;

    /// <summary>Seconds that a gateway which is just ending is waited for at the start; while one runs, the file is its alone.</summary>
    private const int BusyS = 5;

    /// <summary>Opens or creates the file. Throws <see cref="SettingsException"/> when it is damaged, newer, or another program's.</summary>
    public static ChainDatabase Open(string folder)
    {
        string path = System.IO.Path.Combine(folder, FileName);
        SQLitePCL.Batteries_V2.Init();
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = BusyS }.ConnectionString);
        try
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA locking_mode = EXCLUSIVE"); // one process: a second gateway on the same folder would sign twice
            Sql.Execute(connection, "PRAGMA journal_mode = WAL");
            Sql.Execute(connection, "PRAGMA synchronous = FULL");
            long application = Sql.Scalar(connection, "PRAGMA application_id"), version = Sql.Scalar(connection, "PRAGMA user_version");
            if (application == 0 && Sql.Scalar(connection, "SELECT count(*) FROM sqlite_master") == 0)
                Sql.Execute(connection, $"BEGIN IMMEDIATE; {Tables} PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {SchemaVersion}; COMMIT");
            else if (application != ApplicationId)
                throw new SettingsException($"{path} is another program's database. Give the gateway a data folder of its own (--data).");
            else if (version is 2 or 3)
                Sql.Execute(connection, $"BEGIN IMMEDIATE; {(version == 2 ? Peer.NetworkLog.SchemaSince3 : "")} {SchemaSince4} PRAGMA user_version = {SchemaVersion}; COMMIT");
            else if (version != SchemaVersion)
                throw new SettingsException($"{path} has schema {version}; this gateway knows {SchemaVersion}. Install the gateway version that wrote it.");
            return new ChainFile(connection);
        }
        catch (SqliteException fault)
        {
            connection.Dispose();
            throw new SettingsException(fault.SqliteErrorCode is 5 or 6 // SQLITE_BUSY, SQLITE_LOCKED
                ? $"{path} is in use by another process. Two gateways must not share a data folder: stop the other one."
                : $"{path} cannot be used ({fault.Message}). Restore it from your backup; if there is none, move it away: registry and ledger are read again from the chain, certificates are signed again from frames.db, and what is anchored already is recognised.");
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Runs a query.</summary>
    public abstract T Read<T>(Func<DbConnection, T> query);

    /// <summary>Runs the changes in one transaction, durable when this returns; all or nothing.</summary>
    public abstract void Write(Action<DbConnection> changes);

    /// <summary>A remembered text, or null.</summary>
    public string? Recall(string key) => Read(c => Sql.First(c, r => r.GetString(0), "SELECT value FROM meta WHERE key = $0", key));

    /// <summary>Remembers a text durably.</summary>
    public virtual void Remember(string key, string value) => Write(c => Remember(c, key, value));

    /// <summary>The same in a transaction.</summary>
    protected static void Remember(DbConnection c, string key, string value) =>
        Sql.Execute(c, "INSERT INTO meta VALUES ($0, $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the connection.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    private sealed class ChainFile(SqliteConnection connection) : ChainDatabase
    {
        private readonly Lock _gate = new();

        public override T Read<T>(Func<DbConnection, T> query)
        {
            lock (_gate) return query(connection);
        }

        public override void Write(Action<DbConnection> changes)
        {
            lock (_gate)
            {
                Sql.Execute(connection, "BEGIN IMMEDIATE");
                try
                {
                    changes(connection);
                    Sql.Execute(connection, "COMMIT");
                }
                catch
                {
                    // SQLite itself rolls back on some errors (disk full); a second ROLLBACK would hide the first fault.
                    if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) == 0) Sql.Execute(connection, "ROLLBACK");
                    throw;
                }
            }
        }

        protected override void Dispose(bool disposing) => connection.Dispose();
    }
}

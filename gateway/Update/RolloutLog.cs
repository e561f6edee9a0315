using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Gateway.Verify;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Update;

/// <summary>
/// <c>updates.db</c>: what devices said last, roll-outs and their members. A file of its own, apart from the frames. SQLite WAL with synchronous=FULL:
/// what <see cref="Write"/> has returned from survives a power cut. Used under the stage's lock.
/// </summary>
public sealed class RolloutLog : IRolloutLog, IDisposable
{
    /// <summary>The file's name in the data folder.</summary>
    public const string FileName = "updates.db";

    private const int SchemaVersion = 1;
    private const int ApplicationId = 0x44655570; // "DeUp"

    private const string Schema = """
        CREATE TABLE reports (
            device BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, running INTEGER NOT NULL, offered INTEGER NOT NULL, prefix INTEGER NOT NULL, state INTEGER NOT NULL,
            error INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, version TEXT NOT NULL, board TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE rollouts (
            id TEXT PRIMARY KEY, board TEXT NOT NULL, release INTEGER NOT NULL, version TEXT NOT NULL, hash TEXT NOT NULL, stages TEXT NOT NULL, confirmed TEXT NOT NULL,
            failed TEXT NOT NULL, soak_s INTEGER NOT NULL, lost_s INTEGER NOT NULL, state INTEGER NOT NULL, stage INTEGER NOT NULL, stage_ms INTEGER NOT NULL, soak_ms INTEGER NOT NULL,
            forgiven INTEGER NOT NULL, reason TEXT NOT NULL, started_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE members (
            rollout TEXT NOT NULL, device BLOB NOT NULL, state INTEGER NOT NULL, reason TEXT NOT NULL, offered_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
            PRIMARY KEY (rollout, device)) WITHOUT ROWID;
        """;

    private readonly SqliteConnection _connection;

    private RolloutLog(SqliteConnection connection) => _connection = connection;

    /// <summary>Opens or creates the file. Throws <see cref="SettingsException"/> when it is damaged, newer, or another program's.</summary>
    public static RolloutLog Open(string folder)
    {
        string path = Path.Combine(folder, FileName);
        SQLitePCL.Batteries_V2.Init();
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ConnectionString);
        try
        {
            connection.Open();
            Sql.Execute(connection, "PRAGMA locking_mode = EXCLUSIVE");
            Sql.Execute(connection, "PRAGMA journal_mode = WAL");
            Sql.Execute(connection, "PRAGMA synchronous = FULL");
            long application = Sql.Scalar(connection, "PRAGMA application_id"), version = Sql.Scalar(connection, "PRAGMA user_version");
            if (application == 0 && Sql.Scalar(connection, "SELECT count(*) FROM sqlite_master") == 0)
                Sql.Execute(connection, $"BEGIN IMMEDIATE; {Schema} PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {SchemaVersion}; COMMIT");
            else if (application != ApplicationId || version != SchemaVersion)
                throw new SettingsException($"{path} is another program's or a newer gateway's. Move it away: devices report again, roll-outs are started again.");
            return new RolloutLog(connection);
        }
        catch (SqliteException fault)
        {
            connection.Dispose();
            throw new SettingsException($"{path} cannot be used ({fault.Message}). Move it away: devices report again, roll-outs are started again.");
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public RolloutContent Read() => new(
        Sql.Rows(_connection, r => new DeviceReport(Device(r, 0), r.GetInt64(1), (uint)r.GetInt64(2), (uint)r.GetInt64(3), (ulong)r.GetInt64(4), (byte)r.GetInt64(5), (byte)r.GetInt64(6),
            (uint)r.GetInt64(7), (uint)r.GetInt64(8), r.GetString(9), r.GetString(10)), "SELECT device, at_ms, running, offered, prefix, state, error, done, total, version, board FROM reports"),
        Sql.Rows(_connection, r => new Rollout(r.GetString(0), r.GetString(1), (uint)r.GetInt64(2), r.GetString(3), r.GetString(4),
            new RolloutPlan(RolloutPlan.ParseStages(r.GetString(5), out _)!, Portion(r.GetString(6)), Portion(r.GetString(7)), (int)r.GetInt64(8), (int)r.GetInt64(9)),
            (RolloutState)r.GetInt64(10), (int)r.GetInt64(11), r.GetInt64(12), r.GetInt64(13) < 0 ? null : r.GetInt64(13), (int)r.GetInt64(14), r.GetString(15), r.GetInt64(16), r.GetInt64(17)),
            "SELECT id, board, release, version, hash, stages, confirmed, failed, soak_s, lost_s, state, stage, stage_ms, soak_ms, forgiven, reason, started_ms, changed_ms FROM rollouts"),
        Sql.Rows(_connection, r => (r.GetString(0), new Member(Device(r, 1), (MemberState)r.GetInt64(2), r.GetString(3), r.GetInt64(4), r.GetInt64(5))),
            "SELECT rollout, device, state, reason, offered_ms, changed_ms FROM members"));

    /// <inheritdoc/>
    public void Write(RolloutChanges changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        Sql.Execute(_connection, "BEGIN IMMEDIATE");
        try
        {
            foreach (DeviceReport r in changes.Reports)
                Sql.Execute(_connection, "INSERT OR REPLACE INTO reports VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", r.Device.ToArray(), r.AtMs, (long)r.Running, (long)r.Offered,
                    (long)r.Prefix, (long)r.State, (long)r.Error, (long)r.Done, (long)r.Total, r.Version, r.Board);
            foreach (Rollout r in changes.Rollouts)
                Sql.Execute(_connection, "INSERT OR REPLACE INTO rollouts VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)", r.Id, r.Board, (long)r.Release,
                    r.Version, r.Hash, r.Plan.StagesText, r.Plan.Confirmed.ToString(), r.Plan.Failed.ToString(), (long)r.Plan.SoakS, (long)r.Plan.LostS, (long)r.State, (long)r.Stage, r.StageMs,
                    r.SoakMs ?? -1L, (long)r.Forgiven, r.Reason, r.StartedMs, r.ChangedMs);
            foreach ((string rollout, Member m) in changes.Members)
                Sql.Execute(_connection, "INSERT OR REPLACE INTO members VALUES ($0, $1, $2, $3, $4, $5)", rollout, m.Device.ToArray(), (long)m.State, m.Reason, m.OfferedMs, m.ChangedMs);
            Sql.Execute(_connection, "COMMIT");
        }
        catch
        {
            if (SQLitePCL.raw.sqlite3_get_autocommit(_connection.Handle) == 0) Sql.Execute(_connection, "ROLLBACK");
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private static DeviceIdValue Device(SqliteDataReader row, int column) => new(row.GetFieldValue<byte[]>(column));

    private static Portion Portion(string text) => Update.Portion.TryParse(text, out Portion portion) ? portion : throw new InvalidDataException($"'{text}' is no share");
}

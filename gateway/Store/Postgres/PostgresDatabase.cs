using System.Data.Common;
using Npgsql;

namespace DePIN.Gateway.Store.Postgres;

/// <summary>
/// The connections to one PostgreSQL database, its schema and what is demanded of its server: it must keep what it says it committed. Refuses a server with
/// <c>fsync</c> or <c>full_page_writes</c> off, another program's tables, a newer schema. Every read and write opens a pooled session.
/// </summary>
public sealed class PostgresDatabase : IDisposable
{
    /// <summary>Of the tables that this gateway makes and reads.</summary>
    public const int SchemaVersion = 1;

    // One key for all that only one process may do at a time: "DePN".
    private const long SchemaLock = 0x4465504E;

    private const string Schema = """
        CREATE TABLE store_state (key text PRIMARY KEY, value bigint NOT NULL);
        INSERT INTO store_state VALUES ('last_row', 0), ('cut_row', 0);
        CREATE SEQUENCE device_changes;
        CREATE TABLE devices (
            id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device_id bytea NOT NULL UNIQUE, public_key bytea NOT NULL, key_kind smallint NOT NULL,
            owner bytea NOT NULL, registered_at bigint NOT NULL, revoked_at bigint NOT NULL, changed bigint NOT NULL);
        CREATE TABLE frames (row bigint PRIMARY KEY, device int NOT NULL, sequence bigint NOT NULL, received_ms bigint NOT NULL, found boolean NOT NULL, frame bytea NOT NULL);
        ALTER TABLE frames ALTER COLUMN frame SET STORAGE PLAIN;
        CREATE UNIQUE INDEX frames_found ON frames (device, sequence) WHERE found;
        CREATE TABLE batches (
            number bigint PRIMARY KEY, first_row bigint NOT NULL, last_row bigint NOT NULL, gateway bytea NOT NULL, previous bytea NOT NULL, root bytea NOT NULL, samples bigint NOT NULL,
            first_received_ms bigint NOT NULL, last_received_ms bigint NOT NULL, body bytea NOT NULL, hash bytea NOT NULL, frames_hash bytea NOT NULL, skipped bytea NOT NULL, recut_of bigint NOT NULL);
        CREATE INDEX batches_rows ON batches (first_row, number);
        CREATE INDEX batches_frames_hash ON batches (frames_hash);
        CREATE UNIQUE INDEX batches_recut_of ON batches (recut_of) WHERE recut_of > 0;
        CREATE TABLE evidence (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device int NOT NULL, sequence bigint NOT NULL, received_ms bigint NOT NULL, first bytea NOT NULL, second bytea NOT NULL);
        CREATE INDEX evidence_device ON evidence (device, sequence);
        CREATE TABLE leader (id int PRIMARY KEY CHECK (id = 1), term bigint NOT NULL, holder text NOT NULL, until timestamptz NOT NULL);
        INSERT INTO leader VALUES (1, 0, '', '-infinity');
        """;

    // What makes a server forget commits, as "setting = value"; the tables of this schema; ours among them; and what wrote them.
    private const string Unsafe = "SELECT coalesce(string_agg(name || ' = ' || setting, ', '), '') FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'";
    private const string Tables = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";
    private const string OurTables = Tables + " AND relname = 'store_state'";
    private const string Written = "SELECT value FROM store_state WHERE key = 'schema'";

    private readonly NpgsqlDataSource _source;

    private PostgresDatabase(PostgresOptions options, NpgsqlDataSource source) => (Options, _source) = (options, source);

    /// <summary>Which database.</summary>
    public PostgresOptions Options { get; }

    /// <summary>Connects, checks the server, makes the tables of a new database. Throws <see cref="StoreException"/> with what to do next.</summary>
    /// <param name="options">Which database.</param>
    /// <param name="chainSchema">The tables of the chain's records, in PostgreSQL's dialect.</param>
    public static PostgresDatabase Open(PostgresOptions options, string chainSchema)
    {
        ArgumentNullException.ThrowIfNull(options);
        NpgsqlSlimDataSourceBuilder builder = new(options.Connection.ConnectionString);
        builder.EnableArrays();
        builder.EnableTransportSecurity();
        PostgresDatabase database = new(options, builder.Build());
        try
        {
            database.Prepare(chainSchema);
            return database;
        }
        catch (Exception fault)
        {
            database.Dispose();
            throw fault is DbException or IOException or TimeoutException ? database.Fault(fault) : fault;
        }
    }

    /// <summary>Looks at a database without changing it: its server's version, the schema (null: no tables yet), and what makes it no store of a gateway (else empty).</summary>
    /// <exception cref="DbException">It cannot be reached, or lets this user not in.</exception>
    public static async Task<(string Server, long? Schema, string Missing)> LookAsync(PostgresOptions options, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(options);
        NpgsqlSlimDataSourceBuilder builder = new(options.Connection.ConnectionString);
        builder.EnableTransportSecurity();
        await using NpgsqlDataSource source = builder.Build();
        await using NpgsqlConnection connection = await source.OpenConnectionAsync(cancel).ConfigureAwait(false);
        if (await FirstAsync(Unsafe).ConfigureAwait(false) is string { Length: > 0 } off) return (connection.ServerVersion, null, $"runs with {off}: it would lose what it says it committed");
        if (await FirstAsync(OurTables).ConfigureAwait(false) is 0L)
            return (connection.ServerVersion, null, await FirstAsync(Tables).ConfigureAwait(false) is 0L ? "" : "holds another program's tables");
        return (connection.ServerVersion, (long?)await FirstAsync(Written).ConfigureAwait(false), "");

        async Task<object?> FirstAsync(string sql)
        {
            await using NpgsqlCommand command = new(sql, connection);
            return await command.ExecuteScalarAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>An open session; disposing it gives it back.</summary>
    internal NpgsqlConnection Connect() => _source.OpenConnection();

    /// <summary>Runs a read; once more when the session turned out to be dead.</summary>
    internal T Read<T>(Func<NpgsqlConnection, T> read)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                using NpgsqlConnection connection = Connect();
                return read(connection);
            }
            catch (Exception fault) when (IsLost(fault))
            {
                _source.Clear();
                if (attempt > 0) throw Fault(fault);
            }
        }
    }

    /// <summary>Runs the changes in one transaction. A lost connection leaves it open whether they happened: they must be repeatable.</summary>
    /// <exception cref="StoreException">Full, or Unavailable: not known to be done.</exception>
    internal T Write<T>(Func<NpgsqlConnection, T> changes, bool again = true)
    {
        try
        {
            using NpgsqlConnection connection = Connect();
            using NpgsqlTransaction transaction = connection.BeginTransaction();
            T result = changes(connection);
            transaction.Commit();
            return result;
        }
        catch (Exception fault) when (IsLost(fault) || IsFull(fault))
        {
            _source.Clear();
            // The pool may hold sessions of a server that is gone: repeatable work gets a fresh one before anybody is troubled.
            if (again && IsLost(fault)) return Write(changes, again: false);
            throw Fault(fault);
        }
    }

    internal static bool IsFull(Exception fault) => fault is PostgresException { SqlState: "53100" or "53400" };

    /// <summary>True when the session ended, or the server refuses work for now, so that nothing is known of a commit under way.</summary>
    internal static bool IsLost(Exception fault) => fault is IOException or TimeoutException or ObjectDisposedException
        || (fault is PostgresException answer ? answer.SqlState.StartsWith("57", StringComparison.Ordinal) || answer.SqlState.StartsWith("08", StringComparison.Ordinal) || answer.SqlState.StartsWith("25P", StringComparison.Ordinal)
            || answer.SqlState is "40001" or "40P01" or "55P03" or "53300" : fault is NpgsqlException or InvalidOperationException { InnerException: NpgsqlException });

    internal StoreException Fault(Exception fault) => fault switch
    {
        PostgresException { SqlState: "53100" or "53400" } => new StoreException(StoreFault.Full, $"The disk of {Options.Place} is full: free space there.", fault),
        PostgresException { SqlState: "28P01" or "28000" } => new StoreException(StoreFault.Access, $"{Options.Place} refuses user {Options.Connection.Username} ({((PostgresException)fault).MessageText}): check store.passwordFile (or PGPASSFILE) and pg_hba.conf.", fault),
        PostgresException { SqlState: "3D000" } => new StoreException(StoreFault.Access, $"{Options.Place} is not there: CREATE DATABASE \"{Options.Connection.Database}\" OWNER \"{Options.Connection.Username}\".", fault),
        PostgresException { SqlState: "42501" } => new StoreException(StoreFault.Access, $"{Options.Place}: user {Options.Connection.Username} may not do this ({((PostgresException)fault).MessageText}): make it the database's owner.", fault),
        _ => new StoreException(StoreFault.Unavailable, $"{Options.Place} cannot be asked ({fault.Message}): check that the server runs and can be reached.", fault),
    };

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    private void Prepare(string chainSchema)
    {
        using NpgsqlConnection connection = Connect();
        if (Sql.First(connection, r => r.GetString(0), Unsafe) is { Length: > 0 } off)
            throw new StoreException(StoreFault.Access, $"{Options.Place} runs with {off}: it would lose what it says it committed. Set it to on in postgresql.conf and reload the server.");

        using NpgsqlTransaction transaction = connection.BeginTransaction();
        Sql.Execute(connection, "SELECT pg_advisory_xact_lock($0)", SchemaLock);
        bool isNew = Sql.Scalar(connection, Tables) == 0;
        if (isNew)
        {
            Sql.Execute(connection, Schema);
            Sql.Execute(connection, chainSchema);
            Sql.Execute(connection, "INSERT INTO store_state VALUES ('schema', $0)", (long)SchemaVersion);
        }

        if (Sql.Scalar(connection, OurTables) == 0)
            throw new StoreException(StoreFault.Corrupt, $"{Options.Place} holds another program's tables: give the gateway a database of its own.");
        long version = Sql.Scalar(connection, Written);
        if (version != SchemaVersion)
            throw new StoreException(StoreFault.Version, $"{Options.Place} has schema {version}, this gateway knows {SchemaVersion}: install the gateway version that wrote it.");
        transaction.Commit();
    }
}

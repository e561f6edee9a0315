using System.Data.Common;
using System.Text.RegularExpressions;
using DePIN.Gateway.Operate;

namespace DePIN.Gateway.Store.Postgres;

/// <summary>
/// The records of <c>chain.db</c> in PostgreSQL, shared by the processes of one identity: who takes the lead finds all that was signed before. Every process reads; a
/// write is the leader's, in a transaction that checks its term (<see cref="PostgresLease.Check"/>). The identity itself is remembered by whoever starts first.
/// </summary>
public sealed partial class PostgresChain(PostgresDatabase database, PostgresLease lease) : ChainDatabase
{
    /// <summary>The tables of <see cref="ChainDatabase"/> in PostgreSQL's dialect.</summary>
    public static string Schema => WithoutRowid().Replace(Tables, "")
        .Replace("id INTEGER PRIMARY KEY", "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", StringComparison.Ordinal)
        .Replace("INTEGER", "bigint", StringComparison.Ordinal).Replace("BLOB", "bytea", StringComparison.Ordinal);

    /// <inheritdoc/>
    public override T Read<T>(Func<DbConnection, T> query) => database.Read(query);

    /// <inheritdoc/>
    public override void Write(Action<DbConnection> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        database.Write(c =>
        {
            lease.Check(c);
            changes(c);
            return 0;
        }, again: false);
    }

    /// <inheritdoc/>
    public override void Remember(string key, string value) => database.Write(c =>
    {
        Remember(c, key, value);
        return 0;
    });

    [GeneratedRegex("\\s+WITHOUT ROWID")]
    private static partial Regex WithoutRowid();
}

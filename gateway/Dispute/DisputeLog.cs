using System.Data.Common;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Dispute;

/// <summary>What the dispute stage keeps. Every write is durable when it returns; tests put faults before and after each.</summary>
public interface IDisputeLog
{
    /// <summary>Disputes, the newest first.</summary>
    IReadOnlyList<DisputeRecord> All(int limit);

    /// <summary>Those with something left to do, the oldest first.</summary>
    IReadOnlyList<DisputeRecord> Open(int limit);

    /// <summary>True when the offence has a record.</summary>
    bool Has(Hash32 offence);

    /// <summary>Saves a new one. Must return before its first transaction is sent; does nothing when the offence has one.</summary>
    void Save(DisputeRecord record);

    /// <summary>Saves how far it has come.</summary>
    void Update(DisputeRecord record);
}

/// <summary>Disputes in <c>chain.db</c>.</summary>
public sealed class DisputeLog(ChainDatabase database) : IDisputeLog
{
    /// <summary>Disputes kept; there is at most one an offence, and evidence is bounded where it is found.</summary>
    public const int DisputesMax = 4_096;

    /// <summary>The table; part of the schema of <see cref="ChainDatabase"/>.</summary>
    public const string Schema = """
        CREATE TABLE disputes (
            id INTEGER PRIMARY KEY, offence BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, accused BLOB NOT NULL, subject BLOB NOT NULL, commitment BLOB NOT NULL, report BLOB NOT NULL,
            reporter BLOB NOT NULL, state INTEGER NOT NULL, made_ms INTEGER NOT NULL, made_block INTEGER NOT NULL, sent_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,
            refusals INTEGER NOT NULL, text TEXT NOT NULL);
        """;

    private const string Select = "SELECT kind, accused, subject, commitment, report, reporter, state, made_ms, made_block, sent_ms, attempts, refusals, text FROM disputes";

    /// <inheritdoc/>
    public IReadOnlyList<DisputeRecord> All(int limit) => database.Read(c => Sql.Rows(c, Read, $"{Select} ORDER BY id DESC LIMIT $0", limit));

    /// <inheritdoc/>
    public IReadOnlyList<DisputeRecord> Open(int limit) =>
        database.Read(c => Sql.Rows(c, Read, $"{Select} WHERE state < $0 ORDER BY id LIMIT $1", (long)DisputeState.Judged, limit));

    /// <inheritdoc/>
    public bool Has(Hash32 offence) => database.Read(c => Sql.Scalar(c, "SELECT count(*) FROM disputes WHERE offence = $0", offence.ToArray())) != 0;

    /// <inheritdoc/>
    public void Save(DisputeRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        database.Write(c =>
        {
            if (Sql.Scalar(c, "SELECT count(*) FROM disputes") >= DisputesMax) return;
            Sql.Execute(c, """
                INSERT INTO disputes (offence, kind, accused, subject, commitment, report, reporter, state, made_ms, made_block, sent_ms, attempts, refusals, text)
                VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING
                """, record.Id.ToArray(), (long)record.Kind, record.Accused.ToArray(), record.Subject.ToArray(), record.Commitment.ToArray(), record.Report, Bytes(record.Reporter),
                (long)record.State, record.MadeMs, (long)record.MadeBlock, record.SentMs, (long)record.Attempts, (long)record.Refusals, record.Text);
        });
    }

    /// <inheritdoc/>
    public void Update(DisputeRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        database.Write(c => Sql.Execute(c, "UPDATE disputes SET reporter = $1, state = $2, sent_ms = $3, attempts = $4, refusals = $5, text = $6 WHERE offence = $0",
            record.Id.ToArray(), Bytes(record.Reporter), (long)record.State, record.SentMs, (long)record.Attempts, (long)record.Refusals, record.Text));
    }

    private static byte[] Bytes(Address? reporter) => reporter is { } known ? known.ToArray() : [];

    private static DisputeRecord Read(DbDataReader r) => new(
        (Offence)r.GetInt64(0), new Address(r.GetFieldValue<byte[]>(1)), new Hash32(r.GetFieldValue<byte[]>(2)), new Hash32(r.GetFieldValue<byte[]>(3)), r.GetFieldValue<byte[]>(4),
        r.GetFieldValue<byte[]>(5) is { Length: > 0 } reporter ? new Address(reporter) : null, (DisputeState)r.GetInt64(6), r.GetInt64(7), (ulong)r.GetInt64(8), r.GetInt64(9),
        (int)r.GetInt64(10), (int)r.GetInt64(11), r.GetString(12));
}

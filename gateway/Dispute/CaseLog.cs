using System.Data.Common;
using System.Globalization;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Dispute;

/// <summary>How a case stands, as far as this gateway knows.</summary>
public enum CaseState
{
    /// <summary>It waits for an answer or for its deadline.</summary>
    Open = 1,

    /// <summary>Its device was registered after all, and the case ended by that.</summary>
    Refuted = 2,

    /// <summary>Nobody answered in time: the accused was slashed.</summary>
    Upheld = 3,

    /// <summary>The contract does not take what this gateway sends; <see cref="CaseRecord.Text"/> says why.</summary>
    Refused = 4,
}

/// <summary>An accusation that a gateway signed for the frame of an unregistered device, as the chain's event says, and what this gateway did about it.</summary>
/// <param name="Id">The contract's name for it.</param>
/// <param name="Device">The device that should not be registered.</param>
/// <param name="Accused">The gateway.</param>
/// <param name="Reporter">Who accuses and put the bond down.</param>
/// <param name="DeadlineS">Last second of the answer, chain time.</param>
/// <param name="Block">The block it was opened in.</param>
/// <param name="State">How it stands.</param>
/// <param name="SeenMs">When this gateway saw it, ms since the Unix epoch.</param>
/// <param name="Sent">The last step that was sent; Wait when none was.</param>
/// <param name="SentMs">When a transaction was sent last; 0 never.</param>
/// <param name="Attempts">Transactions sent.</param>
/// <param name="Refusals">How often the contract said it would refuse.</param>
/// <param name="Text">For a person; empty when there is nothing to say.</param>
public sealed record CaseRecord(
    Hash32 Id, Address Device, Address Accused, Address Reporter, ulong DeadlineS, ulong Block, CaseState State, long SeenMs, CaseAction Sent, long SentMs, int Attempts, int Refusals, string Text);

/// <summary>Cases in <c>chain.db</c>, and up to which block they were looked for. What became of a case the chain says; a record that a reorganisation made wrong is asked about and closed.</summary>
public sealed class CaseLog(ChainDatabase database)
{
    /// <summary>Cases kept; above, closed ones go first, and then no more are taken.</summary>
    public const int CasesMax = 4_096;

    /// <summary>The table; part of the schema of <see cref="ChainDatabase"/>.</summary>
    public const string Schema = """
        CREATE TABLE cases (
            offence BLOB PRIMARY KEY, device BLOB NOT NULL, accused BLOB NOT NULL, reporter BLOB NOT NULL, deadline INTEGER NOT NULL, block INTEGER NOT NULL, state INTEGER NOT NULL,
            seen_ms INTEGER NOT NULL, sent INTEGER NOT NULL, sent_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, refusals INTEGER NOT NULL, text TEXT NOT NULL);
        """;

    private const string CursorKey = "cases.block";
    private const string Select = "SELECT offence, device, accused, reporter, deadline, block, state, seen_ms, sent, sent_ms, attempts, refusals, text FROM cases";

    /// <summary>The last block that was looked at; null before the first.</summary>
    public ulong? Cursor => database.Recall(CursorKey) is { } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : null;

    /// <summary>Cases, the newest first.</summary>
    public IReadOnlyList<CaseRecord> All(int limit) => database.Read(c => Sql.Rows(c, Read, $"{Select} ORDER BY block DESC, offence LIMIT $0", limit));

    /// <summary>Those with something left to do, the earliest deadline first.</summary>
    public IReadOnlyList<CaseRecord> Open(int limit) => database.Read(c => Sql.Rows(c, Read, $"{Select} WHERE state = $0 ORDER BY deadline, offence LIMIT $1", (long)CaseState.Open, limit));

    /// <summary>Saves new cases, then the block up to which they were looked for: a crash in between looks again.</summary>
    public void Save(IReadOnlyList<CaseRecord> cases, ulong upTo)
    {
        ArgumentNullException.ThrowIfNull(cases);
        if (cases.Count > 0)
        {
            database.Write(c =>
            {
                foreach (CaseRecord one in cases)
                {
                    if (Sql.Scalar(c, "SELECT count(*) FROM cases") >= CasesMax)
                        Sql.Execute(c, "DELETE FROM cases WHERE offence IN (SELECT offence FROM cases WHERE state <> $0 ORDER BY block LIMIT 64)", (long)CaseState.Open);
                    if (Sql.Scalar(c, "SELECT count(*) FROM cases") >= CasesMax) return;
                    Sql.Execute(c, "INSERT INTO cases VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
                        one.Id.ToArray(), one.Device.ToArray(), one.Accused.ToArray(), one.Reporter.ToArray(), (long)one.DeadlineS, (long)one.Block, (long)one.State, one.SeenMs, (long)one.Sent, one.SentMs, (long)one.Attempts, (long)one.Refusals, one.Text);
                }
            });
        }

        if (cases.Count > 0 || Cursor is not { } last || upTo >= last + CursorStep) database.Remember(CursorKey, upTo.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Saves how far it has come.</summary>
    public void Update(CaseRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        database.Write(c => Sql.Execute(c, "UPDATE cases SET state = $1, sent = $2, sent_ms = $3, attempts = $4, refusals = $5, text = $6 WHERE offence = $0",
            record.Id.ToArray(), (long)record.State, (long)record.Sent, record.SentMs, (long)record.Attempts, (long)record.Refusals, record.Text));
    }

    /// <summary>Blocks without a case after which the cursor is written all the same.</summary>
    public const ulong CursorStep = 64;

    private static CaseRecord Read(DbDataReader r) => new(
        new Hash32(r.GetFieldValue<byte[]>(0)), new Address(r.GetFieldValue<byte[]>(1)), new Address(r.GetFieldValue<byte[]>(2)), new Address(r.GetFieldValue<byte[]>(3)), (ulong)r.GetInt64(4), (ulong)r.GetInt64(5),
        (CaseState)r.GetInt64(6), r.GetInt64(7), (CaseAction)r.GetInt64(8), r.GetInt64(9), (int)r.GetInt64(10), (int)r.GetInt64(11), r.GetString(12));
}

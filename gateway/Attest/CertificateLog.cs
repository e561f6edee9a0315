using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Attest;

/// <summary>A batch header with a quorum's attestations. Ordinal: the ledger entry that contains it, null while none does.</summary>
public sealed record OwnCertificate(BatchHeader Header, IReadOnlyList<Attestation> Attestations, ulong? Ordinal)
{
    /// <summary>The leaf in an anchor's tree.</summary>
    public Hash32 Hash => Header.Hash();
}

/// <summary>Where the attestor keeps what it signed; tests put faults in between.</summary>
public interface ICertificateLog
{
    /// <summary>The certificate of own batch <paramref name="number"/>, or null.</summary>
    OwnCertificate? Find(ulong number);

    /// <summary>The highest own batch number with a certificate; 0 none.</summary>
    ulong LastNumber { get; }

    /// <summary>Durable when it returns. Throws <see cref="InvalidOperationException"/> when the number has a certificate over another header.</summary>
    void Save(BatchHeader header, IReadOnlyList<Attestation> attestations);
}

/// <summary>Own certificates in <c>chain.db</c>. A number is taken once: a second header under it would be equivocation.</summary>
public sealed class CertificateLog(ChainDatabase database) : ICertificateLog
{
    /// <inheritdoc/>
    public ulong LastNumber => (ulong)database.Read(c => Sql.Scalar(c, "SELECT max(number) FROM certificates"));

    /// <summary>How many wait for an anchor.</summary>
    public long PendingCount => database.Read(c => Sql.Scalar(c, "SELECT count(*) FROM certificates WHERE ordinal IS NULL"));

    /// <summary>The oldest that waits for an anchor, or null.</summary>
    public OwnCertificate? OldestPending => database.Read(c => Sql.First(c, Read, Select + " WHERE ordinal IS NULL ORDER BY number LIMIT 1"));

    private const string Select = "SELECT header, attestations, ordinal FROM certificates";

    /// <inheritdoc/>
    public OwnCertificate? Find(ulong number) => number > long.MaxValue ? null
        : database.Read(c => Sql.First(c, Read, Select + " WHERE number = $0", (long)number));

    /// <summary>Own certificates that ledger entry <paramref name="ordinal"/> contains, in the order of their numbers.</summary>
    public IReadOnlyList<OwnCertificate> InLedgerEntry(ulong ordinal) =>
        database.Read(c => Sql.Rows(c, Read, Select + " WHERE ordinal = $0 ORDER BY number", (long)ordinal));

    /// <inheritdoc/>
    public void Save(BatchHeader header, IReadOnlyList<Attestation> attestations)
    {
        ArgumentNullException.ThrowIfNull(header);
        database.Write(c =>
        {
            byte[] hash = header.Hash().ToArray();
            byte[]? taken = Sql.First(c, r => r.GetFieldValue<byte[]>(0), "SELECT hash FROM certificates WHERE number = $0", (long)header.Number);
            if (taken is not null && !taken.AsSpan().SequenceEqual(hash))
                throw new InvalidOperationException($"batch {header.Number} was already signed with another header");
            Sql.Execute(c, "INSERT INTO certificates (number, hash, header, attestations) VALUES ($0, $1, $2, $3) ON CONFLICT (number) DO UPDATE SET attestations = excluded.attestations",
                (long)header.Number, hash, header.ToArray(), AttestationList.Write(attestations));
        });
    }

    internal static OwnCertificate Read(SqliteDataReader r) => new(
        BatchHeader.Read(r.GetFieldValue<byte[]>(0)), AttestationList.Read(r.GetFieldValue<byte[]>(1)), r.IsDBNull(2) ? null : (ulong)r.GetInt64(2));
}

/// <summary>Attestations one after another, 84 bytes each.</summary>
public static class AttestationList
{
    /// <summary>The bytes of all of them.</summary>
    public static byte[] Write(IEnumerable<Attestation> attestations) => [.. attestations.SelectMany(a => a.ToArray())];

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static IReadOnlyList<Attestation> Read(byte[] bytes) => [.. bytes.Chunk(Attestation.Bytes).Select(a => Attestation.Read(a))];
}

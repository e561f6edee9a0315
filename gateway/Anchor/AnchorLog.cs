using System.Globalization;
using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using Microsoft.Data.Sqlite;

namespace DePIN.Gateway.Anchor;

/// <summary>One transaction that carries an anchor, saved before it was first sent.</summary>
/// <param name="Hash">Transaction hash.</param>
/// <param name="Nonce">The account's nonce.</param>
/// <param name="MaxFeePerGas">Wei.</param>
/// <param name="PriorityFeePerGas">Wei.</param>
/// <param name="GasLimit">Gas.</param>
/// <param name="SavedMs">When it was made, ms since the Unix epoch.</param>
/// <param name="SentMs">When it was last sent; 0 never, as far as is known.</param>
/// <param name="Raw">The signed bytes.</param>
public sealed record AnchorAttempt(Hash32 Hash, ulong Nonce, BigInteger MaxFeePerGas, BigInteger PriorityFeePerGas, ulong GasLimit, long SavedMs, long SentMs, byte[] Raw);

/// <summary>An anchor this gateway signed, with its attestations and its transactions, the oldest first.</summary>
public sealed record SignedAnchor(AnchorHeader Header, Hash32 Hash, IReadOnlyList<Attestation> Attestations, long SignedMs, IReadOnlyList<AnchorAttempt> Attempts);

/// <summary>What the anchorer keeps. Every write is durable when it returns; tests put faults before and after each.</summary>
public interface IAnchorLog
{
    /// <summary>The one anchor signed on top of <paramref name="previous"/>, or null.</summary>
    SignedAnchor? OnTopOf(Hash32 previous);

    /// <summary>The highest epoch ever signed for; null none.</summary>
    ulong? LastSignedEpoch { get; }

    /// <summary>Certificates that no ledger entry contains, in the order of their numbers, at most <paramref name="limit"/>.</summary>
    IReadOnlyList<OwnCertificate> Pending(int limit);

    /// <summary>The numbers of the certificates in an anchor of ours, ascending: the order of its leaves.</summary>
    IReadOnlyList<ulong> NumbersIn(ulong epoch);

    /// <summary>Saves a signed anchor and which certificates it contains. Throws when its epoch or its predecessor is taken.</summary>
    void SaveAnchor(AnchorHeader header, IReadOnlyList<Attestation> attestations, IReadOnlyList<ulong> numbers, long nowMs);

    /// <summary>Replaces the attestations of an anchor.</summary>
    void SaveAttestations(ulong epoch, IReadOnlyList<Attestation> attestations);

    /// <summary>Saves a transaction. Must return before the transaction is sent.</summary>
    void SaveAttempt(ulong epoch, AnchorAttempt attempt);

    /// <summary>Notes that an attempt was handed to an endpoint.</summary>
    void MarkSent(Hash32 attempt, long nowMs);
}

/// <summary>
/// Anchors and transactions in <c>chain.db</c>. The schema itself holds the two promises: one signed anchor per epoch
/// (primary key) and one per predecessor (unique), so no crash and no bug above can sign a second one.
/// </summary>
public sealed class AnchorLog(ChainDatabase database) : IAnchorLog
{
    private const string SelectAnchor = "SELECT header, attestations, signed_ms FROM anchors";

    /// <inheritdoc/>
    public ulong? LastSignedEpoch => database.Read(c => Sql.Rows(c, r => r.IsDBNull(0) ? null : (ulong?)r.GetInt64(0), "SELECT max(epoch) FROM anchors")[0]);

    /// <inheritdoc/>
    public SignedAnchor? OnTopOf(Hash32 previous) => database.Read(c => Sql.First(c, r => Read(c, r), SelectAnchor + " WHERE previous = $0", previous.ToArray()));

    /// <summary>The anchor of an epoch, or null.</summary>
    public SignedAnchor? Find(ulong epoch) => epoch > long.MaxValue ? null
        : database.Read(c => Sql.First(c, r => Read(c, r), SelectAnchor + " WHERE epoch = $0", (long)epoch));

    /// <summary>Anchors below <paramref name="before"/> (an epoch), the newest first.</summary>
    public IReadOnlyList<SignedAnchor> Recent(ulong before, int limit) => database.Read(c => Sql.Rows(c, r => Read(c, r),
        SelectAnchor + " WHERE epoch < $0 ORDER BY epoch DESC LIMIT $1", (long)Math.Min(before, long.MaxValue), limit));

    /// <inheritdoc/>
    public IReadOnlyList<ulong> NumbersIn(ulong epoch) => database.Read(c => Sql.Rows(c, r => (ulong)r.GetInt64(0),
        "SELECT number FROM anchor_certificates WHERE epoch = $0 ORDER BY number", (long)epoch));

    /// <inheritdoc/>
    public IReadOnlyList<OwnCertificate> Pending(int limit) => database.Read(c => Sql.Rows(c, CertificateLog.Read,
        "SELECT header, attestations, ordinal FROM certificates WHERE ordinal IS NULL ORDER BY number LIMIT $0", limit));

    /// <inheritdoc/>
    public void SaveAnchor(AnchorHeader header, IReadOnlyList<Attestation> attestations, IReadOnlyList<ulong> numbers, long nowMs)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(numbers);
        database.Write(c =>
        {
            Sql.Execute(c, "INSERT INTO anchors VALUES ($0, $1, $2, $3, $4, $5)",
                (long)header.Epoch, header.Hash().ToArray(), header.Previous.ToArray(), header.ToArray(), AttestationList.Write(attestations), nowMs);
            foreach (ulong number in numbers) Sql.Execute(c, "INSERT INTO anchor_certificates VALUES ($0, $1)", (long)header.Epoch, (long)number);
        });
    }

    /// <inheritdoc/>
    public void SaveAttestations(ulong epoch, IReadOnlyList<Attestation> attestations) =>
        database.Write(c => Sql.Execute(c, "UPDATE anchors SET attestations = $1 WHERE epoch = $0", (long)epoch, AttestationList.Write(attestations)));

    /// <inheritdoc/>
    public void SaveAttempt(ulong epoch, AnchorAttempt attempt)
    {
        ArgumentNullException.ThrowIfNull(attempt);
        database.Write(c => Sql.Execute(c, "INSERT INTO attempts (hash, epoch, nonce, max_fee, priority_fee, gas_limit, saved_ms, sent_ms, raw) VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8)",
            attempt.Hash.ToArray(), (long)epoch, (long)attempt.Nonce, attempt.MaxFeePerGas.ToString(CultureInfo.InvariantCulture),
            attempt.PriorityFeePerGas.ToString(CultureInfo.InvariantCulture), (long)attempt.GasLimit, attempt.SavedMs, attempt.SentMs, attempt.Raw));
    }

    /// <inheritdoc/>
    public void MarkSent(Hash32 attempt, long nowMs) =>
        database.Write(c => Sql.Execute(c, "UPDATE attempts SET sent_ms = $1 WHERE hash = $0", attempt.ToArray(), nowMs));

    private static SignedAnchor Read(SqliteConnection c, SqliteDataReader r)
    {
        AnchorHeader header = AnchorHeader.Read(r.GetFieldValue<byte[]>(0));
        List<AnchorAttempt> attempts = Sql.Rows(c, a => new AnchorAttempt(
            new Hash32(a.GetFieldValue<byte[]>(0)), (ulong)a.GetInt64(1), BigInteger.Parse(a.GetString(2), CultureInfo.InvariantCulture),
            BigInteger.Parse(a.GetString(3), CultureInfo.InvariantCulture), (ulong)a.GetInt64(4), a.GetInt64(5), a.GetInt64(6), a.GetFieldValue<byte[]>(7)),
            "SELECT hash, nonce, max_fee, priority_fee, gas_limit, saved_ms, sent_ms, raw FROM attempts WHERE epoch = $0 ORDER BY id", (long)header.Epoch);
        return new SignedAnchor(header, header.Hash(), AttestationList.Read(r.GetFieldValue<byte[]>(1)), r.GetInt64(2), attempts);
    }
}

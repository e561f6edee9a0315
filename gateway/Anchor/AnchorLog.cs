using System.Globalization;
using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;

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

/// <summary>What the anchorer keeps. Every write is durable when it returns; tests put faults before and after each.</summary>
public interface IAnchorLog
{
    /// <summary>The transactions made for an anchor, the oldest first.</summary>
    IReadOnlyList<AnchorAttempt> Attempts(Hash32 anchor);

    /// <summary>Saves a transaction. Must return before the transaction is sent.</summary>
    void SaveAttempt(Hash32 anchor, AnchorAttempt attempt);

    /// <summary>Notes that an attempt was handed to an endpoint.</summary>
    void MarkSent(Hash32 attempt, long nowMs);
}

/// <summary>Transactions in <c>chain.db</c>.</summary>
public sealed class AnchorLog(ChainDatabase database) : IAnchorLog
{
    /// <inheritdoc/>
    public IReadOnlyList<AnchorAttempt> Attempts(Hash32 anchor) => database.Read(c => Sql.Rows(c, a => new AnchorAttempt(
        new Hash32(a.GetFieldValue<byte[]>(0)), (ulong)a.GetInt64(1), BigInteger.Parse(a.GetString(2), CultureInfo.InvariantCulture),
        BigInteger.Parse(a.GetString(3), CultureInfo.InvariantCulture), (ulong)a.GetInt64(4), a.GetInt64(5), a.GetInt64(6), a.GetFieldValue<byte[]>(7)),
        "SELECT hash, nonce, max_fee, priority_fee, gas_limit, saved_ms, sent_ms, raw FROM attempts WHERE anchor = $0 ORDER BY id", anchor.ToArray()));

    /// <inheritdoc/>
    public void SaveAttempt(Hash32 anchor, AnchorAttempt attempt)
    {
        ArgumentNullException.ThrowIfNull(attempt);
        database.Write(c => Sql.Execute(c, "INSERT INTO attempts (hash, anchor, nonce, max_fee, priority_fee, gas_limit, saved_ms, sent_ms, raw) VALUES ($0, $1, $2, $3, $4, $5, $6, $7, $8)",
            attempt.Hash.ToArray(), anchor.ToArray(), (long)attempt.Nonce, attempt.MaxFeePerGas.ToString(CultureInfo.InvariantCulture),
            attempt.PriorityFeePerGas.ToString(CultureInfo.InvariantCulture), (long)attempt.GasLimit, attempt.SavedMs, attempt.SentMs, attempt.Raw));
    }

    /// <inheritdoc/>
    public void MarkSent(Hash32 attempt, long nowMs) =>
        database.Write(c => Sql.Execute(c, "UPDATE attempts SET sent_ms = $1 WHERE hash = $0", attempt.ToArray(), nowMs));
}

using System.Buffers.Binary;
using System.Data.Common;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;

namespace DePIN.Gateway.Peer;

/// <summary>
/// The core's records in <c>chain.db</c>. The schema itself holds the promises: one header per (gateway, number), one signed anchor per epoch.
/// A batch's state is derived: in an entry (ordinal) it is anchored, else voided by one it is void, else certified or only voted for. Reads are also
/// made by the web and by health, from other threads.
/// </summary>
public sealed class NetworkLog(ChainDatabase database) : INetworkLog, IAnchoredFrames
{
    /// <summary>Pieces of evidence kept.</summary>
    public const int MisconductMax = 1_024;

    /// <summary>The tables; part of the schema of <see cref="ChainDatabase"/>. Sequences and numbers are kept with their top bit turned, so that SQLite's signed order is theirs.</summary>
    public const string Schema = """
        CREATE TABLE network_batches (
            id INTEGER PRIMARY KEY, gateway BLOB NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, header BLOB NOT NULL, frames_hash BLOB NOT NULL, spans BLOB NOT NULL,
            attestations BLOB NOT NULL, certified INTEGER NOT NULL, ordinal INTEGER, void_by INTEGER, UNIQUE (gateway, number));
        CREATE INDEX network_batches_pending ON network_batches (gateway, number) WHERE certified = 1 AND ordinal IS NULL AND void_by IS NULL;
        CREATE INDEX network_batches_ordinal ON network_batches (ordinal, gateway, number) WHERE ordinal IS NOT NULL;
        CREATE INDEX network_batches_void ON network_batches (void_by) WHERE void_by IS NOT NULL;
        CREATE TABLE network_entries (ordinal INTEGER PRIMARY KEY, hash BLOB NOT NULL);
        CREATE TABLE anchored_runs (device BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (device, first)) WITHOUT ROWID;
        CREATE TABLE anchor_votes (epoch INTEGER PRIMARY KEY, previous BLOB NOT NULL, header BLOB NOT NULL, contents BLOB NOT NULL, mine BLOB NOT NULL, own INTEGER NOT NULL);
        CREATE INDEX anchor_votes_previous ON anchor_votes (previous, epoch);
        CREATE TABLE misconduct (
            id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, accused BLOB NOT NULL, height INTEGER NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL, text TEXT NOT NULL,
            UNIQUE (kind, accused, height));
        """;

    /// <summary>What schema 3 of <see cref="ChainDatabase"/> added.</summary>
    public const string SchemaSince3 = """
        CREATE TABLE replaced_headers (gateway BLOB NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (gateway, number)) WITHOUT ROWID;
        """;

    private const string Select = "SELECT header, frames_hash, spans, attestations, certified, ordinal, void_by FROM network_batches";
    private const string IsPending = "certified = 1 AND ordinal IS NULL AND void_by IS NULL";
    private const int LeafBytes = Address.Bytes + 8 + Hash32.Bytes;

    /// <inheritdoc/>
    public BatchRecord? Find(BatchId batch) => database.Read(c => Find(c, batch));

    /// <inheritdoc/>
    public Hash32? Replaced(BatchId batch) => database.Read(c => Sql.First(c, r => r.GetFieldValue<byte[]>(0),
        "SELECT hash FROM replaced_headers WHERE gateway = $0 AND number = $1", batch.Gateway.ToArray(), Turned(batch.Number))) is { } hash ? new Hash32(hash) : null;

    /// <inheritdoc/>
    public ulong HighestNumber(Address gateway) => database.Read(c => Turned(Sql.Rows(c, r => r.IsDBNull(0) ? Turned(0UL) : r.GetInt64(0),
        "SELECT max(number) FROM network_batches WHERE gateway = $0 AND (certified = 1 OR ordinal IS NOT NULL)", gateway.ToArray())[0]));

    /// <inheritdoc/>
    public IReadOnlyList<Address> Authors() => database.Read(c => Sql.Rows(c, r => new Address(r.GetFieldValue<byte[]>(0)), "SELECT DISTINCT gateway FROM network_batches ORDER BY gateway"));

    /// <inheritdoc/>
    public IReadOnlyList<BatchRecord> Pending(int limit) => database.Read(c => Sql.Rows(c, Read, $"{Select} WHERE {IsPending} ORDER BY gateway, number LIMIT $0", limit));

    /// <inheritdoc/>
    public IReadOnlyList<BatchRecord> PendingOf(Address gateway, int limit) =>
        database.Read(c => Sql.Rows(c, Read, $"{Select} WHERE {IsPending} AND gateway = $0 ORDER BY number LIMIT $1", gateway.ToArray(), limit));

    /// <inheritdoc/>
    public IReadOnlyList<ulong> VoidNumbers(Address gateway) => database.Read(c => Sql.Rows(c, r => Turned(r.GetInt64(0)),
        "SELECT number FROM network_batches WHERE gateway = $0 AND void_by IS NOT NULL ORDER BY number", gateway.ToArray()));

    /// <inheritdoc/>
    public (long Pending, long Void) Counts() => database.Read(c => (
        Sql.Scalar(c, $"SELECT count(*) FROM network_batches WHERE {IsPending}"), Sql.Scalar(c, "SELECT count(*) FROM network_batches WHERE void_by IS NOT NULL")));

    /// <inheritdoc/>
    public void SaveVote(BatchSummary batch, IReadOnlyList<Attestation> attestations) => database.Write(c =>
    {
        BatchRecord? known = Find(c, batch.Id);
        if (known is not null && known.Summary.Hash != batch.Hash) throw Taken(batch);
        Put(c, batch, attestations, certified: false);
    });

    /// <inheritdoc/>
    public void SaveCertificate(BatchSummary batch, IReadOnlyList<Attestation> attestations) => database.Write(c =>
    {
        BatchRecord? known = Find(c, batch.Id);
        if (known is not null && known.Summary.Hash != batch.Hash)
        {
            if (known.State != BatchState.Voted) throw Taken(batch);
            Replace(c, known);
        }

        Put(c, batch, attestations, certified: true);
        long entries = Sql.Scalar(c, "SELECT count(*) FROM network_entries");
        if (known?.State is not (BatchState.Anchored or BatchState.Void) && entries > 0 && IsAnchored(c, batch.Spans))
            Sql.Execute(c, "UPDATE network_batches SET void_by = $2 WHERE gateway = $0 AND number = $1", batch.Id.Gateway.ToArray(), Turned(batch.Id.Number), entries - 1);
    });

    /// <inheritdoc/>
    public bool IsAnchored(FrameSpans spans) => database.Read(c => IsAnchored(c, spans));

    /// <inheritdoc/>
    public bool IsAnchored(Address device, ulong sequence) => database.Read(c => IsAnchored(c, new FrameSpan(device, sequence, sequence)));

    /// <inheritdoc/>
    public ulong KnownEntries => (ulong)database.Read(c => Sql.Scalar(c, "SELECT max(ordinal) + 1 FROM network_entries"));

    /// <inheritdoc/>
    public Hash32 EntryHash(ulong ordinal) => new(database.Read(c => Sql.First(c, r => r.GetFieldValue<byte[]>(0), "SELECT hash FROM network_entries WHERE ordinal = $0", (long)ordinal))
        ?? throw new ArgumentOutOfRangeException(nameof(ordinal), ordinal, "The entry is not known."));

    /// <inheritdoc/>
    public IReadOnlyList<BatchRecord> BatchesIn(ulong ordinal) => database.Read(c => Sql.Rows(c, Read, $"{Select} WHERE ordinal = $0 ORDER BY gateway, number", (long)ordinal));

    /// <inheritdoc/>
    public void SaveEntry(ulong ordinal, AnchorHeader anchor, IReadOnlyList<BatchSummary> contents) => database.Write(c =>
    {
        byte[] hash = anchor.Hash().ToArray();
        byte[]? known = Sql.First(c, r => r.GetFieldValue<byte[]>(0), "SELECT hash FROM network_entries WHERE ordinal = $0", (long)ordinal);
        if (known is not null && known.AsSpan().SequenceEqual(hash)) return; // a repeated write
        if (known is not null || ordinal != (ulong)Sql.Scalar(c, "SELECT max(ordinal) + 1 FROM network_entries")) throw new InvalidOperationException($"entry {ordinal} is not the next");
        Sql.Execute(c, "INSERT INTO network_entries VALUES ($0, $1)", (long)ordinal, hash);
        foreach (BatchSummary batch in contents)
        {
            BatchRecord? here = Find(c, batch.Id);
            if (here is not null && here.Summary.Hash != batch.Hash) // the chain decides: a vote or a certificate for another header under this number was never anchored
                Replace(c, here);
            if (here is null || here.Summary.Hash != batch.Hash) Put(c, batch, [], certified: false);
            Sql.Execute(c, "UPDATE network_batches SET ordinal = $2, void_by = NULL WHERE gateway = $0 AND number = $1", batch.Id.Gateway.ToArray(), Turned(batch.Id.Number), (long)ordinal);
            foreach (FrameSpan run in batch.Spans.Runs) AddRun(c, run);
        }

        foreach ((byte[] gateway, long number, byte[] spans) in Sql.Rows(c, r => (r.GetFieldValue<byte[]>(0), r.GetInt64(1), r.GetFieldValue<byte[]>(2)),
            $"SELECT gateway, number, spans FROM network_batches WHERE {IsPending}"))
        {
            if (IsAnchored(c, Spans(spans)))
                Sql.Execute(c, "UPDATE network_batches SET void_by = $2 WHERE gateway = $0 AND number = $1", gateway, number, (long)ordinal);
        }
    });

    /// <inheritdoc/>
    public void TakeBack(ulong ordinal) => database.Write(c =>
    {
        foreach (byte[] spans in Sql.Rows(c, r => r.GetFieldValue<byte[]>(0), "SELECT spans FROM network_batches WHERE ordinal >= $0", (long)ordinal))
        {
            foreach (FrameSpan run in Spans(spans).Runs) RemoveRun(c, run);
        }

        Sql.Execute(c, "DELETE FROM network_batches WHERE ordinal >= $0 AND certified = 0 AND length(attestations) = 0", (long)ordinal); // known from the ledger alone
        Sql.Execute(c, "UPDATE network_batches SET ordinal = NULL WHERE ordinal >= $0", (long)ordinal);
        Sql.Execute(c, "UPDATE network_batches SET void_by = NULL WHERE void_by >= $0", (long)ordinal);
        Sql.Execute(c, "DELETE FROM network_entries WHERE ordinal >= $0", (long)ordinal);
        // What is pending again may share frames with entries that stayed.
        foreach ((byte[] gateway, long number, byte[] spans) in Sql.Rows(c, r => (r.GetFieldValue<byte[]>(0), r.GetInt64(1), r.GetFieldValue<byte[]>(2)),
            $"SELECT gateway, number, spans FROM network_batches WHERE {IsPending}"))
        {
            if (ordinal > 0 && IsAnchored(c, Spans(spans)))
                Sql.Execute(c, "UPDATE network_batches SET void_by = $2 WHERE gateway = $0 AND number = $1", gateway, number, (long)ordinal - 1);
        }
    });

    /// <inheritdoc/>
    public AnchorVote? VoteIn(ulong epoch) => database.Read(c => Sql.First(c, ReadVote, "SELECT header, contents, mine, own FROM anchor_votes WHERE epoch = $0", Turned(epoch)));

    /// <inheritdoc/>
    public IReadOnlyList<AnchorVote> VotesOn(Hash32 previous) => database.Read(c => Sql.Rows(c, ReadVote,
        "SELECT header, contents, mine, own FROM anchor_votes WHERE previous = $0 ORDER BY epoch DESC LIMIT 8", previous.ToArray()));

    /// <inheritdoc/>
    public void SaveVote(AnchorVote vote) => database.Write(c =>
    {
        AnchorVote? known = Sql.First(c, ReadVote, "SELECT header, contents, mine, own FROM anchor_votes WHERE epoch = $0", Turned(vote.Header.Epoch));
        if (known is not null && known.Header != vote.Header) throw new InvalidOperationException($"another anchor of epoch {vote.Header.Epoch} is signed");
        byte[] contents = new byte[vote.Contents.Count * LeafBytes];
        for (int i = 0; i < vote.Contents.Count; i++)
        {
            Span<byte> at = contents.AsSpan(i * LeafBytes);
            vote.Contents[i].Batch.Gateway.CopyTo(at);
            BinaryPrimitives.WriteUInt64BigEndian(at[Address.Bytes..], vote.Contents[i].Batch.Number);
            vote.Contents[i].Hash.CopyTo(at[(Address.Bytes + 8)..]);
        }

        Sql.Execute(c, "INSERT INTO anchor_votes VALUES ($0, $1, $2, $3, $4, $5) ON CONFLICT (epoch) DO UPDATE SET previous = excluded.previous, header = excluded.header, contents = excluded.contents, mine = excluded.mine, own = excluded.own",
            Turned(vote.Header.Epoch), vote.Header.Previous.ToArray(), vote.Header.ToArray(), contents, vote.Mine.ToArray(), vote.IsOwn ? 1L : 0L);
    });

    /// <inheritdoc/>
    public bool HasMisconduct(EvidenceKind kind, Address accused, ulong height) => database.Read(c => Sql.Scalar(c,
        "SELECT EXISTS (SELECT 1 FROM misconduct WHERE kind = $0 AND accused = $1 AND height = $2)", (long)kind, accused.ToArray(), Turned(height))) != 0;

    /// <inheritdoc/>
    public void SaveMisconduct(Misconduct misconduct) => database.Write(c =>
    {
        if (Sql.Scalar(c, "SELECT count(*) FROM misconduct") >= MisconductMax) return; // the first pieces prove as much as the last
        Sql.Execute(c, "INSERT INTO misconduct (kind, accused, height, first, second, text) VALUES ($0, $1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            (long)misconduct.Kind, misconduct.Accused.ToArray(), Turned(misconduct.Height), misconduct.First, misconduct.Second, misconduct.Text);
    });

    /// <inheritdoc/>
    public IReadOnlyList<Misconduct> Misconducts(int limit) => database.Read(c => Sql.Rows(c, r => new Misconduct((EvidenceKind)r.GetInt64(0), new Address(r.GetFieldValue<byte[]>(1)),
        Turned(r.GetInt64(2)), r.GetFieldValue<byte[]>(3), r.GetFieldValue<byte[]>(4), r.GetString(5)), "SELECT kind, accused, height, first, second, text FROM misconduct ORDER BY id DESC LIMIT $0", limit));

    private static InvalidOperationException Taken(BatchSummary batch) => new($"batch {batch.Header.Number} of {batch.Header.Gateway} is known with another header");

    private static BatchRecord? Find(DbConnection c, BatchId batch) =>
        Sql.First(c, Read, $"{Select} WHERE gateway = $0 AND number = $1", batch.Gateway.ToArray(), Turned(batch.Number));

    /// <summary>A header gives way to another one; what may have been signed is not forgotten. The first one stays.</summary>
    private static void Replace(DbConnection c, BatchRecord known)
    {
        (byte[] gateway, long number) = (known.Summary.Id.Gateway.ToArray(), Turned(known.Summary.Id.Number));
        Sql.Execute(c, "DELETE FROM network_batches WHERE gateway = $0 AND number = $1", gateway, number);
        if (known.Attestations.Count > 0) Sql.Execute(c, "INSERT INTO replaced_headers VALUES ($0, $1, $2) ON CONFLICT DO NOTHING", gateway, number, known.Summary.Hash.ToArray());
    }

    private static void Put(DbConnection c, BatchSummary batch, IReadOnlyList<Attestation> attestations, bool certified) => Sql.Execute(c, """
        INSERT INTO network_batches (gateway, number, hash, header, frames_hash, spans, attestations, certified) VALUES ($0, $1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (gateway, number) DO UPDATE SET attestations = excluded.attestations, certified = CASE WHEN excluded.certified > network_batches.certified THEN excluded.certified ELSE network_batches.certified END
        """, batch.Id.Gateway.ToArray(), Turned(batch.Id.Number), batch.Hash.ToArray(), batch.Header.ToArray(), batch.FramesHash.ToArray(), batch.Spans.ToArray(),
        attestations.SelectMany(a => a.ToArray()).ToArray(), certified ? 1L : 0L);

    private static bool IsAnchored(DbConnection c, FrameSpans spans)
    {
        foreach (FrameSpan run in spans.Runs)
            if (IsAnchored(c, run)) return true;
        return false;
    }

    // The last run that begins at or before the end is the only one that can reach into it: runs do not overlap.
    private static bool IsAnchored(DbConnection c, FrameSpan run) => Sql.Scalar(c,
        "SELECT EXISTS (SELECT 1 FROM (SELECT last FROM anchored_runs WHERE device = $0 AND first <= $2 ORDER BY first DESC LIMIT 1) AS run WHERE last >= $1)",
        run.Device.ToArray(), Turned(run.First), Turned(run.Last)) != 0;

    private static void AddRun(DbConnection c, FrameSpan run)
    {
        (ulong first, ulong last) = (run.First, run.Last);
        foreach ((ulong f, ulong l) in Touching(c, run.Device, first - 1, last == ulong.MaxValue ? last : last + 1))
        {
            Sql.Execute(c, "DELETE FROM anchored_runs WHERE device = $0 AND first = $1", run.Device.ToArray(), Turned(f));
            (first, last) = (Math.Min(first, f), Math.Max(last, l));
        }

        Sql.Execute(c, "INSERT INTO anchored_runs VALUES ($0, $1, $2)", run.Device.ToArray(), Turned(first), Turned(last));
    }

    private static void RemoveRun(DbConnection c, FrameSpan run)
    {
        foreach ((ulong f, ulong l) in Touching(c, run.Device, run.First, run.Last))
        {
            Sql.Execute(c, "DELETE FROM anchored_runs WHERE device = $0 AND first = $1", run.Device.ToArray(), Turned(f));
            if (f < run.First) Sql.Execute(c, "INSERT INTO anchored_runs VALUES ($0, $1, $2)", run.Device.ToArray(), Turned(f), Turned(run.First - 1));
            if (l > run.Last) Sql.Execute(c, "INSERT INTO anchored_runs VALUES ($0, $1, $2)", run.Device.ToArray(), Turned(run.Last + 1), Turned(l));
        }
    }

    /// <summary>Runs that share a sequence with first … last: the one that begins before, if it reaches so far, and those that begin within.</summary>
    private static List<(ulong First, ulong Last)> Touching(DbConnection c, Address device, ulong first, ulong last) => Sql.Rows(c, r => (Turned(r.GetInt64(0)), Turned(r.GetInt64(1))), """
        SELECT first, last FROM anchored_runs WHERE device = $0 AND first BETWEEN $1 AND $2
        UNION SELECT first, last FROM (SELECT first, last FROM anchored_runs WHERE device = $0 AND first < $1 ORDER BY first DESC LIMIT 1) AS run WHERE last >= $1
        """, device.ToArray(), Turned(first), Turned(last));

    private static BatchRecord Read(DbDataReader r)
    {
        BatchSummary summary = new(BatchHeader.Read(r.GetFieldValue<byte[]>(0)), new Hash32(r.GetFieldValue<byte[]>(1)), Spans(r.GetFieldValue<byte[]>(2)));
        Attestation[] attestations = [.. r.GetFieldValue<byte[]>(3).Chunk(Attestation.Bytes).Select(a => Attestation.Read(a))];
        ulong? ordinal = r.IsDBNull(5) ? null : (ulong)r.GetInt64(5), voidBy = r.IsDBNull(6) ? null : (ulong)r.GetInt64(6);
        BatchState state = ordinal is not null ? BatchState.Anchored : voidBy is not null ? BatchState.Void : r.GetInt64(4) != 0 ? BatchState.Certified : BatchState.Voted;
        return new BatchRecord(summary, attestations, state, ordinal ?? voidBy);
    }

    private static AnchorVote ReadVote(DbDataReader r)
    {
        AnchorLeaf[] contents = [.. r.GetFieldValue<byte[]>(1).Chunk(LeafBytes).Select(l => new AnchorLeaf(
            new BatchId(new Address(l.AsSpan(0, Address.Bytes)), BinaryPrimitives.ReadUInt64BigEndian(l.AsSpan(Address.Bytes))), new Hash32(l.AsSpan(Address.Bytes + 8))))];
        return new AnchorVote(AnchorHeader.Read(r.GetFieldValue<byte[]>(0)), contents, Attestation.Read(r.GetFieldValue<byte[]>(2)), r.GetInt64(3) != 0);
    }

    private static FrameSpans Spans(byte[] bytes) => FrameSpans.TryRead(bytes, out FrameSpans? spans) == FrameSpansFault.None ? spans!
        : throw new InvalidDataException("chain.db holds spans that are none: restore it from a backup, or move it away (it is built again)");

    private static long Turned(ulong value) => unchecked((long)(value ^ (1UL << 63)));

    private static ulong Turned(long value) => unchecked((ulong)value) ^ (1UL << 63);
}

using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>The core's records on a simulated disk: answers as <c>chain.db</c> does (tests/Network compares the two).</summary>
internal sealed class SimulatedLog : INetworkLog
{
    /// <summary>Pieces of evidence kept, as in chain.db.</summary>
    public const int MisconductMax = 1_024;

    private readonly Action<Action, Action> _commit;
    private readonly Mutation _mutation;
    private readonly List<Write> _journal;
    private readonly Dictionary<Hash32, IReadOnlyList<Attestation>>? _shared;
    private readonly bool _keepsJournal;
    private readonly Dictionary<Address, SortedList<ulong, Row>> _authors = [];
    private readonly SortedDictionary<BatchId, Row> _pending = [];
    private readonly SortedSet<BatchId> _void = [];
    private readonly Dictionary<BatchId, Hash32> _replaced = [];
    private readonly List<(Hash32 Hash, BatchId[] Leaves)> _entries = [];
    private readonly SpanSet _anchored = new();
    private readonly SortedDictionary<ulong, AnchorVote> _votes = [];
    private readonly HashSet<Hash32> _voted = []; // hashes of anchors signed
    private readonly Dictionary<(EvidenceKind, Address, ulong), Misconduct> _misconduct = [];
    private readonly List<Misconduct> _misconducts = [];

    /// <param name="commit">Makes a record durable: persist, then apply; may throw before, between or after.</param>
    /// <param name="journal">What is durable; replayed now.</param>
    /// <param name="shared">Lists of attestations that are the same in every gateway's log, kept once; null: not shared.</param>
    /// <param name="keepsJournal">False where nothing ever crashes.</param>
    /// <param name="mutation">A rule that is broken on purpose.</param>
    public SimulatedLog(Action<Action, Action> commit, List<object> journal, Dictionary<Hash32, IReadOnlyList<Attestation>>? shared = null, bool keepsJournal = true,
        Mutation mutation = Mutation.None)
    {
        (_commit, _shared, _keepsJournal, _mutation) = (commit, shared, keepsJournal, mutation);
        Journal = journal;
        _journal = [.. journal.Cast<Write>()];
        foreach (Write write in _journal) write(this);
        _journal.Clear();
    }

    private delegate void Write(SimulatedLog log);

    public List<object> Journal { get; }

    /// <summary>Told of every certificate that became durable here.</summary>
    public Action<BatchSummary, IReadOnlyList<Attestation>>? Certified { get; init; }

    public ulong KnownEntries => (ulong)_entries.Count;

    public BatchRecord? Find(BatchId batch) => Row_(batch)?.Record;

    public Hash32? Replaced(BatchId batch) => _replaced.TryGetValue(batch, out Hash32 hash) ? hash : null;

    public ulong HighestNumber(Address gateway)
    {
        if (!_authors.TryGetValue(gateway, out SortedList<ulong, Row>? rows)) return 0;
        for (int i = rows.Count - 1; i >= 0; i--)
            if (rows.Values[i] is { } row && (row.IsCertified || row.Ordinal is not null)) return rows.Keys[i];
        return 0;
    }

    public IReadOnlyList<Address> Authors() => [.. _authors.Where(a => a.Value.Count > 0).Select(a => a.Key).Order()];

    public IReadOnlyList<BatchRecord> Pending(int limit)
    {
        List<BatchRecord> found = new(Math.Min(limit, _pending.Count));
        foreach (Row row in _pending.Values)
        {
            if (found.Count == limit) break;
            found.Add(row.Record);
        }

        return found;
    }

    public IReadOnlyList<BatchRecord> PendingOf(Address gateway, int limit) => !_authors.TryGetValue(gateway, out SortedList<ulong, Row>? rows) ? []
        : [.. rows.Values.Where(r => r.Record.State is BatchState.Certified).Take(limit).Select(r => r.Record)];

    public IReadOnlyList<ulong> VoidNumbers(Address gateway) => [.. _void.Where(b => b.Gateway == gateway).Select(b => b.Number)];

    public (long Pending, long Void) Counts() => (_pending.Count, _void.Count);

    public bool IsAnchored(FrameSpans spans) => _anchored.Overlaps(spans);

    public bool IsAnchored(Address device, ulong sequence) => _anchored.Contains(device, sequence);

    public Hash32 EntryHash(ulong ordinal) =>
        ordinal < KnownEntries ? _entries[(int)ordinal].Hash : throw new ArgumentOutOfRangeException(nameof(ordinal), ordinal, "The entry is not known.");

    public IReadOnlyList<BatchRecord> BatchesIn(ulong ordinal) => ordinal < KnownEntries ? [.. _entries[(int)ordinal].Leaves.Select(l => Row_(l)!.Record)] : [];

    public AnchorVote? VoteIn(ulong epoch) => _votes.GetValueOrDefault(epoch);

    public IReadOnlyList<AnchorVote> VotesOn(Hash32 previous) => [.. _votes.Values.Where(v => v.Header.Previous == previous).Reverse().Take(8)];

    public bool HasMisconduct(EvidenceKind kind, Address accused, ulong height) => _misconduct.ContainsKey((kind, accused, height));

    public IReadOnlyList<Misconduct> Misconducts(int limit) => [.. Enumerable.Reverse(_misconducts).Take(limit)];

    /// <summary>True when this gateway's signature of that batch is durable here.</summary>
    public bool HasSigned(BatchId batch, Hash32 hash, Address self) =>
        Row_(batch) is { } row && row.Batch.Hash == hash && row.Attestations.Any(a => a.Gateway == self);

    public bool HasSigned(Hash32 anchor) => _voted.Contains(anchor);

    public void SaveVote(BatchSummary batch, IReadOnlyList<Attestation> attestations)
    {
        if (Row_(batch.Id) is { } known && known.Batch.Hash != batch.Hash) throw Taken(batch);
        attestations = Share(batch, attestations);
        Commit(log => log.Put(batch, attestations, certified: false), isVote: true);
    }

    public void SaveCertificate(BatchSummary batch, IReadOnlyList<Attestation> attestations)
    {
        if (Row_(batch.Id) is { } known && known.Batch.Hash != batch.Hash && (known.IsCertified || known.Ordinal is not null)) throw Taken(batch);
        attestations = Share(batch, attestations);
        Commit(log =>
        {
            Row? row = log.Row_(batch.Id);
            if (row is not null && row.Batch.Hash != batch.Hash) log.Replace(row);
            row = log.Put(batch, attestations, certified: true);
            if (row.Ordinal is null && row.VoidBy is null && log._entries.Count > 0 && log._anchored.Overlaps(batch.Spans) && log._mutation != Mutation.NothingIsVoid)
                log.Change(row, r => r.VoidBy = (ulong)log._entries.Count - 1);
        });
        Certified?.Invoke(batch, attestations);
    }

    public void SaveEntry(ulong ordinal, AnchorHeader anchor, IReadOnlyList<BatchSummary> contents)
    {
        Hash32 hash = anchor.Hash();
        if (ordinal < KnownEntries && _entries[(int)ordinal].Hash == hash) return;
        if (ordinal != KnownEntries) throw new InvalidOperationException($"entry {ordinal} is not the next");
        Commit(log =>
        {
            foreach (BatchSummary batch in contents)
            {
                Row? row = log.Row_(batch.Id);
                if (row is not null && row.Batch.Hash != batch.Hash)
                {
                    log.Replace(row);
                    row = null;
                }

                row ??= log.Put(batch, [], certified: false);
                log.Change(row, r => (r.Ordinal, r.VoidBy) = (ordinal, null));
                log._anchored.Add(batch.Spans);
            }

            log._entries.Add((hash, [.. contents.Select(b => b.Id).Order()]));
            log.VoidWhatOverlaps(ordinal);
        });
    }

    public void TakeBack(ulong ordinal) => Commit(log =>
    {
        if (ordinal >= log.KnownEntries) return;
        List<Row> back = [.. log._entries.Skip((int)ordinal).SelectMany(e => e.Leaves).Select(l => log.Row_(l)!)];
        foreach (Row row in back) log._anchored.Remove(row.Batch.Spans);
        foreach (Row row in back)
        {
            if (!row.IsCertified && row.Attestations.Count == 0) log.Delete(row);
            else log.Change(row, r => r.Ordinal = null);
        }

        foreach (BatchId id in log._void.ToList())
            if (log.Row_(id) is { } row && row.VoidBy >= ordinal) log.Change(row, r => r.VoidBy = null);
        log._entries.RemoveRange((int)ordinal, log._entries.Count - (int)ordinal);
        if (ordinal > 0) log.VoidWhatOverlaps(ordinal - 1);
    });

    public void SaveVote(AnchorVote vote)
    {
        if (VoteIn(vote.Header.Epoch) is { } known && known.Header != vote.Header) throw new InvalidOperationException($"another anchor of epoch {vote.Header.Epoch} is signed");
        Commit(log =>
        {
            log._votes[vote.Header.Epoch] = vote;
            log._voted.Add(vote.Header.Hash());
        }, isVote: true);
    }

    public void SaveMisconduct(Misconduct misconduct)
    {
        if (_misconducts.Count >= MisconductMax) return;
        Commit(log =>
        {
            if (log._misconduct.TryAdd((misconduct.Kind, misconduct.Accused, misconduct.Height), misconduct)) log._misconducts.Add(misconduct);
        });
    }

    private static InvalidOperationException Taken(BatchSummary batch) => new($"batch {batch.Header.Number} of {batch.Header.Gateway} is known with another header");

    private void Commit(Write write, bool isVote = false)
    {
        bool forgets = isVote && _mutation == Mutation.VotesForgottenAtRestart;
        _commit(() =>
        {
            if (_keepsJournal && !forgets) Journal.Add(write);
        }, () => write(this));
    }

    private IReadOnlyList<Attestation> Share(BatchSummary batch, IReadOnlyList<Attestation> attestations)
    {
        if (_shared is null) return attestations;
        if (_shared.TryGetValue(batch.Hash, out IReadOnlyList<Attestation>? known) && known.SequenceEqual(attestations)) return known;
        return _shared[batch.Hash] = attestations;
    }

    private Row? Row_(BatchId id) => _authors.TryGetValue(id.Gateway, out SortedList<ulong, Row>? rows) && rows.TryGetValue(id.Number, out Row? row) ? row : null;

    private Row Put(BatchSummary batch, IReadOnlyList<Attestation> attestations, bool certified)
    {
        if (!_authors.TryGetValue(batch.Id.Gateway, out SortedList<ulong, Row>? rows)) _authors[batch.Id.Gateway] = rows = [];
        if (!rows.TryGetValue(batch.Id.Number, out Row? row)) rows[batch.Id.Number] = row = new Row(batch);
        Change(row, r => (r.Attestations, r.IsCertified) = (attestations, r.IsCertified || certified));
        return row;
    }

    private void Change(Row row, Action<Row> change)
    {
        change(row);
        BatchState state = row.Ordinal is not null ? BatchState.Anchored : row.VoidBy is not null ? BatchState.Void : row.IsCertified ? BatchState.Certified : BatchState.Voted;
        row.Record = new BatchRecord(row.Batch, row.Attestations, state, row.Ordinal ?? row.VoidBy);
        BatchId id = row.Batch.Id;
        if (state == BatchState.Certified) _pending[id] = row;
        else _pending.Remove(id);
        if (row.VoidBy is not null) _void.Add(id);
        else _void.Remove(id);
    }

    private void Replace(Row row)
    {
        Delete(row);
        if (row.Attestations.Count > 0) _replaced.TryAdd(row.Batch.Id, row.Batch.Hash);
    }

    private void Delete(Row row)
    {
        BatchId id = row.Batch.Id;
        _authors[id.Gateway].Remove(id.Number);
        _pending.Remove(id);
        _void.Remove(id);
    }

    private void VoidWhatOverlaps(ulong by)
    {
        if (_mutation == Mutation.NothingIsVoid) return;
        List<Row>? lost = null;
        foreach (Row row in _pending.Values)
            if (_anchored.Overlaps(row.Batch.Spans)) (lost ??= []).Add(row);
        foreach (Row row in lost ?? []) Change(row, r => r.VoidBy = by);
    }

    private sealed class Row(BatchSummary batch)
    {
        public BatchSummary Batch { get; } = batch;

        public IReadOnlyList<Attestation> Attestations { get; set; } = [];

        public bool IsCertified { get; set; }

        public ulong? Ordinal { get; set; }

        public ulong? VoidBy { get; set; }

        public BatchRecord Record { get; set; } = null!;
    }
}

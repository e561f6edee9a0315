using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>
/// Finds and fetches what is missing: batches of ledger entries (checked against the chain), pending certificates (checked by their quorum), and,
/// after a lost disk, this gateway's own batches. Every question is repeated until answered, to one peer at a time.
/// </summary>
internal sealed class Repairing(NetworkContext network)
{
    /// <summary>Ledger entries resolved from what is here in one tick.</summary>
    private const int EntriesPerTick = 256;

    private readonly SortedDictionary<ulong, LostBatch> _mine = []; // own batches that peers have and the store has not
    private readonly Retry _restore = new(network.Rules);
    private EntryParts? _entry;
    private Address _lastAsked;
    private Address _lastTold;
    private long _statusDueMs;
    private long _beganMs = -1;
    private bool _isSafe;
    private ulong _restoreFrom; // the turn of the next own batch to fetch
    private ulong _firstMissing = 1; // own batches below it are all in the store
    private (ulong Entries, long Void)? _recutsFor; // what was known when void batches were looked at
    private NetworkRules Rules => network.Rules;

    /// <summary>True while own batches are being fetched back from peers.</summary>
    public bool IsRestoring => _mine.Count > 0;

    /// <summary>Own batches waiting to be restored.</summary>
    public int Restoring => _mine.Count;

    /// <summary>
    /// True once enough peers have said which of this gateway's batches they know, so that no number is signed twice after a lost disk: a quorum with
    /// this gateway after some patience, or all peers at once.
    /// </summary>
    public bool IsSafeToSign()
    {
        if (IsRestoring) return false;
        if (_isSafe) return true;
        if (network.Network is not { } members) return false;
        int others = members.Members.Count(m => m.Gateway != network.Self);
        int heard = network.Active.Count(p => p.Status is not null && p.IsHeardOut);
        bool enough = heard >= Math.Min(others, members.Active.Quorum - 1);
        if (heard < others && network.Host.NowMs - _beganMs < Rules.StartPatienceMs) enough = false; // a changed network may leave one peer that knows
        return _isSafe = enough;
    }

    public void Tick()
    {
        if (_beganMs < 0) _beganMs = network.Host.NowMs;
        long now = network.Host.NowMs;
        if (now >= _statusDueMs)
        {
            _statusDueMs = now + (network.UsesCommittees ? Rules.StatusCommitteeMs : Rules.StatusMs);
            network.Forget();
            foreach (PeerView peer in ByTurns(ref _lastTold, network.UsesCommittees ? Rules.Fanout : int.MaxValue)) Tell(peer.Gateway);
        }

        Resolve();
        AskForEntry(now);
        foreach (PeerView peer in network.Active.ToList())
        {
            AskForBatches(peer, now);
            AskForMine(peer, now);
        }

        Restore();
        Recut();
    }

    public void OnConnected(Address peer) => Tell(peer);

    public void OnStatus(Address from, StatusMessage status)
    {
        PeerView peer = network.Peer(from);
        peer.Status = status;
        peer.HasNothingNew = false;
        if (peer.Unbelieved > 0) (peer.HeardThrough, peer.Unbelieved) = (peer.Unbelieved - 1, 0); // the ledger may vouch for it by now
        if (!peer.IsHeardOut) peer.HeardThrough = Math.Max(peer.HeardThrough, FirstMissing() - 1);
    }

    public void OnGetBatches(Address from, GetBatchesMessage message)
    {
        List<CertifiedBatch> found = [];
        long bytes = 0;
        for (ulong number = message.Run.First; number <= message.Run.Last && number - message.Run.First < PeerLimits.BatchesMax && bytes < PeerLimits.BatchesBytes; number++)
        {
            if (network.Log.Find(new BatchId(message.Run.Gateway, number)) is not { State: not BatchState.Voted } record || record.Attestations.Count == 0) continue;
            found.Add(new CertifiedBatch(record.Summary, record.Attestations));
            bytes += Size(record);
        }

        if (found.Count > 0) network.Host.Send(from, new CertificatesMessage(found));
    }

    public void OnCertificates(Address from)
    {
        network.Peer(from).BatchesAskedUntilMs = 0;
    }

    public void OnGetMine(Address from, GetMineMessage message)
    {
        List<CertifiedBatch> found = [];
        long bytes = 0;
        for (ulong number = Math.Max(1, message.From); found.Count < PeerLimits.BatchesMax && bytes < PeerLimits.BatchesBytes && number != 0; number++)
        {
            if (network.Log.Find(new BatchId(from, number)) is not { } record)
            {
                if (number >= network.Log.HighestNumber(from)) break;
                continue; // known from the ledger with a hole: void batches of before this gateway joined
            }

            found.Add(new CertifiedBatch(record.Summary, record.Attestations));
            bytes += Size(record);
        }

        network.Host.Send(from, new YoursMessage(found));
    }

    /// <summary>Own batches from a peer. Only what this gateway's own key signed, or the ledger holds, is believed.</summary>
    public void OnYours(Address from, YoursMessage message)
    {
        PeerView peer = network.Peer(from);
        peer.MineAskedUntilMs = 0;
        ulong last = 0;
        foreach (CertifiedBatch given in message.Batches)
        {
            BatchHeader header = given.Batch.Header;
            if (header.Gateway != network.Self || !given.Batch.IsConsistent() || header.Number <= last)
            {
                network.Host.Blame(from, "it sent batches that are not this gateway's when asked for them");
                return;
            }

            if (_mine.Count >= PeerLimits.RunsMax && !_mine.ContainsKey(header.Number)) return; // asked for again when there is room
            last = header.Number;
            peer.HeardThrough = Math.Max(peer.HeardThrough, last);
            if (network.Host.OwnBatch(header.Number) is not null) continue;
            Hash32 digest = header.Digest(Rules.Domain);
            bool signed = given.Attestations.Any(a => a.Gateway == network.Self && network.Host.IsOver(a, digest));
            bool anchored = network.Log.Find(given.Batch.Id) is { State: BatchState.Anchored } record && record.Summary.Hash == given.Batch.Hash;
            if (!signed && !anchored)
            {
                if (peer.Unbelieved == 0 || header.Number < peer.Unbelieved) peer.Unbelieved = header.Number;
                continue; // nobody can make us believe in a batch we did not sign
            }

            if (_mine.TryGetValue(header.Number, out LostBatch? known))
            {
                if (known.Batch.Batch.Hash == given.Batch.Hash) known.Sources.Add(from);
            }
            else
            {
                _mine[header.Number] = new LostBatch(given, from);
                _isSafe = false;
                _restore.Reset();
            }
        }

        // It knows no more (or lied about more): it does not hold signing up.
        if (message.Batches.Count == 0 && peer.Status is { } status) peer.HeardThrough = Math.Max(peer.HeardThrough, status.YourHighest);
    }

    /// <summary>
    /// A peer did not have the body of an own batch. When every other gateway said so and the ledger holds the batch, its frames are gone here but proven
    /// for ever: go on without it. One that is away may be the one that has it; meanwhile the next ones are fetched.
    /// </summary>
    public void OnRestoreFailed(ulong number, Address source)
    {
        if (!_mine.TryGetValue(number, out LostBatch? lost)) return;
        lost.Sources.Remove(source);
        lost.Without.Add(source);
        _restoreFrom = number + 1; // the next one's turn: nobody may have this one
        if (network.Network?.Members.All(m => m.Gateway == network.Self || lost.Without.Contains(m.Gateway)) == true && network.Log.Find(lost.Batch.Batch.Id) is { State: BatchState.Anchored }) _mine.Remove(number);
        _restore.Reset();
    }

    /// <summary>The store no longer has an own batch: peers are asked what they know from there on.</summary>
    public void OnOwnLost(ulong number)
    {
        _firstMissing = Math.Min(_firstMissing, number);
        foreach (PeerView peer in network.Active) peer.HeardThrough = Math.Min(peer.HeardThrough, number - 1);
    }

    public void OnGetEntry(Address from, GetEntryMessage message)
    {
        if (message.Ordinal >= network.Log.KnownEntries || network.Log.EntryHash(message.Ordinal) != message.Anchor) return;
        IReadOnlyList<BatchRecord> all = network.Log.BatchesIn(message.Ordinal);
        List<CertifiedBatch> part = [];
        long bytes = 0;
        for (int i = (int)Math.Min(message.FromLeaf, (uint)all.Count); i < all.Count && part.Count < PeerLimits.BatchesMax && bytes < PeerLimits.BatchesBytes; i++)
        {
            part.Add(new CertifiedBatch(all[i].Summary, all[i].Attestations));
            bytes += Size(all[i]);
        }

        network.Host.Send(from, new EntryMessage(message.Ordinal, message.Anchor, message.FromLeaf, (uint)all.Count, part));
    }

    /// <summary>A part of a ledger entry's batches; the whole is believed when it is the tree that the chain holds.</summary>
    public void OnEntry(Address from, EntryMessage message)
    {
        if (_entry is not { } entry || entry.Ordinal != message.Ordinal || entry.Hash != message.Anchor || entry.From != from || message.FromLeaf != (uint)entry.Batches.Count) return;
        if (message.Total != entry.Anchor.Batches || message.Batches.Count == 0 || entry.Batches.Count + message.Batches.Count > (int)message.Total
            || message.Batches.Any(b => !b.Batch.IsConsistent()))
        {
            Reject();
            return;
        }

        entry.Batches.AddRange(message.Batches);
        if (entry.Batches.Count < (int)message.Total)
        {
            Ask(entry);
            return;
        }

        if (!Matches(entry.Anchor, [.. entry.Batches.Select(b => b.Batch)]))
        {
            Reject();
            return;
        }

        _entry = null;
        Save(entry.Ordinal, entry.Anchor, [.. entry.Batches.Select(b => b.Batch)]);

        void Reject()
        {
            _entry = null;
            network.Host.Blame(from, $"the batches it gave for ledger entry {message.Ordinal} are not those of the chain");
        }
    }

    /// <summary>The followed chain changed: entries it took back are taken back here.</summary>
    public void OnChain()
    {
        if (network.Chain is not { } chain) return;
        ulong good = network.Log.KnownEntries;
        while (good > 0 && (good > chain.Entries || network.Host.LedgerEntry(good - 1)?.Hash() != network.Log.EntryHash(good - 1))) good--;
        if (good < network.Log.KnownEntries)
        {
            _recutsFor = null; // first: the write may throw and have happened
            network.Log.TakeBack(good);
        }

        if (_entry is { } entry && (entry.Ordinal < good || network.Host.LedgerEntry(entry.Ordinal)?.Hash() != entry.Hash)) _entry = null;
    }

    /// <summary>Which batches a ledger entry contains, told by the anchorer that signed or saw its proposal.</summary>
    public Func<AnchorHeader, IReadOnlyList<AnchorLeaf>?> ContentsOf { get; set; } = _ => null;

    /// <summary>Entries whose batches are all here.</summary>
    public void Resolve()
    {
        if (network.Chain is not { } chain) return;
        for (int i = 0; i < EntriesPerTick && network.Log.KnownEntries < chain.Entries; i++)
        {
            ulong ordinal = network.Log.KnownEntries;
            if (network.Host.LedgerEntry(ordinal) is not { } anchor || FromHere(anchor) is not { } contents) return;
            Save(ordinal, anchor, contents);
        }
    }

    private IReadOnlyList<BatchSummary>? FromHere(AnchorHeader anchor)
    {
        if (ContentsOf(anchor) is { } leaves)
        {
            List<BatchSummary> found = [];
            foreach (AnchorLeaf leaf in leaves)
            {
                if (network.Log.Find(leaf.Batch) is not { } record || record.Summary.Hash != leaf.Hash) return null;
                found.Add(record.Summary);
            }

            return Matches(anchor, found) ? found : null;
        }

        // chain.db was lost and there may be nobody to ask: an anchor of a network of one takes its lowest pending numbers. Not in one that was larger
        // before (its version rose), and not in one that this gateway only joins: there entries hold what others know.
        if (network.Network is not { Version: 1, Active.Count: 1 } || !network.IsActive || anchor.Batches > PeerLimits.LeavesMax) return null;
        List<BatchSummary> guess = [.. network.Log.Pending((int)anchor.Batches).Select(r => r.Summary)];
        if (guess.Count == (int)anchor.Batches && Matches(anchor, guess)) return guess;
        // All own batches are certified (again) and it is not over them: nobody can ever say what it holds, and it cannot be of ours.
        return network.Host.OwnBatch(network.Log.HighestNumber(network.Self) + 1) is null ? [] : null;
    }

    private static bool Matches(AnchorHeader anchor, IReadOnlyList<BatchSummary> contents)
    {
        if (contents.Count != anchor.Batches) return false;
        BatchHeader[] headers = [.. contents.Select(b => b.Header)];
        for (int i = 1; i < headers.Length; i++)
            if (AnchorHeader.CompareLeaves(headers[i - 1], headers[i]) >= 0) return false;
        (AnchorHeader rebuilt, _) = AnchorHeader.Build(anchor.Epoch, anchor.Previous, headers);
        return rebuilt == anchor;
    }

    private void Save(ulong ordinal, AnchorHeader anchor, IReadOnlyList<BatchSummary> contents)
    {
        network.Log.SaveEntry(ordinal, anchor, contents);
    }

    private void AskForEntry(long now)
    {
        if (network.Chain is not { } chain || network.Log.KnownEntries >= chain.Entries) return;
        if (_entry is { } open && open.UntilMs > now && network.Peer(open.From).IsConnected) return;
        ulong ordinal = network.Log.KnownEntries;
        if (network.Host.LedgerEntry(ordinal) is not { } anchor) return;
        _entry = null;
        // By turns, so that one that lies or sleeps costs one time-out.
        List<PeerView> able = [.. network.Active.Where(p => p.Status?.KnownEntries > ordinal)];
        if (able.Count == 0) return;
        PeerView from = able.FirstOrDefault(p => p.Gateway > _lastAsked) ?? able[0];
        _lastAsked = from.Gateway;
        _entry = new EntryParts(ordinal, anchor, anchor.Hash(), from.Gateway);
        Ask(_entry);
    }

    private void Ask(EntryParts entry)
    {
        entry.UntilMs = network.Host.NowMs + 2 * Rules.RetryMs;
        network.Host.Send(entry.From, new GetEntryMessage(entry.Ordinal, entry.Hash, (uint)entry.Batches.Count));
    }

    private void AskForBatches(PeerView peer, long now)
    {
        if (peer.Status is not { } status || peer.HasNothingNew || peer.BatchesAskedUntilMs > now) return;
        foreach (BatchRun run in status.Pending)
        {
            if (run.Gateway == network.Self) continue;
            for (ulong number = run.First; number <= run.Last && number - run.First < PeerLimits.BatchesMax; number++)
            {
                if (network.Log.Find(new BatchId(run.Gateway, number)) is { State: not BatchState.Voted }) continue;
                peer.BatchesAskedUntilMs = now + Rules.RetryMs;
                network.Host.Send(peer.Gateway, new GetBatchesMessage(run with { First = number }));
                return;
            }
        }

        peer.HasNothingNew = true;
    }

    private void AskForMine(PeerView peer, long now)
    {
        if (peer.Status is null || peer.IsHeardOut || peer.MineAskedUntilMs > now || _mine.Count >= PeerLimits.RunsMax) return;
        // From the lowest hole that it was not heard about: peers know different numbers, and each that knows one is a source of it.
        ulong from = Math.Max(peer.HeardThrough + 1, FirstMissing());
        peer.MineAskedUntilMs = now + 2 * Rules.RetryMs;
        network.Host.Send(peer.Gateway, new GetMineMessage(from));
    }

    private ulong FirstMissing() => _firstMissing = network.Host.FirstMissingOwn(_firstMissing);

    /// <summary>Fetches own batches back, by turns from the lowest number on: the store takes them in any order.</summary>
    private void Restore()
    {
        while (_mine.Count > 0)
        {
            (ulong number, LostBatch lost) = _mine.FirstOrDefault(m => m.Key >= _restoreFrom) is { Key: > 0 } next ? next : _mine.First();
            (CertifiedBatch batch, SortedSet<Address> sources) = (lost.Batch, lost.Sources);
            if (network.Host.OwnBatch(number) is { } here)
            {
                if (here.Hash == batch.Batch.Hash && network.Log.Find(here.Id) is null or { State: BatchState.Voted })
                {
                    // As it was signed (its spans as the peer gave them, checked: own frames may be dropped): its certificate, or a vote that goes on collecting.
                    Hash32 digest = Rules.Domain.Digest(here.Hash);
                    IReadOnlyList<Attestation> sound = [.. batch.Attestations.Where(a => network.Host.IsOver(a, digest))];
                    if (network.Holds(network.Self, sound)) network.Log.SaveCertificate(batch.Batch, sound);
                    else network.Log.SaveVote(batch.Batch, sound);
                }
                else if (here.Hash != batch.Batch.Hash && network.Log.Find(here.Id) is null)
                {
                    network.Log.SaveVote(batch.Batch, batch.Attestations); // signed once already: the store's own batch of that number never will be
                }

                _mine.Remove(number);
                _restore.Reset();
                continue;
            }

            if (!_restore.IsDue(network.Host.NowMs)) return;
            if (sources.Count == 0)
                foreach (PeerView peer in network.Active) sources.Add(peer.Gateway); // ask round again
            foreach (Address source in sources.Where(s => network.Peer(s).IsConnected).Take(1)) network.Host.RestoreOwn(source, batch.Batch);
            return;
        }
    }

    private void Recut()
    {
        (ulong, long) now = (network.Log.KnownEntries, network.Log.Counts().Void);
        if (network.Chain is null || _recutsFor == now || !IsSafeToSign()) return; // what is restored must come first: a recut takes the next number
        foreach (ulong number in network.Log.VoidNumbers(network.Self)) network.Host.Recut(number);
        _recutsFor = now;
    }

    private void Tell(Address to)
    {
        List<BatchRun> pending = [];
        foreach (BatchRecord record in network.Log.Pending(PeerLimits.RunsMax))
        {
            BatchId id = record.Summary.Id;
            if (pending.Count > 0 && pending[^1] is var run && run.Gateway == id.Gateway && run.Last + 1 == id.Number) pending[^1] = run with { Last = id.Number };
            else pending.Add(new BatchRun(id.Gateway, id.Number, id.Number));
        }

        ulong yours = network.Log.HighestNumber(to);
        while (network.Log.Find(new BatchId(to, yours + 1)) is not null) yours++; // votes above it
        network.Host.Send(to, new StatusMessage(network.Log.KnownEntries, pending, yours, network.Epoch, network.Chain?.Block ?? 0));
    }

    private List<PeerView> ByTurns(ref Address last, int count)
    {
        Address after = last;
        List<PeerView> all = [.. network.Active];
        List<PeerView> turn = [.. all.Where(p => p.Gateway > after).Concat(all.Where(p => p.Gateway <= after)).Take(count)];
        if (turn.Count > 0) last = turn[^1].Gateway;
        return turn;
    }

    private static long Size(BatchRecord record) => 200 + record.Summary.Spans.Runs.Length * FrameSpan.Bytes + record.Attestations.Count * Attestation.Bytes;

    /// <summary>An own batch that peers have and the store has not.</summary>
    private sealed class LostBatch(CertifiedBatch batch, Address source)
    {
        public CertifiedBatch Batch { get; } = batch;

        /// <summary>Who may have its body.</summary>
        public SortedSet<Address> Sources { get; } = [source];

        /// <summary>Who was asked and has it not.</summary>
        public HashSet<Address> Without { get; } = [];
    }

    private sealed class EntryParts(ulong ordinal, AnchorHeader anchor, Hash32 hash, Address from)
    {
        public ulong Ordinal { get; } = ordinal;

        public AnchorHeader Anchor { get; } = anchor;

        public Hash32 Hash { get; } = hash;

        public Address From { get; } = from;

        public List<CertifiedBatch> Batches { get; } = [];

        public long UntilMs { get; set; }
    }
}

using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Attest;

/// <summary>
/// From a batch to its certificate. As author: own batches one after another, the vote saved before the offer leaves. As attester: everything
/// checked, the body and the vote on disk before the signature leaves. One header is signed under one (gateway, number), for ever.
/// </summary>
internal sealed class Attesting(NetworkContext network)
{
    /// <summary>Own certificates that no longer hold (the network changed, the committee expired), renewed at the same time.</summary>
    private const int RenewalsMax = 8;

    /// <summary>Own batches before those, certified once and void now, that attesters do not know and so need a certificate that holds.</summary>
    private const int ParentsMax = 64;

    /// <summary>Own numbers looked at in one tick after a start.</summary>
    private const int LookedAtPerTick = 4_096;

    /// <summary>Hashes of bad batches remembered, so that none is fetched twice.</summary>
    private const int BadKept = 1_024;

    private readonly SortedDictionary<ulong, Offer> _offers = []; // own batches being collected
    private readonly Dictionary<Address, OfferMessage> _checking = []; // one offer an author, while its body is fetched
    private readonly Dictionary<Hash32, Refusal> _bad = [];
    private readonly Retry _renew = new(network.Rules);
    private ulong _next = 1; // own numbers below it are certified, anchored or void
    private (ulong Known, Hash32 Last) _lookedAt; // the ledger as known when they were looked at
    private NetworkRules Rules => network.Rules;

    /// <summary>The own batch that collects attestations now, or null.</summary>
    public Offer? Open => _offers.Count == 0 ? null : _offers.First().Value;

    /// <summary>Why own batches are not certified, for people; empty when nothing is in the way.</summary>
    public string Trouble { get; private set; } = "";

    /// <summary>True when a person has to act before own batches are certified.</summary>
    public bool IsInTheWay { get; private set; }

    /// <summary>Own batches: offers the next one, asks again who has not answered.</summary>
    public void Tick(bool isSafeToSign)
    {
        if (network.Network is null) return;
        IsInTheWay = false;
        if (!network.IsActive)
        {
            IsInTheWay = true;
            Trouble = $"gateway {network.Self.ToChecksumString()} is not in the active set, so its batches cannot be certified: ask the network's gateways to add it (GatewayRegistry.change); frames are kept until then";
            return;
        }

        if (!isSafeToSign)
        {
            Trouble = "own batches are not signed before enough peers have said which of them they know: this gateway may have lost its disk";
            return;
        }

        Renew();
        for (int i = 0; i < 16 && Begin(); i++) { } // a network of one certifies what it has at once
        foreach (Offer offer in _offers.Values.ToList())
        {
            if (network.Holds(network.Self, offer.Given.Values)) // a fault of the disk kept it from being saved, or the network changed
            {
                Certify(offer);
                continue;
            }

            if (!offer.Retry.IsDue(network.Host.NowMs)) continue;
            // An author that waits for long may meet another committee.
            Committee? committee = network.CommitteeOf(network.Self, network.Epoch);
            foreach (PeerView peer in network.Active.Where(p => !offer.Given.ContainsKey(p.Gateway) && committee?.Contains(p.Gateway) != false).ToList())
                network.Host.Send(peer.Gateway, new OfferMessage(offer.Batch, offer.Given[network.Self]));
        }
    }

    /// <summary>A peer is back, or the network changed: ask at once.</summary>
    public void AskAgain()
    {
        foreach (Offer offer in _offers.Values) offer.Retry.Reset();
        _renew.Reset();
    }

    /// <summary>Forgets what was begun: the own store came back from peers.</summary>
    public void Restart() => _offers.Clear();

    public void OnAttested(Address from, AttestedMessage message)
    {
        if (!_offers.TryGetValue(message.Number, out Offer? offer) || message.Attestation.Gateway != from || offer.Given.ContainsKey(from)) return;
        if (!network.Host.IsOver(message.Attestation, offer.Digest))
        {
            network.Host.Blame(from, $"its attestation of batch {message.Number} is not over that batch");
            return;
        }

        offer.Given[from] = message.Attestation;
        offer.Refusals.Remove(from);
        if (network.Holds(network.Self, offer.Given.Values)) Certify(offer);
    }

    public void OnRefused(Address from, RefusedMessage message)
    {
        if (!_offers.TryGetValue(message.Number, out Offer? offer)) return;
        offer.Refusals[from] = message.Reason;
        // It asks for what it lacks by itself; when that came, the next offer finds it.
        if (message.Reason is not Refusal.ParentUnknown || network.Log.Find(new BatchId(network.Self, message.Number - 1)) is not { Attestations.Count: > 0 } parent) return;
        if (network.Holds(network.Self, parent.Attestations)) network.Host.Send(from, new CertificatesMessage([new CertifiedBatch(parent.Summary, parent.Attestations)]));
        else if (!_offers.ContainsKey(message.Number - 1) && _offers.Count < RenewalsMax + ParentsMax) Collect(parent); // void batches too: what follows them must be attested
    }

    public void OnOffer(Address from, OfferMessage offer)
    {
        if (Judge(from, offer) is not { } refusal) return;
        network.Host.Send(from, new RefusedMessage(offer.Batch.Header.Number, refusal));
    }

    public void OnBodyChecked(BatchSummary batch, BodyVerdict verdict, ReadOnlyMemory<byte> badFrame)
    {
        Address author = batch.Header.Gateway;
        if (!_checking.TryGetValue(author, out OfferMessage? offer) || offer.Batch.Hash != batch.Hash) return;
        _checking.Remove(author);
        switch (verdict)
        {
            case BodyVerdict.Good:
                OnOffer(author, offer);
                return;
            case BodyVerdict.NotTheBody:
                network.Host.Blame(author, $"the body it sent is not that of its batch {batch.Header.Number}");
                Refuse(Refusal.BodyUnavailable);
                return;
            case BodyVerdict.BadFrame:
                if (_bad.Count >= BadKept) _bad.Clear();
                _bad[batch.Hash] = Refusal.BadFrame;
                network.Accuse(new Misconduct(EvidenceKind.BadBatch, author, batch.Header.Number, Signed(batch.Header, offer.Author), badFrame.ToArray(),
                    $"batch {batch.Header.Number} holds a frame that is malformed, badly signed or repeated, or is not what its header says"));
                network.Host.Blame(author, $"it signed batch {batch.Header.Number} with a bad frame in it");
                Refuse(Refusal.BadFrame);
                return;
            default:
                if (verdict == BodyVerdict.DeviceUnknown && !badFrame.IsEmpty) network.Host.Suspect(batch.Header, offer.Author, badFrame);
                Refuse(verdict switch { BodyVerdict.DeviceUnknown => Refusal.DeviceUnknown, BodyVerdict.Disk => Refusal.Disk, _ => Refusal.BodyUnavailable });
                return;
        }

        void Refuse(Refusal reason) => network.Host.Send(author, new RefusedMessage(batch.Header.Number, reason));
    }

    /// <summary>Certificates from anyone. Every signature is checked before anything is kept.</summary>
    public void OnCertificates(Address from, IReadOnlyList<CertifiedBatch> batches)
    {
        foreach (CertifiedBatch given in batches)
        {
            BatchSummary batch = given.Batch;
            if (!batch.IsConsistent())
            {
                network.Host.Blame(from, $"batch {batch.Header.Number} of {batch.Header.Gateway} contradicts itself");
                return;
            }

            if (batch.Header.Gateway == network.Self && network.Host.OwnBatch(batch.Header.Number)?.Hash != batch.Hash) continue; // Repairing asks for lost ones
            BatchRecord? known = network.Log.Find(batch.Id);
            bool same = known is not null && known.Summary.Hash == batch.Hash;
            if (same && known!.State is BatchState.Anchored or BatchState.Void) continue;
            if (same && known!.State is BatchState.Certified && network.Holds(batch.Header.Gateway, known.Attestations)) continue;
            if (Sound(from, given, same ? known!.Attestations : []) is not { } attestations) return;
            if (known is not null && !same) Equivocated(known, given);
            if (!network.Holds(batch.Header.Gateway, attestations)) continue; // perhaps under a network seen later
            if (known is { State: not BatchState.Voted } && !same) continue; // two certificates at one number: more than a third is faulty
            network.Log.SaveCertificate(batch, attestations);
        }
    }

    /// <summary>Evidence from a peer: kept and passed on when the signatures are right.</summary>
    public void OnMisconduct(Address from, Misconduct misconduct)
    {
        if (network.Log.HasMisconduct(misconduct.Kind, misconduct.Accused, misconduct.Height)) return;
        if (misconduct.Kind is EvidenceKind.BadBatch || !Rightly(misconduct))
        {
            network.Host.Blame(from, "it sent evidence that proves nothing");
            return;
        }

        network.Accuse(misconduct);
    }

    internal static byte[] Signed(BatchHeader header, Attestation attestation) => [.. header.ToArray(), .. attestation.ToArray()];

    internal static byte[] Signed(AnchorHeader header, Attestation attestation) => [.. header.ToArray(), .. attestation.ToArray()];

    private bool Rightly(Misconduct m)
    {
        switch (m.Kind)
        {
            case EvidenceKind.BatchEquivocation when m.First.Length == BatchHeader.Bytes + Attestation.Bytes && m.Second.Length == m.First.Length:
                (BatchHeader a, BatchHeader b) = (BatchHeader.Read(m.First.AsSpan(0, BatchHeader.Bytes)), BatchHeader.Read(m.Second.AsSpan(0, BatchHeader.Bytes)));
                return a.Gateway == m.Accused && b.Gateway == m.Accused && a.Number == m.Height && b.Number == m.Height && a.Hash() != b.Hash()
                    && By(m.First.AsSpan(BatchHeader.Bytes), a.Digest(Rules.Domain)) && By(m.Second.AsSpan(BatchHeader.Bytes), b.Digest(Rules.Domain));
            case EvidenceKind.AnchorEquivocation when m.First.Length == AnchorHeader.Bytes + Attestation.Bytes && m.Second.Length == m.First.Length:
                (AnchorHeader c, AnchorHeader d) = (AnchorHeader.Read(m.First.AsSpan(0, AnchorHeader.Bytes)), AnchorHeader.Read(m.Second.AsSpan(0, AnchorHeader.Bytes)));
                return c.Epoch == m.Height && d.Epoch == m.Height && c.Hash() != d.Hash()
                    && By(m.First.AsSpan(AnchorHeader.Bytes), c.Digest(Rules.Domain)) && By(m.Second.AsSpan(AnchorHeader.Bytes), d.Digest(Rules.Domain));
            default:
                return false;
        }

        bool By(ReadOnlySpan<byte> attestation, Hash32 digest) => Attestation.Read(attestation) is var read && read.Gateway == m.Accused && network.Host.IsOver(read, digest);
    }

    /// <summary>Begins the next own batch. True when it was certified at once.</summary>
    private bool Begin()
    {
        if (Next() is not { } number || _offers.ContainsKey(number)) return false;
        if (network.Host.OwnBatch(number) is not { } batch)
        {
            Trouble = "";
            return false;
        }

        BatchRecord? before = number == 1 ? null : network.Log.Find(new BatchId(network.Self, number - 1));
        BatchRecord? same = network.Log.Find(batch.Id);
        Trouble = !batch.IsConsistent() ? $"batch {number} is not signed: its header contradicts itself or its frames"
            : same is not null && same.Summary.Hash != batch.Hash ? $"batch {number} is not signed: this number was signed before with other content"
            : batch.Header.Previous != (before?.Summary.Hash ?? Hash32.Zero) ? $"batch {number} is not signed: it does not name the batch before it"
            : "";
        if (Trouble.Length > 0)
        {
            IsInTheWay = true;
            Trouble += ". Frames are kept and still acknowledged. frames.db and chain.db do not belong together or one is damaged: restore both from the same backup";
            return false;
        }

        Offer offer = new(batch, Rules.Domain.Digest(batch.Hash), new Retry(Rules));
        foreach (Attestation attestation in same?.Attestations ?? []) offer.Given[attestation.Gateway] = attestation;
        offer.Given[network.Self] = network.Host.Sign(offer.Digest);
        network.Log.SaveVote(batch, [.. offer.Given.Values]); // before anyone sees the signature
        _offers[number] = offer;
        if (!network.Holds(network.Self, offer.Given.Values)) return false;
        Certify(offer);
        return true;
    }

    /// <summary>Own certificates that would no longer be taken into an anchor collect again.</summary>
    private void Renew()
    {
        if (!_renew.IsDue(network.Host.NowMs)) return;
        foreach (BatchRecord record in network.Log.PendingOf(network.Self, Rules.CertificatesMax))
        {
            if (_offers.Count >= RenewalsMax) return;
            if (!_offers.ContainsKey(record.Summary.Header.Number) && !network.Holds(network.Self, record.Attestations)) Collect(record);
        }
    }

    /// <summary>A batch that was certified collects what it lacks under the present network.</summary>
    private void Collect(BatchRecord record)
    {
        Offer offer = new(record.Summary, Rules.Domain.Digest(record.Summary.Hash), new Retry(Rules));
        foreach (Attestation attestation in record.Attestations) offer.Given[attestation.Gateway] = attestation;
        offer.Given[network.Self] = network.Host.Sign(offer.Digest);
        _offers[record.Summary.Header.Number] = offer;
    }

    /// <summary>
    /// The lowest own number without a certificate. Not always the highest and one more: records that were lost, or were known from a ledger entry that the
    /// chain took back, leave holes. Null while it looks.
    /// </summary>
    private ulong? Next()
    {
        ulong known = network.Log.KnownEntries;
        if (_lookedAt.Known > known || (_lookedAt.Known > 0 && network.Log.EntryHash(_lookedAt.Known - 1) != _lookedAt.Last)) _next = 1;
        _lookedAt = (known, known == 0 ? Hash32.Zero : network.Log.EntryHash(known - 1));
        ulong highest = network.Log.HighestNumber(network.Self);
        for (int i = 0; i < LookedAtPerTick; i++, _next++)
        {
            if (_next > highest) return _next = highest + 1;
            if (network.Log.Find(new BatchId(network.Self, _next)) is null or { State: BatchState.Voted } && network.Host.OwnBatch(_next) is not null) return _next;
        }

        return null;
    }

    private void Certify(Offer offer)
    {
        network.Log.SaveCertificate(offer.Batch, [.. offer.Given.Values]);
        _offers.Remove(offer.Batch.Header.Number);
        if (_offers.TryGetValue(offer.Batch.Header.Number + 1, out Offer? next)) next.Retry.Reset(); // it may have waited for this one alone
        network.Broadcast(new CertificatesMessage([new CertifiedBatch(offer.Batch, [.. offer.Given.Values])]));
    }

    /// <summary>The attester's judgement. Null: attested, or an answer was sent.</summary>
    private Refusal? Judge(Address from, OfferMessage offer)
    {
        BatchHeader header = offer.Batch.Header;
        if (network.Network is null) return Refusal.ChainBehind;
        if (header.Gateway != from || offer.Author.Gateway != from)
        {
            network.Host.Blame(from, $"it offers batch {header.Number} of another gateway");
            return Refusal.NotActive;
        }

        if (!network.IsActive || !network.Network!.Active.Contains(from)) return Refusal.NotActive;
        if (!offer.Batch.IsConsistent())
        {
            network.Host.Blame(from, $"its batch {header.Number} contradicts itself");
            return Refusal.BadHeader;
        }

        Hash32 digest = header.Digest(Rules.Domain);
        if (!network.Host.IsOver(offer.Author, digest))
        {
            network.Host.Blame(from, $"its signature of batch {header.Number} is not its own");
            return Refusal.BadSignature;
        }

        if (_bad.TryGetValue(offer.Batch.Hash, out Refusal bad)) return bad;
        if (!InCommittee(from)) return Refusal.NotInCommittee;

        BatchRecord? known = network.Log.Find(offer.Batch.Id);
        if (known is not null && known.Summary.Hash != offer.Batch.Hash)
        {
            Equivocated(known, new CertifiedBatch(offer.Batch, [offer.Author]));
            return Refusal.SignedOtherwise;
        }

        if (known is not null && known.Attestations.Any(a => a.Gateway == network.Self))
        {
            network.Host.Send(from, new AttestedMessage(header.Number, known.Attestations.First(a => a.Gateway == network.Self)));
            return null;
        }

        if (network.Log.Replaced(offer.Batch.Id) is { } replaced && replaced != offer.Batch.Hash) return Refusal.SignedOtherwise; // its author lost its disk, or lies
        if (Parent(from, header) is { } orphan) return orphan;
        if (!network.Host.HasBody(offer.Batch))
        {
            _checking[from] = offer;
            network.Host.FetchBody(from, offer.Batch);
            return Refusal.Checking;
        }

        Attestation mine = network.Host.Sign(digest);
        IReadOnlyList<Attestation> all = network.Merge(known?.Attestations ?? [], [offer.Author, mine], digest)!;
        if (known is null or { State: BatchState.Voted }) network.Log.SaveVote(offer.Batch, all);
        else network.Log.SaveCertificate(offer.Batch, all);
        network.Host.Send(from, new AttestedMessage(header.Number, mine));
        return null;
    }

    private Refusal? Parent(Address from, BatchHeader header)
    {
        if (header.Number == 1) return null; // IsConsistent: its previous is zero
        BatchId before = new(from, header.Number - 1);
        BatchRecord? parent = network.Log.Find(before);
        if (parent is null or { State: BatchState.Voted })
        {
            network.Host.Send(from, new GetBatchesMessage(new BatchRun(from, before.Number, before.Number)));
            return Refusal.ParentUnknown;
        }

        if (parent.Summary.Hash == header.Previous) return null;
        network.Host.Blame(from, $"its batch {header.Number} does not follow its certified batch {before.Number}");
        return Refusal.WrongParent;
    }

    private bool InCommittee(Address author)
    {
        if (!network.UsesCommittees) return true;
        for (ulong epoch = network.Epoch == 0 ? 0 : network.Epoch - 1; epoch <= network.Epoch + 1; epoch++) // neighbours' clocks of the chain differ by a block
            if (network.CommitteeOf(author, epoch)!.Contains(network.Self)) return true;
        return false;
    }

    /// <summary>Known and given attestations together, of gateways that count; null and blamed when one is not sound.</summary>
    private IReadOnlyList<Attestation>? Sound(Address from, CertifiedBatch given, IReadOnlyList<Attestation> known)
    {
        Address author = given.Batch.Header.Gateway;
        IEnumerable<Attestation> counted = given.Attestations.Where(a => a.Gateway == author || network.Network?.Active.Contains(a.Gateway) == true);
        if (network.Merge(known, counted, Rules.Domain.Digest(given.Batch.Hash)) is { } merged) return merged;
        network.Host.Blame(from, $"a certificate of batch {given.Batch.Header.Number} of {author} has a signature that is not its gateway's");
        return null;
    }

    /// <summary>Two headers under one number: evidence when both are signed by their author.</summary>
    private void Equivocated(BatchRecord known, CertifiedBatch given)
    {
        Address author = given.Batch.Header.Gateway;
        Attestation? first = known.Attestations.Where(a => a.Gateway == author).Cast<Attestation?>().FirstOrDefault();
        Attestation? second = given.Attestations.Where(a => a.Gateway == author).Cast<Attestation?>().FirstOrDefault();
        if (first is null || second is null || !network.Host.IsOver(second.Value, Rules.Domain.Digest(given.Batch.Hash))) return;
        network.Accuse(new Misconduct(EvidenceKind.BatchEquivocation, author, given.Batch.Header.Number,
            Signed(known.Summary.Header, first.Value), Signed(given.Batch.Header, second.Value), $"signed two batches under number {given.Batch.Header.Number}"));
        network.Host.Blame(author, $"it signed two batches under number {given.Batch.Header.Number}");
    }

    /// <summary>An own batch that collects attestations.</summary>
    internal sealed class Offer(BatchSummary batch, Hash32 digest, Retry retry)
    {
        public BatchSummary Batch { get; } = batch;

        public Hash32 Digest { get; } = digest;

        public Retry Retry { get; } = retry;

        public SortedDictionary<Address, Attestation> Given { get; } = [];

        public SortedDictionary<Address, Refusal> Refusals { get; } = [];
    }
}

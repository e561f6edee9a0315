using DePIN.Evidence;
using DePIN.Gateway.Attest;
using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Anchor;

/// <summary>
/// From certificates to an anchor with a quorum. At most one anchor is signed in an epoch, saved before the signature leaves, and only on top of
/// the followed head with every batch of the ledger known. The ledger takes one anchor per epoch and predecessor, so of two anchors with a quorum
/// (a slow one of an earlier epoch, or more than one leader at work) one is taken and the other can never be.
/// </summary>
internal sealed class Anchoring(NetworkContext network)
{
    /// <summary>Anchors on one head looked at: each needs signatures of active gateways, one a gateway and epoch is honest.</summary>
    private const int ProposalsMax = 256;

    /// <summary>Epochs back from the present one whose anchors are looked at.</summary>
    private const ulong EpochsKept = 8;

    private readonly Dictionary<Hash32, Proposal> _proposals = [];
    private readonly Dictionary<(ulong Epoch, Address Gateway), (AnchorHeader Anchor, Attestation Attestation)> _seen = [];
    private readonly Retry _push = new(network.Rules);
    private Hash32 _head;
    private ulong _pushEpoch;
    private Address[] _order = [];
    private (ulong Epoch, ulong Version) _orderOf;
    private ulong? _startedIn;
    private NetworkRules Rules => network.Rules;

    /// <summary>What is waited for, for people; empty when everything is on the ledger.</summary>
    public string Waits { get; private set; } = "";

    /// <summary>True when a person has to act before this gateway anchors.</summary>
    public bool IsInTheWay => network.Chain is { } chain && !chain.Latest.Contains(network.Self);

    /// <summary>The anchor under way in this epoch that has the most signatures, or null.</summary>
    public Proposal? Open => _proposals.Values.Where(p => p.Header.Previous == _head).OrderByDescending(p => p.Votes.Count).ThenBy(p => p.Hash).FirstOrDefault();

    /// <summary>The gateways in the order in which they may begin the present epoch.</summary>
    public IReadOnlyList<Address> Order()
    {
        if (network.Network is not { } members) return [];
        if (_orderOf != (network.Epoch, members.Version) || _order.Length == 0) (_order, _orderOf) = (members.Active.LeadersOf(network.Epoch), (network.Epoch, members.Version));
        return _order;
    }

    /// <summary>The chain moved: anchors on another head are of no use any more.</summary>
    public void OnChain()
    {
        if (network.Chain is not { } chain) return;
        if (chain.Head != _head || _proposals.Count == 0)
        {
            _head = chain.Head;
            foreach (Hash32 gone in _proposals.Values.Where(p => p.Header.Previous != _head).Select(p => p.Hash).ToList()) _proposals.Remove(gone);
            foreach (AnchorVote vote in network.Log.VotesOn(_head)) Signed(vote); // after a restart
            _push.Reset();
        }

        foreach ((ulong, Address) old in _seen.Keys.Where(k => k.Epoch + EpochsKept < network.Epoch).ToList()) _seen.Remove(old);
    }

    /// <summary>Which batches an anchor contains, when it was proposed to this gateway or signed by it; null otherwise.</summary>
    public IReadOnlyList<AnchorLeaf>? ContentsOf(AnchorHeader anchor)
    {
        Hash32 hash = anchor.Hash();
        if (_proposals.TryGetValue(hash, out Proposal? proposal) && proposal.Contents is { } contents) return contents;
        return network.Log.VoteIn(anchor.Epoch) is { } vote && vote.Header == anchor ? vote.Contents : null;
    }

    public void Tick()
    {
        _startedIn ??= StartedIn();
        Waits = Do();
    }

    private string Do()
    {
        if (network.Chain is not { } chain) return "the chain is not read up to its newest block";
        if (!chain.Latest.Contains(network.Self)) return $"gateway {network.Self.ToChecksumString()} is not in the active set: ask the network's gateways to add it (GatewayRegistry.change)";
        foreach (Proposal proposal in _proposals.Values) NoteComplete(proposal, chain);
        if (!EntriesKnown(chain)) return $"the batches of ledger entry {network.Log.KnownEntries} are not known yet: peers are asked for them";
        ulong epoch = network.Epoch;
        if (_pushEpoch != epoch)
        {
            _pushEpoch = epoch;
            _push.Reset();
        }

        if (Complete(chain) is { } complete) return $"the anchor of epoch {complete.Header.Epoch} has its quorum and is being put onto the chain";
        if (Ahead(chain) is { } ahead) return Unless($"the anchor of epoch {ahead.Header.Epoch} has its quorum; that epoch begins again at chain time {chain.Epochs.StartOf(ahead.Header.Epoch)} s");
        foreach (Proposal waiting in _proposals.Values.Where(p => p.Header.Epoch == epoch && p.From is not null && !p.Votes.ContainsKey(network.Self)).OrderBy(p => p.Hash).ToList())
            TryVote(waiting, tell: false);
        if (Complete(chain) is { } now) return $"the anchor of epoch {now.Header.Epoch} has its quorum and is being put onto the chain";

        AnchorVote? vote = network.Log.VoteIn(epoch);
        if (vote is not null && vote.Header.Previous != chain.Head) return Unless("the ledger moved on in this epoch; the next anchor is that of the next epoch");
        bool mayLead = chain.TimeS >= MayBeginAtS(chain, network.Self);
        if (vote is not null)
        {
            Proposal mine = Signed(vote);
            NoteComplete(mine, chain);
            if (mayLead && _push.IsDue(network.Host.NowMs)) Push(mine);
            return $"the anchor of epoch {epoch} has {mine.Votes.Keys.Count(chain.Latest.Contains)} of {chain.Latest.Quorum} attestations";
        }

        if (chain.LastEpoch is { } last && epoch <= last) return Unless($"this epoch has its anchor; the next begins at chain time {chain.Epochs.StartOf(last + 1)} s");
        if (MayHaveVoted()) return Unless(_startedIn is null ? "too few peers have told their epoch: none is signed in that this gateway may have signed in before it started"
            : "this gateway started in this epoch and may have signed an anchor that its records have lost: it signs from the next epoch on");
        if (AsksForProposal(chain)) return $"an anchor of epoch {epoch} that others signed is asked for";
        if (!mayLead) return Unless($"{Order().FirstOrDefault()} leads this epoch; this gateway may begin at chain time {MayBeginAtS(chain, network.Self)} s");
        List<BatchRecord> eligible = Eligible();
        if (eligible.Count == 0) return Unless("no pending certificate holds under the present network: they are being renewed");

        BatchHeader[] headers = [.. eligible.Select(b => b.Summary.Header)];
        (AnchorHeader anchor, _) = AnchorHeader.Build(epoch, chain.Head, headers);
        List<AnchorLeaf> contents = [.. eligible.OrderBy(b => b.Summary.Id).Select(b => new AnchorLeaf(b.Summary.Id, b.Summary.Hash))];
        Attestation signature = network.Host.Sign(anchor.Digest(Rules.Domain));
        network.Log.SaveVote(new AnchorVote(anchor, contents, signature, IsOwn: true)); // before anyone sees the signature
        Proposal own = Signed(new AnchorVote(anchor, contents, signature, IsOwn: true));
        NoteComplete(own, chain);
        if (own.CompleteMs is null && _push.IsDue(network.Host.NowMs)) Push(own);
        return $"the anchor of epoch {epoch} has 1 of {chain.Latest.Quorum} attestations";
    }

    /// <summary>What is waited for, unless nothing is pending.</summary>
    private string Unless(string waits) => network.Log.Counts().Pending == 0 ? "" : waits;

    public void OnProposal(Address from, ProposalMessage message)
    {
        AnchorHeader anchor = message.Anchor;
        if (network.Chain is not { } chain)
        {
            Refuse(Refusal.ChainBehind);
            return;
        }

        if (!chain.Latest.Contains(from))
        {
            Refuse(Refusal.NotActive);
            return;
        }

        if (anchor.Previous != chain.Head || !IsTimely(anchor, chain))
        {
            Refuse(Refusal.ChainBehind); // one of us is: it comes again
            return;
        }

        if (!_proposals.TryGetValue(anchor.Hash(), out Proposal? proposal) || proposal.Contents is null)
        {
            if (!IsSound(message))
            {
                network.Host.Blame(from, $"its anchor of epoch {anchor.Epoch} is not the tree over its batches");
                Refuse(Refusal.WrongContents);
                return;
            }

            if (HasSignedOther(from, anchor, message.Attestations)) return;
            proposal = Take(anchor, message.Contents);
        }

        if (!AddVotes(from, proposal, message.Attestations)) return;
        if (!proposal.Votes.ContainsKey(from))
        {
            Refuse(Refusal.BadSignature); // who proposes has signed
            return;
        }

        proposal.From ??= from;
        Remember(proposal, message.Attestations);
        NoteComplete(proposal, chain);
        if (proposal.Votes.TryGetValue(network.Self, out Attestation mine)) network.Host.Send(from, new VoteMessage(anchor, mine));
        else TryVote(proposal, tell: true, from);

        void Refuse(Refusal reason) => network.Host.Send(from, new AnchorRefusedMessage(anchor.Epoch, anchor.Hash(), reason));
    }

    public void OnVote(Address from, VoteMessage message)
    {
        if (network.Chain is not { } chain || message.Anchor.Previous != chain.Head || message.Attestation.Gateway != from || !chain.Latest.Contains(from)) return;
        if (!IsTimely(message.Anchor, chain) || HasSignedOther(from, message.Anchor, [message.Attestation])) return;
        Proposal proposal = Take(message.Anchor, null);
        if (AddVotes(from, proposal, [message.Attestation])) NoteComplete(proposal, chain);
    }

    public void OnGetProposal(Address from, GetProposalMessage message)
    {
        if (_proposals.TryGetValue(message.Anchor, out Proposal? proposal) && proposal.Contents is { } contents && proposal.Votes.ContainsKey(network.Self))
            network.Host.Send(from, new ProposalMessage(proposal.Header, contents, Sorted(proposal)));
    }

    public void OnRefused(Address from, AnchorRefusedMessage message)
    {
        if (_proposals.TryGetValue(message.Anchor, out Proposal? proposal)) proposal.Refusals[from] = message.Reason;
    }

    /// <summary>The anchor this gateway is to put onto the chain now: its own at once, others' in the order of the epoch, each after the leader's time-out.</summary>
    public SubmittableAnchor? ToSubmit()
    {
        if (network.Chain is not { } chain || Complete(chain) is not { } complete) return null;
        int place = Math.Max(0, Order().ToList().IndexOf(network.Self));
        long patience = complete.IsOwn ? 0 : (1 + place) * (long)Rules.LeaderTimeoutS * 1000;
        return network.Host.NowMs - complete.CompleteMs < patience ? null
            : new SubmittableAnchor(complete.Header, [.. complete.Votes.Where(v => chain.Latest.Contains(v.Key)).Select(v => v.Value)]);
    }

    /// <summary>Pending certificates that can be anchored together: each author's in order, by turns; no frame twice.</summary>
    private List<BatchRecord> Eligible()
    {
        SpanSet taken = new();
        List<BatchRecord> eligible = [];
        // Of each author as many as fit at all: certificates that do not hold (their author left) must not hide the others.
        IEnumerable<BatchRecord> byTurns = network.Log.Authors()
            .SelectMany(a => network.Log.PendingOf(a, Rules.CertificatesMax).Where(r => network.Holds(a, r.Attestations)).Select((record, turn) => (record, turn)))
            .OrderBy(x => x.turn).ThenBy(x => x.record.Summary.Id).Select(x => x.record);
        foreach (BatchRecord record in byTurns)
        {
            if (eligible.Count == Rules.CertificatesMax) break;
            if (taken.Overlaps(record.Summary.Spans)) continue;
            taken.Add(record.Summary.Spans);
            eligible.Add(record);
        }

        return eligible;
    }

    private void TryVote(Proposal proposal, bool tell, Address? asker = null)
    {
        Address to = asker ?? proposal.From!.Value;
        if (Judge(proposal, to) is { } refusal)
        {
            if (tell) network.Host.Send(to, new AnchorRefusedMessage(proposal.Header.Epoch, proposal.Hash, refusal));
            return;
        }

        Attestation mine = network.Host.Sign(Rules.Domain.Digest(proposal.Hash));
        network.Log.SaveVote(new AnchorVote(proposal.Header, proposal.Contents!, mine, IsOwn: false)); // before anyone sees the signature
        proposal.Votes[network.Self] = mine;
        NoteComplete(proposal, network.Chain!);
        VoteMessage vote = new(proposal.Header, mine);
        if (!network.UsesCommittees) network.Broadcast(vote);
        else
            foreach (Address leader in Order().Take(Rules.Fanout).Append(to).Distinct().Where(l => l != network.Self)) network.Host.Send(leader, vote);
    }

    /// <summary>Why a proposal is not signed; null: it can be.</summary>
    private Refusal? Judge(Proposal proposal, Address proposer)
    {
        ChainSnapshot chain = network.Chain!;
        AnchorHeader anchor = proposal.Header;
        if (!chain.Latest.Contains(network.Self)) return Refusal.NotActive;
        if (anchor.Previous != chain.Head || !EntriesKnown(chain)) return Refusal.ChainBehind;
        if (anchor.Epoch != network.Epoch || chain.LastEpoch >= anchor.Epoch || chain.TimeS < MayBeginAtS(chain, proposer)) return Refusal.NotNow;
        if (network.Log.VoteIn(anchor.Epoch) is { } vote)
        {
            if (vote.Header == anchor) return Refusal.SignedOtherwise; // cannot be: the caller looked
            // Whoever leads now can finish the anchor that this gateway signed before.
            if (vote.Header.Previous == chain.Head && Signed(vote) is var signed && signed.MayTell(proposer, network.Host.NowMs, Rules.RetryMs))
                network.Host.Send(proposer, new ProposalMessage(vote.Header, vote.Contents, Sorted(signed)));
            return Refusal.SignedOtherwise;
        }

        if (MayHaveVoted() || Ahead(chain) is not null) return Refusal.NotNow;
        if (proposal.Contents is not { } contents) return Refusal.BatchUnknown;
        if (contents.Count > Rules.CertificatesMax) return Refusal.WrongContents;
        SpanSet taken = new();
        ulong frames = 0;
        List<BatchRun> missing = [];
        foreach (AnchorLeaf leaf in contents)
        {
            BatchRecord? record = network.Log.Find(leaf.Batch);
            if (record is null or { State: BatchState.Voted })
            {
                if (missing.Count > 0 && missing[^1] is var run && run.Gateway == leaf.Batch.Gateway && run.Last + 1 == leaf.Batch.Number) missing[^1] = run with { Last = leaf.Batch.Number };
                else missing.Add(new BatchRun(leaf.Batch.Gateway, leaf.Batch.Number, leaf.Batch.Number));
                continue;
            }

            if (record.Summary.Hash != leaf.Hash) return Refusal.WrongContents;
            if (record.State is BatchState.Anchored or BatchState.Void || taken.Overlaps(record.Summary.Spans)) return Refusal.AlreadyAnchored;
            if (!network.Holds(leaf.Batch.Gateway, record.Attestations)) missing.Add(new BatchRun(leaf.Batch.Gateway, leaf.Batch.Number, leaf.Batch.Number));
            taken.Add(record.Summary.Spans);
            frames += record.Summary.Header.Frames;
        }

        if (missing.Count == 0) return frames == anchor.Frames ? null : Refusal.WrongContents;
        if (proposal.AskedUntilMs <= network.Host.NowMs)
        {
            proposal.AskedUntilMs = network.Host.NowMs + Rules.RetryMs;
            foreach (BatchRun run in missing.Take(16)) network.Host.Send(proposer, new GetBatchesMessage(run));
        }

        return Refusal.BatchUnknown;
    }

    /// <summary>A signature given before a crash may have been lost with a disk or an old backup; a second one in the epoch would be equivocation.</summary>
    private bool MayHaveVoted() => network.Network!.Active.Count > 1 && !(network.Epoch > _startedIn);

    /// <summary>
    /// The epoch that the network was in at the start, known once a quorum has told. The own view alone may be that of an endpoint that is behind; of
    /// the peers' epochs the highest that one honest gateway of them confirms, so that no liar holds this gateway up.
    /// </summary>
    private ulong? StartedIn()
    {
        if (network.Chain is null || network.Network is not { } members) return null;
        List<ulong> told = [.. network.Active.Where(p => p.Status is not null).Select(p => p.Status!.Epoch).OrderDescending()];
        if (told.Count < Math.Min(members.Members.Count(m => m.Gateway != network.Self), members.Active.Quorum - 1)) return null;
        int liars = (members.Active.Count - 1) / 3;
        return told.Count <= liars ? network.Epoch : Math.Max(network.Epoch, told[liars]);
    }

    private void Push(Proposal proposal)
    {
        ProposalMessage message = new(proposal.Header, proposal.Contents!, Sorted(proposal));
        foreach (PeerView peer in network.Active.Where(p => !proposal.Votes.ContainsKey(p.Gateway)).ToList()) network.Host.Send(peer.Gateway, message);
    }

    private static Attestation[] Sorted(Proposal proposal) => [.. proposal.Votes.Values];

    private ulong MayBeginAtS(ChainSnapshot chain, Address gateway)
    {
        int place = -1;
        IReadOnlyList<Address> order = Order();
        for (int i = 0; i < order.Count && place < 0; i++)
            if (order[i] == gateway) place = i;
        if (place < 0) return ulong.MaxValue;
        ulong startS = chain.Epochs.StartOf(network.Epoch);
        return startS + (ulong)place * Math.Min(Rules.LeaderTimeoutS, Math.Max(1, chain.Epochs.SecondsAt(startS) / 2));
    }

    private bool EntriesKnown(ChainSnapshot chain) =>
        network.Log.KnownEntries == chain.Entries && (chain.Entries == 0 || network.Log.EntryHash(chain.Entries - 1) == chain.Head);

    /// <summary>The anchor on the head that has its quorum; of several that of the earliest epoch, so that all push the same.</summary>
    private Proposal? Complete(ChainSnapshot chain) => _proposals.Values
        .Where(p => p.CompleteMs is not null && p.Header.Previous == chain.Head && !(chain.LastEpoch >= p.Header.Epoch) && p.Header.Epoch <= network.Epoch && IsQuorum(p, chain))
        .OrderBy(p => p.Header.Epoch).ThenBy(p => p.Hash).FirstOrDefault();

    /// <summary>
    /// A reorganisation can set the chain's time back before the epoch of an anchor that has its quorum. It fits the head still, and its transaction may be
    /// on its way: another anchor now would only compete with it.
    /// </summary>
    private Proposal? Ahead(ChainSnapshot chain) => _proposals.Values
        .Where(p => p.Header.Previous == chain.Head && p.Header.Epoch > network.Epoch && p.Header.Epoch <= network.Epoch + EpochsKept && IsQuorum(p, chain))
        .OrderBy(p => p.Header.Epoch).ThenBy(p => p.Hash).FirstOrDefault();

    private static bool IsQuorum(Proposal proposal, ChainSnapshot chain) => proposal.Votes.Keys.Count(chain.Latest.Contains) >= chain.Latest.Quorum;

    private void NoteComplete(Proposal proposal, ChainSnapshot chain)
    {
        if (proposal.CompleteMs is null && IsQuorum(proposal, chain)) proposal.CompleteMs = network.Host.NowMs;
    }

    private static bool IsSound(ProposalMessage message)
    {
        AnchorHeader anchor = message.Anchor;
        if (anchor.Check() != AnchorHeaderFault.None || message.Contents.Count != anchor.Batches) return false;
        Hash32[] leaves = new Hash32[message.Contents.Count];
        for (int i = 0; i < leaves.Length; i++)
        {
            if (i > 0 && message.Contents[i - 1].Batch.CompareTo(message.Contents[i].Batch) >= 0) return false;
            leaves[i] = message.Contents[i].Hash;
        }

        return MerkleTree.RootInPlace(leaves) == anchor.Root;
    }

    /// <summary>The proposal of an anchor that this gateway signed, with its signature.</summary>
    private Proposal Signed(AnchorVote vote)
    {
        Proposal proposal = Take(vote.Header, vote.Contents);
        proposal.Votes[network.Self] = vote.Mine;
        proposal.IsOwn |= vote.IsOwn;
        return proposal;
    }

    /// <summary>The proposal with this header, made when it is new.</summary>
    private Proposal Take(AnchorHeader anchor, IReadOnlyList<AnchorLeaf>? contents)
    {
        Hash32 hash = anchor.Hash();
        if (!_proposals.TryGetValue(hash, out Proposal? proposal))
        {
            if (_proposals.Count >= ProposalsMax)
            {
                // Make room: what this gateway did not sign first, then the oldest epoch.
                Proposal least = _proposals.Values.OrderBy(p => p.Votes.ContainsKey(network.Self)).ThenBy(p => p.Header.Epoch).ThenBy(p => p.Votes.Count).ThenBy(p => p.Hash).First();
                _proposals.Remove(least.Hash);
            }

            _proposals[hash] = proposal = new Proposal(anchor, hash);
        }

        proposal.Contents ??= contents;
        return proposal;
    }

    /// <summary>Adds signatures of active gateways; false when one is not sound (its sender is blamed).</summary>
    private bool AddVotes(Address from, Proposal proposal, IEnumerable<Attestation> attestations)
    {
        Hash32? digest = null;
        foreach (Attestation attestation in attestations)
        {
            if (attestation.Gateway == network.Self) continue; // what is not in the log was not signed, as far as this gateway knows: Remember
            if (proposal.Votes.ContainsKey(attestation.Gateway) || !network.Chain!.Latest.Contains(attestation.Gateway)) continue;
            if (!network.Host.IsOver(attestation, digest ??= Rules.Domain.Digest(proposal.Hash)))
            {
                network.Host.Blame(from, $"a signature of the anchor of epoch {proposal.Header.Epoch} is not its gateway's");
                return false;
            }

            proposal.Votes[attestation.Gateway] = attestation;
            NoteSigned(proposal.Header, attestation);
        }

        return true;
    }

    /// <summary>
    /// This gateway's own signature comes back from a peer, and its records do not have it: they were lost. It is saved again before it is used, so that
    /// nothing else is signed in that epoch.
    /// </summary>
    private void Remember(Proposal proposal, IReadOnlyList<Attestation> attestations)
    {
        if (proposal.Votes.ContainsKey(network.Self) || proposal.Contents is not { } contents || network.Log.VoteIn(proposal.Header.Epoch) is not null) return;
        foreach (Attestation mine in attestations.Where(a => a.Gateway == network.Self && network.Host.IsOver(a, proposal.Header.Digest(Rules.Domain))).Take(1))
        {
            AnchorVote vote = new(proposal.Header, contents, mine, IsOwn: false);
            network.Log.SaveVote(vote);
            Signed(vote);
        }
    }

    /// <summary>True when this gateway signed another anchor in that epoch: evidence, and nothing more is taken from it there.</summary>
    private bool HasSignedOther(Address gateway, AnchorHeader anchor, IEnumerable<Attestation> attestations)
    {
        if (!_seen.TryGetValue((anchor.Epoch, gateway), out (AnchorHeader Anchor, Attestation Attestation) first) || first.Anchor == anchor) return false;
        foreach (Attestation second in attestations.Where(a => a.Gateway == gateway && network.Host.IsOver(a, anchor.Digest(Rules.Domain))).Take(1)) NoteSigned(anchor, second);
        return true;
    }

    private void NoteSigned(AnchorHeader anchor, Attestation attestation)
    {
        (ulong, Address) key = (anchor.Epoch, attestation.Gateway);
        if (_seen.TryAdd(key, (anchor, attestation)) || _seen[key].Anchor == anchor) return;
        (AnchorHeader first, Attestation signature) = _seen[key];
        network.Accuse(new Misconduct(EvidenceKind.AnchorEquivocation, attestation.Gateway, anchor.Epoch,
            Attesting.Signed(first, signature), Attesting.Signed(anchor, attestation), $"signed two anchors in epoch {anchor.Epoch}"));
        network.Host.Blame(attestation.Gateway, $"it signed two anchors in epoch {anchor.Epoch}");
    }

    /// <summary>Neither ahead of the next epoch nor long past: what is kept stays bounded whatever peers make up.</summary>
    private bool IsTimely(AnchorHeader anchor, ChainSnapshot chain) =>
        anchor.Epoch <= network.Epoch + 1 && anchor.Epoch + EpochsKept >= network.Epoch && !(chain.LastEpoch >= anchor.Epoch);

    /// <summary>Others signed an anchor in this epoch that never came here: asked for once before an own one is proposed, which would split the votes.</summary>
    private bool AsksForProposal(ChainSnapshot chain)
    {
        long now = network.Host.NowMs;
        foreach (Proposal unseen in _proposals.Values.Where(p => p.Contents is null && p.Header.Epoch == network.Epoch && p.Header.Previous == chain.Head).OrderBy(p => p.Hash))
        {
            if (unseen.AskedUntilMs == 0)
            {
                unseen.AskedUntilMs = now + Rules.RetryMs;
                foreach (Address voter in unseen.Votes.Keys.Where(v => v != network.Self).Take(2)) network.Host.Send(voter, new GetProposalMessage(unseen.Header.Epoch, unseen.Hash));
            }

            if (unseen.AskedUntilMs > now) return true;
        }

        return false;
    }

    /// <summary>An anchor on the present head, with the signatures known.</summary>
    internal sealed class Proposal(AnchorHeader header, Hash32 hash)
    {
        public AnchorHeader Header { get; } = header;

        public Hash32 Hash { get; } = hash;

        /// <summary>Null while only votes are known of it.</summary>
        public IReadOnlyList<AnchorLeaf>? Contents { get; set; }

        public SortedDictionary<Address, Attestation> Votes { get; } = [];

        public SortedDictionary<Address, Refusal> Refusals { get; } = [];

        /// <summary>Who proposed it to us first.</summary>
        public Address? From { get; set; }

        public bool IsOwn { get; set; }

        /// <summary>When its quorum was first seen.</summary>
        public long? CompleteMs { get; set; }

        public long AskedUntilMs { get; set; }

        private readonly Dictionary<Address, long> _toldMs = [];

        /// <summary>True at most once in a while for each peer: two gateways that signed different anchors would answer each other for ever.</summary>
        public bool MayTell(Address peer, long nowMs, long pauseMs)
        {
            if (_toldMs.TryGetValue(peer, out long told) && nowMs - told < pauseMs) return false;
            _toldMs[peer] = nowMs;
            return true;
        }
    }
}

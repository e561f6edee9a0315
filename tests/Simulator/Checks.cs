using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>
/// The promises, checked when something happens that could break one. Knows everything that was ever made (each batch with its frames, each anchor with its
/// batches), none of it through the cores' own answers.
/// </summary>
internal sealed class Checks(Simulation simulation)
{
    private readonly Dictionary<Hash32, Truth> _batches = [];
    private readonly Dictionary<Hash32, IReadOnlyList<AnchorLeaf>> _contents = [];
    private readonly Dictionary<Hash32, Subject> _subjects = []; // by digest
    private readonly Dictionary<(int Node, Address Author, ulong Number), Hash32> _signedBatches = [];
    private readonly Dictionary<(int Node, ulong Epoch), Hash32> _signedAnchors = [];
    private readonly Dictionary<FrameKey, ulong> _acknowledged = []; // by which honest gateways, a bit each
    private readonly Dictionary<FrameKey, ulong> _anchored = []; // on the present branch: by which entry
    private readonly Dictionary<(Address Author, ulong Number), Hash32> _certifiedNumbers = [];
    private readonly List<Truth> _certified = [];

    public long Acknowledgements { get; private set; }

    public int FramesAcknowledged => _acknowledged.Count;

    public List<long> LatenciesMs { get; } = [];

    /// <summary>From the arrival of a batch's first and last frames to the ledger.</summary>
    public List<long> FrameLatenciesMs { get; } = [];

    /// <summary>Batches that were made and no anchor held so far.</summary>
    public int BatchesWaiting => _batches.Values.Count(b => !b.IsAnchoredOnce);

    /// <summary>A batch was made, by an honest gateway or not.</summary>
    public void Made(BatchSummary batch, Body body)
    {
        if (_batches.TryGetValue(batch.Hash, out _)) return;
        _batches[batch.Hash] = new Truth(batch, body, body.Check(batch) is BodyVerdict.Good, simulation.World.NowMs);
        _subjects[batch.Header.Digest(simulation.Scenario.Domain)] = new Subject(batch.Id, batch.Hash, 0);
    }

    /// <summary>An anchor was made.</summary>
    public void Made(AnchorHeader anchor, IReadOnlyList<AnchorLeaf> contents)
    {
        Hash32 hash = anchor.Hash();
        if (!_contents.TryAdd(hash, contents)) return;
        _subjects[anchor.Digest(simulation.Scenario.Domain)] = new Subject(default, hash, anchor.Epoch);
    }

    /// <summary>The body of a batch as it was made, or null.</summary>
    public Body? BodyOf(Hash32 batch) => _batches.GetValueOrDefault(batch)?.Body;

    public void Acknowledged(GatewayNode node, Frame frame)
    {
        if (!node.IsHonest) return;
        Acknowledgements++;
        if (node.Index < 64) _acknowledged[frame.Key] = _acknowledged.GetValueOrDefault(frame.Key) | 1UL << node.Index;
    }

    /// <summary>Something leaves an honest gateway: what it signed is on its disk, and contradicts nothing it signed before.</summary>
    public void Sent(GatewayNode node, PeerMessage message)
    {
        switch (message)
        {
            case OfferMessage m:
                Signed(node, m.Author);
                break;
            case AttestedMessage m:
                Signed(node, m.Attestation);
                break;
            case VoteMessage m:
                Signed(node, m.Attestation);
                break;
            case ProposalMessage m:
                Made(m.Anchor, m.Contents);
                foreach (Attestation attestation in m.Attestations)
                    if (attestation.Gateway == node.Address) Signed(node, attestation);
                break;
        }
    }

    /// <summary>A certificate became durable somewhere.</summary>
    public void Certified(BatchSummary batch)
    {
        if (!_batches.TryGetValue(batch.Hash, out Truth? truth)) throw new ViolationException("a certificate is over a batch that was made", Describe.It(batch, simulation.Name));
        if (truth.IsCertified) return;
        truth.IsCertified = true;
        if (!truth.IsGood) throw new ViolationException("no batch with a bad frame or root is certified", $"{simulation.Name(batch.Header.Gateway)}: {Describe.It(batch, simulation.Name)}");
        if (!_certifiedNumbers.TryAdd((batch.Header.Gateway, batch.Header.Number), batch.Hash)) throw new ViolationException("one header is certified under one number", $"{simulation.Name(batch.Header.Gateway)}:{batch.Header.Number}");
        _certified.Add(truth);
        Retrievable(truth);
    }

    public void BodyKept(GatewayNode node, BatchSummary batch)
    {
        if (node.Index < 64 && node.IsHonest && _batches.TryGetValue(batch.Hash, out Truth? truth)) truth.Holders |= 1UL << node.Index;
    }

    /// <summary>A gateway loses its disk: what it acknowledged and nobody certified is excused; what was certified must be elsewhere too.</summary>
    public void Wiped(GatewayNode node, bool frames)
    {
        if (!frames || !node.IsHonest) return;
        ulong bit = 1UL << node.Index;
        HashSet<FrameKey> safe = [.. _certified.SelectMany(t => t.Body.Frames).Select(f => f.Key)];
        foreach (FrameKey key in _acknowledged.Keys.ToList())
        {
            if (safe.Contains(key)) continue;
            _acknowledged[key] &= ~bit;
            if (_acknowledged[key] == 0) _acknowledged.Remove(key);
        }

        foreach (Truth truth in _batches.Values) truth.Holders &= ~bit;
        foreach (Truth truth in _certified) Retrievable(truth);
    }

    /// <summary>An anchor is on the chain.</summary>
    public void Anchored(Block block, AnchorHeader anchor)
    {
        Hash32 hash = anchor.Hash();
        if (block.Parent!.Entries.Any(e => e.Epoch == anchor.Epoch)) throw new ViolationException("one anchor an epoch", $"epoch {anchor.Epoch}");
        if (!_contents.TryGetValue(hash, out IReadOnlyList<AnchorLeaf>? contents)) throw new ViolationException("an anchor's contents are known", $"epoch {anchor.Epoch}");
        (AnchorHeader rebuilt, _) = AnchorHeader.Build(anchor.Epoch, anchor.Previous, [.. contents.Select(l => TruthOf(l).Batch.Header)]);
        if (rebuilt != anchor) throw new ViolationException("an anchor is the tree over its batches", $"epoch {anchor.Epoch}");
        foreach (AnchorLeaf leaf in contents)
        {
            Truth truth = TruthOf(leaf);
            if (!truth.IsGood) throw new ViolationException("no anchor holds a bad frame", $"epoch {anchor.Epoch}: {simulation.Name(leaf.Batch.Gateway)}:{leaf.Batch.Number}");
            foreach (Frame frame in truth.Body.Frames)
            {
                if (!_anchored.TryAdd(frame.Key, (ulong)block.Entries.Length))
                    throw new ViolationException("no frame is anchored twice", $"device {simulation.Name(frame.Device)} sequence {frame.Sequence} in entry {_anchored[frame.Key]} and in epoch {anchor.Epoch} ({simulation.Name(leaf.Batch.Gateway)}:{leaf.Batch.Number})");
            }

            if (!truth.IsAnchoredOnce)
            {
                LatenciesMs.Add(simulation.World.NowMs - truth.MadeMs);
                foreach (ulong receivedMs in new[] { truth.Batch.Header.FirstReceivedMs, truth.Batch.Header.LastReceivedMs })
                    FrameLatenciesMs.Add(Simulation.BaseMs + simulation.World.NowMs - (long)receivedMs);
            }

            truth.IsAnchoredOnce = true;
        }
    }

    /// <summary>The chain took blocks back.</summary>
    public void Reorganised(Block head)
    {
        _anchored.Clear();
        ulong ordinal = 0;
        foreach (AnchorHeader entry in head.Entries)
        {
            ordinal++;
            foreach (AnchorLeaf leaf in _contents[entry.Hash()])
                foreach (Frame frame in TruthOf(leaf).Body.Frames) _anchored[frame.Key] = ordinal;
        }
    }

    /// <summary>An honest gateway broke no rule, so no honest one may say so.</summary>
    public void Blamed(GatewayNode by, int peer, string reason)
    {
        GatewayNode blamed = simulation.Nodes[peer];
        if (by.IsHonest && blamed.IsHonest && !blamed.WasWiped) throw new ViolationException("no honest gateway is blamed by another", $"gateway {by.Index} blames {peer}: {reason}");
    }

    /// <summary>Acknowledged frames that are not on the ledger, of gateways that are still members.</summary>
    public IEnumerable<(FrameKey Frame, ulong By)> Missing()
    {
        ulong active = 0;
        foreach (GatewayNode node in simulation.Nodes)
            if (node.Index < 64 && simulation.Chain.Head.Members.Active.Contains(node.Address)) active |= 1UL << node.Index;
        // A disk was lost, and who else had the body was voted out before its certificate was anchored: nobody in the network can bring it back.
        ulong wiped = simulation.Nodes.Where(n => n.WasWiped && n.Index < 64).Aggregate(0UL, (bits, n) => bits | 1UL << n.Index);
        HashSet<FrameKey> gone = [.. _certified.Where(t => (t.Holders & active) == 0).SelectMany(t => t.Body.Frames).Select(f => f.Key)];
        foreach ((FrameKey key, ulong by) in _acknowledged)
            if ((by & active) != 0 && !_anchored.ContainsKey(key) && !((by & active & ~wiped) == 0 && gone.Contains(key))) yield return (key, by);
    }

    /// <summary>At the end: every certificate's body is still at an honest gateway; what honest gateways know of the ledger is true; nobody honest is accused.</summary>
    public void AtEnd()
    {
        foreach (Truth truth in _certified) Retrievable(truth);
        foreach (GatewayNode node in simulation.Nodes.Where(n => n.IsHonest && n.IsUp))
        {
            for (ulong ordinal = 0; ordinal < node.Log.KnownEntries; ordinal++)
            {
                if (_contents.TryGetValue(node.Log.EntryHash(ordinal), out IReadOnlyList<AnchorLeaf>? contents)
                    && !contents.SequenceEqual(node.Log.BatchesIn(ordinal).Select(r => new AnchorLeaf(r.Summary.Id, r.Summary.Hash))))
                    throw new ViolationException("what a gateway knows of a ledger entry is what it holds", $"gateway {node.Index}, entry {ordinal}");
            }
        }

        foreach (GatewayNode node in simulation.Nodes.Where(n => n.IsHonest && n.IsUp))
            foreach (Misconduct misconduct in node.Log.Misconducts(int.MaxValue))
                if (simulation.Nodes[simulation.IndexOf(misconduct.Accused)] is { IsHonest: true, WasWiped: false })
                    throw new ViolationException("no honest gateway is accused", $"gateway {node.Index} has {misconduct.Kind} against {simulation.Name(misconduct.Accused)}: {misconduct.Text}");
    }

    private void Signed(GatewayNode node, Attestation attestation)
    {
        if (attestation.Gateway != node.Address || !_subjects.TryGetValue(Keys.DigestOf(attestation), out Subject subject)) return;
        if (subject.Epoch == 0)
        {
            if (!node.Log.HasSigned(subject.Batch, subject.Hash, node.Address)) throw new ViolationException("a signature is saved before it leaves", $"gateway {node.Index}, {simulation.Name(subject.Batch.Gateway)}:{subject.Batch.Number}");
            if (_signedBatches.TryAdd((node.Index, subject.Batch.Gateway, subject.Batch.Number), subject.Hash) || _signedBatches[(node.Index, subject.Batch.Gateway, subject.Batch.Number)] == subject.Hash) return;
            // Who lost its disk has forgotten; but a header of its own that was certified must have come back to it before it signs another.
            bool isExcused = node.WasWiped && !(subject.Batch.Gateway == node.Address && _certifiedNumbers.TryGetValue((node.Address, subject.Batch.Number), out Hash32 certified) && certified != subject.Hash);
            if (!isExcused) throw new ViolationException("an honest gateway signs one header under one number", $"gateway {node.Index}, {simulation.Name(subject.Batch.Gateway)}:{subject.Batch.Number}");
        }
        else
        {
            if (!node.Log.HasSigned(subject.Hash)) throw new ViolationException("a signature is saved before it leaves", $"gateway {node.Index}, anchor of epoch {subject.Epoch}");
            if (_signedAnchors.TryAdd((node.Index, subject.Epoch), subject.Hash) || _signedAnchors[(node.Index, subject.Epoch)] == subject.Hash || node.WasWiped) return;
            throw new ViolationException("an honest gateway signs one anchor an epoch", $"gateway {node.Index}, epoch {subject.Epoch}");
        }
    }

    private void Retrievable(Truth truth)
    {
        if (truth.Holders == 0 && simulation.Nodes.Count <= 64)
            throw new ViolationException("a certificate's body is at an honest gateway", $"{simulation.Name(truth.Batch.Header.Gateway)}: {Describe.It(truth.Batch, simulation.Name)}");
    }

    private Truth TruthOf(AnchorLeaf leaf) => _batches.TryGetValue(leaf.Hash, out Truth? truth) && truth.Batch.Id == leaf.Batch ? truth
        : throw new ViolationException("an anchor holds batches that were made", $"{simulation.Name(leaf.Batch.Gateway)}:{leaf.Batch.Number}");

    private readonly record struct Subject(BatchId Batch, Hash32 Hash, ulong Epoch);

    private sealed class Truth(BatchSummary batch, Body body, bool isGood, long madeMs)
    {
        public BatchSummary Batch => batch;

        public Body Body => body;

        public bool IsGood => isGood;

        public long MadeMs => madeMs;

        public bool IsCertified { get; set; }

        public bool IsAnchoredOnce { get; set; }

        /// <summary>Honest gateways that have the body on disk, a bit each.</summary>
        public ulong Holders { get; set; }
    }
}

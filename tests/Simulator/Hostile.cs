using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>
/// A hostile gateway: an honest core whose words are twisted on their way out, with words of its own added. It holds one gateway's key and signs with it
/// whatever it likes; it cannot sign for others.
/// </summary>
internal sealed class Hostile(Simulation simulation, GatewayNode node, HostileKind[] kinds)
{
    private const int RememberedMax = 64;

    private readonly Dictionary<Hash32, Body> _variants = [];
    private readonly Dictionary<(ulong Number, HostileKind Kind), BatchSummary> _variantOf = [];
    private readonly List<CertifiedBatch> _heard = [];
    private readonly List<ProposalMessage> _proposals = [];
    private ulong _proposedIn;

    public IReadOnlyList<HostileKind> Kinds => kinds;

    private Prng Random => simulation.World.Random;

    private Address Self => node.Address;

    public void Started() => _proposedIn = 0;

    /// <summary>An own batch is cut: now and then a bad one, which nobody may certify.</summary>
    public (BatchSummary, Body)? Cut(List<Frame> frames, ulong number, Hash32 previous, ulong firstMs, ulong lastMs)
    {
        if (Random.Below(6) != 0) return null;
        if (Does(HostileKind.BadRoot)) return Bad(HostileKind.BadRoot);
        return Does(HostileKind.BadFrame) ? Bad(HostileKind.BadFrame) : null;

        (BatchSummary, Body) Bad(HostileKind kind)
        {
            Body body = kind is HostileKind.BadFrame ? new Body([.. frames, Forged()]) : new Body(frames);
            return (body.ToBatch(Self, number, previous, firstMs, lastMs, kind is HostileKind.BadRoot ? RandomHash() : null), body);
        }
    }

    /// <summary>The body it gives for a batch.</summary>
    public Body? Serve(BatchSummary batch)
    {
        if (Has(HostileKind.WithheldBody) && Random.Below(2) == 0)
        {
            simulation.Count(HostileKind.WithheldBody);
            return null;
        }

        Body? body = _variants.GetValueOrDefault(batch.Hash) ?? node.Store.Find(batch.Hash);
        if (body is null || !Has(HostileKind.FalseBody) || Random.Below(3) != 0) return body;
        simulation.Count(HostileKind.FalseBody);
        return new Body([.. body.Frames.Take(body.Frames.Count - 1), body.Frames[^1] with { Content = Random.Next() }]);
    }

    public void Received(int from, PeerMessage message)
    {
        switch (message)
        {
            case CertificatesMessage m:
                foreach (CertifiedBatch batch in m.Batches) Remember(_heard, batch);
                break;
            case OfferMessage m when Does(HostileKind.VotesForEverything):
                Out(from, new AttestedMessage(m.Batch.Header.Number, node.Sign(m.Batch.Header.Digest(simulation.Scenario.Domain))));
                break;
            case ProposalMessage m:
                Remember(_proposals, m);
                if (Does(HostileKind.VotesForEverything)) ToAll(new VoteMessage(m.Anchor, node.Sign(m.Anchor.Digest(simulation.Scenario.Domain))));
                break;
        }
    }

    /// <summary>What its core says, twisted.</summary>
    public void Send(int to, PeerMessage message)
    {
        if (Has(HostileKind.Silence) && Random.Below(2) == 0)
        {
            simulation.Count(HostileKind.Silence);
            return;
        }

        Out(to, message switch
        {
            OfferMessage m => Twisted(to, m),
            StatusMessage m when Does(HostileKind.LyingStatus) => m with
            {
                KnownEntries = m.KnownEntries + (ulong)Random.Below(4), YourHighest = Random.Below(2) == 0 ? 0 : m.YourHighest + (ulong)Random.Below(3),
                Pending = [.. m.Pending, new BatchRun(Random.Pick(simulation.Nodes).Address, (ulong)Random.Below(6), Random.Below(4) == 0 ? ulong.MaxValue : (ulong)Random.Below(40))],
            },
            EntryMessage m when m.Batches.Count > 0 && Does(HostileKind.FalseEntry) => FalseEntry(m),
            YoursMessage m when Does(HostileKind.FalseYours) => FalseYours(to, m),
            CertificatesMessage m when Does(HostileKind.ForgedCertificate) => new CertificatesMessage([.. m.Batches.Select(b => new CertifiedBatch(b.Batch, Forge(b.Batch)))]),
            AttestedMessage m when _heard.Count > 0 && Does(HostileKind.ReplayedAttestation) => m with { Attestation = Random.Pick(Random.Pick(_heard).Attestations) },
            VoteMessage m when _proposals.Count > 0 && Does(HostileKind.ReplayedAttestation) => m with { Attestation = Random.Pick(Random.Pick(_proposals).Attestations) },
            ProposalMessage m => Known(m),
            _ => message,
        });
    }

    /// <summary>What it does of itself.</summary>
    public void Tick()
    {
        if (Random.Below(4) != 0 || node.Snapshot is null) return;
        if (Has(HostileKind.Garbage) && Random.Below(8) == 0)
        {
            simulation.Count(HostileKind.Garbage);
            ToSome(Garbage());
        }

        if (Has(HostileKind.MalformedBytes) && Random.Below(8) == 0) Malformed();
        if (Has(HostileKind.FalseEvidence) && Random.Below(16) == 0)
        {
            simulation.Count(HostileKind.FalseEvidence);
            ToSome(FalseEvidence());
        }

        if (Has(HostileKind.ReplayedAttestation) && _heard.Count > 1 && Random.Below(16) == 0)
        {
            simulation.Count(HostileKind.ReplayedAttestation);
            ToSome(new CertificatesMessage([new CertifiedBatch(Random.Pick(_heard).Batch, Random.Pick(_heard).Attestations)]));
        }

        Propose();
    }

    private void Propose()
    {
        ChainSnapshot chain = node.Snapshot!;
        ulong epoch = chain.TimeS / simulation.Scenario.EpochSeconds;
        if (_proposedIn >= epoch || Random.Below(6) != 0) return;
        List<BatchSummary> pending = [.. node.Log.Pending(64).Select(r => r.Summary)];
        if (pending.Count == 0) return;
        if (Has(HostileKind.EarlyProposal) && Random.Below(3) == 0)
        {
            simulation.Count(HostileKind.EarlyProposal);
            ToAll(Anchor(epoch + (ulong)Random.Below(2), chain.Head, pending));
        }

        if (Has(HostileKind.AnchorEquivocation) && pending.Count > 1 && Random.Below(2) == 0)
        {
            _proposedIn = epoch;
            simulation.Count(HostileKind.AnchorEquivocation);
            ProposalMessage all = Anchor(epoch, chain.Head, pending), less = Anchor(epoch, chain.Head, [.. pending.Skip(1)]);
            foreach (GatewayNode peer in simulation.Nodes) Out(peer.Index, peer.Index % 2 == 0 ? all : less);
        }

        if (Has(HostileKind.AnchoredFramesAgain) && node.Log.KnownEntries > 0 && Random.Below(3) == 0)
        {
            simulation.Count(HostileKind.AnchoredFramesAgain);
            IEnumerable<BatchSummary> again = node.Log.BatchesIn((ulong)Random.Below((int)node.Log.KnownEntries)).Select(r => r.Summary);
            ToAll(Anchor(epoch, chain.Head, [.. pending.Concat(again).DistinctBy(b => b.Id)]));
        }
    }

    private PeerMessage Twisted(int to, OfferMessage offer)
    {
        foreach (HostileKind kind in (ReadOnlySpan<HostileKind>)[HostileKind.BatchEquivocation, HostileKind.BadRoot, HostileKind.BadFrame])
        {
            if (!Has(kind) || (to + (int)offer.Batch.Header.Number + (int)kind) % 3 != 0) continue;
            if (Variant(offer.Batch, kind) is not { } variant) continue;
            simulation.Count(kind);
            return new OfferMessage(variant, node.Sign(variant.Header.Digest(simulation.Scenario.Domain)));
        }

        return offer;
    }

    private BatchSummary? Variant(BatchSummary batch, HostileKind kind)
    {
        if (_variantOf.TryGetValue((batch.Header.Number, kind), out BatchSummary? known)) return known;
        if (node.Store.Find(batch.Hash) is not { } body) return null;
        Body other = kind switch
        {
            HostileKind.BadFrame => new Body([.. body.Frames, Forged()]),
            HostileKind.BatchEquivocation when body.Frames.Count > 1 => new Body([.. body.Frames.Skip(1)]),
            _ => body,
        };
        BatchHeader header = batch.Header;
        BatchSummary variant = other.ToBatch(Self, header.Number, header.Previous, header.FirstReceivedMs, header.LastReceivedMs + 1, kind is HostileKind.BadRoot ? RandomHash() : null);
        _variants[variant.Hash] = other;
        simulation.Checks.Made(variant, other);
        return _variantOf[(header.Number, kind)] = variant;
    }

    private EntryMessage FalseEntry(EntryMessage m) => Random.Below(4) switch
    {
        0 => m with { Batches = [.. m.Batches.Skip(1)] },
        1 => m with { Total = m.Total + 1 },
        2 when _heard.Count > 0 => m with { Batches = [.. m.Batches.Skip(1), Random.Pick(_heard)] },
        _ => m with { Batches = [.. m.Batches.Reverse()], FromLeaf = m.FromLeaf + (uint)Random.Below(2) },
    };

    private YoursMessage FalseYours(int to, YoursMessage m)
    {
        if (Random.Below(2) == 0) return new YoursMessage([]);
        Address you = simulation.Nodes[to].Address;
        Body body = new([Forged()]);
        ulong number = (ulong)Random.Range(1, 9);
        BatchSummary made = body.ToBatch(you, number, number == 1 ? Hash32.Zero : RandomHash(), 1, 2);
        _variants[made.Hash] = body;
        simulation.Checks.Made(made, body);
        return new YoursMessage([.. m.Batches.Where(b => b.Batch.Header.Number < number), new CertifiedBatch(made, Forge(made))]);
    }

    /// <summary>Attestations that are over something else, or were never given, in the right order.</summary>
    private Attestation[] Forge(BatchSummary batch)
    {
        Hash32 digest = batch.Header.Digest(simulation.Scenario.Domain);
        return [.. simulation.Nodes.Select(n => n.Address).Order().Select(a => a == Self ? node.Sign(digest)
            : new Attestation(a, new EthereumSignature(RandomHash(), node.Sign(digest).Signature.S, node.Sign(digest).Signature.YParity)))];
    }

    private ProposalMessage Anchor(ulong epoch, Hash32 previous, List<BatchSummary> batches)
    {
        (AnchorHeader anchor, _) = AnchorHeader.Build(epoch, previous, [.. batches.Select(b => b.Header)]);
        return Known(new ProposalMessage(anchor, [.. batches.OrderBy(b => b.Id).Select(b => new AnchorLeaf(b.Id, b.Hash))], [node.Sign(anchor.Digest(simulation.Scenario.Domain))]));
    }

    private ProposalMessage Known(ProposalMessage message)
    {
        simulation.Checks.Made(message.Anchor, message.Contents);
        return message;
    }

    private PeerMessage Garbage()
    {
        Hash32 hash = RandomHash();
        Address anyone = Random.Pick(simulation.Nodes).Address;
        ulong number = Random.Below(3) == 0 ? ulong.MaxValue - (ulong)Random.Below(3) : (ulong)Random.Below(20);
        Attestation signature = new(anyone, new EthereumSignature(hash, RandomHash(), 0));
        AnchorHeader anchor = new(number, hash, RandomHash(), (uint)Random.Below(3), number);
        return Random.Below(13) switch
        {
            0 => new StatusMessage(number, [new BatchRun(anyone, number, 0), new BatchRun(anyone, 0, ulong.MaxValue)], number, number, number),
            1 => new AttestedMessage(number, signature),
            2 => new RefusedMessage(number, (Refusal)Random.Below(256)),
            3 => new GetBatchesMessage(new BatchRun(anyone, number, ulong.MaxValue)),
            4 => new GetMineMessage(number),
            5 => new VoteMessage(anchor, signature),
            6 => new AnchorRefusedMessage(number, hash, (Refusal)Random.Below(256)),
            7 => new GetEntryMessage(number, hash, uint.MaxValue),
            8 => new EntryMessage(number, hash, 0, uint.MaxValue, []),
            9 => new BodyPartMessage(hash, 0, 0, true, new byte[3]),
            10 => new ProposalMessage(anchor, [new AnchorLeaf(new BatchId(anyone, number), hash)], [signature]),
            11 => new GetProposalMessage(number, hash),
            _ => new YoursMessage([]),
        };
    }

    private void Malformed()
    {
        byte[] bytes = PeerCodec.Write(_proposals.Count > 0 && Random.Below(2) == 0 ? Random.Pick(_proposals) : _heard.Count > 0 ? new CertificatesMessage([Random.Pick(_heard)]) : Garbage());
        for (int i = Random.Below(4); i >= 0 && bytes.Length > 0; i--) bytes[Random.Below(bytes.Length)] ^= (byte)(1 << Random.Below(8));
        if (Random.Below(3) == 0) bytes = bytes[..Random.Below(bytes.Length + 1)];
        simulation.Count(HostileKind.MalformedBytes);
        if (PeerCodec.TryRead(bytes) is not { } message) return; // refused by every receiver's codec
        if (message is ProposalMessage m) Known(m);
        ToSome(message);
    }

    private MisconductMessage FalseEvidence()
    {
        GatewayNode accused = Random.Pick(simulation.Nodes);
        EvidenceKind kind = (EvidenceKind)Random.Range(1, 3);
        byte[] side(CertifiedBatch b) => [.. b.Batch.Header.ToArray(), .. Random.Pick(b.Attestations).ToArray()];
        byte[] first = _heard.Count > 0 ? side(Random.Pick(_heard)) : new byte[232], second = _heard.Count > 0 ? side(Random.Pick(_heard)) : new byte[232];
        if (_proposals.Count > 0 && kind is EvidenceKind.AnchorEquivocation)
        {
            ProposalMessage p = Random.Pick(_proposals), q = Random.Pick(_proposals);
            return new MisconductMessage(new Misconduct(kind, p.Attestations[0].Gateway, p.Anchor.Epoch, [.. p.Anchor.ToArray(), .. p.Attestations[0].ToArray()], [.. q.Anchor.ToArray(), .. p.Attestations[0].ToArray()], "lie"));
        }

        return new MisconductMessage(new Misconduct(kind, accused.Address, (ulong)Random.Below(9), first, second, "lie"));
    }

    /// <summary>A frame that its device never signed.</summary>
    private Frame Forged() => new(Random.Pick(simulation.Devices).Address, (ulong)Random.Range(1, 1_000_000) + 1_000_000, Random.Next(), false);

    private Hash32 RandomHash()
    {
        Span<byte> bytes = stackalloc byte[Hash32.Bytes];
        Random.Fill(bytes);
        return new Hash32(bytes);
    }

    private bool Has(HostileKind kind) => Array.IndexOf(kinds, kind) >= 0;

    private bool Does(HostileKind kind)
    {
        if (!Has(kind) || Random.Below(2) == 0) return false;
        simulation.Count(kind);
        return true;
    }

    private void Remember<T>(List<T> list, T item)
    {
        if (list.Count < RememberedMax) list.Add(item);
        else list[Random.Below(list.Count)] = item;
    }

    private void ToSome(PeerMessage message) => Out(Random.Below(simulation.Nodes.Count), message);

    private void ToAll(PeerMessage message)
    {
        foreach (GatewayNode peer in simulation.Nodes) Out(peer.Index, message);
    }

    private void Out(int to, PeerMessage message) => simulation.Network.Send(node.Index, to, message);
}

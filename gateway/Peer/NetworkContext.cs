using DePIN.Evidence;
using DePIN.Gateway.Attest;

namespace DePIN.Gateway.Peer;

/// <summary>What the three parts of the core share: the chain as followed, who is connected, and whether attestations are enough now.</summary>
internal sealed class NetworkContext(NetworkRules rules, INetworkLog log, INetworkHost host)
{
    private const int CommitteesKept = 4_096;

    private readonly Dictionary<(Address Author, ulong Epoch, ulong Version), Committee> _committees = [];
    private readonly SortedDictionary<Address, PeerView> _peers = []; // in the order of their addresses, so that a run replays

    public NetworkRules Rules => rules;

    public INetworkLog Log => log;

    public INetworkHost Host => host;

    /// <summary>Null while the chain is not followed to its newest block.</summary>
    public ChainSnapshot? Chain { get; set; }

    /// <summary>The last membership seen; kept while the chain is away, so that peers still repair each other.</summary>
    public Membership? Network { get; set; }

    public Address Self => rules.Self;

    public bool IsActive => Network?.Active.Contains(rules.Self) == true;

    /// <summary>True when every batch needs only a committee.</summary>
    public bool UsesCommittees => Network is { } network && network.Active.Count > rules.CommitteeAbove;

    /// <summary>By the newest chain time seen.</summary>
    public ulong Epoch { get; set; }

    /// <summary>The connected peers, in the order of their addresses.</summary>
    public IEnumerable<PeerView> Connected => _peers.Values.Where(p => p.IsConnected);

    /// <summary>The connected peers that are active gateways.</summary>
    public IEnumerable<PeerView> Active => Connected.Where(p => Network?.Active.Contains(p.Gateway) == true);

    public IEnumerable<PeerView> Known => _peers.Values;

    public PeerView Peer(Address gateway)
    {
        if (!_peers.TryGetValue(gateway, out PeerView? peer)) _peers[gateway] = peer = new PeerView(gateway);
        return peer;
    }

    /// <summary>Forgets peers that left the network and are away.</summary>
    public void Forget()
    {
        foreach (Address gone in _peers.Values.Where(p => !p.IsConnected && Network?.Active.Contains(p.Gateway) == false).Select(p => p.Gateway).ToList()) _peers.Remove(gone);
    }

    public void Broadcast(PeerMessage message)
    {
        foreach (PeerView peer in Active.ToList()) host.Send(peer.Gateway, message);
    }

    /// <summary>Who attests a batch of this author in an epoch; null: everyone.</summary>
    public Committee? CommitteeOf(Address author, ulong epoch)
    {
        if (Network is not { } network || network.Active.Count <= rules.CommitteeAbove) return null;
        (Address, ulong, ulong) key = (author, epoch, network.Version);
        if (_committees.TryGetValue(key, out Committee? known)) return known;
        if (_committees.Count >= CommitteesKept) _committees.Clear();
        return _committees[key] = Committee.Draw(network.Active, author, epoch, rules.CommitteeSize);
    }

    /// <summary>
    /// Whether attestations certify a batch under the present network: the author's, and a quorum of the active set, or of a committee drawn in
    /// one of the last epochs. Counts only; signatures are checked before anything is saved or added.
    /// </summary>
    public bool Holds(Address author, IEnumerable<Attestation> attestations)
    {
        if (Network is not { } network) return false;
        List<Address> signers = [.. attestations.Select(a => a.Gateway)];
        if (!signers.Contains(author)) return false;
        if (!UsesCommittees) return signers.Count(network.Active.Contains) >= network.Active.Quorum;
        ulong from = Epoch > rules.CommitteeEpochs ? Epoch - rules.CommitteeEpochs : 0;
        for (ulong epoch = Epoch + 1; epoch + 1 > from; epoch--) // the author may already be in the next epoch
        {
            Committee committee = CommitteeOf(author, epoch)!;
            if (signers.Count(committee.Contains) >= committee.Quorum) return true;
            if (epoch == 0) break;
        }

        return false;
    }

    /// <summary>The sound attestations of two lists, one a gateway, ascending; null when one of the second list is not over the digest.</summary>
    public IReadOnlyList<Attestation>? Merge(IEnumerable<Attestation> known, IEnumerable<Attestation> given, Hash32 digest)
    {
        SortedDictionary<Address, Attestation> merged = [];
        foreach (Attestation attestation in known) merged[attestation.Gateway] = attestation;
        foreach (Attestation attestation in given)
        {
            if (merged.ContainsKey(attestation.Gateway)) continue;
            if (!host.IsOver(attestation, digest)) return null;
            merged[attestation.Gateway] = attestation;
        }

        return [.. merged.Values];
    }

    /// <summary>Keeps evidence and tells everyone, once.</summary>
    public void Accuse(Misconduct misconduct)
    {
        if (log.HasMisconduct(misconduct.Kind, misconduct.Accused, misconduct.Height)) return;
        log.SaveMisconduct(misconduct);
        if (misconduct.Kind != EvidenceKind.BadBatch) Broadcast(new MisconductMessage(misconduct)); // that one cannot be checked without the body
    }
}

/// <summary>What is known of a peer in this run.</summary>
internal sealed class PeerView(Address gateway)
{
    public Address Gateway { get; } = gateway;

    public bool IsConnected { get; set; }

    /// <summary>What it said last; null before.</summary>
    public StatusMessage? Status { get; set; }

    /// <summary>When a question to it counts as lost; 0: none is open.</summary>
    public long BatchesAskedUntilMs { get; set; }

    /// <summary>True when nothing of what it said it has is missing here.</summary>
    public bool HasNothingNew { get; set; }

    /// <summary>The same for own batches.</summary>
    public long MineAskedUntilMs { get; set; }

    /// <summary>All it knows of our own batches up to this number was looked at, or is here.</summary>
    public ulong HeardThrough { get; set; }

    /// <summary>The lowest of our numbers of which it gave a batch that could not be believed yet; 0: none.</summary>
    public ulong Unbelieved { get; set; }

    /// <summary>True when all it claims of our own batches was looked at.</summary>
    public bool IsHeardOut => Status is { } status && status.YourHighest <= HeardThrough;
}

/// <summary>A question repeated with doubled pauses.</summary>
internal sealed class Retry(NetworkRules rules)
{
    private long _dueMs;
    private long _pauseMs;

    /// <summary>True when it is time; the next time is set then.</summary>
    public bool IsDue(long nowMs)
    {
        if (nowMs < _dueMs) return false;
        _pauseMs = _pauseMs == 0 ? rules.RetryMs : Math.Min(_pauseMs * 2, rules.RetryMaxMs);
        _dueMs = nowMs + _pauseMs;
        return true;
    }

    /// <summary>Now, and the pauses begin anew.</summary>
    public void Reset() => (_dueMs, _pauseMs) = (0, 0);
}

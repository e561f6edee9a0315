using DePIN.Evidence;
using DePIN.Gateway.Anchor;
using DePIN.Gateway.Attest;

namespace DePIN.Gateway.Peer;

/// <summary>How the check of a body ended.</summary>
public enum BodyVerdict
{
    /// <summary>Everything holds and the body is on this gateway's disk, fsynced.</summary>
    Good = 0,

    /// <summary>It could not be fetched now.</summary>
    Unavailable,

    /// <summary>A device in it is not known to the registry as followed so far.</summary>
    DeviceUnknown,

    /// <summary>The disk does not take it.</summary>
    Disk,

    /// <summary>The bytes are not those the header commits to: the sender lies, or sent garbage.</summary>
    NotTheBody,

    /// <summary>They are, and a frame in it is malformed, badly signed or repeated, or root or counts are wrong: its author signed that.</summary>
    BadFrame,
}

/// <summary>An anchor with a quorum that is to be put onto the chain now by this gateway.</summary>
public sealed record SubmittableAnchor(AnchorHeader Header, IReadOnlyList<Attestation> Attestations);

/// <summary>
/// The protocol between gateways as a state machine without sockets, clock or disk: batches are offered, checked, attested and certified
/// (<see cref="Attesting"/>); once an epoch their certificates are anchored (<see cref="Anchoring"/>); what is missing anywhere is asked for
/// (<see cref="Repairing"/>). One thread calls it. A log that throws leaves it as it was: what was being done is done again at a later <see cref="Tick"/>.
/// </summary>
public sealed class NetworkCore
{
    private readonly NetworkContext _network;
    private readonly Attesting _attesting;
    private readonly Anchoring _anchoring;
    private readonly Repairing _repairing;

    /// <param name="rules">Limits and patience.</param>
    /// <param name="log">What must not be lost.</param>
    /// <param name="host">Everything else.</param>
    public NetworkCore(NetworkRules rules, INetworkLog log, INetworkHost host)
    {
        _network = new NetworkContext(rules, log, host);
        _attesting = new Attesting(_network);
        _anchoring = new Anchoring(_network);
        _repairing = new Repairing(_network) { ContentsOf = _anchoring.ContentsOf };
    }

    /// <summary>True while frames must not be taken: this gateway's own batches are being fetched back, or a new store has not heard whether it has any.</summary>
    public bool IsRestoring => _repairing.IsRestoring || (_network.Host.IsStoreEmpty && !_repairing.IsSafeToSign());

    /// <summary>A peer is connected.</summary>
    public void Connected(Address peer)
    {
        _network.Peer(peer).IsConnected = true;
        _repairing.OnConnected(peer);
        _attesting.AskAgain();
    }

    /// <summary>A peer is away.</summary>
    public void Disconnected(Address peer)
    {
        PeerView view = _network.Peer(peer);
        (view.IsConnected, view.BatchesAskedUntilMs, view.MineAskedUntilMs) = (false, 0, 0);
    }

    /// <summary>A peer said something.</summary>
    public void Received(Address from, PeerMessage message)
    {
        switch (message)
        {
            case StatusMessage m:
                _repairing.OnStatus(from, m);
                break;
            case OfferMessage m:
                _attesting.OnOffer(from, m);
                break;
            case AttestedMessage m:
                _attesting.OnAttested(from, m);
                break;
            case RefusedMessage m:
                _attesting.OnRefused(from, m);
                break;
            case CertificatesMessage m:
                _repairing.OnCertificates(from);
                _attesting.OnCertificates(from, m.Batches);
                break;
            case GetBatchesMessage m:
                _repairing.OnGetBatches(from, m);
                break;
            case GetMineMessage m:
                _repairing.OnGetMine(from, m);
                break;
            case YoursMessage m:
                _repairing.OnYours(from, m);
                break;
            case ProposalMessage m:
                _anchoring.OnProposal(from, m);
                break;
            case VoteMessage m:
                _anchoring.OnVote(from, m);
                break;
            case AnchorRefusedMessage m:
                _anchoring.OnRefused(from, m);
                break;
            case GetProposalMessage m:
                _anchoring.OnGetProposal(from, m);
                break;
            case GetEntryMessage m:
                _repairing.OnGetEntry(from, m);
                break;
            case EntryMessage m:
                _repairing.OnEntry(from, m);
                break;
            case MisconductMessage m:
                _attesting.OnMisconduct(from, m.Misconduct);
                break;
            default:
                _network.Host.Blame(from, $"it sent a {message.GetType().Name}, which is not for the core");
                break;
        }
    }

    /// <summary>The followed chain changed; null while it is not followed to its newest block.</summary>
    public void ChainChanged(ChainSnapshot? chain)
    {
        ulong? before = _network.Network?.Version;
        _network.Chain = chain;
        if (chain is null) return;
        _network.Network = chain.Network;
        _network.Epoch = chain.Epochs.EpochAt(chain.TimeS);
        _repairing.OnChain();
        _repairing.Resolve(); // what was proposed on the old head explains the new one; after that it is forgotten
        _anchoring.OnChain();
        if (before != chain.Network.Version) _attesting.AskAgain();
    }

    /// <summary>The body asked for by <see cref="INetworkHost.FetchBody"/> was checked. BadFrame: the frame, for the evidence (or empty).</summary>
    public void BodyChecked(BatchSummary batch, BodyVerdict verdict, ReadOnlyMemory<byte> badFrame = default) => _attesting.OnBodyChecked(batch, verdict, badFrame);

    /// <summary>The body asked for by <see cref="INetworkHost.RestoreOwn"/> did not come from that peer.</summary>
    public void RestoreFailed(ulong number, Address source) => _repairing.OnRestoreFailed(number, source);

    /// <summary>The store no longer has an own batch, the lowest of those it lost.</summary>
    public void OwnLost(ulong number) => _repairing.OnOwnLost(number);

    /// <summary>Time passed, or an own batch was cut: does what is due. To be called every 100 to 500 ms and when something happened.</summary>
    public void Tick()
    {
        _repairing.Tick();
        _attesting.Tick(_repairing.IsSafeToSign());
        _anchoring.Tick();
    }

    /// <summary>The anchor this gateway is to submit now, or null.</summary>
    public SubmittableAnchor? ToSubmit() => _anchoring.ToSubmit();

    /// <summary>True when own batches may be cut and signed: nothing has to be restored as far as enough peers know.</summary>
    public bool IsSafeToSign => _repairing.IsSafeToSign();

    /// <summary>What own batches wait for (empty: nothing), and whether a person has to act.</summary>
    public (string Waits, bool IsInTheWay) Attesting =>
        _repairing.IsRestoring ? ($"{_repairing.Restoring} own batches are being fetched back from peers", false)
        : !IsSafeToSign ? ("it is not known yet whether peers have batches that this gateway lost", false)
        : _attesting.Trouble.Length > 0 ? (_attesting.Trouble, _attesting.IsInTheWay)
        : _attesting.Open is { } own ? ($"batch {own.Batch.Header.Number} has {own.Given.Count} of {Needed} attestations", false)
        : ("", false);

    /// <summary>What anchoring waits for; empty when everything is on the ledger.</summary>
    public string AnchorWaits => _anchoring.Waits;

    /// <summary>True when a person has to act before this gateway anchors.</summary>
    public bool IsAnchoringInTheWay => _anchoring.IsInTheWay;

    private int Needed => _network.CommitteeOf(_network.Self, _network.Epoch)?.Quorum ?? _network.Network?.Active.Quorum ?? 0;

    /// <summary>For people and metrics.</summary>
    public NetworkState State()
    {
        (long pending, long @void) = _network.Log.Counts();
        OfferState? offer = _attesting.Open is { } own
            ? new OfferState(own.Batch.Header.Number, [.. own.Given.Keys], Needed, [.. own.Refusals.Select(r => new RefusalState(r.Key, r.Value))]) : null;
        AnchorState? anchor = _anchoring.Open is { } open
            ? new AnchorState(open.Header.Epoch, open.Hash, open.IsOwn ? _network.Self : open.From, open.Header.Batches, open.Header.Frames, [.. open.Votes.Keys],
                _network.Chain?.Latest.Quorum ?? 0, [.. open.Refusals.Select(r => new RefusalState(r.Key, r.Value))]) : null;
        string waits = Attesting.Waits is { Length: > 0 } attesting ? attesting : _anchoring.Waits;
        return new NetworkState(_network.Epoch, _network.Chain, _anchoring.Order(), _network.Log.KnownEntries, pending, @void, _repairing.Restoring, offer, anchor, waits,
            [.. _network.Known.Where(p => p.Status is not null).Select(p => new PeerWord(p.Gateway, p.Status!.KnownEntries, p.Status.Epoch, p.Status.Block))], _network.Log.Misconducts(16));
    }
}

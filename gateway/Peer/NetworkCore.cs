using DePIN.Evidence;

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
/// The protocol between gateways as a state machine without sockets, clock or disk: batches are offered, checked, attested and certified;
/// once an epoch their certificates are anchored; what is missing anywhere is asked for. One thread calls it. A log that throws leaves it
/// as it was: what was being done is done again at a later <see cref="Tick"/>.
/// </summary>
public sealed partial class NetworkCore(NetworkRules rules, INetworkLog log, INetworkHost host)
{
    /// <summary>A peer is connected.</summary>
    public void Connected(Address peer) { }

    /// <summary>A peer is away.</summary>
    public void Disconnected(Address peer) { }

    /// <summary>A peer said something.</summary>
    public void Received(Address from, PeerMessage message) { }

    /// <summary>The followed chain changed; null while it is not followed to its newest block.</summary>
    public void ChainChanged(ChainSnapshot? chain) { }

    /// <summary>The body asked for by <see cref="INetworkHost.FetchBody"/> was checked. BadFrame: the frame, for the evidence (or empty).</summary>
    public void BodyChecked(BatchSummary batch, BodyVerdict verdict, ReadOnlyMemory<byte> badFrame = default) { }

    /// <summary>Time passed, or an own batch was cut: does what is due. To be called every 100 to 500 ms and when something happened.</summary>
    public void Tick() { }

    /// <summary>The anchor this gateway is to submit now, or null.</summary>
    public SubmittableAnchor? ToSubmit() => null;
}

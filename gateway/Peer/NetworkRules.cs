using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>Limits and patience of the network core. Times in ms unless the name says otherwise.</summary>
/// <param name="Self">This gateway.</param>
/// <param name="Domain">EIP-712 domain of the ledger.</param>
public sealed record NetworkRules(Address Self, Eip712Domain Domain)
{
    /// <summary>The next leader in an epoch's order may begin after this, seconds of chain time; in short epochs after half of one, so that a second one can lead.</summary>
    public ulong LeaderTimeoutS { get; init; } = 30;

    /// <summary>Batches in one anchor at most.</summary>
    public int CertificatesMax { get; init; } = 1_024;

    /// <summary>Above this many active gateways a batch is attested by a committee, not by all.</summary>
    public int CommitteeAbove { get; init; } = 16;

    /// <summary>Gateways in a committee, the author included.</summary>
    public int CommitteeSize { get; init; } = 16;

    /// <summary>A committee's certificate can be anchored for so many epochs after the one it was drawn in; then the batch is offered to a new one.</summary>
    public ulong CommitteeEpochs { get; init; } = 8;

    /// <summary>
    /// Batches that a network with committees cuts in an epoch, about, when none is full: everyone who signs an anchor sees every certificate in it, so
    /// with more gateways each collects for longer instead.
    /// </summary>
    public int BatchesPerEpoch { get; init; } = 64;

    /// <summary>How often what was not answered is asked again, at first; doubled each time.</summary>
    public long RetryMs { get; init; } = 1_000;

    /// <summary>The longest pause between two questions.</summary>
    public long RetryMaxMs { get; init; } = 15_000;

    /// <summary>How often a gateway tells its peers what it has.</summary>
    public long StatusMs { get; init; } = 5_000;

    /// <summary>The same in a network with committees, where every gateway hears several of the others each time.</summary>
    public long StatusCommitteeMs { get; init; } = 15_000;

    /// <summary>A gateway that starts waits this long for every peer's word about batches it may have lost before it signs own ones; a quorum must have answered all the same.</summary>
    public long StartPatienceMs { get; init; } = 30_000;

    /// <summary>Peers that get a status each time, and votes for an anchor besides its proposer, in a network above <see cref="CommitteeAbove"/>.</summary>
    public int Fanout { get; init; } = 4;

    /// <summary>How old the oldest frame of a batch that is not full is at least when it is cut, ms. 0: as the gateway likes.</summary>
    /// <param name="active">Active gateways.</param>
    /// <param name="epochSeconds">Length of an epoch.</param>
    public long BatchAgeLeastMs(int active, ulong epochSeconds) => active <= CommitteeAbove ? 0 : (long)active * (long)epochSeconds * 1000 / BatchesPerEpoch;
}

namespace DePIN.Gateway.Settings;

/// <summary>Section <c>peer</c>.</summary>
public sealed class PeerSettings
{
    [Setting("Address and port where other gateways connect (TLS, keys pinned to the registry); empty = this gateway only dials out.")]
    public string Listen { get; set; } = "0.0.0.0:8700";

    [Setting("Where gateways are dialled instead of where the registry says: \"0xaddress=https://host:port\". A wrong one costs the connection, not trust: the key is pinned.")]
    public string[] Endpoints { get; set; } = [];

    [Setting("Whether gateways of the same local network find each other through Avahi (DNS-SD), where its programs and daemon are installed. It tells the network that a gateway is here.")]
    public bool Discovery { get; set; } = true;

    [Setting("A peer that sends more messages is slowed down and blamed.", Unit = "per s", Min = 10, Max = 100_000)]
    public int MessagesPerS { get; set; } = 500;

    [Setting("A peer that sends more is slowed down and blamed; bodies that were asked for do not count.", Unit = "MiB per s", Min = 1, Max = 1_024)]
    public int MibPerS { get; set; } = 8;

    [Setting("Bodies of other gateways' batches are kept this long.", Unit = "days", Min = 1, Max = 36_500)]
    public int BodyDays { get; set; } = 30;

    [Setting("Bodies of other gateways' batches take at most this; the oldest go first.", Unit = "MiB", Min = 256, Max = 16_777_216)]
    public int BodyBudgetMib { get; set; } = 4_096;

    [Setting("Above this many active gateways a batch is attested by a committee, not by all. The same in every gateway of a network.", Min = 4, Max = 256)]
    public int CommitteeAbove { get; set; } = 16;

    [Setting("Gateways in a committee, the author included; a certificate needs more than two thirds of them. The same in every gateway of a network.", Min = 4, Max = 256)]
    public int CommitteeSize { get; set; } = 16;

    [Setting("Batches that a network with committees cuts in an epoch, about, when none is full: the larger it is, the longer each gateway collects.", Min = 1, Max = 4_096)]
    public int BatchesPerEpoch { get; set; } = 64;
}

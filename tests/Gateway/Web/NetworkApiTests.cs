using DePIN.Evidence;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Web;

namespace DePIN.Gateway.Tests.Web;

/// <summary>What /network makes of the core's state and the transport's connections.</summary>
internal sealed class NetworkApiTests
{
    private const ulong EpochSeconds = 60;

    private static readonly Address[] Gateways = [.. Enumerable.Range(1, 4).Select(n => new Address(Enumerable.Repeat((byte)n, Address.Bytes).ToArray()))];

    [Test]
    public void Connections_words_and_refusals_are_put_beside_each_gateway()
    {
        Fixed transport = new(
            new PeerState(Gateways[1], "https://one.example:8700", true, true, 5_000, 6_000, 10, 20, 3, 4, 5, ""),
            new PeerState(Gateways[2], "", false, false, 0, 0, 0, 0, 0, 7, 100, "its key is not the one the registry records"));
        NetworkState state = new(9, Chain(), [Gateways[2], Gateways[0], Gateways[3], Gateways[1]], 11, 3, 1, 0,
            new OfferState(17, [Gateways[0]], 3, [new RefusalState(Gateways[1], Refusal.ParentUnknown)]),
            new AnchorState(9, Hash32.Zero, Gateways[2], 2, 40, [Gateways[2]], 3, [new RefusalState(Gateways[1], Refusal.ChainBehind)]),
            "the anchor of epoch 9 lacks signatures", [new PeerWord(Gateways[1], 10, 9, 99)],
            [new Misconduct(EvidenceKind.BatchEquivocation, Gateways[3], 4, [], [], "signed two batches 4")]);

        NetworkJson json = NetworkJson.Read(System.Text.Encoding.UTF8.GetBytes(Api(transport).View(state).Write()));

        Assert.Multiple(() =>
        {
            Assert.That(json.Active.Select(m => m.Gateway), Is.EqualTo(Gateways.Select(g => g.ToString())), "in the contract's order");
            Assert.That(json.Active.Select(m => m.Place), Is.EqualTo(new int?[] { 2, 4, 1, 3 }));
            Assert.That(json.Active.Select(m => m.Connected), Is.EqualTo(new bool?[] { null, true, false, false }));
            Assert.That(json.Active.Select(m => m.KnownEntries), Is.EqualTo(new ulong?[] { 11, 10, null, null }));
            Assert.That(json.Active.Select(m => m.Block), Is.EqualTo(new ulong?[] { 100, 99, null, null }));
            Assert.That(json.Active.Select(m => m.Refusal), Is.EqualTo(new[] { null, "chainBehind", null, null }), "what keeps the anchor weighs more");
            Assert.That((json.Active[1].Inbound, json.Active[1].SinceMs, json.Active[1].Queued, json.Active[1].Score), Is.EqualTo(((bool?)true, (long?)5_000, 3, 5)));
            Assert.That((json.Active[2].SinceMs, json.Active[2].Dropped, json.Active[2].Trouble), Is.EqualTo(((long?)null, 7L, "its key is not the one the registry records")));
            Assert.That(json.Active[3].Trouble, Is.Empty, "the transport does not know it yet");
            Assert.That((json.Epoch, json.EpochEndsS, json.Version, json.Quorum, json.Entries), Is.EqualTo((9UL, (ulong?)600, (ulong?)2, (int?)3, (ulong?)12)));
            Assert.That(json.Offer!.Refusals.Single().Reason, Is.EqualTo("parentUnknown"));
            Assert.That(json.Anchor!.Proposer, Is.EqualTo(Gateways[2].ToString()));
            Assert.That(json.Evidence.Single(), Is.EqualTo(new EvidenceJson("batchEquivocation", Gateways[3].ToString(), 4, "signed two batches 4")));
        });
    }

    [Test]
    public void Without_the_chain_its_values_are_null_and_nobody_is_active()
    {
        NetworkJson json = Api(new Fixed()).View(new NetworkState(0, null, [], 11, 3, 0, 0, null, null, "the chain is not followed to its newest block", [], []));
        Assert.Multiple(() =>
        {
            Assert.That((json.EpochEndsS, json.ChainTimeS, json.Block, json.Version, json.Quorum, json.Entries), Is.EqualTo(((ulong?)null, (ulong?)null, (ulong?)null, (ulong?)null, (int?)null, (ulong?)null)));
            Assert.That(json.Active, Is.Empty);
            Assert.That(json.Waits, Is.Not.Empty);
            Assert.That(json.Write(), Does.Contain("\"offer\":null"));
        });
    }

    private static NetworkApi Api(IPeerTransport transport) => new(Gateways[0], _ => throw new NotSupportedException(), transport, TimeProvider.System);

    private static ChainSnapshot Chain()
    {
        GatewaySet active = new(Gateways);
        return new ChainSnapshot(100, 570, EpochSchedule.Fixed(EpochSeconds), new Membership(2, active, [.. Gateways.Select(g => new Member(g, Hash32.Zero, ""))]), active, 12, Hash32.Zero, 8);
    }

    private sealed class Fixed(params PeerState[] peers) : IPeerTransport
    {
        public string OwnTrouble => "";

        public bool Send(Address peer, PeerMessage message) => false;

        public void Follow(Membership network)
        {
        }

        public void Blame(Address peer, int points, string reason)
        {
        }

        public IReadOnlyList<PeerState> Peers() => peers;
    }
}

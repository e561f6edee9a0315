using DePIN.Cli.Network;
using DePIN.Cli.Peers;
using DePIN.Gateway.Web;

namespace DePIN.EndToEnd.Tests.Cli;

/// <summary>What is drawn of the network: each gateway's own word for what it knows, its peers' for how it is connected.</summary>
public sealed class NetworkPictureTests
{
    private static readonly string[] Gateways = [.. Enumerable.Range(1, 3).Select(number => "0x" + new string((char)('0' + number), 40))];

    [Test]
    public void One_answer_shows_every_gateway_through_its_eyes()
    {
        NetworkPicture picture = NetworkPicture.Of([Answer(0, knows: 5)]);
        Assert.Multiple(() =>
        {
            Assert.That(picture.Rows.Select(row => row.Gateway), Is.EqualTo(Gateways));
            Assert.That(picture.Rows.Select(row => row.Role), Is.EqualTo(new[] { "leads", "place 2", "place 3" }));
            Assert.That(picture.Rows.Select(row => row.IsConnected), Is.EqualTo(new[] { true, true, false }));
            Assert.That(picture.Rows.Select(row => row.Connection), Is.EqualTo(new[] { "with 1 of 2", "in", "away" }));
            Assert.That(picture.Rows.Select(row => row.Lag), Is.EqualTo(new ulong?[] { 0, 1, null }));
            Assert.That(picture.Rows.Select(row => row.Signs), Is.EqualTo(new[] { "proposed the anchor", "follows the chain to another head", "" }));
            Assert.That(picture.Rows[2].Says, Is.EqualTo("connection refused"));
            Assert.That((picture.Leader, picture.Left, picture.Entries), Is.EqualTo((Gateways[0], "3 s left", 5UL)));
            Assert.That(picture.Anchor, Does.Contain("1 of 3 signed"));
            Assert.That(picture.Evidence, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public void With_more_answers_a_gateways_own_word_counts_for_what_it_knows()
    {
        NetworkPicture picture = NetworkPicture.Of([Answer(0, knows: 5), Answer(1, knows: 2)]);
        Assert.Multiple(() =>
        {
            Assert.That(picture.Rows.Select(row => row.Entries), Is.EqualTo(new ulong?[] { 5, 2, null }));
            Assert.That(picture.Rows.Select(row => row.Lag), Is.EqualTo(new ulong?[] { 0, 3, null }));
            Assert.That(picture.Rows[2].Connection, Is.EqualTo("away"));
            Assert.That(picture.Rows[1].IsAsked && !picture.Rows[2].IsAsked);
            Assert.That(picture.Evidence, Has.Count.EqualTo(1), "told by two, shown once");
        });
    }

    [Test]
    public void A_gateway_that_does_not_follow_the_chain_says_so_and_hides_no_other()
    {
        NetworkJson lost = new(Gateways[2], 0, null, null, null, null, [], null, 1, null, 0, 0, null, null, "the chain is not followed to its newest block", []);
        Assert.Multiple(() =>
        {
            Assert.That(NetworkPicture.Of([lost]).Rows, Is.Empty);
            Assert.That(NetworkPicture.Of([lost, Answer(0, knows: 5)]).Rows, Has.Count.EqualTo(3));
            Assert.That(NetworkPicture.Of([lost, Answer(0, knows: 5)]).Rows[2].Says, Does.Contain("not followed"));
            Assert.That(NetworkText.Of(lost, new Uri("http://gateway.example")), Does.Contain("not followed"));
            Assert.That(PeersCommand.Text(lost, new Uri("http://gateway.example"), 0), Does.Contain("not followed"));
        });
    }

    [Test]
    public void The_text_says_who_refuses_and_that_too_few_are_connected()
    {
        NetworkJson network = Answer(0, knows: 5);
        string text = NetworkText.Of(network, new Uri("http://gateway.example"));
        string peers = PeersCommand.Text(network, new Uri("http://gateway.example"), 60_000);
        Assert.Multiple(() =>
        {
            Assert.That(text, Does.Contain("0x22222222…2222 follows the chain to another head"));
            Assert.That(text, Does.Contain("0x33333333…3333 is away (connection refused)"));
            Assert.That(text, Does.Contain("101: ").And.Contain("102: "), "leaders of the next epochs");
            Assert.That(text, Does.Contain("signed two batches 7"));
            Assert.That(peers, Does.Contain("nothing is certified or anchored until more are connected"));
            Assert.That(peers, Does.Contain("59 s").And.Contain("never"));
        });
    }

    private static NetworkJson Answer(int self, ulong knows) => new(
        Gateways[self], 100, 404, 401, 50, 1, [.. Gateways.Select((gateway, i) => Seen(gateway, i, self, knows))], 3, knows, 5, 2, 0, null,
        new NetworkAnchorJson(100, "0x00", Gateways[0], 2, 10, [Gateways[0]], 3, [new RefusalJson(Gateways[1], "chainBehind")]), "",
        [new EvidenceJson("batchEquivocation", Gateways[2], 7, "signed two batches 7")]);

    private static MemberJson Seen(string gateway, int index, int self, ulong knows) => index == self
        ? new MemberJson(gateway, "", index + 1, null, null, null, null, 0, 0, 0, 0, 0, "", knows, 50, null)
        : new MemberJson(gateway, "https://gateway.example:8700", index + 1, index < 2, index < 2, index < 2 ? 1_000 : null, index < 2 ? 2_000 : null, 100, 200, 0, 0, 0,
            index < 2 ? "" : "connection refused", index < 2 ? 4UL : null, index < 2 ? 49UL : null, index == 1 ? "chainBehind" : null);
}

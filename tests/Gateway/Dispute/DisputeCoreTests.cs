using DePIN.Evidence;
using DePIN.Gateway.Dispute;

namespace DePIN.Gateway.Tests.Dispute;

/// <summary>What is done next with a dispute, for every state of the chain.</summary>
internal sealed class DisputeCoreTests
{
    private const long Now = 1_800_000_000_000;
    private static readonly DisputeRecord Fresh = new(Offence.TwoBatches, new Address(new byte[20]), Hash32.Zero, Hash32.Zero, [], null, DisputeState.Open, Now, 1, 0, 0, 0, "");
    private static readonly DisputeView Nothing = new(false, false, false), Committed = new(false, false, true), Judged = new(true, false, false), Settled = new(true, true, false);

    [Test]
    public void Evidence_is_committed_then_reported_then_closed()
    {
        Assert.That(Decide(Fresh, Nothing), Is.EqualTo(DisputeAction.Commit));
        DisputeRecord sent = Fresh with { State = DisputeState.Committed, SentMs = Now, Attempts = 1 };
        Assert.That(Decide(sent, Nothing), Is.EqualTo(DisputeAction.Wait), "it is on its way");
        Assert.That(Decide(sent, Committed), Is.EqualTo(DisputeAction.Report));
        DisputeRecord shown = sent with { State = DisputeState.Reported, Attempts = 2 };
        Assert.That(Decide(shown, Committed), Is.EqualTo(DisputeAction.Wait));
        Assert.That(Decide(shown, Judged), Is.EqualTo(DisputeAction.Wait), "a reorganisation may take it back");
        Assert.That(Decide(shown, Settled), Is.EqualTo(DisputeAction.Close));
        Assert.That(Decide(shown with { State = DisputeState.Judged }, Nothing), Is.EqualTo(DisputeAction.Wait));
    }

    [Test]
    public void Nothing_is_sent_when_another_was_first()
    {
        foreach (DisputeState state in new[] { DisputeState.Open, DisputeState.Committed, DisputeState.Reported })
            foreach (DisputeView view in new[] { Judged, Settled })
                Assert.That(Decide(Fresh with { State = state }, view), Is.EqualTo(view == Settled ? DisputeAction.Close : DisputeAction.Wait));
    }

    [Test]
    public void Others_have_their_turn_first()
    {
        Assert.That(DisputeCore.Decide(Fresh, Nothing, Now + 4_999, 5_000), Is.EqualTo(DisputeAction.Wait));
        Assert.That(DisputeCore.Decide(Fresh, Nothing, Now + 5_000, 5_000), Is.EqualTo(DisputeAction.Commit));
        Assert.That(DisputeCore.Decide(Fresh, Nothing, Now - 3_600_000, 5_000), Is.EqualTo(DisputeAction.Commit), "a clock that was set back holds nobody up");
    }

    [Test]
    public void What_was_lost_is_sent_again_at_longer_and_longer_pauses_and_not_for_ever()
    {
        DisputeRecord record = Fresh;
        long now = Now, last = 0;
        int sent = 0;
        while (DisputeCore.Decide(record, Nothing, now, 0) is var next && next != DisputeAction.GiveUp)
        {
            if (next == DisputeAction.Commit)
            {
                if (sent > 2) Assert.That(now - record.SentMs, Is.GreaterThanOrEqualTo(last).And.LessThanOrEqualTo(DisputeCore.ResendMaxMs + 1_000));
                last = sent > 2 ? now - record.SentMs - 1_000 : 0;
                record = record with { State = DisputeState.Committed, SentMs = now, Attempts = ++sent };
            }

            now += 1_000;
        }

        Assert.That(sent, Is.EqualTo(DisputeCore.AttemptsMax));
    }

    [Test]
    public void A_refusal_is_asked_about_again_and_then_believed()
    {
        DisputeRecord refused = Fresh with { State = DisputeState.Committed, SentMs = Now, Attempts = 1, Refusals = 1 };
        Assert.That(Decide(refused, Committed), Is.EqualTo(DisputeAction.Wait));
        Assert.That(DisputeCore.Decide(refused, Committed, Now + DisputeCore.ResendMs, 0), Is.EqualTo(DisputeAction.Report));
        Assert.That(Decide(refused with { Refusals = DisputeCore.RefusalsMax }, Committed), Is.EqualTo(DisputeAction.GiveUp));
    }

    private static DisputeAction Decide(DisputeRecord record, DisputeView chain) => DisputeCore.Decide(record, chain, Now, 0);
}

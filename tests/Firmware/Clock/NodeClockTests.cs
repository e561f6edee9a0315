using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Clock;

[TestFixture]
public sealed class NodeClockTests
{
    private const long Noon = 1_790_000_000_000;

    [Test]
    public void Without_any_source_time_is_since_boot_and_not_synchronised()
    {
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), new ManualTime());
        clock.Tend("");

        Assert.That(clock.IsSynchronised, Is.False);
        Assert.That(clock.At(1234), Is.EqualTo(1234));
    }

    [Test]
    public void A_time_server_goes_before_the_gateway_until_it_has_been_silent_for_a_day()
    {
        ManualTime time = new() { Server = Noon };
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), time);
        clock.Tend("pool");
        Assert.That(clock.Origin, Is.EqualTo(ClockOrigin.TimeServer));
        Assert.That(clock.TakeGatewayTime(Noon + 100_000), Is.False);

        time.Server = null;
        time.Uptime += NodeClock.TimeServerTrustedMs;
        clock.Tend("pool");
        Assert.That(clock.TakeGatewayTime(Noon + NodeClock.TimeServerTrustedMs + 5000), Is.True);
        Assert.That(clock.Origin, Is.EqualTo(ClockOrigin.Gateway));
        Assert.That(clock.Steps, Is.EqualTo(1));
        Assert.That(clock.LastStepMs, Is.EqualTo(5000));
    }

    [Test]
    public void After_a_long_sleep_the_time_server_is_asked_again_and_the_gateway_is_believed()
    {
        ManualTime time = new() { Server = Noon };
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), time);
        clock.Tend("pool");
        SleepState state = new() { UptimeMs = time.Uptime };
        clock.Save(state);
        const long Slept = 35 * 60_000; // 105 s of error at 5 %: more than three quarters of what a synchronised clock may have
        time.Uptime += Slept;

        time.Server = null;
        NodeClock woken = NodeClock.Open(new PowerCutFlash(), time);
        woken.Resume(state, Slept);
        Assert.That((woken.IsSynchronised, woken.NeedsTime), Is.EqualTo((true, true)));
        int asked = time.Asked;
        woken.Tend("pool");
        Assert.That(time.Asked, Is.EqualTo(asked + 1), "the plan of an awake node, six hours, does not hold");
        Assert.That(woken.TakeGatewayTime(Noon + Slept), Is.True);
        Assert.That(woken.NeedsTime, Is.False);
    }

    [Test]
    public void The_first_setting_is_no_step_and_a_small_correction_is_none_either()
    {
        ManualTime time = new();
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), time);
        clock.TakeGatewayTime(Noon);
        clock.TakeGatewayTime(Noon + NodeClock.StepMsMin - 1);
        Assert.That(clock.Steps, Is.Zero);

        clock.TakeGatewayTime(Noon - 10_000);
        Assert.That(clock.Steps, Is.EqualTo(1));
        Assert.That(clock.LastStepMs, Is.LessThan(0), "back");
    }

    [TestCase(0)]
    [TestCase(-5)]
    [TestCase(long.MaxValue)]
    [TestCase(NodeClock.UnixMsMax + 1)]
    public void A_time_outside_reason_is_refused_and_counted(long unixMs)
    {
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), new ManualTime());

        Assert.That(clock.TakeGatewayTime(unixMs), Is.False);
        Assert.That(clock.Refused, Is.EqualTo(1));
        Assert.That(clock.IsSynchronised, Is.False);
    }

    [Test]
    public void A_silent_time_server_is_asked_again_after_a_minute_and_one_that_answered_after_hours()
    {
        ManualTime time = new();
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), time);
        clock.Tend("pool");
        clock.Tend("pool");
        Assert.That(time.Asked, Is.EqualTo(1));
        time.Uptime += NodeClock.AskAgainMs;
        time.Server = Noon;
        clock.Tend("pool");
        Assert.That(time.Asked, Is.EqualTo(2));
        time.Uptime += NodeClock.AskEveryMs - 1;
        clock.Tend("pool");
        Assert.That(time.Asked, Is.EqualTo(2));
    }

    [Test]
    public void The_last_good_time_is_lent_to_the_RTC_at_boot_and_claims_nothing()
    {
        PowerCutFlash flash = new();
        NodeClock first = NodeClock.Open(flash, new ManualTime());
        first.TakeGatewayTime(Noon);
        first.Tend("");

        ManualTime afterReset = new() { Wall = 0 };
        NodeClock second = NodeClock.Open(flash.Survivor(), afterReset);
        Assert.That(afterReset.Wall, Is.EqualTo(Noon));
        Assert.That(second.IsSynchronised, Is.False);
    }

    [Test]
    public void A_sample_taken_before_the_clock_was_set_gets_its_true_time_afterwards()
    {
        ManualTime time = new() { Uptime = 5000 };
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), time);
        clock.TakeGatewayTime(Noon);

        Assert.That(clock.At(2000), Is.EqualTo(Noon - 3000));
    }
}

using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Protocol;
using DePIN.Tests.Harness;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Life;

[TestFixture]
public sealed class LifeTests
{
    private readonly VirtualHardware _hardware = new();
    private readonly NodeHealth _health = new();
    private readonly Watchdog _watchdog = new();
    private readonly NodeStatus _status = new();
    private readonly ManualTime _time = new();

    [Test]
    public void The_light_says_the_worst_thing_first()
    {
        NodeHealth health = new();
        Assert.That(LightCode.Of(BoardState.Running, health), Is.EqualTo(LightCode.NoWifi));
        health.HasNetwork = true;
        Assert.That(LightCode.Of(BoardState.Running, health), Is.EqualTo(LightCode.NoGateway));
        health.IsConnected = true;
        Assert.That(LightCode.Of(BoardState.Running, health), Is.EqualTo(LightCode.NoSensor));
        health.SensorsPresent = 1;
        Assert.That(LightCode.Of(BoardState.Running, health), Is.EqualTo(LightCode.NoClock));
        health.IsClockSet = true;
        Assert.That(LightCode.Of(BoardState.Running, health), Is.EqualTo(LightCode.Steady));
        Assert.That(LightCode.Of(BoardState.NotConfigured, health), Is.EqualTo(LightCode.NotConfigured));
        Assert.That(LightCode.Of(BoardState.SettingsInvalid, health), Is.EqualTo(LightCode.SettingsInvalid));
        Assert.That(LightCode.Of(BoardState.KeyDamaged, health), Is.EqualTo(LightCode.KeyDamaged));
        Assert.That(LightCode.Of(BoardState.FlashFailed, health), Is.EqualTo(LightCode.FlashFailed));
    }

    [Test]
    public void The_light_flashes_while_something_is_wrong_is_steady_when_nothing_is_and_dark_after_the_end()
    {
        _hardware.PowerOn();
        (_health.HasNetwork, _health.IsClockSet, _health.SensorsPresent) = (true, true, 1);
        StopSignal stop = new();
        Thread light = Start(stop);
        for (int i = 0; i < 2; i++)
        {
            Eventually.True(() => _hardware.ReadGpio(BoardPins.StatusLedPin), "it flashes");
            Eventually.True(() => !_hardware.ReadGpio(BoardPins.StatusLedPin), "and goes out");
        }

        _health.IsConnected = true;
        Eventually.True(() => Enumerable.Range(0, 30).All(_ => IsLitAWhileLater()), "it stays on");
        stop.Request();
        Assert.That(light.Join(TimeSpan.FromMinutes(1)), Is.True);
        Assert.That(_hardware.ReadGpio(BoardPins.StatusLedPin), Is.False);

        bool IsLitAWhileLater()
        {
            Thread.Sleep(20);
            return _hardware.ReadGpio(BoardPins.StatusLedPin);
        }
    }

    [Test]
    public void A_part_that_does_not_come_back_is_late_and_one_that_ended_is_not()
    {
        _watchdog.Expect(Watchdog.Sampling, 1_000, 60_000);
        _watchdog.Expect(Watchdog.Publishing, 1_000, 0);
        Assert.That(_watchdog.Late(1_000 + Watchdog.GraceMs), Is.EqualTo(-1));
        Assert.That(_watchdog.Late(1_001 + Watchdog.GraceMs), Is.EqualTo(Watchdog.Publishing));
        _watchdog.Dismiss(Watchdog.Publishing);
        Assert.That(_watchdog.Late(61_000 + Watchdog.GraceMs), Is.EqualTo(-1));
        Assert.That(_watchdog.Late(61_001 + Watchdog.GraceMs), Is.EqualTo(Watchdog.Sampling));
        Assert.That(_watchdog.HasEnded, Is.False);
        _watchdog.Dismiss(Watchdog.Sampling);
        Assert.That(_watchdog.HasEnded, Is.True);
    }

    [Test]
    public void A_node_that_is_stuck_is_asked_to_end_and_is_not_reset_under_parts_that_do()
    {
        _hardware.PowerOn();
        StopSignal stop = new();
        _watchdog.Expect(Watchdog.Publishing, 1_000, 0);
        _time.Uptime = 2_000 + Watchdog.GraceMs;
        Thread light = Start(stop);
        Eventually.True(() => stop.IsRequested, "the watchdog asks every part to end");
        _watchdog.Dismiss(Watchdog.Publishing); // it was only slow
        Assert.That(light.Join(TimeSpan.FromMinutes(1)), Is.True);
    }

    [Test]
    public void A_health_frame_is_signed_like_a_reading_and_tells_what_was_counted()
    {
        (HealthFrames frames, FrameStore store, _) = Frames(everySeconds: 600);
        _health.CountWifiFailure();
        _health.CountWifiFailure();
        _health.CountConnectFailure();
        _health.CountGatewayRefusal();
        _health.CountSensorFailure();
        _time.Uptime = HealthFrames.FirstMs - 1;
        frames.Tend(_time.Uptime);
        Assert.That(store.NextOwed(0), Is.Zero, "not yet");
        frames.Tend(_time.Uptime = HealthFrames.FirstMs);
        frames.Tend(_time.Uptime + 1);
        Assert.That(store.Owed, Is.EqualTo(1), "one");

        byte[] frame = new byte[FrameFormat.FrameBytesMax];
        int count = store.Read(1, frame);
        Assert.That(count, Is.Positive);
        Assert.That(FrameParser.Profile(frame, 0), Is.EqualTo(Profiles.Node));
        Dictionary<ushort, long> told = [];
        for (int i = 0; i < FrameParser.SampleCount(frame, 0); i++)
        {
            Sample sample = new();
            FrameParser.ReadSample(frame, 0, i, sample);
            Assert.That(Channels.Name(sample.Channel), Is.Not.Null);
            told[sample.Channel] = sample.Value;
        }

        Assert.That(told, Has.Count.EqualTo(HealthFrames.SamplesPerFrame));
        Assert.That(told[Channels.NodeUptime], Is.EqualTo(HealthFrames.FirstMs / 1000));
        Assert.That(told[Channels.NodeBoots], Is.EqualTo(1));
        Assert.That(told[Channels.NodeWifiFailures], Is.EqualTo(2));
        Assert.That(told[Channels.NodeConnectFailures], Is.EqualTo(1));
        Assert.That(told[Channels.NodeGatewayRefusals], Is.EqualTo(1));
        Assert.That(told[Channels.NodeSensorFailures], Is.EqualTo(1));
        Assert.That(told[Channels.NodeFlashFailures], Is.Zero);
        Assert.That(told[Channels.NodeFramesOwed], Is.Zero, "before this frame");
        Assert.That(told[Channels.NodeMemoryFree], Is.Positive);

        frames.Tend(_time.Uptime = HealthFrames.FirstMs + 600_000);
        Assert.That(store.Owed, Is.EqualTo(2), "and one every so often");
    }

    [Test]
    public void A_health_frame_that_flash_did_not_take_comes_later([Values] bool persisted)
    {
        (HealthFrames frames, FrameStore store, PowerCutFlash flash) = Frames(everySeconds: 600);
        flash.FailNextWrite(persisted);
        Assert.That(() => frames.Tend(HealthFrames.FirstMs), Throws.InstanceOf<IOException>());
        frames.Tend(HealthFrames.FirstMs + 1_000);

        Assert.That(store.Owed, Is.EqualTo(persisted ? 2 : 1), "a frame that is on flash all the same is owed like any other");
    }

    [Test]
    public void No_health_frames_when_they_are_switched_off()
    {
        (HealthFrames frames, FrameStore store, _) = Frames(everySeconds: 0);
        frames.Tend(10 * HealthFrames.FirstMs);
        Assert.That(store.Owed, Is.Zero);
    }

    private (HealthFrames Frames, FrameStore Store, PowerCutFlash Flash) Frames(int everySeconds)
    {
        PowerCutFlash flash = new();
        FrameStore store = FrameStore.Open(flash, FrameRing.CapacityBytesMin, new RecordingSigner());
        NodeClock clock = NodeClock.Open(flash, _time);
        return (new HealthFrames(everySeconds, _health, new FrameComposer(Profiles.Node, new byte[20], store, clock), store, clock), store, flash);
    }

    private Thread Start(StopSignal stop)
    {
        LifeSigns signs = new(StatusLed.Open(), _status, _health, _watchdog, _time);
        Thread light = new(() => signs.Run(stop)) { IsBackground = true };
        light.Start();
        return light;
    }
}

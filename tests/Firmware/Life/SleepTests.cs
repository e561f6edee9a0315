using System.Reflection;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Protocol;
using DePIN.VirtualBoard;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Life;

[TestFixture]
public sealed class SleepTests
{
    private const long Noon = 1_790_000_000_000;

    [TestCase(LifeStage.Boot, "", LifeStage.Provision)]
    [TestCase(LifeStage.Boot, "MaySign", LifeStage.Sample)]
    [TestCase(LifeStage.Provision, "MaySign", LifeStage.End)]
    [TestCase(LifeStage.Sample, "MaySign", LifeStage.Rest)]
    [TestCase(LifeStage.Sample, "MaySign FrameDue", LifeStage.Sign)]
    [TestCase(LifeStage.Sample, "MaySign FrameDue Sleeps ConnectDue", LifeStage.Sign)]
    [TestCase(LifeStage.Sample, "MaySign Sleeps", LifeStage.Sleep)]
    [TestCase(LifeStage.Sample, "MaySign Sleeps ConnectDue", LifeStage.Connect)]
    [TestCase(LifeStage.Sample, "MaySign Sleeps NapTooShort", LifeStage.Rest)]
    [TestCase(LifeStage.Sign, "", LifeStage.Provision)]
    [TestCase(LifeStage.Sign, "MaySign", LifeStage.Rest)]
    [TestCase(LifeStage.Sign, "MaySign Sleeps", LifeStage.Sleep)]
    [TestCase(LifeStage.Sign, "MaySign Sleeps ConnectDue NapTooShort", LifeStage.Connect)]
    [TestCase(LifeStage.Connect, "MaySign Sleeps Connected", LifeStage.Publish)]
    [TestCase(LifeStage.Connect, "MaySign Sleeps", LifeStage.Sleep)]
    [TestCase(LifeStage.Connect, "MaySign Sleeps NapTooShort", LifeStage.Rest)]
    [TestCase(LifeStage.Publish, "MaySign Sleeps Connected", LifeStage.Sleep)]
    [TestCase(LifeStage.Rest, "MaySign", LifeStage.Sample)]
    [TestCase(LifeStage.Rest, "", LifeStage.Provision)]
    [TestCase(LifeStage.Sleep, "MaySign Sleeps Kept", LifeStage.End)]
    [TestCase(LifeStage.Sleep, "MaySign Sleeps", LifeStage.Rest)]
    public void One_stage_follows_the_other(LifeStage stage, string holds, LifeStage next)
    {
        LifeFacts facts = new();
        foreach (string name in holds.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            typeof(LifeFacts).GetField(name)!.SetValue(facts, true);
        }

        Assert.That(LifePlan.Next(stage, facts), Is.EqualTo(next));
    }

    [Test]
    public void A_sleep_record_reads_back_as_it_was_written()
    {
        Random random = new(5);
        SleepState state = new();
        foreach (FieldInfo field in typeof(SleepState).GetFields(BindingFlags.Public | BindingFlags.Instance).Where(field => !field.IsInitOnly))
        {
            field.SetValue(state, Convert.ChangeType(random.Next(1, 200), field.FieldType, System.Globalization.CultureInfo.InvariantCulture));
        }

        state.ClockOffsetMs = Noon;
        state.LastStepMs = -Noon;
        state.Counters[SleepState.CountersMax - 1] = 77;
        byte[] bytes = new byte[SleepState.Bytes + 3];
        state.Write(bytes, 3);
        SleepState read = SleepState.Read(bytes, 3);

        foreach (FieldInfo field in typeof(SleepState).GetFields(BindingFlags.Public | BindingFlags.Instance))
        {
            Assert.That(field.GetValue(read), Is.EqualTo(field.GetValue(state)), field.Name);
        }

        bytes[3]++;
        Assert.That(SleepState.Read(bytes, 3), Is.Null, "another version is not guessed at");
    }

    [Test]
    public void Samples_wait_on_flash_over_health_frames_and_starts_and_end_with_the_frame_that_has_them()
    {
        PowerCutFlash flash = new();
        RecordingSigner signer = new();
        FrameStore store = FrameStore.Open(flash, FrameRing.CapacityBytesMin, signer);
        SampleSet samples = Samples(1, 2);
        store.KeepAsleep(new SleepState { UptimeMs = 5_000 }, samples);
        samples.Add(Channels.Temperature, -2, 3, -7, 6_000);
        store.KeepAsleep(new SleepState { UptimeMs = 7_000, WakeUptimeMs = 8_000 }, samples);
        NodeClock clock = NodeClock.Open(flash, new ManualTime());
        new Firmware.Frame.FrameComposer(Profiles.Node, new byte[20], store, clock).Compose(Samples(9));

        FrameStore again = FrameStore.Open(flash.Survivor(), FrameRing.CapacityBytesMin, signer, new Woken());
        Assert.That((again.IsResumed, again.BootCount, again.WaitingCount), Is.EqualTo((true, 1u, 3)));
        SampleSet back = new();
        again.CopyWaiting(back);
        Assert.That(Enumerable.Range(0, 3).Select(i => (back.Value(i), back.UptimeMs(i), back.Quality(i))), Is.EqualTo(new[] { (1L, 1_000L, (byte)0), (2L, 2_000L, (byte)0), (-7L, 6_000L, (byte)3) }));
        Assert.That(again.Slept.WakeUptimeMs, Is.EqualTo(8_000));

        FrameStore booted = FrameStore.Open(flash.Survivor(), FrameRing.CapacityBytesMin, signer);
        Assert.That((booted.IsResumed, booted.BootCount, booted.WaitingCount), Is.EqualTo((false, 2u, 3)));
        new Firmware.Frame.FrameComposer(Profiles.Environment, new byte[20], store, clock).Compose(samples);
        Assert.That(store.WaitingCount, Is.Zero);
        Assert.That(FrameStore.Open(flash.Survivor(), FrameRing.CapacityBytesMin, signer).WaitingCount, Is.Zero);
    }

    [Test]
    public void A_clock_that_slept_too_long_says_so_and_is_good_again_when_it_is_told_the_time()
    {
        ManualTime time = new();
        NodeClock clock = NodeClock.Open(new PowerCutFlash(), time);
        clock.TakeGatewayTime(Noon);
        Assert.That(clock.ErrorMs, Is.EqualTo(NodeClock.TakenErrorMs));
        time.Uptime += 1_000_000_000;
        Assert.That(clock.ErrorMs, Is.EqualTo(NodeClock.TakenErrorMs + 20_000), "20 ppm of a million seconds");

        SleepState slept = new() { UptimeMs = time.Uptime };
        clock.Save(slept);
        NodeClock half = NodeClock.Open(new PowerCutFlash(), time);
        time.Uptime += 1_200_000;
        half.Resume(slept, 1_200_000);
        Assert.That((half.ErrorMs, half.IsSynchronised), Is.EqualTo((slept.ClockErrorMs + 60_000, true)), "5 % of twenty minutes");
        Assert.That(half.At(time.Uptime), Is.EqualTo(Noon + 1_001_200_000));

        time.Uptime += 1_200_000;
        half.Resume(slept, 2_400_000);
        Assert.That((half.ErrorMs, half.IsSynchronised), Is.EqualTo((slept.ClockErrorMs + 120_000, false)));
        Assert.That(half.At(time.Uptime), Is.EqualTo(time.Uptime), "and claims no time");
        half.TakeGatewayTime(Noon + 1_002_400_000 + 90_000);
        Assert.That((half.IsSynchronised, half.Steps), Is.EqualTo((true, 1)), "the correction is a step");
    }

    [TestCase("sleep=deep\ninterval-ms=29999", "interval-ms of at least 30000")]
    [TestCase("sleep=light", "sleep is off or deep")]
    [TestCase("publish-frames=0", "publish-frames is a number from 1 to 64")]
    [TestCase("sleep=deep\ninterval-ms=60000\npublish-frames=3", null)]
    public void Sleep_is_a_setting_that_is_checked(string lines, string? problem)
    {
        NodeSettings settings = new();
        byte[] text = System.Text.Encoding.ASCII.GetBytes(lines);
        settings.Apply(text, 0, text.Length);
        Assert.That(settings.Problem, problem is null ? Is.Null : Does.Contain(problem));
    }

    [Test]
    public void A_meter_that_counts_impulses_does_not_sleep()
    {
        NodeSettings settings = new();
        byte[] text = System.Text.Encoding.ASCII.GetBytes($"sleep=deep\ninterval-ms=60000\nsensor-s0=GPIO{BoardPins.PulsePinMin}");
        settings.Apply(text, 0, text.Length);
        Assert.That(settings.Problem, BoardPins.PulsePinMax < 0 ? Does.Contain("it has no pin") : Does.Contain("sensor-s0 counts impulses"));
    }

    [Test]
    public void Failures_to_connect_make_the_next_try_wait_ever_longer_and_a_success_ends_that()
    {
        VirtualHardware hardware = new();
        hardware.PowerOn();
        ManualTime chip = new();
        NodeTime time = new(chip);
        PowerCutFlash flash = new();
        FrameStore store = FrameStore.Open(flash, FrameRing.CapacityBytesMin, new RecordingSigner());
        NodeClock clock = NodeClock.Open(flash, time);
        NodeSettings settings = new() { DeepSleep = true, GatewayHost = "gateway" };
        DeepSleep sleep = new(settings, time);
        NodeHealth health = new();
        HealthFrames healthFrames = new(0, health, new Firmware.Frame.FrameComposer(Profiles.Node, new byte[20], store, clock), store, clock);
        SampleLoop loop = new(settings, new NodeStatus(), new SensorSet([], new I2cBus(BoardPins.I2cBus), health), null!, store, clock, time, health, healthFrames);
        sleep.Resume(store, clock, health, healthFrames, loop, null!, new NodeStatus());
        Assert.That(sleep.IsConnectDue(), Is.True, "no good time: a reason of its own");
        clock.TakeGatewayTime(Noon);
        Assert.That(sleep.IsConnectDue(), Is.False, "nothing to send");
        new Firmware.Frame.FrameComposer(Profiles.Environment, new byte[20], store, clock).Compose(Samples(1));
        Assert.That(sleep.IsConnectDue(), Is.True);

        long ceiling = DeepSleep.ConnectAgainMsMin;
        for (int i = 0; i < 12; i++)
        {
            sleep.CountConnection(false);
            chip.Uptime += (ceiling / 2) - 1;
            Assert.That(sleep.IsConnectDue(), Is.False, $"failure {i + 1}");
            chip.Uptime += ceiling - (ceiling / 2) + 1;
            Assert.That(sleep.IsConnectDue(), Is.True, $"failure {i + 1}");
            ceiling = Math.Min(ceiling * 2, DeepSleep.ConnectAgainMsMax);
        }

        sleep.CountConnection(true);
        Assert.That(sleep.IsConnectDue(), Is.True);
    }

    [Test]
    public void A_virtual_board_sleeps_and_wakes_in_one_boot_and_its_uptime_goes_on()
    {
        PowerCutFlash flash = new();
        byte[] conf = "sleep=deep\ninterval-ms=60000\nsamples-per-frame=2\nhealth-s=0\nwifi=off\n"u8.ToArray();
        flash.Write(NodeSettings.FileName, conf, 0, conf.Length);
        VirtualHardware hardware = new() { Time = new FastTime() };
        hardware.AttachI2c(BoardPins.I2cBus, 0x76, new SimulatedBme280(() => new AirState(21.5, 50, 101_325)));
        TextWriter console = Console.Out;
        using LineWriter lines = new();
        Console.SetOut(lines);
        try
        {
            using BoardRun board = new(hardware, flash, lines, new FastClock());
            Thread run = new(board.Run) { IsBackground = true };
            run.Start();
            Eventually.True(() => lines.Count("frame ") >= 3, "frames of two rounds each");
            board.SwitchOff();
            Assert.That(run.Join(TimeSpan.FromSeconds(30)), Is.True);
        }
        finally
        {
            Console.SetOut(console);
        }

        Assert.That(lines.Count("boot "), Is.EqualTo(1));
        Assert.That(lines.Count("sleep "), Is.GreaterThanOrEqualTo(5));
        Assert.That(lines.Count("wake "), Is.GreaterThanOrEqualTo(5));
        FrameStore store = FrameStore.Open(flash, 98_304, new RecordingSigner());
        Assert.That(store.BootCount, Is.EqualTo(2), "all of it was one boot, this is the second");
        byte[] frame = new byte[FrameFormat.FrameBytesMax];
        List<ulong> times = [];
        for (ulong sequence = 1; sequence <= 3; sequence++)
        {
            Assert.That(store.Read(sequence, frame), Is.Positive);
            Assert.That((FrameParser.BootCount(frame, 0), FrameParser.SampleCount(frame, 0)), Is.EqualTo((1u, 6)), "two rounds of three samples");
            times.Add(FrameParser.TimeMs(frame, 0));
        }

        Assert.That(times, Is.Ordered.And.Unique);
    }

    private static SampleSet Samples(params long[] values)
    {
        SampleSet samples = new();
        foreach (long value in values)
        {
            samples.Add(Channels.Temperature, -2, 0, value, value * 1_000);
        }

        return samples;
    }

    private sealed class Woken : IWakeReport
    {
        public bool IsWake(SleepState slept) => true;
    }

    /// <summary>A thousand times as fast as the host's.</summary>
    private sealed class FastTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, dueTime == Timeout.InfiniteTimeSpan ? dueTime : dueTime / 1_000, period);
    }

    private sealed class FastClock : ITimeSource
    {
        private readonly long _start = Environment.TickCount64;

        public long UptimeMs() => (Environment.TickCount64 - _start) * 1_000;

        public long WallMs() => UptimeMs();

        public void SetWallMs(long unixMs)
        {
        }

        public bool AskTimeServer(string server) => false;
    }

    private sealed class LineWriter : StringWriter
    {
        private readonly List<string> _lines = [];

        public int Count(string start)
        {
            lock (_lines)
            {
                return _lines.Count(line => line.StartsWith(start, StringComparison.Ordinal));
            }
        }

        public override void WriteLine(string? value)
        {
            lock (_lines)
            {
                _lines.Add(value ?? "");
            }
        }
    }
}

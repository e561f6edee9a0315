using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>Erasing: only with the button, only what was asked for, all of it or none.</summary>
[TestFixture]
public sealed class WipingTests
{
    private const byte All = WipeFlags.Settings | WipeFlags.Key | WipeFlags.Frames;

    private LineBench _bench = null!;

    [SetUp]
    public void Enrol()
    {
        if (!PresenceButton.Exists)
        {
            Assert.Ignore(BoardPins.BoardName + " has no button");
        }

        _bench = new LineBench();
        byte[] conf = "window=3\ntls=on\ntls-cert=own.pem\ntls-key=own-key.pem\n"u8.ToArray();
        _bench.Flash.Write("node.conf", conf, 0, conf.Length);
        foreach (string file in new[] { "ca.pem", "own.pem", "own-key.pem" }) _bench.Flash.Write(file, [1], 0, 1);
        _bench.Enrol(LineBench.Enrolment("gateway-host=one.example\n", "pem", "user", "secret", "Roof"));
        _bench.Ask(SerialTypes.ConfigureRequest, "interval-ms=500\n"u8.ToArray());
        _bench.Send(LineBench.Rpc(ImprovCommands.Hostname, "roof"u8.ToArray()));
        _bench.Take();
        _bench.Hardware.OwnSsid = "depot";
        _bench.Hardware.OwnPassword = "right horse";
    }

    [Test]
    public void Without_the_button_nothing_is_erased()
    {
        SortedDictionary<string, string> before = Content(_bench.Flash);
        Assert.That(State(_bench.Ask(SerialTypes.WipeRequest, Request(WipeFlags.Settings))), Is.EqualTo((WipeStates.AwaitsButton, Wiping.HoldMs, Wiping.WindowMs)));
        _bench.Pass(Wiping.WindowMs + 20);
        Assert.That(State(_bench.Ask(SerialTypes.WipeStateRequest)).State, Is.EqualTo(WipeStates.Expired));
        Press();
        _bench.Pass(Wiping.HoldMs * 2);
        Assert.That(_bench.Line.IsRestartDue, Is.False, "too late");
        Assert.That(Wiping.Finish(_bench.Flash), Is.False);
        Assert.That(Content(_bench.Flash), Is.EqualTo(before));
    }

    [Test]
    public void A_button_that_was_down_before_or_is_let_go_too_early_proves_nothing()
    {
        _bench.Ask(SerialTypes.WipeRequest, Request(WipeFlags.Settings));
        _bench.Pass(Wiping.WindowMs + 20);
        Press();
        _bench.Ask(SerialTypes.WipeRequest, Request(WipeFlags.Settings));
        _bench.Pass(Wiping.HoldMs * 2);
        Assert.That(State(_bench.Ask(SerialTypes.WipeStateRequest)).State, Is.EqualTo(WipeStates.AwaitsButton), "down since before the request");
        Release();
        _bench.Pass(100);
        Press();
        _bench.Pass(Wiping.HoldMs - 40);
        Assert.That(State(_bench.Ask(SerialTypes.WipeStateRequest)).State, Is.EqualTo(WipeStates.Held));
        Release();
        _bench.Pass(100);
        Press();
        _bench.Pass(Wiping.HoldMs - 40);
        Assert.That(_bench.Line.IsRestartDue, Is.False, "two halves are no whole");
        _bench.Pass(60);
        Assert.That(_bench.Line.IsRestartDue, Is.True);
    }

    [Test]
    public void With_the_button_settings_credentials_and_wifi_go_and_the_key_and_the_frames_stay()
    {
        _bench.Parts.Store = FrameStore.Open(_bench.Flash, 98304, _bench.Key.Signer);
        _bench.Flash.Write("ring-00000001", [1], 0, 1);
        Prove(WipeFlags.Settings);
        Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.EqualTo("one.example"), "erased at the start that follows");
        Assert.That(Wiping.Finish(_bench.Flash), Is.True);
        Assert.That(_bench.Flash.List(), Is.EquivalentTo(new[] { "boot.a", "key.a", "key.b", "ring-00000001" }));
        Assert.That((_bench.Hardware.OwnSsid, _bench.Hardware.OwnPassword), Is.EqualTo(("", "")));
        Assert.That(DeviceKey.Open(_bench.Flash, new SeededEntropy(77), new NodeStatus()).IdText, Is.EqualTo(_bench.Key.IdText));
        Assert.That(Wiping.Finish(_bench.Flash), Is.False, "once");
    }

    [Test]
    public void The_key_goes_only_with_its_own_flag_and_all_else_and_the_board_is_another_device_then()
    {
        foreach (byte flags in new byte[] { WipeFlags.Key, WipeFlags.Key | WipeFlags.Settings, WipeFlags.Key | WipeFlags.Frames })
        {
            Assert.That(_bench.Ask(SerialTypes.WipeRequest, Request(flags)).Text, Does.Contain("only together"));
        }

        Prove(All, uint.MaxValue);
        Wiping.Finish(_bench.Flash);
        Assert.That(_bench.Flash.List(), Is.Empty);
        DeviceKey made = DeviceKey.Open(_bench.Flash, new SeededEntropy(77), new NodeStatus());
        Assert.That((made.Made, made.IdText == _bench.Key.IdText), Is.EqualTo((true, false)));
    }

    [Test]
    public void Frames_that_are_owed_are_given_up_by_number_or_not_at_all()
    {
        _bench.Parts.Store = Owing(3);
        Assert.That(_bench.Ask(SerialTypes.WipeRequest, Request(WipeFlags.Frames, 2)).Text, Does.StartWith("3 frames are owed"));
        Assert.That(_bench.Ask(SerialTypes.WipeRequest, Request(WipeFlags.Frames, 3)).Type, Is.EqualTo(SerialTypes.WipeResponse));
        _bench.Parts.Store = null;
        Assert.That(_bench.Ask(SerialTypes.WipeRequest, Request(WipeFlags.Frames, 3)).Text, Does.Contain("cannot count"));
        Prove(WipeFlags.Frames, uint.MaxValue);
        ulong last = FrameStore.Open(_bench.Flash.Survivor(), 98304, _bench.Key.Signer).Next(new byte[32]);
        Wiping.Finish(_bench.Flash);
        Assert.That(_bench.Flash.List().Where(name => name.StartsWith("ring-", StringComparison.Ordinal)), Is.Empty);
        Assert.That(FrameStore.Open(_bench.Flash, 98304, _bench.Key.Signer).Next(new byte[32]), Is.GreaterThan(last), "no sequence is used twice");
        Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.EqualTo("one.example"));
    }

    [Test]
    public void Nonsense_is_refused()
    {
        Assert.That(_bench.Ask(SerialTypes.WipeRequest, Request(0)).Data[0], Is.EqualTo(SerialErrors.Refused));
        Assert.That(_bench.Ask(SerialTypes.WipeRequest, Request(8)).Data[0], Is.EqualTo(SerialErrors.Refused));
        Assert.That(_bench.Ask(SerialTypes.WipeRequest, 1).Data[0], Is.EqualTo(SerialErrors.WrongLength));
        Assert.That(State(_bench.Ask(SerialTypes.WipeStateRequest)).State, Is.EqualTo(WipeStates.None));
    }

    [TestCase(WipeFlags.Settings)]
    [TestCase((byte)(WipeFlags.Settings | WipeFlags.Frames))]
    [TestCase(All)]
    public void A_power_cut_at_any_step_leaves_all_or_is_finished_at_the_next_start(byte flags)
    {
        PowerCutFlash before = _bench.Flash.Survivor();
        PowerCutFlash counted = before.Survivor();
        Erase(counted, flags);
        int untouched = 0;
        for (long cut = 1; cut <= counted.Steps; cut++)
        {
            PowerCutFlash flash = before.Survivor(cut, TornWrite.Garbage, (int)cut);
            try
            {
                Erase(flash, flags);
            }
            catch (PowerCutException)
            {
                // The power is gone.
            }

            // And again in the middle of what the next start does.
            PowerCutFlash second = flash.Survivor(3, TornWrite.Garbage, (int)cut);
            try
            {
                Wiping.Finish(second);
            }
            catch (PowerCutException)
            {
                // The power is gone.
            }

            PowerCutFlash after = second.Survivor();
            Wiping.Finish(after);
            SortedDictionary<string, string> left = Content(after);
            if (left.ContainsKey("enrol.a"))
            {
                untouched++;
                Assert.That(left, Is.EqualTo(Content(before)), $"cut at {cut}");
            }
            else
            {
                Assert.That(left.Keys, Is.SubsetOf(flags == All ? Array.Empty<string>() : ["key.a", "key.b", "boot.a", "boot.b"]), $"cut at {cut}");
                Assert.That(left.ContainsKey("key.a") && left.ContainsKey("key.b"), Is.EqualTo(flags != All), $"cut at {cut}");
            }
        }

        Assert.That(untouched, Is.InRange(1, counted.Steps - 1));
    }

    [Test]
    public void The_line_that_names_a_secure_element_outlives_the_settings()
    {
        const string Uri = "atecc608:i2c=1,addr=0x60,slot=0";
        byte[] promise = [WipeFlags.Settings, .. System.Text.Encoding.ASCII.GetBytes("key=" + Uri + "\n")];
        new TwoGenerations(_bench.Flash, Wiping.Name).Write(promise);
        Wiping.Finish(_bench.Flash);
        Assert.That(NodeSettings.Open(_bench.Flash).Key.Describe(), Is.EqualTo(Uri));
    }

    private static void Erase(PowerCutFlash flash, byte flags)
    {
        LineBench bench = new(flash);
        bench.Ask(SerialTypes.WipeRequest, Request(flags, uint.MaxValue));
        bench.Pass(40);
        bench.Hardware.DriveGpio(BoardPins.ButtonPin, false);
        bench.Pass(Wiping.HoldMs + 40);
        Assert.That(bench.Line.IsRestartDue, Is.True);
        Wiping.Finish(flash);
    }

    private static byte[] Request(byte flags, uint frames = 0) => [flags, .. LineBench.Number(frames)];

    private static (byte State, int HoldMs, int LeftMs) State(Sent sent) => (sent.Data[0], (sent.Data[1] << 8) | sent.Data[2], (sent.Data[3] << 8) | sent.Data[4]);

    private static SortedDictionary<string, string> Content(PowerCutFlash flash)
    {
        SortedDictionary<string, string> content = new(StringComparer.Ordinal);
        foreach (string name in flash.List())
        {
            byte[] bytes = new byte[flash.Length(name)];
            flash.Read(name, 0, bytes, 0, bytes.Length);
            content[name] = Convert.ToHexString(bytes);
        }

        return content;
    }

    private FrameStore Owing(int frames)
    {
        FrameStore store = FrameStore.Open(_bench.Flash, 98304, _bench.Key.Signer);
        DePIN.Firmware.Sense.SampleSet samples = new();
        DePIN.Firmware.Frame.FrameComposer composer = new(Profiles.Environment, _bench.Key.Id, store, DePIN.Firmware.Clock.NodeClock.Open(_bench.Flash, _bench.Time));
        for (int i = 0; i < frames; i++)
        {
            samples.Truncate(0);
            samples.Add(Channels.Temperature, 0, 0, 20, 1000);
            composer.Compose(samples);
        }

        Assert.That(store.Owed, Is.EqualTo(frames));
        return store;
    }

    private void Prove(byte flags, uint frames = 0)
    {
        Assert.That(State(_bench.Ask(SerialTypes.WipeRequest, Request(flags, frames))).State, Is.EqualTo(WipeStates.AwaitsButton));
        _bench.Pass(100);
        Press();
        _bench.Pass(Wiping.HoldMs + 40);
        Assert.That(_bench.Line.IsRestartDue, Is.True);
        Assert.That(State(_bench.Ask(SerialTypes.WipeStateRequest)).State, Is.EqualTo(WipeStates.Done));
    }

    private void Press() => _bench.Hardware.DriveGpio(BoardPins.ButtonPin, false);

    private void Release() => _bench.Hardware.DriveGpio(BoardPins.ButtonPin, true);
}

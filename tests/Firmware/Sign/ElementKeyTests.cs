using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware.Atecc608;

namespace DePIN.Firmware.Tests.Sign;

/// <summary>A node whose key is in a chip: setting it up, knowing it again, and never being anybody else.</summary>
[TestFixture]
public sealed class ElementKeyTests
{
    private const string Uri = "key=atecc608:i2c=1,addr=0x60,slot=0\n";
    private const string Provision = Uri + "key-provision=lock-for-ever\n";

    [Test]
    public void A_blank_chip_is_refused_with_what_to_do()
    {
        ChipBoard board = new();
        DeviceKey key = board.Open(Uri);

        Assert.That(key.Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.StartWith("key-unprovisioned: ").And.Contain("its configuration is not locked").And.Contain("key-provision=lock-for-ever"));
        Assert.That(board.Chip.Memory.IsConfigLocked, Is.False, "nothing irreversible without the word for it");
        Assert.That(board.Flash.List(), Is.Empty);
    }

    [Test]
    public void A_blank_chip_is_set_up_once_and_known_ever_after()
    {
        ChipBoard board = new();
        DeviceKey made = board.Open(Provision);
        Assert.That((board.Status.State, made.Made, made.Signer.KeyKind), Is.EqualTo((BoardState.Starting, true, KeyKinds.SecureElement)));
        Atecc608Memory memory = board.Chip.Memory;
        Assert.That((memory.IsConfigLocked, memory.IsDataLocked, memory.IsSlotLocked(0)), Is.EqualTo((true, true, true)));
        Assert.That((memory.SlotConfig(0), memory.KeyConfig(0)), Is.EqualTo(((ushort)0x2081, (ushort)0x0033)));
        Assert.That(memory.SlotConfig(1), Is.EqualTo((ushort)0x2087), "other slots are left as they were");
        Assert.That(board.Flash.List(), Is.EquivalentTo(new[] { "keyid.a", "keyid.b" }));
        Assert.That(board.Entropy.Draws, Is.Zero, "no software key was made beside it");

        foreach (string settings in new[] { Uri, Provision, Uri })
        {
            board.PowerCycle();
            DeviceKey opened = board.Open(settings);
            Assert.That((opened.Made, opened.IdText), Is.EqualTo((false, made.IdText)));
            Assert.That(board.Chip.Commands, Does.Not.Contain((byte)0x17).And.Not.Contain((byte)0x12));
        }
    }

    [Test]
    public void Its_frames_are_right_for_the_parser_and_for_another_verifier()
    {
        ChipBoard board = new();
        DeviceKey key = board.Open(Provision);
        board.Chip.S = ChipS.High;
        FrameStore store = FrameStore.Open(board.Flash, FrameRing.CapacityBytesMin, key.Signer);
        FrameComposer composer = new(Profiles.Environment, key.Id, store, NodeClock.Open(board.Flash, new ManualTime()));
        using ECDsa verifier = ChipBoard.Verifier(key.PublicKey);
        byte[] buffer = new byte[FrameFormat.FrameBytesMax];
        for (int i = 0; i < 5; i++)
        {
            SampleSet samples = new();
            samples.Add(Channels.Temperature, -2, 0, 2100 + i, 1000);
            ulong sequence = composer.Compose(samples);
            byte[] frame = buffer[..store.Read(sequence, buffer)];
            Assert.That(FrameParser.Check(frame, 0, frame.Length), Is.EqualTo(FrameFault.None));
            Assert.That(verifier.VerifyData(frame.AsSpan(0, frame.Length - 64), frame.AsSpan(frame.Length - 64), HashAlgorithmName.SHA256), Is.True);
            Assert.That(frame[8..28], Is.EqualTo(key.Id));
        }
    }

    [TestCase(CutPoint.Before)]
    [TestCase(CutPoint.After)]
    public void A_power_cut_at_any_command_of_the_setting_up_is_gone_on_from(CutPoint point)
    {
        ChipBoard rehearsal = new();
        rehearsal.Open(Provision);
        int commands = rehearsal.Chip.Commands.Count;
        Assert.That(commands, Is.GreaterThan(15));
        for (int cut = 0; cut < commands; cut++)
        {
            ChipBoard board = new();
            board.Chip.Faults.CutPoint = point;
            board.Chip.Faults.CommandsUntilCut = cut;
            board.Chip.Faults.PowerCut = () => throw new PowerCutException();
            Assert.Throws<PowerCutException>(() => board.Open(Provision), $"cut at {cut}");

            board.PowerCycle();
            DeviceKey key = board.Open(Provision);
            Assert.That(board.Status.State, Is.EqualTo(BoardState.Starting), $"cut at {cut}");
            Assert.That(board.Chip.Memory.IsSlotLocked(0), Is.True);
            board.PowerCycle();
            Assert.That(board.Open(Uri).IdText, Is.EqualTo(key.IdText), $"cut at {cut}");
        }
    }

    [Test]
    public void A_power_cut_at_any_byte_of_the_record_leaves_the_chips_identity([Values] TornWrite torn)
    {
        ChipBoard rehearsal = ChipBoard.Provisioned();
        string id = rehearsal.Open(Uri).IdText;
        Atecc608Memory silicon = rehearsal.Chip.Memory;
        long steps = rehearsal.Flash.Steps;
        Assert.That(steps, Is.GreaterThan(200));
        for (long cut = 0; cut <= steps; cut += cut < 5 || cut > steps - 5 ? 1 : 3)
        {
            ChipBoard board = new(silicon) { Flash = new PowerCutFlash(cut, torn, (int)cut) };
            Assert.Throws<PowerCutException>(() =>
            {
                board.Open(Uri);
                board.Flash.Write("after", [0], 0, 1);
            });
            board.PowerCycle();
            Assert.That(board.Open(Uri).IdText, Is.EqualTo(id), $"cut at {cut}: {board.Status.Describe()}");
            board.PowerCycle();
            Assert.That(board.Open(Uri).Made, Is.False);
        }
    }

    [Test]
    public void Answers_lost_while_it_is_set_up_are_looked_up_in_the_chip()
    {
        for (byte opcode = 0x17; opcode <= 0x40; opcode += 0x29)
        {
            ChipBoard board = new();
            board.Chip.Faults.OnlyOpcode = opcode;
            board.Chip.Faults.LostAnswers = 1;
            Assert.That(board.Open(Provision).Signer, Is.Not.Null, $"opcode {opcode}: {board.Status.Describe()}");
        }
    }

    [Test]
    public void An_absent_chip_is_no_reason_for_a_software_key_and_its_return_is_noticed()
    {
        ChipBoard board = new();
        board.Hardware.DetachI2c(BoardPins.I2cBus, ChipBoard.Address);
        DeviceKey key = board.Open(Provision);
        Assert.That((key.Signer, board.Status.State), Is.EqualTo(((IDigestSigner?)null, BoardState.KeyAbsent)));
        Assert.That(board.Status.Describe(), Does.Contain("no chip answers"));
        Assert.That((board.Flash.List().Length, board.Entropy.Draws), Is.EqualTo((0, 0)));
        Assert.That(key.MayBeBack(), Is.False);

        board.Hardware.AttachI2c(BoardPins.I2cBus, ChipBoard.Address, board.Chip);
        Assert.That(key.MayBeBack(), Is.True);
        Assert.That(board.Open(Provision).Signer, Is.Not.Null);
    }

    [Test]
    public void A_known_chip_that_is_pulled_off_or_fails_ends_in_no_key()
    {
        ChipBoard board = ChipBoard.Provisioned();
        string id = board.Open(Uri).IdText;
        board.Hardware.DetachI2c(BoardPins.I2cBus, ChipBoard.Address);
        Assert.That(board.Open(Uri).Signer, Is.Null);
        Assert.That(board.Status.State, Is.EqualTo(BoardState.KeyAbsent));
        board.Hardware.AttachI2c(BoardPins.I2cBus, ChipBoard.Address, board.Chip);
        board.Chip.Faults.Refusal = 0x07;
        Assert.That(board.Open(Uri).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.Contain("self test"));
        board.Chip.Faults.Refusal = 0;
        Assert.That(board.Open(Uri).IdText, Is.EqualTo(id));
        Assert.That(board.Entropy.Draws, Is.Zero);
    }

    [Test]
    public void Another_chip_is_another_device_and_is_refused()
    {
        ChipBoard board = ChipBoard.Provisioned();
        board.Open(Uri);
        Atecc608Memory other = new([9, 9, 9, 9, 9, 9]);
        ChipBoard second = new(other) { Flash = board.Flash };
        Assert.That(second.Open(Provision).Signer, Is.Null);
        Assert.That(second.Status.Describe(), Does.StartWith("key-foreign: ").And.Contain("another chip"));
        Assert.That(other.IsConfigLocked, Is.False, "and it is not set up either");
    }

    [Test]
    public void Another_slot_or_another_key_in_the_slot_is_refused()
    {
        ChipBoard board = new();
        board.Chip.Memory.SetSlot(1, 0x2081, 0x0033);
        board.Open(Provision);
        board.Driver.CreateKey(1);
        Assert.That(board.Open(Uri.Replace("slot=0", "slot=1", StringComparison.Ordinal)).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.StartWith("key-foreign: ").And.Contain("slot 1 has another key"));
        board.Chip.Memory.Keys[0] = board.Chip.Memory.Keys[1];
        Assert.That(board.Open(Uri).Signer, Is.Null);
        Assert.That(board.Status.State, Is.EqualTo(BoardState.KeyForeign));
        board.Chip.Memory.Keys[0] = null;
        Assert.That(board.Open(Uri).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.Contain("has no key"));
    }

    [Test]
    public void A_node_never_goes_from_software_to_a_chip_or_back_on_the_same_flash()
    {
        ChipBoard soft = ChipBoard.Provisioned();
        string id = soft.Open("key=software:\n").IdText;
        Assert.That(soft.Open(Provision).Signer, Is.Null);
        Assert.That(soft.Status.Describe(), Does.StartWith("key-foreign: ").And.Contain("software key"));
        Assert.That(soft.Open("").IdText, Is.EqualTo(id));

        ChipBoard hard = ChipBoard.Provisioned();
        hard.Open(Uri);
        Assert.That(hard.Open("").Signer, Is.Null);
        Assert.That(hard.Status.Describe(), Does.StartWith("key-foreign: ").And.Contain("secure element"));
        Assert.That(hard.Entropy.Draws, Is.Zero);
    }

    [TestCase("key=atecc608:i2c=1,addr=0x60\n")]
    [TestCase("key=atec608:\n")]
    [TestCase(Uri + "window=0\n")]
    [TestCase("gateway-port=x\n")]
    public void No_identity_begins_on_settings_with_a_mistake(string settings)
    {
        ChipBoard board = ChipBoard.Provisioned();
        Assert.That(board.Open(settings).Signer, Is.Null);
        Assert.That(board.Status.State, Is.EqualTo(BoardState.SettingsInvalid));
        Assert.That((board.Flash.List().Length, board.Entropy.Draws), Is.EqualTo((0, 0)));
    }

    [Test]
    public void An_identity_that_has_begun_is_told_even_on_settings_with_a_mistake()
    {
        ChipBoard board = ChipBoard.Provisioned();
        string id = board.Open(Uri).IdText;
        Assert.That(board.Open(Uri + "window=0\n").IdText, Is.EqualTo(id));
        Assert.That(board.Status.State, Is.EqualTo(BoardState.SettingsInvalid));
    }

    [Test]
    public void Both_copies_of_the_record_damaged_stop_the_node_and_one_is_repaired()
    {
        ChipBoard board = ChipBoard.Provisioned();
        string id = board.Open(Uri).IdText;
        board.Flash.FlipBit("keyid.a", 200);
        Assert.That(board.Open(Uri).IdText, Is.EqualTo(id));
        board.Flash.FlipBit("keyid.b", 200);
        Assert.That(board.Open(Uri).IdText, Is.EqualTo(id), "the repaired copy holds");
        board.Flash.FlipBit("keyid.a", 201);
        board.Flash.FlipBit("keyid.b", 300);
        long steps = board.Flash.Steps;
        Assert.That(board.Open(Provision).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.StartWith("key-damaged: ").And.Contain("keyid.a"));
        Assert.That(board.Flash.Steps, Is.EqualTo(steps));
    }

    [TestCase(0x2083, 0x001C, "not a slot for a private P-256 key")]
    [TestCase(0x2001, 0x0033, "not marked secret")]
    [TestCase(0x2082, 0x0033, "may not sign messages from outside")]
    [TestCase(0x2081, 0x0031, "public key may not be read")]
    [TestCase(0x20A1, 0x0033, "limited number of times")]
    [TestCase(0x2081, 0x00B3, "authorisation")]
    [TestCase(0x2081, 0x0073, "nonce")]
    public void A_slot_locked_in_another_configuration_is_named(int slotConfig, int keyConfig, string problem)
    {
        foreach (string settings in new[] { Uri, Provision })
        {
            ChipBoard board = new();
            board.Chip.Memory.SetSlot(0, (ushort)slotConfig, (ushort)keyConfig);
            board.Chip.Memory.Lock(config: true, data: false);
            Assert.That(board.Open(settings).Signer, Is.Null);
            Assert.That(board.Status.Describe(), Does.StartWith("key-unprovisioned: ").And.Contain(problem).And.Contain("another chip"));
            Assert.That(board.Chip.Memory.IsDataLocked, Is.False);
        }
    }

    [Test]
    public void A_chip_locked_in_half_is_refused_and_can_be_finished()
    {
        ChipBoard board = new();
        board.Chip.Memory.SetSlot(0, 0x2081, 0x0033);
        board.Chip.Memory.Lock(config: true, data: false);
        Assert.That(board.Open(Uri).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.Contain("data zone is not locked"));
        Assert.That(board.Open(Provision).Signer, Is.Not.Null);
    }

    [Test]
    public void An_empty_slot_is_refused_and_filled_only_when_that_is_allowed()
    {
        ChipBoard board = new();
        board.Chip.Memory.SetSlot(0, 0x2081, 0x0033);
        board.Chip.Memory.Lock(config: true, data: true);
        Assert.That(board.Open(Uri).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.Contain("there is no key in slot 0"));
        Assert.That(board.Open(Provision).Signer, Is.Not.Null);

        ChipBoard closed = new();
        closed.Chip.Memory.SetSlot(0, 0x0081, 0x0033);
        closed.Chip.Memory.Lock(config: true, data: true);
        Assert.That(closed.Open(Provision).Signer, Is.Null);
        Assert.That(closed.Status.Describe(), Does.StartWith("key-unprovisioned: ").And.Contain("has no key and is locked"));
    }

    [Test]
    public void A_key_that_was_there_before_the_locks_is_not_trusted()
    {
        ChipBoard board = new();
        board.Chip.Memory.SetSlot(0, 0x2081, 0x0033);
        board.Chip.Memory.Lock(config: true, data: false);
        byte[] imported = board.Driver.CreateKey(0);
        Assert.That(board.Open(Provision).PublicKey, Is.Not.EqualTo(imported));
    }

    [Test]
    public void A_chip_of_another_family_is_not_taken()
    {
        ChipBoard board = new();
        board.Chip.Memory.Config[6] = 0x50;
        Assert.That(board.Open(Provision).Signer, Is.Null);
        Assert.That(board.Status.Describe(), Does.StartWith("key-unprovisioned: ").And.Contain("another family"));
        Assert.That(board.Chip.Memory.IsConfigLocked, Is.False);
    }

    [Test]
    public void A_chip_that_dies_when_a_health_frame_is_due_is_counted_and_the_frame_is_made_once()
    {
        ChipBoard board = new();
        DeviceKey key = board.Open(Provision);
        FrameStore store = FrameStore.Open(board.Flash, FrameRing.CapacityBytesMin, key.Signer);
        ManualTime time = new() { Uptime = HealthFrames.FirstMs };
        NodeClock clock = NodeClock.Open(board.Flash, time);
        NodeHealth health = new();
        SensorSet sensors = new([], new I2cBus(BoardPins.I2cBus), health);
        SampleLoop loop = new(new NodeSettings(), board.Status, sensors, new FrameComposer(Profiles.Environment, key.Id, store, clock), store, clock, time,
            health, new HealthFrames(600, health, new FrameComposer(Profiles.Node, key.Id, store, clock), store, clock));
        board.Hardware.DetachI2c(BoardPins.I2cBus, ChipBoard.Address);
        for (int i = 0; i < 3; i++)
        {
            Assert.That(loop.Tend, Throws.Nothing);
            time.Uptime += 10_000;
        }

        Assert.That(store.Owed, Is.EqualTo(1), "its body is on flash: signed when it is sent");
        Assert.That(board.Status.MaySign, Is.True, "one failure is none yet");
    }

    [Test]
    public void A_chip_that_dies_while_the_node_runs_stops_it_and_what_was_kept_is_signed_when_it_is_back()
    {
        ChipBoard board = new();
        DeviceKey key = board.Open(Provision);
        FrameStore store = FrameStore.Open(board.Flash, FrameRing.CapacityBytesMin, key.Signer);
        ManualTime time = new();
        NodeClock clock = NodeClock.Open(board.Flash, time);
        SensorSet sensors = new([new Thermometer()], new I2cBus(BoardPins.I2cBus), new NodeHealth());
        SampleSet none = new();
        for (int i = 0; i < 30; i++)
        {
            sensors.Read(none, 0);
        }

        SampleLoop loop = new(new NodeSettings { SamplesPerFrame = 1 }, board.Status, sensors, new FrameComposer(Profiles.Environment, key.Id, store, clock), store, clock, time,
            new NodeHealth(), new HealthFrames(0, new NodeHealth(), new FrameComposer(Profiles.Node, key.Id, store, clock), store, clock));
        Assert.That(loop.Measure(), Is.True);
        loop.MakeFrame();
        Assert.That(board.Status.State, Is.EqualTo(BoardState.Starting));
        board.Hardware.DetachI2c(BoardPins.I2cBus, ChipBoard.Address);
        for (int i = 0; i < 5; i++)
        {
            Assert.That(board.Status.MaySign, Is.True);
            Assert.That(loop.Measure(), Is.True);
            loop.MakeFrame();
        }

        Assert.That(board.Status.Describe(), Does.StartWith("key-absent: ").And.Contain("no chip answers"));
        board.Hardware.AttachI2c(BoardPins.I2cBus, ChipBoard.Address, board.Chip);
        StopSignal stop = new();
        Stages.AwaitKey(stop, board.Status, key, 1);
        Assert.That(stop.IsRequested, Is.True, "and with it the new start");

        using ECDsa verifier = ChipBoard.Verifier(key.PublicKey);
        byte[] buffer = new byte[FrameFormat.FrameBytesMax];
        for (ulong sequence = 1; sequence <= 6; sequence++)
        {
            byte[] frame = buffer[..store.Read(sequence, buffer)];
            Assert.That(FrameParser.Check(frame, 0, frame.Length), Is.EqualTo(FrameFault.None));
            Assert.That(verifier.VerifyData(frame.AsSpan(0, frame.Length - 64), frame.AsSpan(frame.Length - 64), HashAlgorithmName.SHA256), Is.True, $"frame {sequence}");
            Assert.That(buffer[..store.Read(sequence, buffer)], Is.EqualTo(frame), "the same signature each time");
        }
    }

    [Test]
    public void A_node_that_has_its_key_waits_for_none()
    {
        ChipBoard board = ChipBoard.Provisioned();
        StopSignal stop = new();
        Stages.AwaitKey(stop, board.Status, board.Open(Uri), Stages.KeyRetryMs);
        Assert.That(stop.IsRequested, Is.False);
    }

    private sealed class Thermometer : ISensor
    {
        public string Name => "thermometer";

        public ushort Profile => Profiles.Environment;

        public bool Open() => true;

        public bool Read(SampleSet samples, long uptimeMs)
        {
            samples.Add(Channels.Temperature, -2, 0, 2150, uptimeMs);
            return true;
        }
    }
}

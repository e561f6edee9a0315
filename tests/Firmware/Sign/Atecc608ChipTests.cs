using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Bme280;
using DePIN.Firmware.Sign;
using DePIN.Firmware.Sign.Atecc608;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;
using DePIN.VirtualBoard.Hardware.Atecc608;

namespace DePIN.Firmware.Tests.Sign;

/// <summary>The driver against a chip that speaks packets: what it says, how long it waits, what it repeats and when it gives up.</summary>
[TestFixture]
public sealed class Atecc608ChipTests
{
    private static readonly byte[] Digest = SHA256.HashData("a reading"u8);

    // Packets of Microchip's cryptoauthlib and data sheets: after wake, success, Info.
    [TestCase("0411", "3343")]
    [TestCase("0400", "0340")]
    [TestCase("0730000000", "035d")]
    public void The_CRC_of_known_packets(string packet, string crc)
    {
        byte[] bytes = Convert.FromHexString(packet);
        byte[] buffer = [.. bytes, 0, 0];
        Atecc608Crc.Append(buffer, 0, bytes.Length);
        Assert.That(Convert.ToHexStringLower(buffer[^2..]), Is.EqualTo(crc));
        Assert.That(buffer[^2] | (buffer[^1] << 8), Is.EqualTo(SimulatedAtecc608.Crc(bytes)));
        Assert.That(Atecc608Crc.IsRight(buffer, 0, bytes.Length), Is.True);
        buffer[0] ^= 0x10;
        Assert.That(Atecc608Crc.IsRight(buffer, 0, bytes.Length), Is.False);
    }

    [Test]
    public void The_CRC_is_that_of_other_arithmetic_at_every_length()
    {
        byte[] bytes = new byte[128];
        new Random(5).NextBytes(bytes);
        for (int count = 0; count <= bytes.Length; count++)
        {
            Assert.That(Atecc608Crc.Compute(0, bytes, 0, count), Is.EqualTo(SimulatedAtecc608.Crc(bytes.AsSpan(0, count))));
        }

        Assert.That(Atecc608Crc.Compute(Atecc608Crc.Compute(0, bytes, 0, 50), bytes, 50, 78), Is.EqualTo(Atecc608Crc.Compute(0, bytes, 0, 128)), "in pieces");
    }

    [Test]
    public void Info_Random_and_the_configuration_are_read()
    {
        ChipBoard board = ChipBoard.Provisioned();
        Assert.That(board.Driver.ReadRevision(), Is.EqualTo(new byte[] { 0, 0, 0x60, 3 }));
        byte[] random = board.Driver.ReadRandom();
        Assert.That(board.Driver.ReadRandom(), Is.Not.EqualTo(random));
        Atecc608Config config = board.Driver.ReadConfig();
        byte[] serial = new byte[9];
        config.CopySerial(serial, 0);
        Assert.That(serial, Is.EqualTo(new byte[] { 0x01, 0x23, 1, 2, 3, 4, 5, 6, 0xEE }));
        Assert.That((config.IsConfigLocked, config.IsDataLocked, config.IsSlotLocked(0), config.IsSlotLocked(1)), Is.EqualTo((true, true, true, false)));
        Assert.That(config.Checksum, Is.EqualTo(SimulatedAtecc608.Crc(board.Chip.Memory.Config)));
    }

    [TestCase(ChipS.Low)]
    [TestCase(ChipS.High)]
    [TestCase(ChipS.Any)]
    public void A_signature_verifies_with_another_implementation_and_its_s_is_low(ChipS s)
    {
        ChipBoard board = ChipBoard.Provisioned();
        board.Chip.S = s;
        byte[] publicKey = board.Driver.ReadPublicKey(0);
        Atecc608Signer signer = new(board.Driver, 0, publicKey);
        using ECDsa verifier = ChipBoard.Verifier(publicKey);
        for (int i = 0; i < 40; i++)
        {
            byte[] message = new byte[100 + i];
            message[i] = (byte)i;
            byte[] signature = new byte[70];
            signer.Sign(message, 1, message.Length - 1, signature, 6);
            Assert.That(verifier.VerifyData(message.AsSpan(1), signature.AsSpan(6), HashAlgorithmName.SHA256), Is.True);
            Assert.That(P256Order.IsHigh(signature, 38), Is.False);
        }
    }

    [Test]
    public void The_order_minus_a_high_s_is_the_other_signature_and_a_low_one_stays()
    {
        byte[] half = Convert.FromHexString("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8");
        byte[] same = [.. half];
        P256Order.MakeLow(same, 0);
        Assert.That(same, Is.EqualTo(half));
        byte[] above = [.. half[..31], 0xA9];
        P256Order.MakeLow(above, 0);
        Assert.That(above, Is.EqualTo(half));
        byte[] top = Convert.FromHexString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
        P256Order.MakeLow(top, 0);
        Assert.That(top, Is.EqualTo(new byte[31].Append((byte)1)));
    }

    [Test]
    public void The_generator_is_seeded_before_each_signature_and_the_digest_loaded_before_it()
    {
        ChipBoard board = ChipBoard.Provisioned();
        board.Chip.Commands.Clear();
        board.Sign(Digest);
        Assert.That(board.Chip.Commands, Is.EqualTo(new[] { Atecc608Command.Random, Atecc608Command.Nonce, Atecc608Command.Sign }));
        Assert.That(board.Chip.BusyNaks, Is.Positive, "it was asked while it worked and that was waited out");
        Assert.That(board.Chip.WatchdogSleeps, Is.Zero);
    }

    [Test]
    public void The_bus_is_slow_for_the_wake_alone()
    {
        ChipBoard board = new();
        board.Hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new SimulatedBme280(() => new AirState(20, 50, 100000)));
        Assert.That(new Bme280Sensor(new I2cBus(BoardPins.I2cBus), Bme280Sensor.AddressPrimary).Open(), Is.True);
        Assert.That(board.Hardware.I2cHertz(BoardPins.I2cBus), Is.EqualTo(400_000));
        Assert.That(board.Driver.Answers(), Is.True, "woken although a sensor had made the bus fast");
        Assert.That(board.Hardware.I2cHertz(BoardPins.I2cBus), Is.EqualTo(400_000));
    }

    private static IEnumerable<TestCaseData> Disturbances()
    {
        yield return Case("a lost wake", faults => faults.LostWakes = 2);
        yield return Case("no acknowledgement", faults => faults.Naks = 5);
        yield return Case("a damaged command", faults => faults.DamagedCommands = 3);
        yield return Case("answers damaged on the way, read again", faults => faults.DamagedReads = 2);
        yield return Case("answers damaged each time, asked again", faults => faults.DamagedReads = 4);
        yield return Case("an answer that never comes", faults => faults.LostAnswers = 3);
        yield return Case("a sudden sleep", faults => faults.SuddenSleeps = 3);
        yield return Case("the signature lost", faults => { faults.OnlyOpcode = Atecc608Command.Sign; faults.LostAnswers = 2; });
        yield return Case("asleep between digest and signature", faults => { faults.OnlyOpcode = Atecc608Command.Sign; faults.SuddenSleeps = 2; });
        yield return Case("a damaged signature", faults => { faults.OnlyOpcode = Atecc608Command.Sign; faults.DamagedReads = 5; });

        static TestCaseData Case(string name, Action<Atecc608Faults> set) => new TestCaseData(set).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Disturbances))]
    public void After_a_disturbance_the_signature_is_right(Action<Atecc608Faults> disturb)
    {
        ChipBoard board = ChipBoard.Provisioned();
        using ECDsa verifier = ChipBoard.Verifier(board.Driver.ReadPublicKey(0));
        disturb(board.Chip.Faults);
        long begun = board.Clock.Now;

        Assert.That(verifier.VerifyHash(Digest, board.Sign(Digest)), Is.True);
        Assert.That(board.Clock.Now - begun, Is.LessThan(8000), "bounded");
    }

    private static IEnumerable<TestCaseData> Failures()
    {
        yield return Case("never woken", faults => faults.LostWakes = int.MaxValue, Atecc608Fault.NoAnswer, "no chip answers");
        yield return Case("never acknowledged", faults => faults.Naks = int.MaxValue, Atecc608Fault.NoAnswer, "no chip answers");
        yield return Case("every command damaged", faults => faults.DamagedCommands = int.MaxValue, Atecc608Fault.NotDone, "reached the chip damaged");
        yield return Case("every signature damaged", faults => { faults.OnlyOpcode = Atecc608Command.Sign; faults.DamagedReads = int.MaxValue; }, Atecc608Fault.Lost, "do not arrive whole");
        yield return Case("every answer lost", faults => faults.LostAnswers = int.MaxValue, Atecc608Fault.Lost, "do not arrive whole");
        yield return Case("self test failed", faults => faults.Refusal = 0x07, Atecc608Fault.Refused, "self test");
        yield return Case("generator failed", faults => faults.Refusal = 0x08, Atecc608Fault.Refused, "health test");
        yield return Case("fault in the curve", faults => { faults.OnlyOpcode = Atecc608Command.Sign; faults.Refusal = 0x05; }, Atecc608Fault.Refused, "elliptic curve");
        yield return Case("not allowed", faults => { faults.OnlyOpcode = Atecc608Command.Sign; faults.Refusal = 0x0F; }, Atecc608Fault.Refused, "configuration or state");
        yield return Case("an unknown status", faults => faults.Refusal = 0x42, Atecc608Fault.Refused, "unknown status 66");

        static TestCaseData Case(string name, Action<Atecc608Faults> set, Atecc608Fault fault, string text) => new TestCaseData(set, fault, text).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Failures))]
    public void A_chip_that_does_not_recover_is_given_up_on_in_bounded_time_and_said_why(Action<Atecc608Faults> disturb, Atecc608Fault fault, string text)
    {
        ChipBoard board = ChipBoard.Provisioned();
        disturb(board.Chip.Faults);
        long begun = board.Clock.Now;
        Atecc608Exception? given = Assert.Throws<Atecc608Exception>(() => board.Sign(Digest));

        Assert.That(given!.Fault, Is.EqualTo(fault));
        Assert.That(given.Message, Does.Contain(text));
        Assert.That(board.Clock.Now - begun, Is.LessThan(15_000), "bounded");
    }

    [Test]
    public void An_absent_chip_is_said_to_be_absent()
    {
        ChipBoard board = new();
        board.Hardware.DetachI2c(BoardPins.I2cBus, ChipBoard.Address);
        Assert.That(board.Driver.Answers(), Is.False);
        Assert.That(Assert.Throws<Atecc608Exception>(() => board.Driver.ReadConfig())!.Message, Does.Contain("no chip answers"));
    }

    [Test]
    public void A_chip_with_a_slow_clock_and_a_short_watchdog_still_signs()
    {
        ChipBoard board = ChipBoard.Provisioned();
        board.Chip.Memory.Config[19] = 0x68;
        board.Driver.ReadConfig();
        board.Chip.WatchdogMs = 700;
        using ECDsa verifier = ChipBoard.Verifier(board.Driver.ReadPublicKey(0));
        board.Chip.Commands.Clear();
        Assert.That(verifier.VerifyHash(Digest, board.Sign(Digest)), Is.True);
        Assert.That(board.Chip.Commands, Has.Count.EqualTo(3), "the digest outlived the idle before the signature");
        Assert.That(board.Chip.WatchdogSleeps, Is.Zero);
    }

    [Test]
    public void A_chip_left_awake_by_a_reset_of_the_board_is_brought_back_into_step()
    {
        ChipBoard board = ChipBoard.Provisioned();
        board.Chip.GeneralCall(80);
        board.Clock.Wait(2);
        board.Chip.Write([3, 7, 0x30, 0, 0, 0, 0x03, 0x5D]);
        Assert.That(new Atecc608Chip(BoardPins.I2cBus, ChipBoard.Address, board.Clock).ReadRevision(), Is.EqualTo(new byte[] { 0, 0, 0x60, 3 }));
    }

    [Test]
    public void Making_a_key_and_locking_are_not_repeated_when_the_answer_is_lost()
    {
        ChipBoard board = new();
        board.Driver.LockConfig(board.Driver.ReadConfig().Checksum);
        board.Chip.Commands.Clear();
        board.Chip.Faults.LostAnswers = 1;
        Assert.That(Assert.Throws<Atecc608Exception>(() => board.Driver.CreateKey(0))!.Fault, Is.EqualTo(Atecc608Fault.Lost));
        Assert.That(board.Chip.Commands, Is.EqualTo(new[] { Atecc608Command.GenKey }));
        board.Chip.Faults.LostAnswers = 1;
        Assert.That(Assert.Throws<Atecc608Exception>(() => board.Driver.LockData())!.Fault, Is.EqualTo(Atecc608Fault.Lost));
        Assert.That(board.Chip.Memory.IsDataLocked, Is.True);
    }

    [Test]
    public void A_configuration_is_not_locked_with_another_checksum()
    {
        ChipBoard board = new();
        Assert.That(Assert.Throws<Atecc608Exception>(() => board.Driver.LockConfig(board.Driver.ReadConfig().Checksum ^ 1))!.Fault, Is.EqualTo(Atecc608Fault.Refused));
        Assert.That(board.Chip.Memory.IsConfigLocked, Is.False);
    }

    [Test]
    public void Before_its_configuration_is_locked_the_chip_gives_no_key_and_no_signature()
    {
        ChipBoard board = new();
        Assert.That(board.Driver.ReadRandom()[..4], Is.EqualTo(new byte[] { 0xFF, 0xFF, 0, 0 }), "the pattern of a blank chip");
        Assert.Throws<Atecc608Exception>(() => board.Driver.CreateKey(0));
        Assert.That(board.Driver.ReadPublicKey(0), Is.Null);
        Assert.Throws<Atecc608Exception>(() => board.Sign(Digest));
    }

    [Test]
    public void A_signature_that_is_none_is_refused()
    {
        ChipBoard board = ChipBoard.Provisioned();
        board.Hardware.AttachI2c(BoardPins.I2cBus, ChipBoard.Address, new ZeroSigner(board.Chip));
        Atecc608Signer signer = new(board.Driver, 0, new byte[64]);
        byte[] signature = new byte[64];
        signature[5] = 9;
        Assert.That(Assert.Throws<SignerException>(() => signer.Sign([1], 0, 1, signature, 0))!.Message, Does.Contain("replace the chip"));
        Assert.That(signature[5], Is.EqualTo(9), "nothing was written");
    }

    // Answers every signature with 64 zeros and a right CRC.
    private sealed class ZeroSigner(SimulatedAtecc608 chip) : II2cPeripheral
    {
        public bool Acknowledges(bool isRead) => chip.Acknowledges(isRead);

        public void GeneralCall(int lowUs) => chip.GeneralCall(lowUs);

        public int Write(ReadOnlySpan<byte> bytes) => chip.Write(bytes);

        public void Read(Span<byte> bytes)
        {
            chip.Read(bytes);
            if (bytes.Length == 67 && bytes[0] == 67)
            {
                bytes[1..].Clear();
                ushort crc = SimulatedAtecc608.Crc(bytes[..65]);
                bytes[65] = (byte)crc;
                bytes[66] = (byte)(crc >> 8);
            }
        }
    }
}

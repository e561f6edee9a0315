using System.Security.Cryptography;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Sense;
using DePIN.Protocol;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>The serial line's bytes: split, joined, broken, silent, hostile; and what it tells about the node.</summary>
[TestFixture]
public sealed class ProvisionLineTests
{
    [Test]
    public void Two_protocols_in_one_buffer_are_answered_in_order_however_the_bytes_are_cut()
    {
        byte[] stream =
        [
            .. "frame sequence=7 IMPROV DePN\n"u8, .. LineBench.Rpc(ImprovCommands.CurrentState), .. LineBench.Frame(SerialTypes.IdentityRequest, 9, []),
            .. LineBench.Rpc(ImprovCommands.DeviceInfo), .. LineBench.Frame(SerialTypes.NonceRequest, 10, []), .. LineBench.Rpc(9),
        ];
        for (int piece = 1; piece <= stream.Length; piece = piece < 16 ? piece + 1 : piece * 2)
        {
            LineBench bench = new();
            for (int at = 0; at < stream.Length; at += piece)
            {
                bench.Time.Uptime += 100;
                bench.Send(stream[at..Math.Min(stream.Length, at + piece)]);
            }

            Assert.That(bench.Take().Select(sent => (sent.IsImprov ? 'i' : 'o') + sent.Type.ToString("x2")),
                Is.EqualTo(new[] { "i02", "i01", "o81", "i02", "i04", "o8b", "i02", "i02" }), $"in pieces of {piece}");
        }
    }

    [Test]
    public void Half_a_frame_swallows_the_next_only_until_the_line_is_silent()
    {
        LineBench bench = new();
        byte[] half = LineBench.Frame(SerialTypes.ConfigureRequest, 1, new byte[400])[..50];
        bench.Send([.. half, .. LineBench.Rpc(ImprovCommands.CurrentState), .. LineBench.Frame(SerialTypes.IdentityRequest, 2, [])]);
        bench.Pass(ProvisionLine.SilenceMs - 20);
        Assert.That(bench.Take(), Is.Empty, "the rest may still come");
        bench.Pass(20);
        Assert.That(bench.Take().Select(sent => sent.Type), Is.EqualTo(new[] { ImprovTypes.ErrorState, ImprovTypes.CurrentState, SerialTypes.IdentityResponse }));
    }

    [Test]
    public void A_frame_that_pauses_for_less_than_the_silence_is_whole_and_for_longer_it_is_none()
    {
        LineBench bench = new();
        byte[] frame = LineBench.Frame(SerialTypes.IdentityRequest, 1, []);
        bench.Send(frame[..6]);
        bench.Pass(ProvisionLine.SilenceMs - 20);
        bench.Send(frame[6..]);
        Assert.That(bench.Take().Single().Type, Is.EqualTo(SerialTypes.IdentityResponse));
        bench.Send(frame[..6]);
        bench.Pass(ProvisionLine.SilenceMs);
        bench.Send(frame[6..]);
        bench.Pass(ProvisionLine.SilenceMs);
        Assert.That(bench.Take(), Is.Empty);
        bench.Send(frame);
        Assert.That(bench.Take(), Has.Count.EqualTo(1));
    }

    [Test]
    public void The_silence_is_judged_by_time_also_when_nobody_tended_the_line()
    {
        LineBench bench = new();
        byte[] frame = LineBench.Frame(SerialTypes.IdentityRequest, 1, []);
        bench.Line.Take(LineBench.Frame(SerialTypes.ConfigureRequest, 1, new byte[400]), 50);
        bench.Time.Uptime += ProvisionLine.SilenceMs;
        bench.Line.Take(frame, frame.Length);
        Assert.That(bench.Take(), Has.Count.EqualTo(1));
    }

    [Test]
    public void A_million_mutated_bytes_neither_stop_the_board_nor_make_it_obey_a_broken_frame()
    {
        LineBench bench = new();
        TextWriter console = Console.Out;
        SeededRandom random = new(2_811);
        HashSet<byte> oddButGood = [];
        int sent = 0;
        int answered = 0;
        int broken = 0;
        try
        {
            Console.SetOut(TextWriter.Null);
            while (sent < 1_000_000)
            {
                // Damaged frames were made with an odd sequence: one in an answer gives away that the board obeyed such a frame.
                bool damaged = random.Below(4) != 0;
                byte[] frame = RandomFrame(random, damaged);
                if (damaged)
                {
                    for (int n = 1 + random.Below(3); n > 0; n--)
                    {
                        frame[random.Below(frame.Length)] = (byte)random.Below(256);
                    }

                    frame = random.Below(5) == 0 ? frame[..random.Below(frame.Length)] : frame;
                }

                bool good = IsGood(frame);
                broken += good ? 0 : 1;
                bench.Send(frame);
                bench.Time.Uptime += random.Below(8) == 0 ? 300 : 1;
                bench.Line.Tend();
                sent += frame.Length;
                if (damaged && good && frame[0] == 'D')
                {
                    oddButGood.Add(frame[SerialFrame.SequenceOffset]);
                }

                foreach (Sent answer in bench.Take())
                {
                    answered++;
                    if (!answer.IsImprov && answer.Sequence % 2 != 0 && !oddButGood.Contains(answer.Sequence))
                    {
                        Assert.Fail($"a broken frame was obeyed: {answer}");
                    }
                }
            }
        }
        finally
        {
            Console.SetOut(console);
        }

        bench.Pass(1000);
        bench.Take();
        TestContext.Out.WriteLine($"{sent:N0} bytes, {broken:N0} broken frames, {answered:N0} answers, {bench.Line.SkippedBytes:N0} bytes skipped");
        Assert.That(answered, Is.GreaterThan(1000));
        Assert.That(broken, Is.GreaterThan(5000));
        Assert.That(bench.Ask(SerialTypes.IdentityRequest).Type, Is.EqualTo(SerialTypes.IdentityResponse));
    }

    [Test]
    public void Settings_that_only_broken_frames_carried_are_never_taken()
    {
        LineBench bench = new();
        SeededRandom random = new(31);
        byte[] frame = LineBench.Frame(SerialTypes.ConfigureRequest, 1, "gateway-host=evil.example\n"u8.ToArray());
        byte[] name = LineBench.Rpc(ImprovCommands.DeviceName, "evil"u8.ToArray());
        for (int i = 0; i < 20_000; i++)
        {
            byte[] damaged = [.. random.Below(2) == 0 ? frame : name];
            damaged[1 + random.Below(damaged.Length - 2)] ^= (byte)(1 << random.Below(8));
            bench.Send(damaged);
            bench.Pass(ProvisionLine.SilenceMs, ProvisionLine.SilenceMs);
        }

        Assert.That(NodeSettings.Open(bench.Flash).GatewayHost, Is.Empty);
        Assert.That(Encoding.UTF8.GetString(NodeLabel.Open(bench.Flash).NameOr("x")), Does.Not.Contain("evil"));
        Assert.That(bench.Take().Where(answer => !answer.IsImprov), Is.Empty);
    }

    [Test]
    public void A_challenge_is_signed_with_the_devices_key()
    {
        LineBench bench = new();
        byte[] nonce = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        Sent answer = bench.Ask(SerialTypes.ChallengeRequest, nonce);
        byte[] message = new byte[ChallengeMessage.Bytes];
        ChallengeMessage.Write(KeyKinds.Software, bench.Key.Id, nonce, 0, message, 0);
        using ECDsa key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = bench.Key.PublicKey[..32], Y = bench.Key.PublicKey[32..] } });
        Assert.That(answer.Type, Is.EqualTo(SerialTypes.ChallengeResponse));
        Assert.That(key.VerifyData(message, answer.Data, HashAlgorithmName.SHA256), Is.True);
        Assert.That(bench.Ask(SerialTypes.ChallengeRequest, 1).Data[0], Is.EqualTo(SerialErrors.WrongLength));
    }

    [Test]
    public void Diagnostics_say_how_the_node_is_and_what_went_wrong_last()
    {
        LineBench bench = new();
        bench.Parts.Health = new NodeHealth { HasNetwork = true, SensorsPresent = 3 };
        bench.Parts.Health.CountWifiFailure();
        bench.Parts.Store = FrameStore.Open(bench.Flash, 98304, bench.Key.Signer);
        bench.Hardware.OwnSsid = "depot";
        bench.Hardware.OwnPassword = "right horse";
        for (int i = 0; i < 40; i++)
        {
            NodeLog.Fault("test", new InvalidOperationException("fault " + i));
        }

        Sent node = bench.Ask(SerialTypes.DiagnosticsRequest, 0);
        string text = Encoding.UTF8.GetString(node.Data);
        Assert.That(node.Type, Is.EqualTo(SerialTypes.DiagnosticsResponse));
        Assert.That(text.Split('\n'), Is.SupersetOf(new[]
        {
            "state=starting", "version=1.2.3", "board=" + BoardPins.BoardName, "uptime-s=1", "locked=0", "wifi=depot", "network=1", "connected=0", "sensors=3",
            "wifi-failures=1", "boots=1", "owed=0", "dropped=0",
        }));
        Assert.That(text, Does.Not.Contain("horse"));
        string faults = Encoding.UTF8.GetString(bench.Ask(SerialTypes.DiagnosticsRequest, 1).Data);
        Assert.That(faults.Split('\n')[0], Does.StartWith("fault=").And.EndsWith("fault 39"));
        Assert.That(faults.IndexOf("fault 38", StringComparison.Ordinal), Is.Positive, "newest first");
        Assert.That(bench.Ask(SerialTypes.DiagnosticsRequest, 2).Data[0], Is.EqualTo(SerialErrors.WrongLength));
        Assert.That(bench.Ask(SerialTypes.DiagnosticsRequest).Data[0], Is.EqualTo(SerialErrors.WrongLength));
    }

    [Test]
    public void A_self_test_says_of_each_sensor_whether_it_is_there_and_what_it_reads()
    {
        LineBench bench = new();
        Assert.That(bench.Ask(SerialTypes.SelfTestRequest, 255).Data[0], Is.EqualTo(SerialErrors.NotReady));
        Scripted good = new("good", samples => samples.Add(Channels.Temperature, -2, 0, 2150, 0));
        Scripted silent = new("silent", _ => false);
        Scripted broken = new("broken", _ => throw new InvalidOperationException("a driver's mistake"));
        Scripted absent = new("absent", _ => true) { IsThere = false };
        NodeHealth health = new();
        bench.Parts.Sensors = new SensorSet([good, silent, broken, absent], new I2cBus(BoardPins.I2cBus), health);
        Assert.That(bench.Ask(SerialTypes.SelfTestRequest, 0).Data[0], Is.EqualTo(SerialErrors.Refused), "none was begun");
        Assert.That(bench.Ask(SerialTypes.SelfTestRequest, 255).Data[1], Is.EqualTo(4));
        Assert.That(Report(bench, 0), Is.EqualTo((true, true, $"good\n{Channels.Temperature}=2150e-2")));
        Assert.That(Report(bench, 1), Is.EqualTo((true, false, "silent\nit stopped answering")));
        Assert.That(Report(bench, 2), Is.EqualTo((true, false, "broken\nit stopped answering")));
        Assert.That(Report(bench, 3), Is.EqualTo((false, false, "absent\nnot there")));
        Assert.That(bench.Ask(SerialTypes.SelfTestRequest, 4).Data[0], Is.EqualTo(SerialErrors.Refused));
        Assert.That(health.SensorsPresent, Is.EqualTo(1));
        absent.IsThere = true;
        bench.Ask(SerialTypes.SelfTestRequest, 255);
        Assert.That(Report(bench, 3), Is.EqualTo((true, true, "absent")), "plugged in meanwhile");
    }

    [Test]
    public void While_a_sensor_is_tested_the_line_answers_and_a_second_test_does_not_begin()
    {
        LineBench bench = new();
        using ManualResetEventSlim go = new();
        int reads = 0;
        Scripted slow = new("slow", _ =>
        {
            reads++;
            return go.Wait(60_000);
        });
        bench.Parts.Sensors = new SensorSet([slow], new I2cBus(BoardPins.I2cBus), new NodeHealth());
        bench.Ask(SerialTypes.SelfTestRequest, 255);
        Assert.That(bench.Ask(SerialTypes.SelfTestRequest, 255).Data[0], Is.EqualTo(1));
        Assert.That(bench.Ask(SerialTypes.SelfTestRequest, 0).Data, Is.EqualTo(new byte[] { 1, 1 }), "running");
        Assert.That(bench.Ask(SerialTypes.IdentityRequest).Type, Is.EqualTo(SerialTypes.IdentityResponse));
        go.Set();
        Assert.That(Report(bench, 0).HasRead, Is.True);
        Assert.That(reads, Is.EqualTo(1));
    }

    private static (bool IsPresent, bool HasRead, string Text) Report(LineBench bench, byte sensor)
    {
        Sent answer = bench.Ask(SerialTypes.SelfTestRequest, sensor);
        Eventually.True(
            () =>
            {
                answer = answer.Data[0] == 1 ? bench.Ask(SerialTypes.SelfTestRequest, sensor) : answer;
                return answer.Data[0] == 2;
            },
            "the test's end");
        return (answer.Data[2] == 1, answer.Data[3] == 1, Encoding.UTF8.GetString(answer.Data.AsSpan(6)));
    }

    private static byte[] RandomFrame(SeededRandom random, bool isOdd)
    {
        byte[] data = random.Bytes(random.Below(6) == 0 ? random.Below(200) : random.Below(12));
        if (random.Below(2) == 0)
        {
            // Everything but what makes the board wait for its radio or restart; a nonce keeps the verifier's seconds away.
            byte type = (byte)random.Below(20);
            type = type is SerialTypes.SignedRequest or SerialTypes.ClaimRequest or SerialTypes.ChallengeRequest ? SerialTypes.IdentityRequest : type;
            return LineBench.Frame(type, (byte)((random.Below(128) * 2) + (isOdd ? 1 : 0)), data);
        }

        byte command = (byte)random.Below(8);
        byte[] payload = command is ImprovCommands.WifiSettings or ImprovCommands.ScanNetworks ? [] : data;
        return LineBench.RpcOf([command == ImprovCommands.ScanNetworks ? (byte)9 : command, (byte)payload.Length, .. payload]);
    }

    // Judged apart from the decoder: both checksums by their definitions.
    private static bool IsGood(byte[] frame)
    {
        if (frame.Length < SerialFrame.FrameBytesMin)
        {
            return false;
        }

        if (frame[0] == 'D')
        {
            return Crc32.Compute(frame, 0, frame.Length - 4) == (uint)(frame[^4] << 24 | frame[^3] << 16 | frame[^2] << 8 | frame[^1]);
        }

        return (byte)frame[1..^2].Sum(value => value) == frame[^2];
    }

    private sealed class Scripted(string name, Func<SampleSet, bool> read) : ISensor
    {
        public bool IsThere { get; set; } = true;

        public string Name => name;

        public ushort Profile => 0;

        public bool Open() => IsThere;

        public bool Read(SampleSet samples, long uptimeMs) => read(samples);
    }

    private sealed class SeededRandom(int seed)
    {
        private readonly Random _random = new(seed);

        public int Below(int limit) => _random.Next(limit);

        public byte[] Bytes(int count)
        {
            byte[] bytes = new byte[count];
            _random.NextBytes(bytes);
            return bytes;
        }
    }
}

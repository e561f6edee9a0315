using DePIN.Firmware.Board;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>Requests as a file on the drive, answers on the console: the way in where the debug protocol has the only port.</summary>
[TestFixture, NonParallelizable]
public sealed class SerialFileTests
{
    private PowerCutFlash _flash = null!;
    private StopSignal _stop = null!;
    private DeviceKey _key = null!;

    [SetUp]
    public void MakeBoard()
    {
        _flash = new PowerCutFlash();
        _key = DeviceKey.Open(_flash, new SeededEntropy(5), new NodeStatus());
    }

    [Test]
    public void The_requests_of_a_file_are_done_once_in_their_order_and_answered_on_the_console()
    {
        byte[] enrolment = LineBench.Enrolment("gateway-host=file.example\n");
        Put([Frame(SerialTypes.IdentityRequest, 1, []), .. Enrol(enrolment, 2), Frame(SerialTypes.RestartRequest, 9, [])]);

        List<(byte Type, byte Sequence, byte[] Data)> answers = Start();

        Assert.Multiple(() =>
        {
            Assert.That(answers.Select(answer => (answer.Type, answer.Sequence)), Is.EqualTo(new[]
            {
                (SerialTypes.IdentityResponse, (byte)1), (SerialTypes.EnrolBeginResponse, (byte)2), (SerialTypes.EnrolDataResponse, (byte)3),
                (SerialTypes.EnrolCommitResponse, (byte)4), (SerialTypes.RestartResponse, (byte)9),
            }));
            Assert.That(SerialIdentity.IsValid(answers[0].Data, 0, answers[0].Data.Length), Is.True);
            Assert.That(_stop.IsRequested, Is.True, "the restart");
            Assert.That(NodeSettings.Open(_flash).GatewayHost, Is.EqualTo("file.example"));
            Assert.That(_flash.Length(SerialFile.Name), Is.EqualTo(-1));
            Assert.That(Start(), Is.Empty, "once");
        });
    }

    [Test]
    public void A_locked_board_obeys_a_file_no_more_than_a_cable()
    {
        LineBench bench = new(_flash);
        using System.Security.Cryptography.ECDsa anOperator = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        Assert.That(bench.Ask(SerialTypes.ConfigureRequest, System.Text.Encoding.ASCII.GetBytes("operator-key=" + LineBench.PublicKeyOf(anOperator) + "\n")).Type, Is.EqualTo(SerialTypes.ConfigureResponse));
        Assert.That(bench.Ask(SerialTypes.LockRequest).Data, Is.EqualTo(new byte[] { 1 }));
        byte[] signed = new byte[1 + SerialTypes.SignatureBytes];
        signed[0] = SerialTypes.UnlockRequest;
        Put([Frame(SerialTypes.IdentityRequest, 1, []), Frame(SerialTypes.ClaimRequest, 2, new byte[72]), .. Enrol(LineBench.Enrolment("gateway-host=stranger.example\n"), 3),
            Frame(SerialTypes.SignedRequest, 8, signed), Frame(SerialTypes.RestartRequest, 9, [])]);

        List<(byte Type, byte Sequence, byte[] Data)> answers = Start();

        Assert.Multiple(() =>
        {
            Assert.That(answers.Where(answer => answer.Type == SerialTypes.Error).Select(answer => (answer.Sequence, answer.Data[0])), Is.EqualTo(new[]
            {
                ((byte)2, SerialErrors.Locked), ((byte)5, SerialErrors.Locked), ((byte)8, SerialErrors.BadSignature), ((byte)9, SerialErrors.Locked),
            }));
            Assert.That(answers[0].Type, Is.EqualTo(SerialTypes.IdentityResponse));
            Assert.That(_stop.IsRequested, Is.False);
            Assert.That(NodeSettings.Open(_flash).GatewayHost, Is.Empty);
        });
    }

    [Test]
    public void Garbage_halves_and_broken_checksums_in_a_file_are_passed_over()
    {
        byte[] broken = Frame(SerialTypes.RestartRequest, 1, []), noise = new byte[3000];
        broken[^1] ^= 1;
        new Random(3).NextBytes(noise);
        Put([noise, broken, Frame(SerialTypes.IdentityRequest, 2, []), Frame(SerialTypes.RestartRequest, 3, [])[..7]]);

        List<(byte Type, byte Sequence, byte[] Data)> answers = Start();

        Assert.That(answers.Select(answer => answer.Sequence), Is.EqualTo(new byte[] { 2 }));
        Assert.That(_stop.IsRequested, Is.False);
        Assert.That(_flash.Length(SerialFile.Name), Is.EqualTo(-1));
    }

    [TestCase(0)]
    [TestCase(SerialFile.BytesMax + 1)]
    public void An_empty_or_too_large_file_is_removed_and_nothing_done(int length)
    {
        _flash.Write(SerialFile.Name, new byte[length], 0, length);
        Assert.That(Start(), Is.Empty);
        Assert.That(_flash.Length(SerialFile.Name), Is.EqualTo(-1));
    }

    [Test]
    public void The_power_cut_at_any_byte_leaves_the_old_enrolment_or_the_new_one_and_the_file_sent_again_finishes()
    {
        byte[][] frames = [.. Enrol(LineBench.Enrolment("gateway-host=new.example\n"), 1)];
        long steps = CutAfter(long.MaxValue, frames, out _);
        int old = 0, fresh = 0;
        for (long cut = 0; cut <= steps; cut++)
        {
            CutAfter(cut, frames, out PowerCutFlash left);
            string host = NodeSettings.Open(left).GatewayHost;
            Assert.That(host, Is.EqualTo("").Or.EqualTo("new.example"), $"cut {cut}");
            _ = host.Length == 0 ? old++ : fresh++;
            _flash = left;
            Put(frames);
            Assert.That(Start().Select(answer => answer.Type), Does.Contain(SerialTypes.EnrolCommitResponse));
            Assert.That(NodeSettings.Open(left).GatewayHost, Is.EqualTo("new.example"));
        }

        Assert.That(new[] { old, fresh }, Is.All.Positive, "both were seen");
    }

    [Test]
    public void The_largest_enrolment_fits()
    {
        int pieces = (SerialEnrolment.BytesMax + SerialTypes.EnrolPieceBytesMax - 1) / SerialTypes.EnrolPieceBytesMax;
        int bytes = SerialEnrolment.BytesMax + (pieces * (SerialFrame.FrameBytesMin + SerialTypes.EnrolDataOffset))
            + SerialTypes.EnrolBeginBytes + SerialTypes.EnrolCommitBytes + (3 * SerialFrame.FrameBytesMin);
        Assert.That(bytes, Is.LessThanOrEqualTo(SerialFile.BytesMax));
    }

    private long CutAfter(long cut, byte[][] frames, out PowerCutFlash left)
    {
        _flash = new PowerCutFlash();
        _key = DeviceKey.Open(_flash, new SeededEntropy(5), new NodeStatus());
        Put(frames);
        _flash = _flash.Survivor(cut);
        try
        {
            Start();
        }
        catch (PowerCutException)
        {
            // as planned
        }

        left = _flash.Survivor();
        return _flash.Steps;
    }

    private void Put(IEnumerable<byte[]> frames)
    {
        byte[] all = [.. frames.SelectMany(frame => frame)];
        _flash.Write(SerialFile.Name, all, 0, all.Length);
    }

    // A start of the node's serial service, and what it printed.
    private List<(byte Type, byte Sequence, byte[] Data)> Start()
    {
        _stop = new StopSignal();
        TextWriter before = Console.Out;
        using StringWriter console = new();
        Console.SetOut(console);
        try
        {
            new SerialService(_flash, _key, new NodeStatus(), "1.2.3", new DeviceTime()).TakeFile(_stop);
        }
        finally
        {
            Console.SetOut(before);
        }

        string[] lines = [.. console.ToString().Split('\n', StringSplitOptions.TrimEntries).Where(line => line.StartsWith(SerialFile.AnswerEvent + " ", StringComparison.Ordinal))];
        List<(byte Type, byte Sequence, byte[] Data)> answers = [];
        foreach (string line in lines)
        {
            SerialDecoder decoder = new();
            foreach (byte value in Convert.FromBase64String(line[(SerialFile.AnswerEvent.Length + " frame=".Length)..]))
            {
                decoder.Push(value);
            }

            Assert.That(decoder.TryRead(), Is.True, line);
            answers.Add((decoder.Type, decoder.Sequence, decoder.Buffer[decoder.DataOffset..(decoder.DataOffset + decoder.DataCount)]));
        }

        return answers;
    }

    private static IEnumerable<byte[]> Enrol(byte[] enrolment, byte sequence)
    {
        byte[] commit = LineBench.CommitOf(enrolment);
        yield return Frame(SerialTypes.EnrolBeginRequest, sequence, commit[..SerialTypes.EnrolBeginBytes]);
        yield return Frame(SerialTypes.EnrolDataRequest, (byte)(sequence + 1), [0, 0, 0, 0, .. enrolment]);
        yield return Frame(SerialTypes.EnrolCommitRequest, (byte)(sequence + 2), commit);
    }

    private static byte[] Frame(byte type, byte sequence, byte[] data)
    {
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        return frame[..SerialFrame.Write(type, sequence, data, 0, data.Length, frame, 0)];
    }
}

using System.Security.Cryptography;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>The serial service over a real pseudo terminal: the test opens the slave's path as any computer would.</summary>
[TestFixture]
[Platform(Exclude = "Win", Reason = "pseudo terminals are POSIX")]
public sealed class SerialServiceTests
{
    private PseudoTerminal _line = null!;
    private FileStream _port = null!;
    private PowerCutFlash _flash = null!;
    private DeviceKey _key = null!;
    private NodeStatus _status = null!;
    private StopSignal _stop = null!;
    private Thread _thread = null!;

    [SetUp]
    public void Connect() => Connect(damageKey: false);

    [TearDown]
    public void Disconnect()
    {
        _stop.Request();
        _thread.Join();
        _port.Dispose();
        _line.Dispose();
    }

    [Test]
    public void An_identity_request_says_who_the_board_is()
    {
        SerialDecoder answer = Ask(SerialTypes.IdentityRequest, 9, []);

        Assert.That(answer.Type, Is.EqualTo(SerialTypes.IdentityResponse));
        Assert.That(answer.Sequence, Is.EqualTo(9));
        Assert.That(SerialIdentity.IsValid(answer.Buffer, answer.DataOffset, answer.DataCount), Is.True);
        byte[] data = answer.Buffer[answer.DataOffset..(answer.DataOffset + answer.DataCount)];
        Assert.That(data[SerialIdentity.PublicKeyOffset..SerialIdentity.DeviceIdOffset], Is.EqualTo(_key.PublicKey));
        Assert.That(Encoding.UTF8.GetString(data), Does.Contain("1.2.3").And.Contain(BoardPins.BoardName));
        Assert.That(SerialIdentity.State(data, 0), Is.EqualTo((byte)_status.State));
    }

    [Test]
    public void Garbage_halves_and_broken_checksums_are_passed_over_and_the_next_request_is_answered()
    {
        byte[] noise = new byte[5000];
        new Random(3).NextBytes(noise);
        byte[] broken = Request(SerialTypes.IdentityRequest, 1, []);
        broken[^1] ^= 1;
        Send(noise);
        Send("DePNDePN\u0001"u8.ToArray());
        Send(broken);
        Send(broken[..7]);

        Assert.That(Ask(SerialTypes.IdentityRequest, 2, []).Sequence, Is.EqualTo(2));
    }

    [Test]
    public void A_claim_is_signed_over_the_claim_message()
    {
        byte[] chain = new byte[32];
        chain[31] = 31;
        byte[] registry = [.. Enumerable.Range(1, 20).Select(i => (byte)i)];
        byte[] owner = [.. Enumerable.Range(101, 20).Select(i => (byte)i)];
        SerialDecoder answer = Ask(SerialTypes.ClaimRequest, 3, [.. chain, .. registry, .. owner]);
        byte[] signature = answer.Buffer[answer.DataOffset..(answer.DataOffset + answer.DataCount)];
        byte[] message = new byte[ClaimMessage.Bytes];
        ClaimMessage.Write(KeyKinds.Software, chain, registry, owner, message, 0);

        Assert.That(answer.Type, Is.EqualTo(SerialTypes.ClaimResponse));
        using ECDsa verifier = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = _key.PublicKey[..32], Y = _key.PublicKey[32..] },
        });
        Assert.That(verifier.VerifyData(message, signature, HashAlgorithmName.SHA256), Is.True);
    }

    [Test]
    public void Settings_are_taken_when_they_are_good_and_refused_by_name_when_not()
    {
        Assert.That(Ask(SerialTypes.ConfigureRequest, 4, "gateway-host=gw.example\ntls=on\n"u8.ToArray()).Type, Is.EqualTo(SerialTypes.ConfigureResponse));
        Assert.That(NodeSettings.Open(_flash).GatewayHost, Is.EqualTo("gw.example"));

        SerialDecoder refused = Ask(SerialTypes.ConfigureRequest, 5, "gateway-port=zero\n"u8.ToArray());
        Assert.That(refused.Type, Is.EqualTo(SerialTypes.Error));
        Assert.That(refused.Buffer[refused.DataOffset], Is.EqualTo(SerialErrors.Refused));
        Assert.That(Encoding.UTF8.GetString(refused.Buffer, refused.DataOffset + 1, refused.DataCount - 1), Does.Contain("gateway-port"));
        Assert.That(NodeSettings.Open(_flash).Problem, Is.Null, "the refused line was not kept");
    }

    [Test]
    public void An_unknown_type_and_a_short_claim_are_errors_and_the_service_lives_on()
    {
        SerialDecoder unknown = Ask(0x55, 6, []);
        Assert.That((unknown.Type, unknown.Buffer[unknown.DataOffset]), Is.EqualTo((SerialTypes.Error, SerialErrors.UnknownType)));
        SerialDecoder shortClaim = Ask(SerialTypes.ClaimRequest, 7, [1, 2, 3]);
        Assert.That((shortClaim.Type, shortClaim.Buffer[shortClaim.DataOffset]), Is.EqualTo((SerialTypes.Error, SerialErrors.WrongLength)));
        Assert.That(Ask(SerialTypes.IdentityRequest, 8, []).Type, Is.EqualTo(SerialTypes.IdentityResponse));
    }

    [Test]
    public void A_restart_is_answered_and_asked_for()
    {
        Assert.That(Ask(SerialTypes.RestartRequest, 1, []).Type, Is.EqualTo(SerialTypes.RestartResponse));
        Eventually.True(() => _stop.IsRequested, "the stop");
    }

    [Test]
    public void A_node_with_a_damaged_key_still_answers_and_says_so()
    {
        Disconnect();
        Connect(damageKey: true);
        SerialDecoder answer = Ask(SerialTypes.IdentityRequest, 1, []);

        Assert.That((answer.Type, answer.Buffer[answer.DataOffset]), Is.EqualTo((SerialTypes.Error, SerialErrors.NoKey)));
        Assert.That(Encoding.UTF8.GetString(answer.Buffer, answer.DataOffset + 1, answer.DataCount - 1), Does.StartWith("key-damaged: the device key is unreadable"));
    }

    private void Connect(bool damageKey)
    {
        _line = PseudoTerminal.Open();
        VirtualHardware hardware = new();
        hardware.AttachSerial(BoardPins.ProvisionPort, _line);
        hardware.PowerOn();
        _flash = new PowerCutFlash();
        _status = new NodeStatus();
        _key = DeviceKey.Open(_flash, new SeededEntropy(5), _status);
        if (damageKey)
        {
            _flash.FlipBit("key.a", 99);
            _flash.FlipBit("key.b", 99);
            _key = DeviceKey.Open(_flash, new SeededEntropy(5), _status);
        }

        _stop = new StopSignal();
        SerialService service = new(_flash, _key, _status, "1.2.3", new DeviceTime());
        _thread = new Thread(() => service.Run(_stop));
        _thread.Start();
        _port = new FileStream(_line.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
    }

    private static byte[] Request(byte type, byte sequence, byte[] data)
    {
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        return frame[..SerialFrame.Write(type, sequence, data, 0, data.Length, frame, 0)];
    }

    private void Send(byte[] bytes)
    {
        _port.Write(bytes);
        _port.Flush();
    }

    private SerialDecoder Ask(byte type, byte sequence, byte[] data)
    {
        Send(Request(type, sequence, data));
        SerialDecoder decoder = new();
        byte[] one = new byte[1];
        while (_port.Read(one) == 1)
        {
            decoder.Push(one[0]);
            if (decoder.TryRead())
            {
                return decoder;
            }
        }

        throw new InvalidOperationException("the line was closed");
    }
}

using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Provision;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>A locked board: what it still tells, and that it obeys its operator's signature, once, and nobody else.</summary>
[TestFixture]
public sealed class OperatorLockTests
{
    private static readonly byte[] Host = "gateway-host=signed.example\n"u8.ToArray();

    private ECDsa _operator = null!;
    private LineBench _bench = null!;

    [SetUp]
    public void Lock()
    {
        _operator = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _bench = new LineBench();
        Assert.That(_bench.Ask(SerialTypes.LockRequest).Text, Does.Contain("nobody could unlock"));
        Configure(_bench, "operator-key=" + LineBench.PublicKeyOf(_operator) + "\n");
        Assert.That(_bench.Ask(SerialTypes.LockRequest).Data, Is.EqualTo(new byte[] { 1 }));
    }

    [TearDown]
    public void Release() => _operator.Dispose();

    [Test]
    public void Unsigned_commands_change_nothing_also_after_a_restart()
    {
        byte[] enrolment = LineBench.Enrolment("gateway-host=unsigned.example\n");
        for (int boot = 0; boot < 2; boot++)
        {
            (byte Type, byte[] Data)[] refused =
            [
                (SerialTypes.ConfigureRequest, Host),
                (SerialTypes.RestartRequest, []),
                (SerialTypes.ClaimRequest, new byte[72]),
                (SerialTypes.LockRequest, []),
                (SerialTypes.UnlockRequest, []),
                (SerialTypes.WipeRequest, [1, 0, 0, 0, 0]),
                (SerialTypes.EnrolCommitRequest, LineBench.CommitOf(enrolment)),
            ];
            _bench.Enrol(enrolment, commit: false);
            foreach ((byte type, byte[] data) in refused)
            {
                Sent answer = _bench.Ask(type, data);
                Assert.That((answer.Type, answer.Data[0]), Is.EqualTo((SerialTypes.Error, SerialErrors.Locked)), $"type {type}");
            }

            _bench.Send(LineBench.WifiRpc("guests", ""));
            _bench.Send(LineBench.Rpc(ImprovCommands.DeviceName, "mine"u8.ToArray()));
            _bench.Send(LineBench.Rpc(ImprovCommands.Hostname, "mine"u8.ToArray()));
            Assert.That(_bench.Take().Select(sent => sent.ToString()), Is.EqualTo(Enumerable.Repeat(new[] { "improv 02 00", "improv 02 ff" }, 3).SelectMany(pair => pair)));
            Assert.That(_bench.Line.IsRestartDue, Is.False);
            Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.Empty);
            _bench.Restart();
        }
    }

    [Test]
    public void What_only_tells_is_still_answered()
    {
        Assert.That(_bench.Ask(SerialTypes.IdentityRequest).Type, Is.EqualTo(SerialTypes.IdentityResponse));
        Assert.That(_bench.Ask(SerialTypes.ChallengeRequest, new byte[32]).Type, Is.EqualTo(SerialTypes.ChallengeResponse));
        Assert.That(System.Text.Encoding.UTF8.GetString(_bench.Ask(SerialTypes.DiagnosticsRequest, 0).Data), Does.Contain("locked=1"));
        _bench.Send(LineBench.Rpc(ImprovCommands.CurrentState));
        Assert.That(_bench.Take(), Has.Count.EqualTo(2));
    }

    [Test]
    public void A_signed_command_is_obeyed_once()
    {
        byte[] signed = _bench.Signed(_operator, SerialTypes.ConfigureRequest, Host);
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, signed).Type, Is.EqualTo(SerialTypes.ConfigureResponse));
        Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.EqualTo("signed.example"));
        Sent replay = _bench.Ask(SerialTypes.SignedRequest, signed);
        Assert.That((replay.Type, replay.Data[0]), Is.EqualTo((SerialTypes.Error, SerialErrors.BadSignature)));
        Assert.That(replay.Text, Does.Contain("used up"));
        byte[] nonce = _bench.Ask(SerialTypes.NonceRequest).Data;
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, signed).Text, Does.Contain("not the operator's"), "nor over the next nonce");
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.RestartRequest, [], nonce)).Data[0],
            Is.EqualTo(SerialErrors.BadSignature), "a try uses its nonce up");
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.RestartRequest, [])).Type, Is.EqualTo(SerialTypes.RestartResponse));
        Assert.That(_bench.Line.IsRestartDue, Is.True);
    }

    [Test]
    public void Another_key_device_command_or_content_is_refused()
    {
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // Each over the nonce that is good at that moment: only what is forged can be the reason.
        Func<byte[]>[] forged =
        [
            () => _bench.Signed(other, SerialTypes.ConfigureRequest, Host),
            () => _bench.Signed(_operator, SerialTypes.ConfigureRequest, Host, device: new byte[20]),
            () => { _bench.Ask(SerialTypes.NonceRequest); return [SerialTypes.ConfigureRequest, .. Host, .. new byte[64]]; },
            () => Changed(bytes => bytes[5] ^= 1),
            () => Changed(bytes => bytes[0] = SerialTypes.ClaimRequest),
        ];
        foreach (Func<byte[]> make in forged)
        {
            Sent answer = _bench.Ask(SerialTypes.SignedRequest, make());
            Assert.That((answer.Type, answer.Data[0]), Is.EqualTo((SerialTypes.Error, SerialErrors.BadSignature)));
            Assert.That(answer.Text, Does.Contain("not the operator's"));
        }

        Assert.That(_bench.Ask(SerialTypes.SignedRequest, new byte[64]).Data[0], Is.EqualTo(SerialErrors.WrongLength));
        Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.Empty);
    }

    [Test]
    public void A_nonce_grows_old_and_none_is_given_twice()
    {
        byte[] nonce = _bench.Ask(SerialTypes.NonceRequest).Data;
        _bench.Time.Uptime += OperatorLock.NonceMs + 1;
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.ConfigureRequest, Host, nonce)).Text, Does.Contain("five minutes"));
        HashSet<string> given = [];
        for (int i = 0; i < 500; i++)
        {
            Assert.That(given.Add(Convert.ToHexString(_bench.Ask(SerialTypes.NonceRequest).Data)), Is.True);
        }
    }

    [Test]
    public void The_operator_enrols_unlocks_and_locks_again()
    {
        byte[] enrolment = LineBench.Enrolment("gateway-host=enrolled.example\n", name: "Roof");
        _bench.Enrol(enrolment, commit: false);
        byte[] commit = LineBench.CommitOf(enrolment);
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.EnrolCommitRequest, commit)).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse));
        Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.EqualTo("enrolled.example"));
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.UnlockRequest, [])).Data, Is.EqualTo(new byte[] { 0 }));
        _bench.Restart();
        Configure(_bench, "window=5\n");
        Assert.That(_bench.Ask(SerialTypes.LockRequest).Data, Is.EqualTo(new byte[] { 1 }));
        Assert.That(_bench.Ask(SerialTypes.ConfigureRequest, Host).Data[0], Is.EqualTo(SerialErrors.Locked));
    }

    [Test]
    public void Pieces_that_are_not_what_the_operator_signed_are_refused()
    {
        byte[] good = LineBench.Enrolment("gateway-host=enrolled.example\n");
        byte[] evil = LineBench.Enrolment("gateway-host=evil0000.example\n");
        _bench.Enrol(evil, commit: false);
        byte[] commit = LineBench.CommitOf(good);
        Sent answer = _bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.EnrolCommitRequest, commit));
        Assert.That((answer.Type, answer.Data[0]), Is.EqualTo((SerialTypes.Error, SerialErrors.Refused)));

        // An attacker who forces the CRC still has not the digest.
        byte[] mixed = [.. LineBench.CommitOf(evil)[..8], .. commit[8..]];
        Assert.That(_bench.Ask(SerialTypes.SignedRequest, _bench.Signed(_operator, SerialTypes.EnrolCommitRequest, mixed)).Text, Does.Contain("SHA-256"));
        Assert.That(NodeSettings.Open(_bench.Flash).GatewayHost, Is.Empty);
    }

    [Test]
    public void A_damaged_lock_is_locked_and_a_cut_while_it_is_set_is_one_or_the_other()
    {
        PowerCutFlash damaged = _bench.Flash.Survivor();
        damaged.FlipBit("lock.a", 85);
        Assert.That(new LineBench(damaged).Ask(SerialTypes.ConfigureRequest, Host).Data[0], Is.EqualTo(SerialErrors.Locked));
        for (long cut = 1; cut <= 16; cut++)
        {
            PowerCutFlash flash = _bench.Flash.Survivor(cut, TornWrite.Garbage, (int)cut);
            LineBench bench = new(flash);
            byte[] signed = bench.Signed(_operator, SerialTypes.UnlockRequest, []);
            try
            {
                bench.Ask(SerialTypes.SignedRequest, signed);
            }
            catch (PowerCutException)
            {
                // The power is gone.
            }

            Assert.That(() => new LineBench(flash.Survivor()).Ask(SerialTypes.IdentityRequest).Type, Is.EqualTo(SerialTypes.IdentityResponse));
        }
    }

    [Test]
    public void A_key_that_is_no_point_of_the_curve_is_refused()
    {
        LineBench bench = new();
        byte[] line = System.Text.Encoding.ASCII.GetBytes("operator-key=" + new string('1', 128) + "\n");
        Assert.That(bench.Ask(SerialTypes.ConfigureRequest, line).Text, Does.Contain("operator-key"));
        Assert.That(bench.Ask(SerialTypes.LockRequest).Text, Does.Contain("nobody could unlock"));
    }

    private static void Configure(LineBench bench, string lines) =>
        Assert.That(bench.Ask(SerialTypes.ConfigureRequest, System.Text.Encoding.ASCII.GetBytes(lines)).Type, Is.EqualTo(SerialTypes.ConfigureResponse));

    private byte[] Changed(Action<byte[]> change)
    {
        byte[] signed = _bench.Signed(_operator, SerialTypes.ConfigureRequest, Host);
        change(signed);
        return signed;
    }
}

// A board's serial line without a port: bytes in, frames out, the time as the test says, the radio and the button as the test sets them.

using System.Security.Cryptography;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Life;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>One frame that the board sent.</summary>
internal sealed record Sent(bool IsImprov, byte Type, byte Sequence, byte[] Data)
{
    public string Text => Encoding.UTF8.GetString(Data.AsSpan(Math.Min(1, Data.Length)));

    /// <summary>The texts of an Improv result.</summary>
    public string[] Texts
    {
        get
        {
            List<string> texts = [];
            for (int at = 2; at < Data.Length; at += 1 + Data[at])
            {
                texts.Add(Encoding.UTF8.GetString(Data, at + 1, Data[at]));
            }

            return [.. texts];
        }
    }

    public override string ToString() => $"{(IsImprov ? "improv" : "own")} {Type:x2} {Convert.ToHexStringLower(Data)}";
}

/// <summary>The line of one board.</summary>
internal sealed class LineBench : ILineOutput
{
    private readonly SerialDecoder _sent = new(findsImprov: true);
    private byte _sequence;

    public LineBench(PowerCutFlash? flash = null)
    {
        Hardware = new VirtualHardware { AccessPoints = [new("depot", "right horse", -48), new("guests", "", -71)] };
        Hardware.PowerOn();
        Flash = flash ?? new PowerCutFlash();
        Status = new NodeStatus();
        Key = DeviceKey.Open(Flash, new SeededEntropy(5), Status);
        Parts = new NodeParts(Flash, Key, Status, "1.2.3", Time)
        {
            Settings = NodeSettings.Open(Flash),
            Health = new NodeHealth(),
        };
        Line = new ProvisionLine(Parts, this);
    }

    public VirtualHardware Hardware { get; }

    public PowerCutFlash Flash { get; }

    public NodeStatus Status { get; }

    public DeviceKey Key { get; }

    public ManualTime Time { get; } = new();

    public NodeParts Parts { get; }

    public ProvisionLine Line { get; private set; }

    /// <summary>Everything the board sent, raw.</summary>
    public List<byte> Wire { get; } = [];

    /// <summary>Frames not taken yet.</summary>
    public List<Sent> Frames { get; } = [];

    public void Write(byte[] buffer, int offset, int count)
    {
        for (int i = offset; i < offset + count; i++)
        {
            Wire.Add(buffer[i]);
            _sent.Push(buffer[i]);
            while (_sent.TryRead())
            {
                Frames.Add(new(_sent.IsImprov, _sent.Type, _sent.Sequence, _sent.Buffer[_sent.DataOffset..(_sent.DataOffset + _sent.DataCount)]));
            }
        }
    }

    /// <summary>The board starts again: what was in RAM is gone.</summary>
    public void Restart() => Line = new ProvisionLine(Parts, this);

    public static byte[] Frame(byte type, byte sequence, byte[] data)
    {
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        return frame[..SerialFrame.Write(type, sequence, data, 0, data.Length, frame, 0)];
    }

    public static byte[] Rpc(byte command, params byte[] payload)
    {
        byte[] data = new byte[ImprovFrame.DataBytesMax];
        return RpcOf(data[..ImprovRpc.Write(command, payload, 0, payload.Length, data, 0)]);
    }

    public static byte[] RpcOf(byte[] data)
    {
        byte[] wire = new byte[ImprovFrame.WireBytesMax];
        return wire[..ImprovFrame.Write(ImprovTypes.Rpc, data, 0, data.Length, wire, 0)];
    }

    public static byte[] WifiRpc(string ssid, string password)
    {
        byte[] data = new byte[ImprovFrame.DataBytesMax];
        return RpcOf(data[..ImprovRpc.WriteWifiSettings(Encoding.UTF8.GetBytes(ssid), Encoding.UTF8.GetBytes(password), data, 0)]);
    }

    public void Send(params byte[] bytes)
    {
        byte[] copy = [.. bytes];
        Line.Take(copy, copy.Length);
        Line.Tend();
    }

    /// <summary>Frames so far, which are forgotten.</summary>
    public List<Sent> Take()
    {
        List<Sent> taken = [.. Frames];
        Frames.Clear();
        return taken;
    }

    /// <summary>Asks one of our own requests; the board answers before it returns.</summary>
    public Sent Ask(byte type, params byte[] data)
    {
        _sequence++;
        Send(Frame(type, _sequence, data));
        Sent answer = Take().Last(sent => !sent.IsImprov);
        Assert.That(answer.Sequence, Is.EqualTo(_sequence));
        return answer;
    }

    /// <summary>Sends an Improv command and gives what came, up to that frame.</summary>
    public List<Sent> Improv(byte[] rpc, Predicate<Sent> isLast)
    {
        Send(rpc);
        List<Sent> all = [];
        Eventually.True(
            () =>
            {
                Line.Tend();
                all.AddRange(Take());
                return all.Exists(isLast);
            },
            "the board's answer");
        return all;
    }

    /// <summary>Lets the time pass in steps, as the port's loop sees it.</summary>
    public void Pass(long milliseconds, long step = 20)
    {
        for (long end = Time.Uptime + milliseconds; Time.Uptime < end;)
        {
            Time.Uptime = Math.Min(end, Time.Uptime + step);
            Line.Tend();
        }
    }

    /// <summary>Sends an enrolment whole and commits it.</summary>
    public Sent Enrol(byte[] enrolment, bool commit = true)
    {
        Ask(SerialTypes.EnrolBeginRequest, [.. Number(enrolment.Length), .. Crc(enrolment)]);
        for (int at = 0; at < enrolment.Length; at += 300)
        {
            Ask(SerialTypes.EnrolDataRequest, [.. Number(at), .. enrolment.AsSpan(at, Math.Min(300, enrolment.Length - at))]);
        }

        return commit ? Ask(SerialTypes.EnrolCommitRequest, CommitOf(enrolment)) : new Sent(false, 0, 0, []);
    }

    public static byte[] CommitOf(byte[] enrolment) => [.. Number(enrolment.Length), .. Crc(enrolment), .. SHA256.HashData(enrolment)];

    public static byte[] Number(long value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    public static byte[] Crc(byte[] bytes) => Number(Crc32.Compute(bytes, 0, bytes.Length));

    public static byte[] Enrolment(string settings, string authority = "", string user = "", string password = "", string name = "", string location = "")
    {
        byte[] bytes = new byte[SerialEnrolment.BytesMax];
        int count = 0;
        byte tag = 0;
        foreach (string section in new[] { settings, authority, user, password, name, location })
        {
            tag++;
            count = section.Length > 0 ? SerialEnrolment.Append(tag, Encoding.UTF8.GetBytes(section), bytes, count) : count;
        }

        return bytes[..count];
    }

    /// <summary>A command signed by that operator, over a nonce that the board is asked for unless one is given.</summary>
    public byte[] Signed(ECDsa operatorKey, byte type, byte[] data, byte[]? nonce = null, byte[]? device = null)
    {
        nonce ??= Ask(SerialTypes.NonceRequest).Data;
        byte[] message = new byte[OperatorMessage.Bytes];
        OperatorMessage.Write(type, device ?? Key.Id, nonce, data, 0, data.Length, message, 0);
        return [type, .. data, .. operatorKey.SignData(message, HashAlgorithmName.SHA256)];
    }

    public static string PublicKeyOf(ECDsa key)
    {
        ECParameters parameters = key.ExportParameters(false);
        return Convert.ToHexStringLower(parameters.Q.X!) + Convert.ToHexStringLower(parameters.Q.Y!);
    }
}

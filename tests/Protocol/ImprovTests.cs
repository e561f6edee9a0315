// Improv frames: the published vectors byte for byte, both protocols on one line, and lengths that the official client loses.

using System.Text;

namespace DePIN.Protocol.Tests;

public sealed class ImprovTests
{
    private const string GetState = "494d50524f560103020200e50a";
    private const string Ready = "494d50524f5601010102e20a";
    private const string Provisioned = "494d50524f5601010104e40a";
    private const string NoError = "494d50524f5601020100e10a";
    private const string Wifi = "494d50524f56010320011e0c4d79576972656c6573734150106d7973656375726570617373776f7264c10a";

    [Test]
    public void Frames_are_those_of_the_published_vectors_behind_a_line_feed()
    {
        byte[] data = new byte[ImprovFrame.DataBytesMax];
        int wifi = ImprovRpc.WriteWifiSettings("MyWirelessAP"u8.ToArray(), "mysecurepassword"u8.ToArray(), data, 0);
        Assert.Multiple(() =>
        {
            Assert.That(Frame(ImprovTypes.Rpc, data[..wifi]), Is.EqualTo("0a" + Wifi));
            Assert.That(Frame(ImprovTypes.Rpc, data[..ImprovRpc.Write(ImprovCommands.CurrentState, [], 0, 0, data, 0)]), Is.EqualTo("0a" + GetState));
            Assert.That(Frame(ImprovTypes.CurrentState, [ImprovStates.Ready]), Is.EqualTo("0a" + Ready));
            Assert.That(Frame(ImprovTypes.CurrentState, [ImprovStates.Provisioned]), Is.EqualTo("0a" + Provisioned));
            Assert.That(Frame(ImprovTypes.ErrorState, [ImprovErrors.None]), Is.EqualTo("0a" + NoError));
        });
    }

    [TestCase(GetState, ImprovTypes.Rpc, "0200")]
    [TestCase(Ready, ImprovTypes.CurrentState, "02")]
    [TestCase(NoError, ImprovTypes.ErrorState, "00")]
    [TestCase(Wifi, ImprovTypes.Rpc, "011e0c4d79576972656c6573734150106d7973656375726570617373776f7264")]
    public void The_published_vectors_are_found_byte_by_byte_also_without_their_line_feed(string hex, byte type, string data)
    {
        foreach (byte[] stream in new[] { Convert.FromHexString(hex), Convert.FromHexString(hex)[..^1], Convert.FromHexString("494d50" + hex), Convert.FromHexString("494d50524f5602" + hex) })
        {
            Found found = Find(stream).Single();
            Assert.That((found.IsImprov, found.Type, found.Data), Is.EqualTo((true, type, data)));
        }
    }

    [Test]
    public void A_board_never_sends_data_of_ten_bytes()
    {
        ImprovResult result = new();
        for (int text = 0; text <= 252; text++)
        {
            result.Begin(ImprovCommands.ScanNetworks);
            Assert.That(result.Add(new byte[text]), Is.EqualTo(text < 252));
            int count = result.End();
            Assert.That(count, Is.EqualTo(text == 252 ? 2 : text == 7 ? 11 : 3 + text));
            Assert.That(ImprovResult.IsValid(result.Data, 0, count), Is.True);
            Assert.That(ImprovResult.IsValid(result.Data, 0, count - 1), Is.False);
        }

        Assert.That(() => Frame(ImprovTypes.RpcResult, new byte[10]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Frame(ImprovTypes.Rpc, new byte[10]), Throws.Nothing, "a board has no trouble with a client's");
    }

    [Test]
    public void Both_protocols_are_found_on_one_line_in_order_among_log_text_and_garbage()
    {
        SeededRandom random = new(4);
        List<byte> stream = [];
        List<string> sent = [];
        for (int i = 0; i < 400; i++)
        {
            stream.AddRange(random.Below(4) switch
            {
                0 => "acked sequence=1 IMPRO DePN\r\n"u8.ToArray(),
                1 => random.Bytes(random.Below(40)),
                2 => Convert.FromHexString("494d50524f5601030000"), // whole, with a wrong checksum
                _ => [],
            });
            if (random.Below(2) == 0)
            {
                byte[] data = random.Bytes(random.Below(256));
                stream.AddRange(Convert.FromHexString(Frame(ImprovTypes.Rpc, data)));
                sent.Add("improv " + Convert.ToHexStringLower(data));
            }
            else
            {
                byte[] data = random.Bytes(random.Below(100));
                byte[] frame = new byte[SerialFrame.FrameBytesMax];
                stream.AddRange(frame[..SerialFrame.Write((byte)i, 1, data, 0, data.Length, frame, 0)]);
                sent.Add("own " + Convert.ToHexStringLower(data));
            }
        }

        stream.AddRange(new byte[SerialFrame.FrameBytesMax]);
        Assert.That(Find(stream).Select(found => (found.IsImprov ? "improv " : "own ") + found.Data), Is.EqualTo(sent));
    }

    [Test]
    public void What_lies_inside_a_good_frame_is_no_frame_of_its_own()
    {
        byte[] inner = Convert.FromHexString(Wifi);
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        int count = SerialFrame.Write(SerialTypes.EnrolDataRequest, 1, inner, 0, inner.Length, frame, 0);
        Found found = Find(frame[..count]).Single();
        Assert.That((found.IsImprov, found.Type), Is.EqualTo((false, SerialTypes.EnrolDataRequest)));
    }

    [Test]
    public void After_silence_a_beginning_is_given_up_and_what_it_swallowed_is_found()
    {
        SerialDecoder decoder = new(findsImprov: true);
        byte[] stream = [0x44, 0x65, 0x50, 0x4E, 1, 1, 1, 2, 0, .. Convert.FromHexString("494d50524f560103ff" + GetState)];
        foreach (byte value in stream)
        {
            decoder.Push(value);
            Assert.That(decoder.TryRead(), Is.False, "the beginnings announce more");
        }

        Assert.That(decoder.TryReadAfterSilence(), Is.True);
        Assert.That((decoder.IsImprov, decoder.DataCount), Is.EqualTo((true, 2)));
        Assert.That(decoder.TryReadAfterSilence(), Is.False);
        Assert.That(decoder.SkippedBytes, Is.EqualTo(9 + 9 + 1));
    }

    [Test]
    public void A_decoder_of_our_own_frames_passes_improv_over()
    {
        SerialDecoder decoder = new();
        foreach (byte value in Convert.FromHexString(Wifi))
        {
            decoder.Push(value);
            Assert.That(decoder.TryRead(), Is.False);
        }
    }

    [Test]
    public void Wifi_settings_are_judged_by_their_lengths_and_texts()
    {
        byte[] good = Convert.FromHexString(Wifi)[9..^2];
        Assert.That(IsWifi(good), Is.True);
        for (int count = 0; count < good.Length; count++)
        {
            Assert.That(IsWifi(good[..count]), Is.False, $"{count} bytes");
        }

        Assert.Multiple(() =>
        {
            Assert.That(IsWifi([.. good, 0]), Is.False, "trailing");
            Assert.That(IsWifi([1, 3, 0, 0, 0]), Is.False, "no name");
            Assert.That(IsWifi([1, 3, 1, 65, 0]), Is.True, "an open network");
            Assert.That(IsWifi([1, 4, 2, 0xC3, 0x28, 0]), Is.False, "ill-formed name");
            Assert.That(IsWifi([1, 4, 1, 65, 1, 0xFF]), Is.False, "ill-formed password");
            Assert.That(IsWifi([1, 100, 33, .. new byte[99]]), Is.False, "a long name");
            Assert.That(IsWifi([1, 68, 1, 65, 65, .. Encoding.ASCII.GetBytes(new string('a', 65))]), Is.False, "a long password");
            Assert.That(IsWifi([1, 67, 1, 65, 64, .. Encoding.ASCII.GetBytes(new string('a', 64))]), Is.True);
            Assert.That(ImprovRpc.IsValid([1, 1], 0, 2), Is.False);
        });
    }

    [Test]
    public void Utf8_is_judged_as_the_strict_decoder_of_dotnet_does()
    {
        UTF8Encoding strict = new(false, throwOnInvalidBytes: true);
        SeededRandom random = new(8);
        byte[] pool = [0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0x9F, 0xA0, 0xED, 0xEF, 0xF0, 0x8F, 0x90, 0xF4, 0xF5, 0xFF];
        int valid = 0;
        for (int i = 0; i < 100_000; i++)
        {
            byte[] text = new byte[random.Below(6)];
            for (int at = 0; at < text.Length; at++)
            {
                text[at] = pool[random.Below(pool.Length)];
            }

            bool expected = true;
            try
            {
                _ = strict.GetString(text);
            }
            catch (DecoderFallbackException)
            {
                expected = false;
            }

            valid += expected ? 1 : 0;
            if (Utf8Text.IsValid(text, 0, text.Length) != expected)
            {
                Assert.Fail(Convert.ToHexString(text));
            }
        }

        Assert.That(valid, Is.GreaterThan(1000));
        Assert.That(Utf8Text.IsValid([65, 0, 65], 0, 3), Is.False, "U+0000 ends a text on the board");
    }

    [Test]
    public void An_enrolment_is_read_as_written_and_every_mistake_is_named()
    {
        byte[] buffer = new byte[SerialEnrolment.BytesMax];
        int count = SerialEnrolment.Append(EnrolmentTags.Settings, "tls=on\n"u8.ToArray(), buffer, 0);
        count = SerialEnrolment.Append(EnrolmentTags.Name, "Dach Süd"u8.ToArray(), buffer, count);
        Assert.Multiple(() =>
        {
            Assert.That(SerialEnrolment.Problem(buffer, 0, count), Is.Null);
            Assert.That(SerialEnrolment.Find(EnrolmentTags.Name, buffer, 0, count), Is.EqualTo("Dach Süd"u8.ToArray()));
            Assert.That(SerialEnrolment.Find(EnrolmentTags.User, buffer, 0, count), Is.Null);
            Assert.That(SerialEnrolment.Problem(buffer, 0, 0), Is.EqualTo("it is empty"));
            Assert.That(SerialEnrolment.Problem([1, 0], 0, 2), Does.Contain("cut short"));
            Assert.That(SerialEnrolment.Problem([7, 0, 0], 0, 3), Does.Contain("section 7 is unknown"));
            Assert.That(SerialEnrolment.Problem([2, 0, 0, 1, 0, 0], 0, 6), Does.Contain("out of order"));
            Assert.That(SerialEnrolment.Problem([2, 0, 0, 2, 0, 0], 0, 6), Does.Contain("repeated"));
            Assert.That(SerialEnrolment.Problem([1, 0, 1], 0, 3), Does.Contain("too long"));
            Assert.That(SerialEnrolment.Problem([5, 0, 65, .. new byte[65]], 0, 68), Does.Contain("too long"));
            Assert.That(SerialEnrolment.Problem([5, 0, 1, 0xFF], 0, 4), Does.Contain("no text"));
            Assert.That(() => SerialEnrolment.Append(EnrolmentTags.User, new byte[65], buffer, 0), Throws.ArgumentException);
        });
        SeededRandom random = new(77);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] damaged = buffer[..count];
            damaged[random.Below(count)] = (byte)random.Below(256);
            int length = random.Below(count + 1);
            if (SerialEnrolment.Problem(damaged, 0, length) is null)
            {
                SerialEnrolment.Find((byte)(1 + random.Below(6)), damaged, 0, length);
            }
        }
    }

    [Test]
    public void What_is_signed_says_what_it_is_and_for_whom()
    {
        byte[] id = [.. Enumerable.Range(1, 20).Select(i => (byte)i)];
        byte[] nonce = [.. Enumerable.Range(100, 32).Select(i => (byte)i)];
        byte[] challenge = new byte[ChallengeMessage.Bytes];
        ChallengeMessage.Write(KeyKinds.Software, id, nonce, 0, challenge, 0);
        byte[] command = new byte[OperatorMessage.Bytes];
        OperatorMessage.Write(SerialTypes.ConfigureRequest, id, nonce, [9, 1, 2, 9], 1, 2, command, 0);
        Assert.That(Convert.ToHexStringLower(challenge), Is.EqualTo("444e0101" + Convert.ToHexStringLower(id) + Convert.ToHexStringLower(nonce)));
        Assert.That(Convert.ToHexStringLower(command), Is.EqualTo("444f0103" + Convert.ToHexStringLower(id) + Convert.ToHexStringLower(nonce)
            + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData([1, 2]))));
    }

    private static bool IsWifi(byte[] data) => ImprovRpc.IsWifiSettings(data, 0, data.Length);

    private static string Frame(byte type, byte[] data)
    {
        byte[] wire = new byte[ImprovFrame.WireBytesMax];
        return Convert.ToHexStringLower(wire, 0, ImprovFrame.Write(type, data, 0, data.Length, wire, 0));
    }

    private static List<Found> Find(IEnumerable<byte> stream)
    {
        SerialDecoder decoder = new(findsImprov: true);
        List<Found> found = [];
        foreach (byte value in stream)
        {
            decoder.Push(value);
            while (decoder.TryRead())
            {
                found.Add(new(decoder.IsImprov, decoder.Type, Convert.ToHexStringLower(decoder.Buffer, decoder.DataOffset, decoder.DataCount)));
            }
        }

        return found;
    }

    private sealed record Found(bool IsImprov, byte Type, string Data);
}

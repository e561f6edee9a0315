using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Provision;
using DePIN.Protocol;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>Every Improv command, with good and bad data, on good and bad networks.</summary>
[TestFixture]
public sealed class ImprovServerTests
{
    private const string NoError = "improv 02 00";

    [Test]
    public void A_new_board_is_ready_and_one_with_a_network_is_provisioned_and_names_its_gateways_page()
    {
        LineBench bench = new();
        Assert.That(Improv(bench, LineBench.Rpc(ImprovCommands.CurrentState)), Is.EqualTo(new[] { NoError, "improv 01 02" }));
        bench.Hardware.OwnSsid = "depot";
        bench.Parts.Settings = new NodeSettings { GatewayHost = "gw.example" };
        List<Sent> answer = Ask(bench, LineBench.Rpc(ImprovCommands.CurrentState));
        Assert.That(answer.Take(2).Select(sent => sent.ToString()), Is.EqualTo(new[] { NoError, "improv 01 04" }));
        Assert.That(answer[2].Texts, Is.EqualTo(new[] { "http://gw.example:8080/" }));
        bench.Parts.Settings = new NodeSettings { GatewayHost = "fd00::1" };
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.CurrentState))[2].Texts, Is.EqualTo(new[] { "http://[fd00::1]:8080/" }));
        bench.Parts.Settings = new NodeSettings();
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.CurrentState))[2].Texts, Is.Empty);
    }

    [Test]
    public void It_says_what_it_is()
    {
        LineBench bench = new();
        List<Sent> answer = Ask(bench, LineBench.Rpc(ImprovCommands.DeviceInfo));
        Assert.That(answer[0].ToString(), Is.EqualTo(NoError));
        Assert.That(answer[1].Texts, Is.EqualTo(new[] { "DePIN Edge", "1.2.3", BoardPins.ChipName, "DePIN " + bench.Key.IdText[..8] }));
    }

    [Test]
    public void A_scan_tells_each_network_once_at_its_strongest_and_ends_with_an_empty_result()
    {
        LineBench bench = new();
        bench.Hardware.AccessPoints = [new("depot", "x", -70), new("a", "", -7), new("depot", "x", -48), new("", "hidden", -40), new("Café €", "x", -90)];
        List<Sent> answer = bench.Improv(LineBench.Rpc(ImprovCommands.ScanNetworks), sent => sent.Type == ImprovTypes.RpcResult && sent.Texts.Length == 0);
        Assert.That(answer[0].ToString(), Is.EqualTo(NoError));
        Assert.That(answer[1..].Select(sent => string.Join(',', sent.Texts)), Is.EqualTo(new[] { "a,-7,YES", "depot,-48,YES", "Café €,-90,YES", "" }));
    }

    [Test]
    public void A_board_without_a_radio_or_with_one_that_fails_ends_its_scan_empty()
    {
        LineBench bench = new();
        bench.Hardware.RadioWorks = false;
        List<Sent> answer = bench.Improv(LineBench.Rpc(ImprovCommands.ScanNetworks), sent => sent.Type == ImprovTypes.RpcResult);
        Assert.That(answer[^1].Texts, Is.Empty);
        bench.Hardware.AccessPoints = null;
        bench.Hardware.Radio = null;
        answer = bench.Improv(LineBench.Rpc(ImprovCommands.ScanNetworks), sent => sent.Type == ImprovTypes.RpcResult);
        Assert.That(answer[^1].Texts, Is.Empty);
    }

    [Test]
    public void No_frame_of_the_board_has_ten_bytes_of_data_and_each_stands_behind_a_line_feed()
    {
        LineBench bench = new();
        for (int length = 1; length <= 32; length++)
        {
            bench.Hardware.AccessPoints = [new(new string('n', length), "", -5), new("m", "", -100)];
            bench.Improv(LineBench.Rpc(ImprovCommands.ScanNetworks), sent => sent.Type == ImprovTypes.RpcResult && sent.Texts.Length == 0);
            Ask(bench, LineBench.Rpc(ImprovCommands.DeviceName, Encoding.ASCII.GetBytes(new string('d', length))));
            Ask(bench, LineBench.Rpc(ImprovCommands.Hostname, Encoding.ASCII.GetBytes(new string('h', length))));
        }

        byte[] wire = [.. bench.Wire];
        int frames = 0;
        for (int at = 1; at + 8 < wire.Length; at++)
        {
            if (wire.AsSpan(at, 6).SequenceEqual("IMPROV"u8))
            {
                frames++;
                Assert.That((wire[at - 1], wire[at + 8]), Is.Not.EqualTo(((byte)10, (byte)10)));
                Assert.That(wire[at - 1], Is.EqualTo(10));
                Assert.That(wire.AsSpan(at, 9).Contains((byte)10), Is.False);
            }
        }

        Assert.That(frames, Is.GreaterThan(200));
    }

    [Test]
    public void A_wrong_password_is_an_error_and_the_right_one_then_joins_and_stays()
    {
        LineBench bench = new();
        Assert.That(Join(bench, "depot", "wrong horse"), Is.EqualTo(new[] { NoError, "improv 01 03", "improv 02 03", "improv 01 02" }));
        Assert.That(bench.Hardware.OwnSsid, Is.Empty, "a network that was not joined is not kept");
        Assert.That(Join(bench, "elsewhere", "right horse"), Is.EqualTo(new[] { NoError, "improv 01 03", "improv 02 03", "improv 01 02" }));
        Assert.That(Join(bench, "depot", "right horse"), Is.EqualTo(new[] { NoError, "improv 01 03", "improv 01 04", "improv 04 0100" }));
        Assert.That((bench.Hardware.OwnSsid, bench.Hardware.OwnPassword), Is.EqualTo(("depot", "right horse")));
        Assert.That(bench.Hardware.HostName, Is.EqualTo("depin-" + bench.Key.IdText[..8]));
        bench.Hardware.Reset();
        Assert.That(bench.Hardware.HasAddress, Is.True, "joined again by itself");
    }

    [Test]
    public void An_open_network_is_joined_with_an_empty_password()
    {
        LineBench bench = new();
        Assert.That(Join(bench, "guests", ""), Does.Contain("improv 01 04"));
    }

    [Test]
    public void A_failed_join_leaves_the_network_that_the_board_had()
    {
        LineBench bench = new();
        Join(bench, "depot", "right horse");
        Assert.That(Join(bench, "depot", "wrong horse"), Does.Contain("improv 02 03"), "the password is tried although the name is the joined network's");
        Assert.That((bench.Hardware.OwnSsid, bench.Hardware.OwnPassword, bench.Hardware.HasAddress), Is.EqualTo(("depot", "right horse", true)));
    }

    [Test]
    public void While_it_joins_the_line_answers_and_a_radio_that_hangs_is_given_up()
    {
        LineBench bench = new();
        bench.Hardware.JoinGate.Reset();
        bench.Send(LineBench.WifiRpc("depot", "right horse"));
        Assert.That(Texts(bench.Take()), Is.EqualTo(new[] { NoError, "improv 01 03" }));
        Assert.That(bench.Ask(SerialTypes.IdentityRequest).Type, Is.EqualTo(SerialTypes.IdentityResponse));
        Assert.That(Improv(bench, LineBench.Rpc(ImprovCommands.CurrentState)), Is.EqualTo(new[] { NoError, "improv 01 03" }));
        Assert.That(Improv(bench, LineBench.WifiRpc("guests", "")), Is.EqualTo(new[] { NoError, "improv 02 ff" }), "one at a time");
        bench.Pass(WifiStation.JoinMsMax);
        Assert.That(Texts(bench.Take()), Is.EqualTo(new[] { "improv 02 03", "improv 01 02" }));
        Assert.That(Improv(bench, LineBench.WifiRpc("guests", "")), Is.EqualTo(new[] { NoError, "improv 02 ff" }), "the radio still hangs");
        bench.Hardware.JoinGate.Set();
        Eventually.True(() => Join(bench, "guests", "").Contains("improv 01 04"), "the radio's return");
        Assert.That(bench.Hardware.OwnSsid, Is.EqualTo("guests"), "what came late was not taken");
    }

    [Test]
    public void Bad_lengths_and_texts_are_invalid_and_an_unknown_command_is_unknown()
    {
        LineBench bench = new();
        byte[][] invalid =
        [
            [],
            [ImprovCommands.CurrentState],
            [ImprovCommands.CurrentState, 1],
            [ImprovCommands.CurrentState, 1, 0],
            [ImprovCommands.DeviceInfo, 1, 0],
            [ImprovCommands.ScanNetworks, 1, 0],
            [ImprovCommands.WifiSettings, 0],
            [ImprovCommands.WifiSettings, 2, 0, 0],
            [ImprovCommands.WifiSettings, 3, 2, 65, 65],
            [ImprovCommands.WifiSettings, 4, 1, 0xFF, 1, 65],
            [ImprovCommands.DeviceName, 2, 0xC3, 0x28],
            [ImprovCommands.DeviceName, 65, .. new byte[65].Select(_ => (byte)'a')],
        ];
        foreach (byte[] data in invalid)
        {
            Assert.That(Improv(bench, LineBench.RpcOf(data)), Is.EqualTo(new[] { NoError, "improv 02 01" }), Convert.ToHexString(data));
        }

        Assert.That(Improv(bench, LineBench.Rpc(7)), Is.EqualTo(new[] { NoError, "improv 02 02" }));
        Assert.That(Improv(bench, LineBench.Rpc(0)), Is.EqualTo(new[] { NoError, "improv 02 02" }));
    }

    [Test]
    public void Frames_that_only_a_board_sends_are_not_answered()
    {
        LineBench bench = new();
        byte[] wire = new byte[ImprovFrame.WireBytesMax];
        bench.Send(wire[..ImprovFrame.Write(ImprovTypes.CurrentState, [2], 0, 1, wire, 0)]);
        Assert.That(bench.Take(), Is.Empty);
    }

    [Test]
    public void Host_name_and_name_are_told_set_and_outlive_a_restart()
    {
        LineBench bench = new();
        string id = bench.Key.IdText[..8];
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.Hostname))[^1].Texts[0], Is.EqualTo("depin-" + id));
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.DeviceName))[^1].Texts[0], Is.EqualTo("DePIN " + id));
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.Hostname, "roof-7"u8.ToArray()))[^1].Texts[0], Is.EqualTo("roof-7"));
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.DeviceName, "Dach Süd"u8.ToArray()))[^1].Texts[0], Is.EqualTo("Dach Süd"));
        bench.Restart();
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.Hostname))[^1].Texts[0], Is.EqualTo("roof-7"));
        Assert.That(Ask(bench, LineBench.Rpc(ImprovCommands.DeviceInfo))[^1].Texts[3], Is.EqualTo("Dach Süd"));
        foreach (string bad in new[] { "-a", "a-", "a b", "a.b", "ä", new string('a', 64) })
        {
            Assert.That(Improv(bench, LineBench.Rpc(ImprovCommands.Hostname, Encoding.UTF8.GetBytes(bad))), Is.EqualTo(new[] { NoError, "improv 02 05" }), bad);
        }
    }

    [Test]
    public void A_password_is_in_no_log_and_not_left_in_the_bytes_that_brought_it()
    {
        TextWriter before = Console.Out;
        StringWriter log = new();
        LineBench bench = new();
        try
        {
            Console.SetOut(log);
            byte[] wire = LineBench.WifiRpc("depot", "wrong horse");
            bench.Line.Take(wire, wire.Length);
            Assert.That(wire, Is.All.Zero);
            Eventually.True(
                () =>
                {
                    bench.Line.Tend();
                    return bench.Frames.Exists(sent => sent.ToString() == "improv 01 02");
                },
                "the failure");
            bench.Enrol(LineBench.Enrolment("tls=on\n", user: "u", password: "enrolled secret"));
        }
        finally
        {
            Console.SetOut(before);
        }

        Assert.That(log.ToString(), Does.Contain("improv-request").And.Contain("enrolled").And.Not.Contain("horse").And.Not.Contain("secret"));
    }

    private static List<Sent> Ask(LineBench bench, byte[] rpc)
    {
        bench.Send(rpc);
        return bench.Take();
    }

    private static IEnumerable<string> Improv(LineBench bench, byte[] rpc) => Texts(Ask(bench, rpc));

    private static string[] Join(LineBench bench, string ssid, string password) =>
        [.. Texts(bench.Improv(LineBench.WifiRpc(ssid, password), sent => sent.ToString() is "improv 01 02" or "improv 02 ff" || sent.Type == ImprovTypes.RpcResult))];

    private static IEnumerable<string> Texts(IEnumerable<Sent> frames) => frames.Select(sent => sent.ToString());
}

using System.Text;
using DePIN.Firmware.Board;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>An enrolment in pieces: whole or not at all, whatever is cut, repeated, mixed up or damaged.</summary>
[TestFixture]
public sealed class EnrollingTests
{
    private static readonly string Authority = "-----BEGIN CERTIFICATE-----\n" + new string('A', 1500) + "\n-----END CERTIFICATE-----\n";

    private static readonly byte[] First = LineBench.Enrolment("gateway-host=one.example\ntls=on\ninterval-ms=1000\n", Authority, "u1", "p1", "Roof", "geo:52.5,13.4");

    private static readonly byte[] Second = LineBench.Enrolment("gateway-host=two.example\ngateway-port=8883\nprofile=energy\n", Authority.Replace('A', 'Z'), "u2", "p2", "Cellar", "geo:48,11");

    [Test]
    public void An_enrolment_in_pieces_takes_effect_as_a_whole()
    {
        LineBench bench = new();
        Assert.That(bench.Enrol(First).Data, Is.EqualTo(new byte[] { 1 }));
        NodeSettings settings = NodeSettings.Open(bench.Flash);
        Assert.Multiple(() =>
        {
            Assert.That((settings.Problem, settings.GatewayHost, settings.Tls, settings.IntervalMs), Is.EqualTo(((string?)null, "one.example", true, 1000)));
            Assert.That(Encoding.UTF8.GetString(settings.Authority), Is.EqualTo(Authority));
            Assert.That((settings.GatewayUser, settings.GatewayPassword), Is.EqualTo(("u1", "p1")));
            Assert.That(Encoding.UTF8.GetString(NodeLabel.Open(bench.Flash).NameOr("")), Is.EqualTo("Roof"));
        });
    }

    [Test]
    public void A_cable_that_was_pulled_goes_on_where_it_ended_and_repetitions_change_nothing()
    {
        LineBench bench = new();
        byte[] begin = [.. LineBench.Number(First.Length), .. LineBench.Crc(First)];
        Assert.That(bench.Ask(SerialTypes.EnrolBeginRequest, begin).Data, Is.EqualTo(LineBench.Number(0)));
        byte[] piece = [.. LineBench.Number(0), .. First.AsSpan(0, 500)];
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, piece).Data, Is.EqualTo(LineBench.Number(500)));
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, piece).Data, Is.EqualTo(LineBench.Number(500)), "the same again");
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, [.. LineBench.Number(900), 1, 2]).Data, Is.EqualTo(LineBench.Number(500)), "a gap");
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, LineBench.CommitOf(First)).Text, Does.Contain("missing from 500"));
        Assert.That(bench.Ask(SerialTypes.EnrolBeginRequest, begin).Data, Is.EqualTo(LineBench.Number(500)), "resumed");
        for (int at = 500; at < First.Length; at += 508)
        {
            bench.Ask(SerialTypes.EnrolDataRequest, [.. LineBench.Number(at), .. First.AsSpan(at, Math.Min(508, First.Length - at))]);
        }

        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, LineBench.CommitOf(First)).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse));
        long steps = bench.Flash.Steps;
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, LineBench.CommitOf(First)).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse), "asked again");
        Assert.That(bench.Flash.Steps, Is.EqualTo(steps), "and nothing was written");
        bench.Restart();
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, LineBench.CommitOf(First)).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse), "also after a restart");
    }

    [Test]
    public void What_is_no_enrolment_is_refused_by_name_and_leaves_the_old_one()
    {
        LineBench bench = new();
        bench.Enrol(First);
        (byte[] Bytes, string Why)[] bad =
        [
            (LineBench.Enrolment("gateway-port=0\n"), "gateway-port"),
            (LineBench.Enrolment("no-such-key=1\n"), "no-such-key"),
            (LineBench.Enrolment("operator-key=abc\n"), "operator-key"),
            ([9, 0, 0], "section 9"),
            ([1, 0, 9, 65], "too long"),
        ];
        foreach ((byte[] bytes, string why) in bad)
        {
            Sent answer = bench.Enrol(bytes);
            Assert.That((answer.Type, answer.Data[0]), Is.EqualTo((SerialTypes.Error, SerialErrors.Refused)));
            Assert.That(answer.Text, Does.Contain(why));
        }

        Assert.That(bench.Ask(SerialTypes.EnrolBeginRequest, [.. LineBench.Number(SerialEnrolment.BytesMax + 1), 0, 0, 0, 0]).Data[0], Is.EqualTo(SerialErrors.Refused));
        Assert.That(bench.Ask(SerialTypes.EnrolBeginRequest, [0, 0, 0, 0, 0, 0, 0, 0]).Data[0], Is.EqualTo(SerialErrors.Refused));
        bench.Enrol(Second, commit: false);
        byte[] commit = LineBench.CommitOf(Second);
        commit[^1] ^= 1;
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, commit).Text, Does.Contain("SHA-256"));
        Assert.That(NodeSettings.Open(bench.Flash).GatewayHost, Is.EqualTo("one.example"));
        Assert.That(bench.Enrol(Second).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse), "and a good one is taken afterwards");
    }

    [Test]
    public void Pieces_without_a_beginning_beyond_the_end_or_of_a_wrong_size_are_refused()
    {
        LineBench bench = new();
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, 0, 0, 0, 0, 1).Data[0], Is.EqualTo(SerialErrors.Refused));
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, 0, 0, 0, 0).Data[0], Is.EqualTo(SerialErrors.WrongLength));
        Assert.That(bench.Ask(SerialTypes.EnrolBeginRequest, 1, 2, 3).Data[0], Is.EqualTo(SerialErrors.WrongLength));
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, 1, 2, 3).Data[0], Is.EqualTo(SerialErrors.WrongLength));
        bench.Ask(SerialTypes.EnrolBeginRequest, [.. LineBench.Number(4), 1, 2, 3, 4]);
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, 0, 0, 0, 0, 1, 2, 3, 4, 5).Data[0], Is.EqualTo(SerialErrors.Refused));
        Assert.That(bench.Ask(SerialTypes.EnrolDataRequest, 0xFF, 0xFF, 0xFF, 0xFF, 1).Data, Is.EqualTo(LineBench.Number(0)));
    }

    [Test]
    public void The_newest_word_wins_between_settings_and_enrolment_and_lines_that_are_not_named_stay()
    {
        LineBench bench = new();
        bench.Ask(SerialTypes.ConfigureRequest, "gateway-host=zero.example\nwindow=7\n"u8.ToArray());
        bench.Enrol(First);
        NodeSettings settings = NodeSettings.Open(bench.Flash);
        Assert.That((settings.GatewayHost, settings.Window), Is.EqualTo(("one.example", 7)));
        bench.Ask(SerialTypes.ConfigureRequest, "gateway-host=later.example\n"u8.ToArray());
        settings = NodeSettings.Open(bench.Flash);
        Assert.That((settings.GatewayHost, settings.Window, settings.IntervalMs), Is.EqualTo(("later.example", 7, 1000)));
        bench.Enrol(Second);
        settings = NodeSettings.Open(bench.Flash);
        Assert.That((settings.GatewayHost, settings.Window, settings.IntervalMs, settings.GatewayPort), Is.EqualTo(("two.example", 7, 1000, 8883)));
        bench.Enrol(LineBench.Enrolment("", user: "u3"));
        settings = NodeSettings.Open(bench.Flash);
        Assert.That((settings.GatewayHost, settings.GatewayUser, settings.GatewayPassword), Is.EqualTo(("two.example", "u3", "p2")));
    }

    [Test]
    public void Settings_and_names_whose_slots_were_lost_are_the_newest_when_they_are_set_again()
    {
        LineBench bench = new();
        for (int i = 0; i < 5; i++)
        {
            bench.Ask(SerialTypes.ConfigureRequest, "window=9\n"u8.ToArray());
            bench.Send(LineBench.Rpc(ImprovCommands.DeviceName, "Old"u8.ToArray()));
        }

        bench.Enrol(First);
        foreach (string name in new[] { "conf.a", "conf.b", "label.a", "label.b" })
        {
            bench.Flash.Delete(name);
        }

        bench.Ask(SerialTypes.ConfigureRequest, "window=4\n"u8.ToArray());
        bench.Send(LineBench.Rpc(ImprovCommands.DeviceName, "New"u8.ToArray()));
        Assert.That((NodeSettings.Open(bench.Flash).Window, Name(bench)), Is.EqualTo((4, "New")));
    }

    [Test]
    public void The_newest_name_wins_between_improv_and_enrolment()
    {
        LineBench bench = new();
        bench.Send(LineBench.Rpc(ImprovCommands.DeviceName, "Improv"u8.ToArray()));
        bench.Enrol(First);
        Assert.That(Name(bench), Is.EqualTo("Roof"));
        bench.Enrol(LineBench.Enrolment("window=2\n"));
        Assert.That(Name(bench), Is.EqualTo("Roof"), "the older name does not come back");
        bench.Send(LineBench.Rpc(ImprovCommands.DeviceName, "Improv again"u8.ToArray()));
        Assert.That(Name(bench), Is.EqualTo("Improv again"));
        bench.Enrol(LineBench.Enrolment("window=3\n"));
        Assert.That(Name(bench), Is.EqualTo("Improv again"), "an enrolment without a name has no word on it");
    }

    [Test]
    public void Settings_that_would_not_fit_with_those_the_board_has_are_refused()
    {
        LineBench bench = new();
        bench.Enrol(LineBench.Enrolment("sntp-server=" + new string('a', 128) + "\n"));
        Sent answer = bench.Enrol(LineBench.Enrolment("#" + new string('x', 1000) + "\n"));
        Assert.That(answer.Text, Does.Contain("at most 1024 bytes"));
    }

    [TestCase(TornWrite.Prefix)]
    [TestCase(TornWrite.Garbage)]
    [TestCase(TornWrite.ErasedPage)]
    public void A_power_cut_at_any_byte_leaves_the_old_enrolment_or_the_new_one_whole(TornWrite torn)
    {
        LineBench whole = new();
        whole.Enrol(First);
        whole.Ask(SerialTypes.ConfigureRequest, "gateway-host=later.example\nwindow=9\n"u8.ToArray());
        PowerCutFlash before = whole.Flash.Survivor();
        PowerCutFlash counted = before.Survivor();
        new LineBench(counted).Enrol(Second);
        int olds = 0;
        int news = 0;

        // Every byte of the first and the last hundred, every seventeenth between.
        for (long cut = 1; cut <= counted.Steps; cut += cut < 100 || cut > counted.Steps - 100 ? 1 : 17)
        {
            PowerCutFlash flash = before.Survivor(cut, torn, seed: (int)cut);
            bool promised = false;
            try
            {
                promised = new LineBench(flash).Enrol(Second).Type == SerialTypes.EnrolCommitResponse;
            }
            catch (PowerCutException)
            {
                // The power is gone.
            }
            catch (Exception e) when (e.InnerException is PowerCutException)
            {
                // Likewise.
            }

            PowerCutFlash after = flash.Survivor();
            NodeSettings settings = NodeSettings.Open(after);
            string got = string.Join('|', settings.Problem, settings.GatewayHost, settings.GatewayPort, settings.Window, settings.Authority.Contains((byte)'Z'),
                settings.GatewayUser, settings.GatewayPassword, Encoding.UTF8.GetString(NodeLabel.Open(after).NameOr("")));
            bool isNew = got == "|two.example|8883|9|True|u2|p2|Cellar";
            Assert.That(isNew || got == "|later.example|1883|9|False|u1|p1|Roof", Is.True, $"cut at {cut}: {got}");
            Assert.That(isNew || !promised, Is.True, "what was answered is kept");
            olds += isNew ? 0 : 1;
            news += isNew ? 1 : 0;

            LineBench again = new(after);
            Assert.That(again.Enrol(Second).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse), "done again it ends well");
            Assert.That(NodeSettings.Open(after).GatewayHost, Is.EqualTo("two.example"));
        }

        Assert.That(olds, Is.Positive);
        Assert.That(news, Is.Positive);
    }

    [Test]
    public void A_flash_that_refuses_the_write_is_told_and_the_old_enrolment_stays()
    {
        LineBench bench = new();
        bench.Enrol(First);
        bench.Enrol(Second, commit: false);
        bench.Flash.FailNextWrite(persisted: false);
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, LineBench.CommitOf(Second)).Data[0], Is.EqualTo(SerialErrors.Failed));
        Assert.That(NodeSettings.Open(bench.Flash).GatewayHost, Is.EqualTo("one.example"));
        Assert.That(bench.Ask(SerialTypes.EnrolCommitRequest, LineBench.CommitOf(Second)).Type, Is.EqualTo(SerialTypes.EnrolCommitResponse), "the pieces are still there");
        Assert.That(NodeSettings.Open(bench.Flash).GatewayHost, Is.EqualTo("two.example"));
    }

    [Test]
    public void A_damaged_enrolment_stops_the_node_with_its_name()
    {
        LineBench bench = new();
        bench.Enrol(First);
        bench.Flash.FlipBit("enrol.a", 999);
        Assert.That(NodeSettings.Open(bench.Flash).Problem, Does.Contain("enrolment is unreadable"));
    }

    private static string Name(LineBench bench) => Encoding.UTF8.GetString(NodeLabel.Open(bench.Flash).NameOr(""));
}

using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Firmware.Board;
using DePIN.Firmware.Tests.VirtualBoard;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Firmware.Tests.Provision;

/// <summary>A virtual board as a process, provisioned by Improv's own JavaScript client and by the button, through its serial path alone.</summary>
[TestFixture]
[Platform(Exclude = "Win", Reason = "pseudo terminals are POSIX")]
public sealed class OfficialClientTests
{
    private string _folder = "";

    private string Control => Path.Combine(_folder, "control");

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("board-").FullName;
        Directory.CreateDirectory(Path.Combine(_folder, "flash"));
        File.WriteAllText(Path.Combine(_folder, "flash", "node.conf"), "interval-ms=100\nsamples-per-frame=1\ngateway-host=127.0.0.1\ngateway-port=9\n");
        File.WriteAllText(Control, "wifi depot|right horse|-48\nwifi guests||-71\nwifi 1234567|x|-5\n");
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, true);

    [Test]
    public async Task It_scans_fails_with_a_wrong_password_and_succeeds_with_the_right_one()
    {
        if (NodeScript.Missing is { } reason)
        {
            Assert.That(Environment.GetEnvironmentVariable("CI"), Is.Not.EqualTo("true"), reason);
            Assert.Ignore(reason);
        }

        JsonElement report;
        using (BoardProcessTests.Board board = new(_folder, "--control", Control))
        {
            string path = board.Await("serial").GetProperty("path").GetString()!;
            board.Await("boot");
            Task drain = Task.Run(() => Drain(board));
            report = await Improv(
                path,
                new() { ["do"] = "scan" },
                new() { ["do"] = "provision", ["ssid"] = "depot", ["password"] = "wrong horse" },
                new() { ["do"] = "state" },
                new() { ["do"] = "provision", ["ssid"] = "nowhere", ["password"] = "right horse" },
                new() { ["do"] = "provision", ["ssid"] = "depot", ["password"] = "right horse" },
                new() { ["do"] = "state" },
                new() { ["do"] = "name", ["value"] = "Dach Süd" },
                new() { ["do"] = "hostname", ["value"] = "roof-7" },
                new() { ["do"] = "hostname", ["value"] = "no blank" });
            board.Process.Kill();
            await drain;
        }

        JsonElement steps = report.GetProperty("steps");
        Assert.That(report.GetProperty("info").GetProperty("firmware").GetString(), Is.EqualTo("DePIN Edge"));
        Assert.That(report.GetProperty("info").GetProperty("chipFamily").GetString(), Is.EqualTo(BoardPins.ChipName));
        Assert.That(report.GetProperty("first").GetInt32(), Is.EqualTo(ImprovStates.Ready));
        Assert.That(
            steps[0].GetProperty("value").EnumerateArray().Select(one => $"{one.GetProperty("name")} {one.GetProperty("rssi")} {one.GetProperty("secured")}"),
            Is.EqualTo(new[] { "1234567 -5 True", "depot -48 True", "guests -71 True" }));
        Assert.That(Error(1), Is.EqualTo("UNABLE_TO_CONNECT"));
        Assert.That(steps[2].GetProperty("value").GetInt32(), Is.EqualTo(ImprovStates.Ready));
        Assert.That(Error(3), Is.EqualTo("UNABLE_TO_CONNECT"));
        Assert.That((Error(4), steps[4].GetProperty("state").GetInt32(), steps[4].GetProperty("url").GetString()), Is.EqualTo(((string?)null, (int)ImprovStates.Provisioned, "http://127.0.0.1:8080/")));
        Assert.That(steps[5].GetProperty("url").GetString(), Is.EqualTo("http://127.0.0.1:8080/"));
        Assert.That(steps[6].GetProperty("value").GetString(), Is.EqualTo("Dach Süd"));
        Assert.That(steps[7].GetProperty("value").GetString(), Is.EqualTo("roof-7"));
        Assert.That(Error(8), Is.EqualTo("BAD_HOSTNAME"));
        Assert.That(report.GetProperty("complaints").GetArrayLength(), Is.Zero, report.GetProperty("complaints").ToString());

        using BoardProcessTests.Board again = new(_folder, "--control", Control);
        string later = again.Await("serial").GetProperty("path").GetString()!;
        again.Await("boot");
        Task rest = Task.Run(() => Drain(again));
        report = await Improv(later);
        again.Process.Kill();
        await rest;
        Assert.That(report.GetProperty("first").GetInt32(), Is.EqualTo(ImprovStates.Provisioned), "the network outlives the process");
        Assert.That(report.GetProperty("info").GetProperty("name").GetString(), Is.EqualTo("Dach Süd"));

        string? Error(int step) => steps[step].GetProperty("error").GetString();
    }

    [Test]
    public void A_pulled_plug_a_wipe_with_the_button_and_the_same_device_afterwards()
    {
        if (!PresenceButton.Exists)
        {
            Assert.Ignore(BoardPins.BoardName + " has no button");
        }

        using BoardProcessTests.Board board = new(_folder, "--control", Control);
        string path = board.Await("serial").GetProperty("path").GetString()!;
        string device = board.Await("boot").GetProperty("device").GetString()!;
        using FileStream port = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        Send(port, SerialTypes.WipeRequest, WipeFlags.Settings, 0, 0, 0, 0);
        board.Await("serial-request");
        File.AppendAllText(Control, "serial pull\n");
        while (board.Await("fault").GetProperty("where").GetString() != "serial")
        {
        }

        File.AppendAllText(Control, "button jump\nbutton press\n");
        Assert.That(board.Await("control-unknown").GetProperty("message").GetString(), Is.EqualTo("button jump"));
        board.Await("wipe");
        board.Await("restart");
        board.Await("wiped");
        JsonElement boot = board.Await("boot");
        Assert.That((boot.GetProperty("device").GetString(), boot.GetProperty("new_key").GetInt32()), Is.EqualTo((device, 0)));
        Assert.That(File.Exists(Path.Combine(_folder, "flash", "node.conf")), Is.False);
    }

    private static void Send(FileStream port, byte type, params byte[] data) => port.Write(LineBench.Frame(type, 1, data));

    private static Task<JsonElement> Improv(string path, params JsonObject[] steps) => NodeScript.RunAsync(
        NodeScript.PathOf("Firmware", "Provision", "peers", "improv.mjs"),
        JsonSerializer.SerializeToUtf8Bytes(new JsonObject { ["path"] = path, ["steps"] = new JsonArray([.. steps]) }));

    private static void Drain(BoardProcessTests.Board board)
    {
        while (board.Process.StandardOutput.ReadLine() is not null)
        {
        }
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Tests.VirtualBoard;

/// <summary>The virtual board as a process: boot, frames, serial, switch-off, a second boot on the same flash.</summary>
[TestFixture]
[Platform(Exclude = "Win", Reason = "pseudo terminals are POSIX")]
public sealed class BoardProcessTests
{
    private const int Terminate = 15;

    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("board-").FullName;
        Directory.CreateDirectory(Path.Combine(_folder, "flash"));
        File.WriteAllText(Path.Combine(_folder, "flash", "node.conf"), "interval-ms=100\nsamples-per-frame=1\n" + (BoardPins.HasBattery ? "battery=on\n" : ""));
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, true);

    [Test]
    public void A_board_boots_signs_and_goes_on_where_it_was_after_a_kill_and_after_a_clean_switch_off()
    {
        using (Board first = new(_folder))
        {
            Assert.That(first.Next().GetProperty("event").GetString(), Is.EqualTo("serial"), "the serial path comes first");
            JsonElement boot = first.Await("boot");
            Assert.That((boot.GetProperty("boot").GetInt32(), boot.GetProperty("new_key").GetInt32()), Is.EqualTo((1, 1)));
            while (first.Await("frame").GetProperty("sequence").GetInt64() < 3)
            {
            }

            first.Process.Kill();
            first.Process.WaitForExit();
        }

        string device;
        using (Board second = new(_folder))
        {
            JsonElement boot = second.Await("boot");
            device = boot.GetProperty("device").GetString()!;
            Assert.That((boot.GetProperty("boot").GetInt32(), boot.GetProperty("new_key").GetInt32()), Is.EqualTo((2, 0)));
            Assert.That(second.Await("frame").GetProperty("sequence").GetInt64(), Is.GreaterThan(3));
            Assert.That(kill(second.Process.Id, Terminate), Is.Zero);
            second.Await("off");
            second.Process.WaitForExit();
            Assert.That(second.Process.ExitCode, Is.Zero);
        }

        using Board third = new(_folder);
        Assert.That(third.Await("boot").GetProperty("device").GetString(), Is.EqualTo(device));
    }

    [Test]
    public void A_restart_over_the_serial_line_boots_the_firmware_again_on_the_same_line()
    {
        using Board board = new(_folder);
        string path = board.Await("serial").GetProperty("path").GetString()!;
        board.Await("boot");
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        int size = SerialFrame.Write(SerialTypes.RestartRequest, 1, [], 0, 0, frame, 0);
        using FileStream port = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        port.Write(frame, 0, size);
        board.Await("restart");

        Assert.That(board.Await("boot").GetProperty("boot").GetInt32(), Is.EqualTo(2));
        size = SerialFrame.Write(SerialTypes.IdentityRequest, 2, [], 0, 0, frame, 0);
        port.Write(frame, 0, size);
        Assert.That(board.Await("serial-request").GetProperty("answer").GetInt32(), Is.EqualTo(SerialTypes.IdentityResponse));
    }

    [Test]
    public void A_bad_setting_stops_the_node_with_the_keys_name_and_signs_nothing()
    {
        File.WriteAllText(Path.Combine(_folder, "flash", "node.conf"), "gateway-port=none\n");
        using Board board = new(_folder);
        JsonElement state = board.Await("state");

        Assert.That(state.GetProperty("state").GetString(), Is.EqualTo("settings-invalid"));
        Assert.That(state.GetProperty("message").GetString(), Does.Contain("gateway-port"));
        Assert.That(Directory.GetFiles(Path.Combine(_folder, "flash"), "ring-*"), Is.Empty);
    }

    [Test]
    public void A_board_with_a_chip_is_blank_then_set_up_and_the_same_device_at_every_boot()
    {
        string conf = Path.Combine(_folder, "flash", "node.conf");
        const string Settings = "interval-ms=100\nsamples-per-frame=1\nkey=atecc608:i2c=1,addr=0x60,slot=0\n";
        File.WriteAllText(conf, Settings);
        using (Board blank = new(_folder, "--secure-element", "atecc608"))
        {
            JsonElement state = blank.Await("state");
            Assert.That(state.GetProperty("state").GetString(), Is.EqualTo("key-unprovisioned"));
            Assert.That(state.GetProperty("message").GetString(), Does.Contain("key-provision=lock-for-ever"));
        }

        File.WriteAllText(conf, Settings + "key-provision=lock-for-ever\n");
        string device = "";
        for (int boot = 1; boot <= 3; boot++)
        {
            using Board board = new(_folder, "--secure-element", "atecc608");
            JsonElement line = board.Await("boot");
            Assert.That((line.GetProperty("key").GetString(), line.GetProperty("new_key").GetInt32()), Is.EqualTo(("secure-element", boot == 1 ? 1 : 0)));
            device = boot == 1 ? line.GetProperty("device").GetString()! : device;
            Assert.That(line.GetProperty("device").GetString(), Is.EqualTo(device));
            board.Await("frame");
        }

        using Board without = new(_folder);
        Assert.That(without.Await("state").GetProperty("state").GetString(), Is.EqualTo("key-absent"));
        Assert.That(Directory.GetFiles(Path.Combine(_folder, "flash"), "key.?"), Is.Empty);
    }

    [Test]
    public void A_board_whose_parent_is_gone_switches_off()
    {
        using Process parent = Process.Start("sleep", "600");
        using Board board = new(_folder, "--parent", parent.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
        board.Await("boot");
        parent.Kill();
        board.Await("off");
        board.Process.WaitForExit();

        Assert.That(board.Process.ExitCode, Is.Zero);
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int kill(int process, int signal);

    internal sealed class Board : IDisposable
    {
        public Board(string folder, params string[] more)
        {
            ProcessStartInfo start = new(Environment.ProcessPath!) { RedirectStandardOutput = true };
            if (!Path.GetFileNameWithoutExtension(start.FileName).Equals("dotnet", StringComparison.Ordinal))
            {
                start.FileName = "dotnet";
            }

            string[] arguments = [Path.Combine(AppContext.BaseDirectory, "DePIN.VirtualBoard.dll"), "--folder", folder, "--sense", "model", "--json", .. more];
            foreach (string argument in arguments)
            {
                start.ArgumentList.Add(argument);
            }

            Process = Process.Start(start)!;
        }

        public Process Process { get; }

        public JsonElement Next()
        {
            string line = Process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("the board ended");
            using JsonDocument document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        }

        public JsonElement Await(string name)
        {
            while (true)
            {
                JsonElement line = Next();
                if (line.GetProperty("event").GetString() == name)
                {
                    return line;
                }
            }
        }

        public void Dispose()
        {
            if (!Process.HasExited)
            {
                Process.Kill();
                Process.WaitForExit();
            }

            Process.Dispose();
        }
    }
}

using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.Json.Nodes;
using DePIN.Boards;
using DePIN.Cli.Flash;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Flash;

/// <summary>
/// `depin flash` with a stand-in for nanoff, a script that prints and ends as nanoff does, and a board on pseudo terminals: its lasting
/// name moves to another one when it "starts anew". What is written is judged by nanoff's words, what runs by the board alone.
/// </summary>
[UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "pseudo terminals and scripts are Unix's")]
public sealed class FlashRunTests
{
    private const string Header = "echo '.NET nanoFramework Firmware Flasher v2.5.137'\n";
    private const string Writes = "printf 'Flashing deployment partition...\\rWriting at 0x001E0000 [==>] 50.0%% 10/20 bytes...\\rFlash write complete.\\nOK\\n'\n";
    private const string Flashed = "touch \"$HERE/flashed\"\n";

    private static readonly DePIN.Boards.Board Board = BoardCatalog.Load(Path.Combine(Repository.Root, "hardware")).Find("esp32-devkitc")!;

    private TempFolder folder = null!;
    private StringWriter said = null!;
    private string link = null!;

    private bool IsFlashed => File.Exists(Path.Combine(folder.Path, "flashed"));

    [SetUp]
    public void MakeFolder()
    {
        folder = new TempFolder();
        said = new StringWriter();
        link = Path.Combine(folder.Path, "usb-board-if00");
        File.WriteAllBytes(Path.Combine(folder.Path, "app.bin"), new byte[1000]);
        byte[] garbage = new byte[20_000];
        new Random(9).NextBytes(garbage);
        File.WriteAllBytes(Path.Combine(folder.Path, "garbage"), garbage);
    }

    [TearDown]
    public void DeleteFolder()
    {
        said.Dispose();
        folder.Dispose();
    }

    [Test]
    public async Task A_board_that_comes_back_on_another_port_is_found_and_its_answer_believed()
    {
        using FlashedBoard before = new(() => false), after = new(() => IsFlashed);
        PointTo(before);
        RunningApplication? found = await RunAsync(Header + Writes + Flashed + $"ln -sfn {after.Path} \"{link}\"\n");
        string[] calls = Calls();
        Assert.Multiple(() =>
        {
            Assert.That(found, Is.EqualTo(new RunningApplication(after.Device, Board.Name, "0.1.0", "identity")));
            Assert.That(calls, Has.Length.EqualTo(2));
            Assert.That(calls[0], Is.EqualTo($"--target ESP32_REV3 --update --verbosity minimal --serialport {before.Path} --suppressnanoffversioncheck"));
            Assert.That(calls[1], Is.EqualTo($"--target ESP32_REV3 --deploy --image {folder.Path}/app.bin --address 0x1E0000 --serialport {after.Path} --suppressnanoffversioncheck"));
            Assert.That(Steps("done"), Is.EqualTo(new[] { "port", "runtime", "image", "running" }));
            Assert.That(Lines().Where(line => (string?)line["state"] == "running").Select(line => (int)line["percent"]!), Does.Contain(50));
            Assert.That(File.ReadAllText(Path.Combine(folder.Path, "flash.log")), Does.Contain("Flash write complete.").And.Contains("== exit 0"));
        });
    }

    [Test]
    public async Task A_port_that_is_away_for_a_while_is_waited_for()
    {
        using FlashedBoard board = new(() => IsFlashed);
        PointTo(board);
        RunningApplication? found = await RunAsync(Writes + Flashed + $"rm \"{link}\"\n(sleep 1; ln -sfn {board.Path} \"{link}\") >/dev/null 2>&1 &\n", settings => settings with { SkipRuntime = true });
        Assert.That(found!.Device, Is.EqualTo(board.Device));
    }

    [TestCase("echo \"The connected device is in 'download mode'.\"\n", TestName = "Written_but_not_reset_by_its_words")]
    [TestCase("echo \"Error E4000: Error executing ESP32 serial command. (top ('-1') must be a non-negative value.)\"\nexit 160\n", TestName = "Written_but_ended_with_an_error_behind_it")]
    public async Task What_is_written_stays_written_when_only_the_reset_failed(string ending)
    {
        using FlashedBoard board = new(() => IsFlashed);
        PointTo(board);
        RunningApplication? found = await RunAsync(Header + Writes + Flashed + ending);
        Assert.That(found!.Device, Is.EqualTo(board.Device));
        Assert.That(Lines().Select(line => (string?)line["code"]), Does.Contain("flash.reset-failed"));
    }

    [Test]
    public async Task A_boot_line_in_the_debug_stream_of_a_classic_ESP32_is_believed_too()
    {
        using FlashedBoard board = new(() => false) { Says = "NFPKTV1\0\u0001boot device=00112233445566778899aabbccddeeff00112233 board=esp32-devkitc key=software new_key=1 boot=1 version=0.1.0 owed=0\r\n" };
        PointTo(board);
        RunningApplication? found = await RunAsync(Writes);
        Assert.That(found, Is.EqualTo(new RunningApplication("00112233445566778899aabbccddeeff00112233", Board.Name, "0.1.0", "boot line")));
    }

    [TestCase("exit 0\n", "", "flash.not-running")]
    [TestCase("cat \"$HERE/garbage\"\nexit 0\n", "", "flash.not-running")]
    [TestCase("exit 0\n", "rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0))\r\nwaiting for download\r\n", "flash.download-mode")]
    [TestCase("exit 0\n", "invalid header: 0xffffffff\r\ninvalid header: 0xffffffff\r\n", "flash.empty")]
    public void What_nanoff_calls_done_is_not_believed_while_nothing_runs(string script, string says, string code)
    {
        using FlashedBoard board = new(() => false) { Says = says };
        PointTo(board);
        CliError error = Assert.ThrowsAsync<CliError>(() => RunAsync(Writes + script, settings => settings with { RunningTimeout = TimeSpan.FromSeconds(2) }))!;
        Assert.Multiple(() =>
        {
            Assert.That(error.Code, Is.EqualTo(code));
            Assert.That(error.ExitCode, Is.EqualTo(ExitCode.Failed));
            Assert.That(Failure(), Is.EqualTo(("running", code)));
        });
    }

    [TestCase("echo 'Error E4000: Error executing ESP32 serial command. (MD5 of file does not match data in flash.)'\nexit 160\n", "flash.verify-failed", "cable")]
    [TestCase("echo E9005\nexit 45\n", "flash.no-target", "--listtargets")]
    [TestCase("echo E4003\nexit 163\n", "flash.not-written", "cable")]
    [TestCase("echo \"Error E4003: Failed to write new firmware to ESP32.\"\nexit 0\n", "flash.not-written", "cable")]
    [TestCase("echo \"Can't connect to ESP32 bootloader. Try to put the board in bootloader manually.\"\necho E4000\nexit 160\n", "flash.no-bootloader", "BOOT")]
    [TestCase("echo E6000\nexit 112\n", "flash.port-refused", "depin ports")]
    [TestCase("echo E9000\nexit 40\n", "flash.nanoff-old", "dotnet tool update")]
    [TestCase("cat \"$HERE/garbage\"\nexit 3\n", "flash.nanoff-failed", "flash.log")]
    [TestCase("kill -9 $$\n", "flash.nanoff-failed", "flash.log")]
    public void A_failure_of_nanoff_has_its_code_and_next_action_and_ends_the_run(string script, string code, string next)
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        CliError error = Assert.ThrowsAsync<CliError>(() => RunAsync(Header + script))!;
        Assert.Multiple(() =>
        {
            Assert.That(error.Code, Is.EqualTo(code));
            Assert.That(error.Remedy, Does.Contain(next));
            Assert.That(Failure(), Is.EqualTo(("runtime", code)));
            Assert.That(Calls(), Has.Length.EqualTo(1), "what comes after a failed step is not tried");
        });
    }

    [Test]
    public async Task A_nanoff_that_hangs_is_ended()
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        CliError error = Assert.ThrowsAsync<CliError>(() => RunAsync("echo Reading details from chip\necho $$ > \"$HERE/pid\"\nexec sleep 600\n", settings => settings with { StallTimeout = TimeSpan.FromSeconds(2) }))!;
        int id = int.Parse(File.ReadAllText(Path.Combine(folder.Path, "pid")), System.Globalization.CultureInfo.InvariantCulture);
        Assert.Multiple(() =>
        {
            Assert.That(error.Code, Is.EqualTo("flash.nanoff-hung"));
            Assert.That(error.Message, Does.Contain("Reading details from chip"));
        });
        await Eventually.TrueAsync(() => Process.GetProcesses().All(process => process.Id != id), "the process is gone");
    }

    [Test]
    public async Task Files_go_with_absolute_sources_and_without_the_old_port()
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "node.conf"), "wifi=x");
        string list = Path.Combine(folder.Path, "files.json");
        await File.WriteAllTextAsync(list, """{"serialport":"COM77","files":[{"DestinationFilePath":"I:\\node.conf","SourceFilePath":"node.conf"}]}""");
        await RunAsync("[ \"$1\" = --filedeployment ] && cat \"$2\" > \"$HERE/given.json\"\necho 'Deploying file x to y...OK'\n", settings => settings with { Files = list, SkipRuntime = true, Image = null });
        JsonNode given = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder.Path, "given.json")))!;
        Assert.Multiple(() =>
        {
            Assert.That(given["serialport"], Is.Null);
            Assert.That((string)given["files"]![0]!["SourceFilePath"]!, Is.EqualTo(Path.Combine(folder.Path, "node.conf")));
            Assert.That(Directory.GetFiles(Path.GetTempPath(), "depin-files-*.json"), Is.Empty);
        });
    }

    [Test]
    public void Files_that_did_not_arrive_are_an_error_though_nanoff_ends_with_0()
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        File.WriteAllText(Path.Combine(folder.Path, "node.conf"), "wifi=x");
        string list = Path.Combine(folder.Path, "files.json");
        File.WriteAllText(list, """{"files":[{"DestinationFilePath":"I:\\node.conf","SourceFilePath":"node.conf"}]}""");
        CliError error = Assert.ThrowsAsync<CliError>(() => RunAsync("printf 'Deploying file x to I:...\\nError deploying content file x to I:\\n'\nexit 0\n", settings => settings with { Files = list, SkipRuntime = true, Image = null }))!;
        Assert.That(error.Code, Is.EqualTo("flash.files"));
        Assert.That(error.Message, Does.Contain("1 of 1"));
    }

    [Test]
    public void An_application_of_another_board_is_not_taken()
    {
        using FlashedBoard board = new(() => true, "esp32-s3-devkitc-1");
        PointTo(board);
        Assert.That(Assert.ThrowsAsync<CliError>(() => RunAsync(Writes))!.Code, Is.EqualTo("flash.wrong-board"));
    }

    [Test]
    public async Task The_provisioning_port_is_asked_where_it_is_another()
    {
        using FlashedBoard socket = new(() => false), cable = new(() => IsFlashed);
        PointTo(socket);
        RunningApplication? found = await RunAsync(Writes + Flashed, settings => settings with { ProvisioningPort = cable.Path });
        Assert.That(found!.Device, Is.EqualTo(cable.Device));
    }

    [Test]
    public async Task A_run_may_be_repeated()
    {
        using FlashedBoard board = new(() => IsFlashed);
        PointTo(board);
        for (int times = 0; times < 2; times++)
        {
            Assert.That((await RunAsync(Writes + Flashed))!.Device, Is.EqualTo(board.Device));
        }
    }

    [Test]
    public void A_port_in_use_is_said_before_anything_is_written()
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        using DePIN.Cli.Serial.SerialLine monitor = DePIN.Cli.Serial.SerialLine.Open(link);
        Assert.That(Assert.ThrowsAsync<CliError>(() => RunAsync(Writes))!.Code, Is.EqualTo("serial.in-use"));
        Assert.That(Failure(), Is.EqualTo(("port", "serial.in-use")));
        Assert.That(Calls(), Is.Empty);
    }

    [Test]
    public void Wrong_files_are_named_before_anything_is_written()
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        string list = Path.Combine(folder.Path, "files.json"), large = Path.Combine(folder.Path, "large.bin");
        File.WriteAllText(list, """{"files":[{"DestinationFilePath":"D:\\x","SourceFilePath":"app.bin"}]}""");
        File.WriteAllBytes(large, new byte[Board.Partitions.First(part => part.Name == "deploy").Bytes + 1]);
        Assert.Multiple(() =>
        {
            Assert.That(Code(settings => settings with { Image = "nowhere.bin" }), Is.EqualTo("flash.no-image"));
            Assert.That(Code(settings => settings with { Image = large }), Is.EqualTo("flash.image-size"));
            Assert.That(Code(settings => settings with { Archive = Path.Combine(folder.Path, "none") }), Is.EqualTo("flash.no-archive"));
            Assert.That(Code(settings => settings with { Files = list }), Is.EqualTo("flash.files-wrong"));
            Assert.That(Code(settings => settings with { Files = large }), Is.EqualTo("flash.files-wrong"));
            Assert.That(Code(settings => settings with { Port = Path.Combine(folder.Path, "ttyUSB9") }), Is.EqualTo("serial.no-port"));
            Assert.That(Calls(), Is.Empty);
        });

        string? Code(Func<FlashSettings, FlashSettings> change) => Assert.ThrowsAsync<CliError>(() => RunAsync(Writes, change))!.Code;
    }

    [Test]
    public async Task An_archive_and_an_erase_are_passed_on()
    {
        using FlashedBoard board = new(() => true);
        PointTo(board);
        string archive = Path.Combine(folder.Path, "archive");
        Directory.CreateDirectory(archive);
        await RunAsync(Writes, settings => settings with { Archive = archive, Erase = true });
        Assert.That(Calls()[0], Does.StartWith($"--target ESP32_REV3 --update --masserase --fromarchive --archivepath {archive} --verbosity minimal --serialport "));
    }

    [Test]
    public void The_port_is_found_again_by_its_device_and_then_by_its_socket()
    {
        SerialPortInfo old = new("/dev/ttyACM0", null, 0x303a, 0x1001, "34:85", null, null, "1-1");
        List<SerialPortInfo> now = [old];
        PortFinder finder = new(old.Path, () => now);
        now = [old with { Path = "/dev/ttyACM3" }, old with { Path = "/dev/ttyACM4", SerialNumber = "99", Location = "1-2" }];
        Assert.That(finder.TryFind(), Is.EqualTo("/dev/ttyACM3"));
        now = [new SerialPortInfo("/dev/ttyACM5", null, 0x303a, 0x4001, null, null, null, "1-1")];
        Assert.That(finder.TryFind(), Is.EqualTo("/dev/ttyACM5"), "another USB stack on the same board");
        now = [];
        Assert.That(finder.TryFind(), Is.Null);
    }

    [Test]
    public async Task The_command_flashes_a_virtual_board_that_runs_the_firmware()
    {
        using Process board = Process.Start(new ProcessStartInfo("dotnet", [VirtualBoard, "--folder", Path.Combine(folder.Path, "board"), "--sense", "model", "--json", "--parent", $"{Environment.ProcessId}"]) { RedirectStandardOutput = true })!;
        try
        {
            JsonNode serial = JsonNode.Parse((await board.StandardOutput.ReadLineAsync())!)!;
            _ = board.StandardOutput.ReadToEndAsync();
            File.CreateSymbolicLink(link, (string)serial["path"]!);
            WriteNanoff(Writes);
            CliProcess run = await RunCommandAsync(folder.Path + ":" + Environment.GetEnvironmentVariable("PATH"), "flash", "--board", "esp32-devkitc", "--port", link, "--image", "app.bin", "--json");
            Assert.That(run.ExitCode, Is.Zero, run.Errors + run.Output);
            JsonNode last = JsonNode.Parse(run.Output.TrimEnd().Split('\n')[^1])!;
            Assert.Multiple(() =>
            {
                Assert.That((string)last["step"]!, Is.EqualTo("running"));
                Assert.That((string)last["result"]!["device"]!, Does.Match("^[0-9a-f]{40}$"));
                Assert.That((string)last["result"]!["by"]!, Is.EqualTo("identity"));
            });
        }
        finally
        {
            board.Kill();
        }
    }

    [Test]
    public async Task A_classic_ESP32_whose_runtime_has_the_socket_is_asked_as_a_debugger_does()
    {
        using Process board = Process.Start(new ProcessStartInfo("dotnet", [VirtualBoard, "--folder", Path.Combine(folder.Path, "board"), "--sense", "model", "--debug-port", "--json", "--parent", $"{Environment.ProcessId}"]) { RedirectStandardOutput = true })!;
        try
        {
            string path = "";
            while (path.Length == 0 && await board.StandardOutput.ReadLineAsync() is { } line)
            {
                JsonNode said = JsonNode.Parse(line)!;
                path = (string)said["event"]! == "debug" ? (string)said["path"]! : "";
            }

            _ = board.StandardOutput.ReadToEndAsync();
            File.CreateSymbolicLink(link, path);
            RunningApplication? found = await RunAsync(Writes);
            Assert.That((found!.Board, found.By), Is.EqualTo((Board.Name, "boot line")));
        }
        finally
        {
            board.Kill();
        }
    }

    [Test]
    public async Task Without_nanoff_the_one_command_that_installs_it_is_said()
    {
        CliProcess run = await RunCommandAsync("/usr/bin:/bin", "flash", "--board", "esp32-devkitc", "--port", "/dev/null");
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Unreachable));
            Assert.That(run.Errors, Does.Contain("[flash.no-nanoff]").And.Contains("run: dotnet tool install -g nanoff"));
        });
    }

    [Test]
    public async Task A_failed_run_is_a_JSON_line_and_two_lines_for_a_person()
    {
        WriteNanoff("exit 0\n");
        CliProcess run = await RunCommandAsync(folder.Path + ":" + Environment.GetEnvironmentVariable("PATH"), "flash", "--board", "esp32-devkitc", "--port", "/dev/null", "--json");
        JsonNode failed = JsonNode.Parse(run.Output.TrimEnd().Split('\n')[^1])!;
        Assert.Multiple(() =>
        {
            Assert.That((string)failed["code"]!, Is.EqualTo("serial.not-serial"));
            Assert.That((string)failed["next"]!, Does.Contain("depin ports"));
            Assert.That(run.Errors, Does.Contain("[serial.not-serial]").And.Contains("→"));
        });
    }

    [Test, Platform("Linux"), Category("ByHand"), Explicit("needs root, and a working copy that a user without rights can read")]
    public async Task A_user_who_may_not_open_the_port_is_told_which_group_to_join()
    {
        const string setpriv = "/usr/bin/setpriv";
        if (!Environment.IsPrivilegedProcess || !File.Exists(setpriv))
        {
            Assert.Ignore("only root can become a user without rights; the seams' tests have the rest");
        }

        using FlashedBoard board = new(() => true);
        WriteNanoff("exit 0\n");
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(Path.Combine(folder.Path, "nanoff"), (UnixFileMode)0b111_101_101);
        ProcessStartInfo start = new(setpriv, ["--reuid", "65534", "--regid", "65534", "--clear-groups", "dotnet", CliProcess.Program, "flash", "--board", "esp32-devkitc", "--port", board.Path])
        {
            WorkingDirectory = "/", RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        start.Environment["PATH"] = folder.Path + ":" + Environment.GetEnvironmentVariable("PATH");
        start.Environment["HOME"] = "/nonexistent";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (errors.Contains("DePIN.Cli.dll", StringComparison.Ordinal))
        {
            Assert.Ignore("this working copy cannot be read by a user without rights");
        }

        Assert.Multiple(() =>
        {
            Assert.That(process.ExitCode, Is.EqualTo(ExitCode.Unreachable), errors);
            Assert.That(errors, Does.Contain("[serial.no-permission]").And.Match("run: sudo usermod -aG [a-z]+ \\$USER, then log out and in again"));
        });
    }

    private static string VirtualBoard => Path.Combine(Path.GetDirectoryName(CliProcess.Program)!.Replace("/tools/Cli/", "/tools/VirtualBoard/", StringComparison.Ordinal), "DePIN.VirtualBoard.dll");

    private void PointTo(FlashedBoard board) => File.CreateSymbolicLink(link, board.Path);

    private Task<RunningApplication?> RunAsync(string script, Func<FlashSettings, FlashSettings>? change = null)
    {
        FlashSettings settings = new()
        {
            Board = Board,
            Target = Board.NanoTarget,
            Port = link,
            Image = Path.Combine(folder.Path, "app.bin"),
            Nanoff = WriteNanoff(script),
            LogFile = Path.Combine(folder.Path, "flash.log"),
            ReappearTimeout = TimeSpan.FromMinutes(2),
            RunningTimeout = TimeSpan.FromMinutes(2),
        };
        return new FlashRun(change?.Invoke(settings) ?? settings, new FlashReport(said, json: true, isTerminal: false), () => [], TimeProvider.System).RunAsync(CancellationToken.None);
    }

    private string WriteNanoff(string script)
    {
        string path = Path.Combine(folder.Path, "nanoff");
        File.WriteAllText(path, $"#!/bin/sh\nHERE='{folder.Path}'\necho \"$*\" >> \"$HERE/calls\"\n{script}");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private Task<CliProcess> RunCommandAsync(string path, params string[] arguments) => CliProcess.RunWithPathAsync(folder.Path, path, arguments);

    private string[] Calls() => File.Exists(Path.Combine(folder.Path, "calls")) ? File.ReadAllLines(Path.Combine(folder.Path, "calls")) : [];

    private JsonNode[] Lines() => [.. said.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];

    private string?[] Steps(string state) => [.. Lines().Where(line => (string?)line["state"] == state).Select(line => (string?)line["step"])];

    private (string? Step, string? Code) Failure() => Lines().Where(line => (string?)line["state"] == "failed").Select(line => ((string?)line["step"], (string?)line["code"])).Single();
}

using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Boards;
using DePIN.Cli.Bench;
using DePIN.Cli.Provision;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Evidence;
using DePIN.Protocol;
using DePIN.Provision;
using DePIN.Tests.Harness;
using DePIN.VirtualBoard.Hardware;
using Line = DePIN.Cli.Serial.SerialLine;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>
/// `depin provision` on boards whose only port is the runtime's debug port: the built program, virtual boards that speak that protocol on a
/// pseudo-terminal, a real chain and gateway, and a stand-in for nanoff, a process that reads nanoff's own JSON and puts files into the boards' flash.
/// </summary>
[UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "pseudo terminals and scripts are Unix's")]
public sealed class DebugPortTests
{
    private const string Password = "correct horse battery";

    private TempFolder _folder = null!;

    private string ReportFolder => Path.Combine(_folder.Path, "report");

    private string Seen => Path.Combine(_folder.Path, "seen.jsonl");

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public async Task Boards_without_a_free_port_end_with_a_verified_frame_and_no_secret_is_left()
    {
        await using ProvisionFloor floor = await StartAsync();
        await File.WriteAllTextAsync(Path.Combine(_folder.Path, "wifi.txt"), Password);
        File.SetUnixFileMode(Path.Combine(_folder.Path, "wifi.txt"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        SetTemplate(floor, "wifi", "roofs");
        floor.Plug("--debug-port");
        floor.Plug("--debug-port");
        string[] before = Directory.GetDirectories(Path.GetTempPath(), "depin-*");

        CliProcess run = await RunAsync(floor, await PortsAsync(floor), "--wifi-password-file", "wifi.txt");

        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Output + run.Errors + Logs());
        List<ReportLine> lines = Report();
        DeviceRegistryReader registry = new(floor.Chain.Client, floor.Chain.Deployment.DeviceRegistry);
        foreach (ReportLine line in lines) Assert.That(await registry.ReadOwnerAsync(Convert.FromHexString(line.Device)), Is.EqualTo(floor.Chain.Owner));
        JsonNode[] seen = Deployed();
        Assert.Multiple(() =>
        {
            Assert.That(lines.Select(line => line.Code), Is.EqualTo(new[] { "P000", "P000" }));
            Assert.That(lines.Select(line => line.Device), Is.Unique);
            Assert.That(lines.Select(line => line.Sequence), Is.All.GreaterThan(0));
            Assert.That(seen.Select(call => (string?)call["wifi"]?["Password"]).Where(password => password is not null), Is.EqualTo(new[] { Password, Password }));
            Assert.That(seen.Select(call => (string?)call["wifi"]?["Ssid"]).Where(ssid => ssid is not null), Is.All.EqualTo("roofs"));
            Assert.That(seen.Select(call => (int)call["mode"]!), Is.All.EqualTo(0b110_000_000), "0600");
            Assert.That(seen.Select(call => (int)call["folderMode"]!), Is.All.EqualTo(0b111_000_000), "0700");
            Assert.That(seen.Select(call => File.Exists((string)call["list"]!)), Is.All.False, "gone afterwards");
            Assert.That(seen.Select(call => (string)call["line"]!), Has.None.Contains(Password));
            Assert.That(Directory.GetDirectories(Path.GetTempPath(), "depin-*").Except(before).Where(left => File.Exists(Path.Combine(left, "requests"))), Is.Empty);
            Assert.That(Logs() + run.Output + run.Errors + File.ReadAllText(Path.Combine(ReportFolder, "report.csv")), Does.Not.Contain(Password));
            Assert.That(floor.Boards.Select((_, index) => File.Exists(Path.Combine(FlashOf(floor, index), SerialFile.Name))), Is.All.False, "done once and removed");
        });

        CliProcess again = await RunAsync(floor, await PortsAsync(floor), "--wifi-password-file", "wifi.txt");
        Assert.That(again.ExitCode, Is.EqualTo(ExitCode.Ok), again.Output + again.Errors);
        Assert.That(Report().Skip(2).Select(line => line.Code), Is.EqualTo(new[] { "P001", "P001" }));
    }

    [Test]
    public async Task What_fails_on_the_way_has_its_code_and_the_next_run_finishes()
    {
        await using ProvisionFloor floor = await StartAsync();
        LocalBoard board = floor.Plug("--debug-port");
        using BadCable cable = new(await board.DebugPathAsync(CancellationToken.None));
        string[] ports = [cable.Path];
        await WriteBoardsAsync((cable.Path, FlashOf(floor, 0)));

        await File.WriteAllTextAsync(Path.Combine(_folder.Path, "fail"), "");
        CliProcess undeployed = await RunAsync(floor, ports);
        File.Delete(Path.Combine(_folder.Path, "fail"));
        cable.IsBad = true;
        CliProcess garbled = await RunAsync(floor, ports);
        cable.IsBad = false;
        CliProcess good = await RunAsync(floor, ports);

        List<ReportLine> lines = Report();
        Assert.Multiple(() =>
        {
            Assert.That((undeployed.ExitCode, garbled.ExitCode, good.ExitCode), Is.EqualTo((ExitCode.Failed, ExitCode.Failed, ExitCode.Ok)), good.Output + good.Errors + Logs());
            Assert.That(lines.Select(line => line.Code), Is.EqualTo(new[] { "P103", "P204", "P000" }));
            Assert.That(lines[0].Message, Does.Contain("Error deploying content file").And.Contain("ended with 0"), "nanoff's code says nothing of it");
            Assert.That(lines[0].Next, Does.Contain("reset button"));
            Assert.That(lines[1].Message, Does.Contain("damaged"));
            Assert.That(lines[1].Next, Does.Contain("cable"));
        });
    }

    [Test]
    public async Task Without_nanoff_the_one_command_is_said_and_nothing_is_begun()
    {
        await using ProvisionFloor floor = await StartAsync();
        CliProcess run = await RunWithPathAsync("/usr/bin:/bin", floor, ["/dev/null"]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Unreachable), run.Output + run.Errors);
        Assert.That(run.Errors, Does.Contain("[flash.no-nanoff]").And.Contain("run: dotnet tool install -g nanoff"));
        Assert.That(File.Exists(Seen), Is.False);
    }

    [TestCase("xiao-esp32c3", "provisioning pins")]
    [TestCase("esp8266", "esp32-devkitc")]
    public async Task A_board_that_this_way_does_not_reach_is_refused_with_the_other_one(string board, string next)
    {
        await using ProvisionFloor floor = await StartAsync();
        SetTemplate(floor, "board", board);
        CliProcess run = await RunAsync(floor, ["/dev/null"]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.BadInput), run.Output + run.Errors);
        Assert.That(run.Errors, Does.Contain(board).And.Contain(next));
    }

    [TestCase(false, BoardErrorKind.NoAnswer, "no answer came", "depin flash")]
    [TestCase(true, BoardErrorKind.Garbled, "came damaged", "cable")]
    public async Task A_board_that_takes_the_file_and_says_nothing_or_only_noise_is_told_so(bool isNoisy, BoardErrorKind kind, string said, string next)
    {
        using PseudoTerminal silent = PseudoTerminal.Open();
        WriteNanoff();
        await WriteBoardsAsync((silent.Path, Directory.CreateDirectory(Path.Combine(_folder.Path, "flash")).FullName));
        DePIN.Boards.Board known = BoardCatalog.Load(Path.Combine(Repository.Root, "hardware")).Find("esp32-devkitc")!;
        DebugBoardSettings settings = new(known, Path.Combine(_folder.Path, "nanoff"), Path.Combine(_folder.Path, "nanoff.log")) { AnswerTimeout = TimeSpan.FromSeconds(1) };
        using IBoardLine line = new DebugBoardPort(silent.Path, settings).Open();

        byte[] damaged = WirePacket.Write(WirePacket.Message, 1, WirePacket.NonCritical, "answer frame=RGVQTg==\r\n"u8);
        damaged[^1] ^= 1;
        if (isNoisy) silent.Write(damaged);

        BoardError error = Assert.ThrowsAsync<BoardError>(() => line.IdentifyAsync(CancellationToken.None))!;

        Assert.Multiple(() =>
        {
            Assert.That(error.Kind, Is.EqualTo(kind));
            Assert.That(error.Message, Does.Contain(said));
            Assert.That(error.Remedy, Does.Contain(next));
            Assert.That(Deployed(), Has.Length.EqualTo(2), "tried twice, no more");
        });
    }

    private async Task<ProvisionFloor> StartAsync()
    {
        WriteNanoff();
        ProvisionFloor floor = await ProvisionFloor.StartAsync(_folder.Sub("floor"), CancellationToken.None);
        SetTemplate(floor, "board", "esp32-devkitc");
        return floor;
    }

    private static void SetTemplate(ProvisionFloor floor, string name, string value)
    {
        JsonNode template = JsonNode.Parse(File.ReadAllText(floor.Template))!;
        template[name] = value;
        File.WriteAllText(floor.Template, template.ToJsonString());
    }

    private static string FlashOf(ProvisionFloor floor, int index) => Path.Combine(Path.GetDirectoryName(floor.Template)!, $"bench-{index + 1}", "flash");

    private async Task<string[]> PortsAsync(ProvisionFloor floor)
    {
        string[] paths = await Task.WhenAll(floor.Boards.Select(board => board.DebugPathAsync(CancellationToken.None)));
        await WriteBoardsAsync([.. paths.Select((path, index) => (path, FlashOf(floor, index)))]);
        return paths;
    }

    private Task WriteBoardsAsync(params (string Port, string Flash)[] boards) =>
        File.WriteAllTextAsync(Path.Combine(_folder.Path, "boards.json"), JsonSerializer.Serialize(boards.ToDictionary(board => board.Port, board => board.Flash)));

    private JsonNode[] Deployed() => [.. File.ReadAllLines(Seen).Select(line => JsonNode.Parse(line)!)];

    private List<ReportLine> Report() => [.. AppendOnlyFile.ReadLines(Path.Combine(ReportFolder, "report.jsonl"))
        .Select(line => JsonSerializer.Deserialize<ReportLine>(line, new JsonSerializerOptions(JsonSerializerDefaults.Web))!)];

    private string Logs() => string.Concat(Directory.Exists(ReportFolder) ? Directory.GetFiles(ReportFolder, "*.log").Select(File.ReadAllText) : []);

    private Task<CliProcess> RunAsync(ProvisionFloor floor, string[] ports, params string[] more) => RunWithPathAsync(_folder.Path + ":" + Environment.GetEnvironmentVariable("PATH"), floor, ports, more);

    private Task<CliProcess> RunWithPathAsync(string path, ProvisionFloor floor, string[] ports, params string[] more) => CliProcess.RunWithPathAsync(
        _folder.Path, path, ["provision", "--template", floor.Template, "--key", floor.KeyFile, "--report", ReportFolder, .. ports.SelectMany(port => new[] { "--port", port }), .. more]);

    /// <summary>Prints and ends as nanoFirmwareFlasher 2.5 does (FileDeploymentManager, NetworkDeploymentManager): a file that did not arrive leaves 0.</summary>
    private void WriteNanoff()
    {
        string path = Path.Combine(_folder.Path, "nanoff");
        File.WriteAllText(path, $$"""
            #!/usr/bin/env node
            const fs = require('fs'), path = require('path');
            const here = {{JsonSerializer.Serialize(_folder.Path)}}, args = process.argv.slice(2);
            const option = name => { const at = args.indexOf(name); return at < 0 ? undefined : args[at + 1]; };
            const list = option('--filedeployment') ?? option('--networkdeployment');
            const given = JSON.parse(fs.readFileSync(list, 'utf8'));
            const flash = JSON.parse(fs.readFileSync(path.join(here, 'boards.json'), 'utf8'))[option('--serialport')];
            console.log('.NET nanoFramework Firmware Flasher v2.5.137');
            if (!flash) { console.log(`Error connecting to nanoDevice on ${option('--serialport')} for deployment.\nError E2000: `); process.exit(2000 & 255); }
            const mode = file => fs.statSync(file).mode & 0o777;
            fs.appendFileSync(path.join(here, 'seen.jsonl'), JSON.stringify({ line: args.join(' '), list, mode: Math.max(mode(list), ...(given.files ?? []).map(f => mode(f.SourceFilePath))), folderMode: mode(path.dirname(list)), wifi: given.WirelessClient }) + '\n');
            for (const file of given.files ?? []) {
              process.stdout.write(`Deploying file ${file.SourceFilePath} to ${file.DestinationFilePath}...`);
              if (fs.existsSync(path.join(here, 'fail'))) { console.log(`\nError deploying content file ${file.SourceFilePath} to ${file.DestinationFilePath}`); continue; }
              if (!file.DestinationFilePath.startsWith('I:\\')) throw new Error('no drive');
              fs.writeFileSync(path.join(flash, file.DestinationFilePath.slice(3)), fs.readFileSync(file.SourceFilePath), { mode: 0o600 });
              console.log('OK');
            }
            if (given.WirelessClient) console.log('Updating network configuration...OK\nUpdating wireless configuration...OK');
            """);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>A cable to a board whose runtime was built without checksums; when it is bad, it changes a letter of each answer.</summary>
    private sealed class BadCable : IDisposable
    {
        private readonly PseudoTerminal _end = PseudoTerminal.Open();
        private readonly Line _board;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _work;

        public BadCable(string board)
        {
            _board = Line.Open(board);
            _work = Task.WhenAll(Task.Run(FromBoardAsync), Task.Run(ToBoardAsync));
        }

        public bool IsBad { get; set; }

        public string Path => _end.Path;

        public void Dispose()
        {
            _stop.Cancel();
            _work.Wait();
            _board.Dispose();
            _end.Dispose();
            _stop.Dispose();
        }

        private async Task FromBoardAsync()
        {
            try
            {
                WireReader reader = new();
                while (true)
                {
                    foreach (WireMessage message in reader.Take(await _board.ReadAsync(_stop.Token)))
                    {
                        byte[] packet = WirePacket.Write(message.Command, 0, message.Flags, message.Payload);
                        packet.AsSpan(8, 8).Clear();
                        if (IsBad && message.Payload.AsSpan().StartsWith("answer frame="u8)) packet[32 + 20] = packet[32 + 20] == 'A' ? (byte)'B' : (byte)'A';
                        _end.Write(packet);
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // unplugged by the test
            }
        }

        private async Task ToBoardAsync()
        {
            byte[] bytes = new byte[256];
            while (!_stop.IsCancellationRequested)
            {
                int count = _end.Read(bytes);
                if (count > 0) _board.Write(bytes.AsSpan(0, count));
                else await Task.Delay(2);
            }
        }
    }
}

using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Bench;
using DePIN.Cli.Label;
using DePIN.Cli.Provision;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Evidence;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>`depin provision` as a technician runs it: the built program, real pseudo-terminals, boards that run the firmware, a real chain and gateway.</summary>
public sealed class ProvisionTests
{
    private TempFolder _folder = null!;
    private ProvisionFloor _floor = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _floor = await ProvisionFloor.StartAsync(_folder.Sub("floor"), CancellationToken.None);
    }

    [TearDown]
    public async Task EndAsync()
    {
        await _floor.DisposeAsync();
        _folder.Dispose();
    }

    private string ReportFolder => Path.Combine(_folder.Path, "report");

    [Test]
    public async Task Sixteen_boards_at_once_end_with_sixteen_verified_frames_rows_names_and_owned_devices()
    {
        const int Boards = 16;
        for (int i = 0; i < Boards; i++) _floor.Plug();
        string manifest = Path.Combine(_folder.Path, "devices.csv");
        await File.WriteAllLinesAsync(manifest, ["device,name,location", .. Enumerable.Range(1, Boards).Select(n => $",roof-{n:00},\"Wien, Haus {n}\"")]);

        string labels = Path.Combine(_folder.Path, "labels");
        CliProcess run = await RunAsync("--manifest", manifest, "--labels", labels);

        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Output + run.Errors);
        List<ReportLine> lines = Report();
        string[] rows = await File.ReadAllLinesAsync(Path.Combine(ReportFolder, "report.csv"));
        Assert.Multiple(() =>
        {
            Assert.That(lines, Has.Count.EqualTo(Boards));
            Assert.That(lines.Select(line => line.Code), Is.All.EqualTo("P000"));
            Assert.That(lines.Select(line => line.Device), Is.Unique);
            Assert.That(lines.Select(line => line.Name), Is.EquivalentTo(Enumerable.Range(1, Boards).Select(n => $"roof-{n:00}")));
            Assert.That(lines.Select(line => line.Sequence), Is.All.GreaterThan(0));
            Assert.That(rows, Has.Length.EqualTo(Boards + 1));
            Assert.That(rows.Skip(1).Select(row => CsvText.Split(row)!.Count), Is.All.EqualTo(CsvText.Split(rows[0])!.Count));
        });
        DeviceRegistryReader registry = new(_floor.Chain.Client, _floor.Chain.Deployment.DeviceRegistry);
        Assert.That(File.Exists(Path.Combine(labels, LabelFolder.SheetName)));
        string[] codes = await DecodeAsync(lines.Select(line => Path.Combine(labels, line.Device + ".png")));
        foreach ((ReportLine line, string code) in lines.Zip(codes))
        {
            byte[] device = Convert.FromHexString(line.Device);
            DeviceRegistry.Device known = (await registry.ReadDeviceAsync(device))!;
            byte[] publicKey = [.. known.X.ToArray(), .. known.Y.ToArray()];
            Assert.That(code, Is.EqualTo(DeviceLabel.Of(publicKey).Address), "the label names the key that the chain has");
            Assert.That(await registry.ReadOwnerAsync(device), Is.EqualTo(_floor.Chain.Owner));
            JsonElement frame = await _floor.Gateway.Api.GetAsync($"/api/devices/{line.Device}/frames/{line.Sequence}", CancellationToken.None);
            Assert.That(frame.GetProperty("state").GetString(), Is.AnyOf("stored", "batched", "certified", "anchored"), "the gateway verified and keeps it");
        }
    }

    [Test]
    public async Task Run_again_a_finished_board_is_passed_over_and_nothing_is_registered_or_paid_twice()
    {
        _floor.Plug();
        CliProcess first = await RunAsync();
        Assert.That(first.ExitCode, Is.EqualTo(ExitCode.Ok), first.Output + first.Errors);
        ulong nonce = await _floor.Chain.Client.GetTransactionCountAsync(_floor.Chain.Owner, BlockTag.Latest);

        CliProcess again = await RunAsync("--json");

        Assert.That(again.ExitCode, Is.EqualTo(ExitCode.Ok), again.Output + again.Errors);
        Assert.That(JsonDocument.Parse(again.Output).RootElement.GetProperty("code").GetString(), Is.EqualTo("P001"));
        Assert.That(await _floor.Chain.Client.GetTransactionCountAsync(_floor.Chain.Owner, BlockTag.Latest), Is.EqualTo(nonce));
    }

    [Test]
    public async Task With_the_gateway_away_it_says_so_and_the_next_run_finishes_without_a_second_registration()
    {
        _floor.Plug();
        await _floor.Gateway.KillAsync();

        CliProcess away = await RunAsync("--json");

        Assert.That(away.ExitCode, Is.EqualTo(ExitCode.Failed), away.Output + away.Errors);
        Assert.That(Report()[^1].Code, Is.EqualTo("P601"));
        Assert.That(Report()[^1].Step, Is.EqualTo("enrol"));
        ulong nonce = await _floor.Chain.Client.GetTransactionCountAsync(_floor.Chain.Owner, BlockTag.Latest);
        await _floor.Gateway.LaunchAsync(CancellationToken.None);

        CliProcess again = await RunAsync("--json");

        Assert.That(again.ExitCode, Is.EqualTo(ExitCode.Ok), again.Output + again.Errors);
        Assert.That(await _floor.Chain.Client.GetTransactionCountAsync(_floor.Chain.Owner, BlockTag.Latest), Is.EqualTo(nonce), "registered before");
    }

    [Test]
    public async Task Without_a_network_claims_are_collected_and_registered_later_and_the_frames_arrive()
    {
        _floor.Plug();
        _floor.Plug();
        string claims = Path.Combine(_folder.Path, "claims.jsonl");
        string[] ports = await PortsAsync();
        CliProcess collected = await CliProcess.RunAsync(_folder.Path, ["provision", "--template", _floor.Template, "--collect", claims, "--report", ReportFolder, .. ports]);
        Assert.That(collected.ExitCode, Is.EqualTo(ExitCode.Ok), collected.Output + collected.Errors);
        Assert.That(Report().Select(line => line.Code), Is.All.EqualTo("P002"));
        string another = (await File.ReadAllLinesAsync(claims))[0].Replace(_floor.Chain.Owner.ToString(), "0x00000000000000000000000000000000000000aa", StringComparison.Ordinal);
        await File.AppendAllTextAsync(claims, another + "\n{\"chainId\":1,\"torn"); // another job's, and a power cut

        CliProcess registered = await CliProcess.RunAsync(_folder.Path, "provision", "register", claims, "--template", _floor.Template, "--key", _floor.KeyFile);
        string keystore = Path.Combine(_folder.Path, "payer.json"), passphrase = Path.Combine(_folder.Path, "passphrase");
        PrivateFile.Write(passphrase, "correct horse\n"u8);
        CliProcess imported = await CliProcess.RunAsync(_folder.Path, "key", "import", keystore, "--from", _floor.KeyFile, "--passphrase-file", passphrase);
        Assert.That(imported.ExitCode, Is.EqualTo(ExitCode.Ok), imported.Errors);
        CliProcess again = await CliProcess.RunAsync(_folder.Path, "provision", "register", claims, "--template", _floor.Template, "--key", keystore, "--passphrase-file", passphrase);

        Assert.That((registered.ExitCode, again.ExitCode), Is.EqualTo((ExitCode.Ok, ExitCode.Ok)), registered.Output + registered.Errors + again.Output + again.Errors);
        Assert.That(registered.Output, Does.Contain("passed over").And.Contain("0x00000000000000000000000000000000000000aa"));
        foreach (ReportLine line in Report())
        {
            await Eventually.TrueAsync(
                async () => await _floor.Gateway.Api.TryGetAsync($"/api/devices/{line.Device}", CancellationToken.None) is { } device && device.GetProperty("lastSequence").GetUInt64() > 0,
                "frames that were kept meanwhile arrive", () => File.ReadAllText(Path.Combine(_folder.Path, "floor", "gateway.log")));
        }
    }

    [Test, Platform("Linux")]
    public async Task At_a_keyboard_the_networks_password_is_asked_for_and_not_shown()
    {
        const string Script = "/usr/bin/script"; // util-linux: runs a command in a pseudo terminal
        if (!File.Exists(Script)) Assert.Ignore("script of util-linux is not there");
        string control = Path.Combine(_folder.Path, "control"), template = Path.Combine(Path.GetDirectoryName(_floor.Template)!, "wifi.json");
        await File.WriteAllTextAsync(control, "wifi depot|right horse|-50\n");
        JsonNode job = JsonNode.Parse(await File.ReadAllTextAsync(_floor.Template))!;
        job["wifi"] = "depot";
        await File.WriteAllTextAsync(template, job.ToJsonString());
        string port = await _floor.Plug("--control", control).SerialPathAsync(CancellationToken.None);
        CliProcess silent = await CliProcess.RunAsync(_folder.Path, "provision", "--template", template, "--key", _floor.KeyFile, "--report", ReportFolder, "--port", port);
        Assert.That(silent.ExitCode, Is.EqualTo(ExitCode.BadInput), silent.Output + silent.Errors);
        Assert.That(silent.Errors, Does.Contain("--wifi-password-file"), "without a keyboard no empty password is guessed");
        string command = $"dotnet {CliProcess.Program} provision --template {template} --key {_floor.KeyFile} --report {ReportFolder} --port {port}";
        using Process process = Process.Start(new ProcessStartInfo(Script, ["-qefc", command, "/dev/null"]) { WorkingDirectory = _folder.Path, RedirectStandardOutput = true, RedirectStandardInput = true })!;
        StringBuilder output = new();
        char[] chunk = new char[256];
        bool typed = false;
        for (int count = await process.StandardOutput.ReadAsync(chunk); count > 0; count = await process.StandardOutput.ReadAsync(chunk))
        {
            output.Append(chunk, 0, count);
            if (typed || !output.ToString().Contains("password of the network depot", StringComparison.Ordinal)) continue;
            typed = true;
            await process.StandardInput.WriteAsync("right horse\n");
            await process.StandardInput.FlushAsync();
        }

        await process.WaitForExitAsync();
        Assert.Multiple(() =>
        {
            Assert.That(typed, Is.True);
            Assert.That(process.ExitCode, Is.EqualTo(ExitCode.Ok), output.ToString());
            Assert.That(output.ToString(), Does.Not.Contain("right horse"));
        });
    }

    /// <summary>What another implementation (jsQR) reads from pictures.</summary>
    private static async Task<string[]> DecodeAsync(IEnumerable<string> pictures)
    {
        JsonArray question = [.. pictures.Select(picture => (JsonNode)new JsonObject { ["png"] = Convert.ToBase64String(File.ReadAllBytes(picture)) })];
        JsonElement answers = await NodeScript.RunAsync(NodeScript.PathOf("EndToEnd", "Label", "peers", "decode.mjs"), JsonSerializer.SerializeToUtf8Bytes(question));
        return [.. answers.EnumerateArray().Select(answer => answer.GetString()!)];
    }

    private async Task<string[]> PortsAsync()
    {
        string[] paths = await Task.WhenAll(_floor.Boards.Select(board => board.SerialPathAsync(CancellationToken.None)));
        return [.. paths.SelectMany(path => new[] { "--port", path })];
    }

    private async Task<CliProcess> RunAsync(params string[] more) =>
        await CliProcess.RunAsync(_folder.Path, ["provision", "--template", _floor.Template, "--key", _floor.KeyFile, "--report", ReportFolder, .. await PortsAsync(), .. more]);

    private List<ReportLine> Report() => [.. AppendOnlyFile.ReadLines(Path.Combine(ReportFolder, "report.jsonl"))
        .Select(line => JsonSerializer.Deserialize<ReportLine>(line, new JsonSerializerOptions(JsonSerializerDefaults.Web))!)];
}

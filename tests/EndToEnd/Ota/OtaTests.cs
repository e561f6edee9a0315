using System.Text.Json;
using DePIN.Cli.Bench;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Devnet;
using DePIN.Gateway.Operate;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Ota;

/// <summary>A release from the operator's key to a node that runs it: the built program, a real chain and gateway, a board process that starts through the loader.</summary>
public sealed class OtaTests
{
    private TempFolder _folder = null!;
    private ProvisionFloor? _floor;

    [SetUp]
    public void Make() => _folder = new TempFolder();

    [TearDown]
    public async Task EndAsync()
    {
        if (_floor is not null) await _floor.DisposeAsync();
        _folder.Dispose();
    }

    [Test]
    public async Task A_roll_out_ends_with_the_nodes_on_the_release_and_one_that_fails_halts_with_the_node_back_on_the_old()
    {
        string key = Path.Combine(_folder.Path, "operator.pem");
        string publicKey = (await SucceedAsync("ota", "keygen", "--out", key)).Output.Trim();
        string first = await PackAsync(key, 1, "0.1.0", "firmware/bin"), next = await PackAsync(key, 2, "0.2.0", "tests/Firmware/Update/Variants/Next/bin"),
            throwing = await PackAsync(key, 3, "0.3.0", "tests/Firmware/Update/Variants/Throwing/bin");
        string floor = _folder.Sub("floor");
        await SucceedAsync("ota", "unpack", first, "--out", Path.Combine(floor, "bench-1", "flash"));
        await File.WriteAllTextAsync(
            Path.Combine(floor, "bench-1", "flash", "node.conf"), $"ring-bytes=24000\ndrive-bytes=2097152\nhealth-s=0\nupdate-healthy-s=2\noperator-key={publicKey}\n");
        _floor = await ProvisionFloor.StartAsync(
            floor, CancellationToken.None, new Dictionary<string, string> { ["DEPIN_UPDATE_OPERATOR_KEY"] = publicKey, ["DEPIN_UPDATE_DEVICE_KIB_PER_S"] = "4096" });
        LocalBoard board = _floor.Plug("--loader");
        CliProcess provisioned = await CliProcess.RunAsync(_folder.Path, "provision", "--template", _floor.Template, "--key", _floor.KeyFile, "--json", "--port", await board.SerialPathAsync(CancellationToken.None));
        Assert.That(provisioned.ExitCode, Is.EqualTo(ExitCode.Ok), provisioned.Output + provisioned.Errors);
        string device = JsonDocument.Parse(provisioned.Output).RootElement.GetProperty("device").GetString()!;
        string[] at = ["--gateway", _floor.Gateway.Api.Url.ToString()];
        string[] order = [.. at, "--token", Path.Combine(floor, "gateway", OperatorToken.FileName)];

        // The plan counts devices that the gateway heard an update state from.
        await RolloutAsync(updates => updates.GetProperty("devices").GetInt32() == 1, "the node said which release it runs");
        await SucceedAsync(["ota", "start", next, "--stages", "100%", "--soak", "0", .. order]);
        await RolloutAsync(updates => Newest(updates) == "complete", "the release is confirmed everywhere");
        Assert.That(await RunsAsync(device), Is.EqualTo((2u, "0.2.0", "confirmed")));
        ulong after = await LastSequenceAsync(device);
        await Eventually.TrueAsync(async () => await LastSequenceAsync(device) > after + 3, "frames go on", Log);

        await SucceedAsync(["ota", "start", throwing, "--stages", "100%", "--soak", "0", "--max-failed", "0", .. order]);
        await RolloutAsync(updates => Newest(updates) == "halted", "a release that does not stay halts its roll-out");
        (uint running, string version, string state) = await RunsAsync(device);
        Assert.That((running, version, state), Is.EqualTo((2u, "0.2.0", "rolled-back")));
        after = await LastSequenceAsync(device);
        await Eventually.TrueAsync(async () => await LastSequenceAsync(device) > after + 3, "frames go on", Log);

        // One chain of frames through three releases: no sequence is missing.
        for (ulong sequence = 1; sequence <= after; sequence++)
            Assert.That(await _floor.Gateway.Api.TryGetAsync($"/api/devices/{device}/frames/{sequence}", CancellationToken.None), Is.Not.Null, $"frame {sequence}");
    }

    private static string Newest(JsonElement updates) => updates.GetProperty("rollouts").GetArrayLength() == 0 ? "" : updates.GetProperty("rollouts")[0].GetProperty("state").GetString()!;

    private string Log() => string.Join(Environment.NewLine, Directory.GetFiles(Path.Combine(_folder.Path, "floor"), "*.log").Select(file => $"{file}: {string.Join(Environment.NewLine, File.ReadLines(file).TakeLast(40))}"));

    private Task RolloutAsync(Func<JsonElement, bool> reached, string what) =>
        Eventually.TrueAsync(async () => reached(await _floor!.Gateway.Api.GetAsync("/api/updates", CancellationToken.None)), what, Log);

    private async Task<(uint Running, string Version, string State)> RunsAsync(string device)
    {
        JsonElement said = (await _floor!.Gateway.Api.GetAsync("/api/updates/devices", CancellationToken.None)).GetProperty("devices").EnumerateArray().Single(row => row.GetProperty("device").GetString() == device);
        return (said.GetProperty("running").GetUInt32(), said.GetProperty("version").GetString()!, said.GetProperty("state").GetString()!);
    }

    private async Task<ulong> LastSequenceAsync(string device) =>
        (await _floor!.Gateway.Api.GetAsync($"/api/devices/{device}", CancellationToken.None)).GetProperty("lastSequence").GetUInt64();

    private async Task<string> PackAsync(string key, int release, string version, string folder)
    {
        string configuration = new FileInfo(Programs.Gateway).Directory!.Parent!.Name;
        string application = Path.Combine(_folder.Sub($"r{release}"), "DePIN.Firmware.pe"), package = Path.Combine(_folder.Path, $"{release}.package");
        File.Copy(Path.Combine(Repository.Root, folder, configuration, "net10.0", "DePIN.Firmware.dll"), application);
        await SucceedAsync("ota", "pack", "--board", "esp32-devkitc", "--release", $"{release}", "--version", version, "--min-runtime", "1.9.1.0", "--key", key, "--out", package, application);
        return package;
    }

    private async Task<CliProcess> SucceedAsync(params string[] arguments)
    {
        CliProcess run = await CliProcess.RunAsync(_folder.Path, arguments);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), $"{string.Join(' ', arguments)}: {run.Errors}");
        return run;
    }
}

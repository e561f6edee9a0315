using System.Diagnostics;
using System.Net;
using System.Runtime.Versioning;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Gateway.Operate;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Cli;

/// <summary>`depin ota` as a person uses it: the program, files, and a gateway that is a process of its own (its chain away, which updates do not need).</summary>
public sealed class OtaCommandTests
{
    private const string Address = "0x5fbdb2315678afecb367f032d93f642f64180aa3";

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public async Task From_a_key_to_a_roll_out_that_is_paused_resumed_and_aborted()
    {
        string key = Path.Combine(folder.Path, "operator.pem"), package = Path.Combine(folder.Path, "release.package"), data = folder.Sub("data");
        string publicKey = (await Succeed("ota", "keygen", "--out", key)).Output.Trim();
        Assert.That(publicKey, Does.Match("^[0-9a-f]{128}$"));
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(key), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));

        await PackAsync(key, package, 2);
        JsonNode inspected = JsonNode.Parse((await Succeed("ota", "inspect", package, "--operator", publicKey, "--json")).Output)!;
        Assert.That(inspected["signed"]!.GetValue<bool>(), Is.True);
        Assert.That(inspected["files"]!.AsArray(), Has.Count.EqualTo(2));

        await using GatewayChild gateway = await GatewayChild.StartAsync(folder.Path, data, publicKey);
        string token = Path.Combine(data, OperatorToken.FileName);
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(token), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        string[] at = ["--gateway", gateway.Url], order = [.. at, "--token", token];

        CliProcess wrongToken = await CliProcess.RunAsync(folder.Path, ["ota", "start", package, .. at, "--token", Write("wrong.token", new string('0', 64))]);
        Expect(wrongToken, ExitCode.BadInput, "does not know the token");
        Expect(await CliProcess.RunAsync(folder.Path, ["ota", "start", package, .. at]), ExitCode.BadInput, "--token");
        Expect(await CliProcess.RunAsync(folder.Path, ["ota", "abort", .. order]), ExitCode.BadInput, "no roll-out to abort");

        string strangers = Path.Combine(folder.Path, "stranger.pem"), foreign = Path.Combine(folder.Path, "foreign.package");
        await Succeed("ota", "keygen", "--out", strangers);
        await PackAsync(strangers, foreign, 2);
        Expect(await CliProcess.RunAsync(folder.Path, ["ota", "start", foreign, .. order]), ExitCode.Failed, "another operator");
        byte[] torn = await File.ReadAllBytesAsync(foreign);
        torn[^1] ^= 0xFF;
        await File.WriteAllBytesAsync(foreign, torn);

        Expect(await CliProcess.RunAsync(folder.Path, ["ota", "start", foreign, .. order]), ExitCode.BadInput, "is not the one that was signed");

        JsonNode started = JsonNode.Parse((await Succeed(["ota", "start", package, "--stages", "3,10%,50%,100%", "--soak", "60", "--json", .. order])).Output)!;
        Assert.That(started["state"]!.GetValue<string>(), Is.EqualTo("running"));
        Assert.That(started["stages"]!.GetValue<string>(), Is.EqualTo("3,10%,50%,100%"));
        Expect(await CliProcess.RunAsync(folder.Path, ["ota", "start", package, .. order]), ExitCode.Failed, "abort");

        string id = started["rollout"]!.GetValue<string>();
        Assert.That((await Succeed(["ota", "pause", .. order])).Output, Does.Contain("paused").And.Contain(id));
        await gateway.KillAsync(); // what was ordered survives
        await using GatewayChild again = await GatewayChild.StartAsync(folder.Path, data, publicKey);
        (at, order) = (["--gateway", again.Url], ["--gateway", again.Url, "--token", token]);
        JsonNode status = JsonNode.Parse((await Succeed(["ota", "status", "--json", .. at])).Output)!;
        Assert.That(status["rollouts"]![0]!["rollout"]!.GetValue<string>(), Is.EqualTo(id));
        Assert.That(status["rollouts"]![0]!["state"]!.GetValue<string>(), Is.EqualTo("paused"));
        Assert.That(status["rollouts"]![0]!["packageFault"]!.GetValue<string>(), Is.Empty);

        Assert.That((await Succeed(["ota", "resume", id, .. order])).Output, Does.Contain("running"));
        Assert.That((await Succeed(["ota", "status", .. at])).Output, Does.Contain("esp32-devkitc").And.Contain("running"));
        using (Process watch = CliProcess.Start(folder.Path, ["ota", "status", "--watch", .. at]))
        {
            Assert.That(await watch.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)), Does.Contain(id));
            watch.Kill();
        }

        Assert.That((await Succeed(["ota", "abort", .. order])).Output, Does.Contain("aborted"));
        await AssertHostileRequestsAsync(again.Url, (await File.ReadAllTextAsync(token)).Trim());
        Assert.That(again.Log, Does.Not.Contain((await File.ReadAllTextAsync(token)).Trim()), "the token is in no log");
    }

    [TestCase("ota keygen --out operator.pem", "operator.pem is there already")]
    [TestCase("ota pack --board b --release 1 --version v --min-runtime 1.9 --key operator.pem --out new.package a.pe", "no version of four numbers")]
    [TestCase("ota pack --board b --release 0 --version v --min-runtime 1.9.1.0 --key operator.pem --out new.package a.pe", "ReleaseZero")]
    [TestCase("ota pack --board b --release 1 --version v --min-runtime 1.9.1.0 --key operator.pem --out new.package none.pe", "none.pe")]
    [TestCase("ota pack --board b --release 1 --version v --min-runtime 1.9.1.0 --key a.pe --out new.package a.pe", "no P-256 private key")]
    [TestCase("ota pack --board b --release 1 --version v --min-runtime 1.9.1.0 --key operator.pem --out new.package a.pe a.pe", "DuplicateFileName")]
    [TestCase("ota inspect a.pe", "no package")]
    [TestCase("ota inspect missing.package", "missing.package")]
    [TestCase("ota start a.pe --stages 5,3", "stages grow")]
    [TestCase("ota start a.pe --max-failed lots", "lots")]
    [TestCase("ota pause xyz --token a.pe", "xyz")]
    public async Task A_mistake_says_what_to_do_and_writes_nothing(string line, string named)
    {
        File.WriteAllText(Path.Combine(folder.Path, "a.pe"), "an assembly");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Path.Combine(folder.Path, "a.pe"), UnixFileMode.UserRead | UnixFileMode.UserWrite); // also given as a key
        await Succeed("ota", "keygen", "--out", Path.Combine(folder.Path, "operator.pem"));
        string before = File.ReadAllText(Path.Combine(folder.Path, "operator.pem"));
        Expect(await CliProcess.RunAsync(folder.Path, line.Split(' ')), ExitCode.BadInput, named);
        Assert.That(Directory.GetFiles(folder.Path).Select(Path.GetFileName), Is.EquivalentTo(new[] { "a.pe", "operator.pem" }));
        Assert.That(File.ReadAllText(Path.Combine(folder.Path, "operator.pem")), Is.EqualTo(before));
    }

    [Test, UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "file modes are Unix's")]
    public async Task A_key_that_others_may_read_is_refused()
    {
        string key = Path.Combine(folder.Path, "operator.pem");
        await Succeed("ota", "keygen", "--out", key);
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        CliProcess run = await CliProcess.RunAsync(folder.Path, "ota", "pack", "--board", "b", "--release", "1", "--version", "v", "--min-runtime", "1.9.1.0", "--key", key, "--out", "new.package", key);
        Expect(run, ExitCode.BadInput, "chmod 600");
    }

    private static async Task AssertHostileRequestsAsync(string url, string token)
    {
        // Waits for the server's word before it sends a body, however busy the machine: after the default second it would begin, and be cut off by a refusal.
        using SocketsHttpHandler handler = new() { Expect100ContinueTimeout = TimeSpan.FromSeconds(30) };
        using HttpClient http = new(handler) { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(60) };
        async Task<HttpStatusCode> Post(string path, HttpContent? content, string? bearer)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = content };
            request.Headers.ExpectContinue = true;
            if (bearer is not null) request.Headers.TryAddWithoutValidation("Authorization", bearer);
            using HttpResponseMessage answer = await http.SendAsync(request);
            Assert.That(answer.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"));
            return answer.StatusCode;
        }

        const string Start = "/operator/updates";
        Assert.That(await Post(Start, null, null), Is.EqualTo(HttpStatusCode.Unauthorized));
        foreach (string wrong in (string[])["Bearer", $"Bearer {token}0", $"Bearer {token[..^1]}", $"Basic {token}", token, "Bearer " + new string('a', 9_000)])
            Assert.That(await Post(Start, new ByteArrayContent(new byte[100]), wrong), Is.EqualTo(HttpStatusCode.Unauthorized), wrong[..Math.Min(20, wrong.Length)]);
        Assert.That(await Post(Start, new ByteArrayContent(new byte[100]), $"Bearer {token}"), Is.EqualTo(HttpStatusCode.Conflict), "no package");
        Assert.That(await Post(Start + "?stages=x", new ByteArrayContent([]), $"Bearer {token}"), Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await Post(Start + "?stage=1", new ByteArrayContent([]), $"Bearer {token}"), Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await Post(Start + "/0011223344556677/pause", null, $"Bearer {token}"), Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await Post(Start + "/0011223344556677/explode", null, $"Bearer {token}"), Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await Post(Start, new ByteArrayContent(new byte[3 << 20]), $"Bearer {token}"), Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
    }

    private string Write(string name, string content)
    {
        string path = Path.Combine(folder.Path, name);
        File.WriteAllText(path, content);
        return path;
    }

    private async Task PackAsync(string key, string package, int release)
    {
        byte[] file = new byte[5_000];
        new Random(release).NextBytes(file);
        string library = Path.Combine(folder.Path, "DePIN.Protocol.pe"), application = Path.Combine(folder.Path, "DePIN.Firmware.pe");
        await File.WriteAllBytesAsync(library, file);
        await File.WriteAllBytesAsync(application, file[..3_000]);
        await Succeed("ota", "pack", "--board", "esp32-devkitc", "--release", release.ToString(), "--version", $"1.0.{release}", "--min-runtime", "1.9.1.0", "--key", key, "--out", package, library, application);
    }

    private async Task<CliProcess> Succeed(params string[] arguments)
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, arguments);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), $"{string.Join(' ', arguments)}: {run.Errors}");
        return run;
    }

    private static void Expect(CliProcess run, int code, string named) => Assert.Multiple(() =>
    {
        Assert.That(run.ExitCode, Is.EqualTo(code), run.Errors);
        Assert.That(run.Errors, Does.Contain(named));
        Assert.That(run.Errors, Does.Contain("→"));
        Assert.That(run.Errors, Does.Not.Contain("   at "));
    });

    private sealed class GatewayChild : IAsyncDisposable
    {
        private readonly ChildProcess _process;
        private readonly string _logFile;

        private GatewayChild(ChildProcess process, string logFile, string url) => (_process, _logFile, Url) = (process, logFile, url);

        public string Url { get; }

        public string Log => File.ReadAllText(_logFile);

        public static async Task<GatewayChild> StartAsync(string folder, string data, string publicKey)
        {
            string config = Path.Combine(folder, "gateway.jsonc"), log = Path.Combine(folder, "logs", "gateway.log"), running = Path.Combine(data, RunningFile.FileName);
            await File.WriteAllTextAsync(config, $$"""
                {
                  "data": { "folder": "data" }, "log": { "level": "debug" }, "mqtt": { "listen": "", "listenPlain": "127.0.0.1:0" }, "web": { "listen": "127.0.0.1:0" },
                  "peer": { "listen": "", "discovery": false }, "anchor": { "enabled": false }, "update": { "operatorKey": "{{publicKey}}" },
                  "chain": { "rpcUrls": ["http://127.0.0.1:1"], "chainId": 31337, "epochSeconds": 60, "deviceRegistry": "{{Address}}", "gatewayRegistry": "{{Address}}", "ledger": "{{Address}}" },
                }
                """);
            ChildProcess process = ChildProcess.StartDotnet("gateway", Programs.Gateway, ["--config", config], log, null);
            for (int i = 0; i < 1_200 && !process.HasExited; i++)
            {
                try
                {
                    JsonNode? told = JsonNode.Parse(await File.ReadAllTextAsync(running));
                    if (told?["pid"]?.GetValue<int>() == process.Id) return new GatewayChild(process, log, told["web"]!.GetValue<string>());
                }
                catch (Exception error) when (error is IOException or JsonException)
                {
                    // not there yet
                }

                await Task.Delay(50);
            }

            throw new InvalidOperationException($"the gateway did not start: {process.Tail()}");
        }

        public Task KillAsync() => _process.KillAsync();

        public ValueTask DisposeAsync() => _process.DisposeAsync();
    }
}

using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Gateway.Operate;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.GatewayHost;

/// <summary>`depin gateway` as an operator uses it: the built program, a real chain, a gateway process, files.</summary>
public sealed class GatewayHostTests : OperatedGateway
{
    [Test]
    public async Task Set_up_run_examined_saved_wiped_and_brought_back_it_is_the_same_gateway()
    {
        JsonNode made = JsonNode.Parse((await InitAsync("--name", "roof.example", "--json")).Output)!;
        Assert.That(made["gateway"]!.GetValue<string>(), Is.EqualTo(Identity.Address.ToChecksumString()), "keys that are there stay");
        Assert.That(made["tlsKey"]!.GetValue<string>(), Is.EqualTo(Identity.TlsKeyHash.ToString()));
        OnFreePorts();
        Expect(await RunAsync("init", "--deployment", Chain.DeploymentFile, "--rpc", "http://127.0.0.1:1", "--data", Data, "--config", Config), "is there already");
        Dictionary<string, string> idle = await CheckAsync();
        Assert.That(idle["running"], Is.EqualTo("warn"), "nothing runs yet");
        Assert.That(idle.Where(finding => finding.Key != "running").Select(finding => finding.Value), Is.All.EqualTo("ok"), string.Join(", ", idle));

        await LaunchAsync();
        Dictionary<string, string> busy = await CheckAsync();
        Assert.That(busy["running"], Is.EqualTo("ok"));
        Assert.That(busy["port"], Is.EqualTo("ok"));
        if (!OperatingSystem.IsWindows()) await AssertReloadsAsync();
        await StopAsync();

        string authority = await File.ReadAllTextAsync(Path.Combine(Data, CertificateAuthority.FileName));
        string said = (await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile)).Output;
        Assert.That(said, Does.Contain("ca.key").And.Contain("peer.key").And.Contain("gateway.key"));
        string key = (await File.ReadAllTextAsync(Path.Combine(Data, "gateway.key"))).Trim();
        Assert.That(await File.ReadAllTextAsync(Backup), Does.Not.Contain(key), "the key is sealed");
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(Backup), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Expect(await RunAsync("restore", Backup, "--config", Config, "--data", Data, "--passphrase-file", PassphraseFile), "is there already");

        // The machine is gone: nothing but the backup.
        Directory.Delete(Data, recursive: true);
        File.Delete(Config);
        string restored = await RestoreAsync();
        Assert.That(restored, Does.Contain(Identity.Address.ToChecksumString()));
        if (!OperatingSystem.IsWindows())
        {
            foreach (string secret in new[] { "gateway.key", "peer.key", "ca.key" })
                Assert.That(File.GetUnixFileMode(Path.Combine(Data, secret)), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite), secret);
        }

        await LaunchAsync();
        Assert.That(await File.ReadAllTextAsync(Path.Combine(Data, CertificateAuthority.FileName)), Is.EqualTo(authority), "boards still trust it");
        Dictionary<string, string> back = await CheckAsync();
        Assert.That(back["key"], Is.EqualTo("ok"));
        Assert.That(back["registry"], Is.EqualTo("ok"), "the registry still knows it");
        await StopAsync();
    }

    [Test]
    public async Task Each_thing_that_is_wrong_has_its_code_and_a_next_step()
    {
        string data = Path.Combine(Folder.Path, "other");
        await InitAsync(data, []);
        OnFreePorts();
        Dictionary<string, string> stranger = await CheckAsync(fails: true);
        Assert.That((stranger["registry"], stranger["balance"]), Is.EqualTo(("fail", "fail")), "a new gateway is neither known nor funded");

        using System.Net.Sockets.TcpListener other = new(System.Net.IPAddress.Loopback, 0);
        other.Start();
        Change(settings => settings["web"]!["listen"] = other.LocalEndpoint.ToString());
        Assert.That((await CheckAsync(fails: true))["port"], Is.EqualTo("fail"));
        OnFreePorts();

        File.Move(Path.Combine(data, "gateway.key"), Path.Combine(data, "lost"));
        Assert.That((await CheckAsync(fails: true))["key"], Is.EqualTo("fail"));
        CliProcess refused = await RunAsync("run", "--config", Config);
        Assert.That(refused.ExitCode, Is.EqualTo(77), refused.Errors); // README: identity or data folder
        Assert.That(refused.Errors, Does.Contain("Restore the key file"), "no new key is made where there was one");
        Assert.That(File.Exists(Path.Combine(data, "gateway.key")), Is.False);
        File.Move(Path.Combine(data, "lost"), Path.Combine(data, "gateway.key"));

        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path.Combine(data, "peer.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
            CliProcess open = await RunAsync("check", "--config", Config, "--json");
            Assert.That(open.Output, Does.Contain("chmod 600"));
            File.SetUnixFileMode(Path.Combine(data, "peer.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        JsonNode record = JsonNode.Parse(await File.ReadAllTextAsync(Chain.DeploymentFile))!;
        record["chainId"] = 1;
        string elsewhere = Path.Combine(Folder.Path, "elsewhere.json");
        await File.WriteAllTextAsync(elsewhere, record.ToJsonString());
        Change(settings => settings["chain"]!["deployment"] = elsewhere);
        Assert.That((await CheckAsync(fails: true))["rpc.chain"], Is.EqualTo("fail"));
        Change(settings => settings["chain"]!["rpcUrls"] = new JsonArray("http://no-such-host.invalid:8545", "http://127.0.0.1:1"));
        Dictionary<string, string> away = await CheckAsync(fails: true);
        Assert.That((away["dns"], away["rpc"]), Is.EqualTo(("fail", "fail")));
        Change(settings => settings["chain"]!["pollIntervalMs"] = "often");
        Assert.That((await CheckAsync(fails: true))["settings"], Is.EqualTo("fail"));
        CliProcess wrong = await RunAsync("run", "--config", Config);
        Expect(wrong, "pollIntervalMs");
    }

    [Test]
    public async Task A_backup_opens_with_its_passphrase_and_unchanged_or_nothing_is_written()
    {
        await InitAsync();
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(Data, "members")).FullName, "fleet.json"), "{}");
        string said = (await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile)).Output;
        Assert.That(said, Does.Contain("device batches are NOT in it").And.Contain(Path.Combine(Data, "members")));
        Expect(await RunAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile), "is there already");
        File.Delete(Config);
        Directory.Delete(Data, recursive: true);
        byte[] good = await File.ReadAllBytesAsync(Backup);
        JsonNode head = JsonNode.Parse(good)!;
        head["gateway"] = "0x0000000000000000000000000000000000000001";
        string wrong = Path.Combine(Folder.Path, "wrong-passphrase");
        PrivateFile.Write(wrong, "incorrect horse\n"u8);
        byte[] flipped = [.. good];
        int at = good.AsSpan().LastIndexOf("\"content\":\""u8) + 40;
        flipped[at] = flipped[at] == (byte)'A' ? (byte)'B' : (byte)'A';
        foreach ((string name, byte[] bytes, string passphrase, string expected) in new[]
        {
            ("passphrase", good, wrong, "does not open"), ("flipped", flipped, PassphraseFile, "does not open"),
            ("head", System.Text.Encoding.UTF8.GetBytes(head.ToJsonString()), PassphraseFile, "does not open"),
            ("cut", good[..(good.Length / 2)], PassphraseFile, "is no backup"), ("empty", Array.Empty<byte>(), PassphraseFile, "is no backup"), ("json", "{}"u8.ToArray(), PassphraseFile, "is no backup"),
        })
        {
            string file = Path.Combine(Folder.Path, name + ".backup");
            await File.WriteAllBytesAsync(file, bytes);
            Expect(await RunAsync("restore", file, "--config", Config, "--data", Data, "--passphrase-file", passphrase), expected);
            Assert.That((File.Exists(Config), Directory.Exists(Data)), Is.EqualTo((false, false)), name);
        }

        await RestoreAsync();
    }

    [Test]
    public async Task The_template_is_a_settings_file()
    {
        string template = (await SucceedAsync("config")).Output;
        await File.WriteAllTextAsync(Config, template);
        Expect(await RunAsync("check", "--config", Config), "", ExitCode.Failed); // it names no chain yet
        Assert.That(template, Does.Contain("\"clientAuthorities\""));
    }

    private async Task<string> RestoreAsync() => (await SucceedAsync("restore", Backup, "--config", Config, "--data", Data, "--passphrase-file", PassphraseFile)).Output;

    /// <summary>SIGHUP: what is safe is taken over, what is not is named, a wrong file changes nothing, and the gateway runs on.</summary>
    private async Task AssertReloadsAsync()
    {
        string sound = await File.ReadAllTextAsync(Config), certificate = await File.ReadAllTextAsync(Path.Combine(Data, "server.pem"));
        Change(settings =>
        {
            settings["log"] = new JsonObject { ["level"] = "debug" };
            settings["tls"]!["names"] = new JsonArray("roof.example", "cellar.example");
            settings["web"]!["pageMax"] = 50;
        });
        await SignalAsync("-HUP");
        await Eventually.TrueAsync(() => Log.Contains("log.level, tls.names taken over; web.pageMax wait for a restart", StringComparison.Ordinal), "it tells what it took over", () => Log);
        Assert.That(await File.ReadAllTextAsync(Path.Combine(Data, "server.pem")), Is.Not.EqualTo(certificate), "the certificate has the new name");
        await File.WriteAllTextAsync(Config, "{ \"log\": { \"level\": \"loud\" } }");
        await SignalAsync("-HUP");
        await Eventually.TrueAsync(() => Log.Contains("the settings stay as they were", StringComparison.Ordinal), "it says what is wrong", () => Log);
        Assert.That(Gateway!.HasExited, Is.False);
        await File.WriteAllTextAsync(Config, sound);
    }

    private void OnFreePorts() => Change(settings =>
    {
        settings["mqtt"] = new JsonObject { ["listen"] = "127.0.0.1:0", ["listenPlain"] = "" };
        settings["web"] = new JsonObject { ["listen"] = "127.0.0.1:0" };
        settings["peer"] = new JsonObject { ["listen"] = "", ["discovery"] = false };
    });

    /// <summary>The worst level of each code.</summary>
    private async Task<Dictionary<string, string>> CheckAsync(bool fails = false)
    {
        (CliProcess run, List<(string Code, string Level, string What)> findings) = await ExamineAsync();
        Assert.That(run.ExitCode, Is.EqualTo(fails ? ExitCode.Failed : ExitCode.Ok), run.Output + run.Errors);
        string[] order = ["ok", "unknown", "warn", "fail"];
        Dictionary<string, string> worst = [];
        foreach ((string code, string level, _) in findings)
            if (!worst.TryGetValue(code, out string? before) || Array.IndexOf(order, level) > Array.IndexOf(order, before)) worst[code] = level;
        return worst;
    }

    private static void Expect(CliProcess run, string named, int code = ExitCode.BadInput) => Assert.Multiple(() =>
    {
        Assert.That(run.ExitCode, Is.EqualTo(code), run.Output + run.Errors);
        Assert.That(run.Errors + run.Output, Does.Contain(named).And.Contain("→"));
        Assert.That(run.Errors, Does.Not.Contain("   at "));
    });
}

using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.GatewayHost;

/// <summary>`depin gateway init --key`, `seal`, `check`, `backup`, `restore` with the key in each of its places. No chain is needed: it is not asked before the key.</summary>
[Platform("Linux"), System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class KeyPlaceCommandTests
{
    private TempFolder _folder = null!;

    private string Data => Path.Combine(_folder.Path, "data");

    private string Config => Path.Combine(_folder.Path, "gateway.jsonc");

    private string Backup => Path.Combine(_folder.Path, "gateway.backup");

    private string PassphraseFile => Path.Combine(_folder.Path, "passphrase");

    private string PlainKey => Path.Combine(Data, GatewayKey.FileName);

    [SetUp]
    public void Make()
    {
        _folder = new TempFolder();
        Address one = new([.. new byte[19], 1]);
        File.WriteAllText(Path.Combine(_folder.Path, "deployment.json"), new DeploymentRecord(31337, one, one, one, 60, 1).ToJson());
        PrivateFile.Write(PassphraseFile, "correct horse\n"u8);
    }

    [TearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public async Task A_key_in_the_TPM_is_in_the_backup_and_is_sealed_again_on_the_next_machine()
    {
        await using SoftTpm tpm = await SoftTpm.StartAsync();
        string gateway = await InitAsync("--key", $"tpm2:gateway.tpm2?socket={tpm.Socket}");
        Assert.That(File.Exists(PlainKey), Is.False);
        Assert.That(await KeyFindingAsync(), Does.StartWith("ok").And.Contain(gateway).And.Contain("sealed by the TPM"));
        Assert.That(await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile), Does.Contain("gateway.key").And.Contain("run 'depin gateway seal'"));

        Directory.Delete(Data, recursive: true);
        File.Delete(Config);
        await tpm.ReplaceAsync();
        Assert.That(await SucceedAsync("restore", Backup, "--config", Config, "--data", Data, "--passphrase-file", PassphraseFile), Does.Contain("depin gateway seal"));
        Assert.That(await KeyFindingAsync(), Does.StartWith("fail"));
        CliProcess refused = await RunAsync("run", "--config", Config);
        Assert.That((refused.ExitCode, refused.Errors), Is.EqualTo((77, refused.Errors)));
        Assert.That(refused.Errors, Does.Contain(gateway).And.Contain("depin gateway seal"), "no new key is made on a restored machine");

        Assert.That(await SucceedAsync("seal", "--config", Config), Does.Contain(gateway).And.Contain("is removed"));
        Assert.That(File.Exists(PlainKey), Is.False);
        Assert.That(await KeyFindingAsync(), Does.StartWith("ok").And.Contain(gateway));
    }

    [Test]
    public async Task A_key_in_a_token_is_not_in_the_backup_which_says_so()
    {
        using SoftToken token = new();
        string gateway = await InitAsync("--key", token.Uri());
        Assert.That(File.Exists(PlainKey), Is.False);
        Assert.That(await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile), Does.Contain("THE KEY IS NOT IN IT").And.Not.Contain("gateway.key"));
        Directory.Delete(Data, recursive: true);
        File.Delete(Config);
        Assert.That(await SucceedAsync("restore", Backup, "--config", Config, "--data", Data, "--passphrase-file", PassphraseFile), Does.Contain("insert that token"));
        Assert.That(await KeyFindingAsync(), Does.StartWith("ok").And.Contain(gateway).And.Contain("PKCS#11"));
        token.IsPulled = true;
        Assert.That(await KeyFindingAsync(), Does.StartWith("fail").And.Contain("is not there"));
    }

    [Test]
    public async Task A_plain_key_is_sealed_by_a_command_and_a_new_one_from_the_beginning()
    {
        string gateway = await InitAsync(), plain = (await File.ReadAllTextAsync(PlainKey)).Trim();
        CliProcess without = await RunAsync("seal", "--config", Config);
        Assert.That((without.ExitCode, without.Errors), Is.EqualTo((ExitCode.BadInput, without.Errors)));
        Assert.That(without.Errors, Does.Contain("no passphrase"));
        JsonNode settings = JsonNode.Parse(await File.ReadAllTextAsync(Config), documentOptions: new() { CommentHandling = System.Text.Json.JsonCommentHandling.Skip })!;
        settings["key"] = new JsonObject { ["passphraseFile"] = PassphraseFile };
        await File.WriteAllTextAsync(Config, settings.ToJsonString());
        Assert.That(await SucceedAsync("seal", "--config", Config), Does.Contain(gateway).And.Contain("no plain key"));
        Assert.That(await File.ReadAllTextAsync(PlainKey), Does.Not.Contain(plain).And.Contain("scrypt"));
        Assert.That(await KeyFindingAsync(), Does.StartWith("ok").And.Contain(gateway));
        Assert.That((await RunAsync("seal", "--config", Config)).Errors, Does.Contain("sealed already"));
        Assert.That(await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile), Does.Contain("its own passphrase"));

        Directory.Delete(Data, recursive: true);
        File.Delete(Config);
        Assert.That(await InitAsync("--key-passphrase-file", PassphraseFile), Is.Not.EqualTo(gateway));
        Assert.That(await File.ReadAllTextAsync(PlainKey), Does.Contain("scrypt"));
    }

    private async Task<string> InitAsync(params string[] key) => JsonNode.Parse(await SucceedAsync(
        ["init", "--deployment", Path.Combine(_folder.Path, "deployment.json"), "--rpc", "http://127.0.0.1:1", "--data", Data, "--config", Config, "--json", .. key]))!["gateway"]!.GetValue<string>();

    /// <summary>Level and text of finding `key`; the others fail, because there is no chain.</summary>
    private async Task<string> KeyFindingAsync()
    {
        CliProcess run = await RunAsync("check", "--config", Config, "--json");
        JsonNode finding = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).Single(line => line["code"]!.GetValue<string>() == "key");
        return $"{finding["level"]} {finding["what"]}";
    }

    private Task<CliProcess> RunAsync(params string[] arguments) => CliProcess.RunAsync(_folder.Path, ["gateway", .. arguments]);

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        CliProcess run = await RunAsync(arguments);
        Assert.That(run.ExitCode, Is.Zero, run.Output + run.Errors);
        return run.Output;
    }
}

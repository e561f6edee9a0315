using System.Runtime.Versioning;
using DePIN.Cli.Terminal;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Cli;

/// <summary>Every wrong argument, file and address ends with its documented exit code and a line that says what to do.</summary>
public sealed class BadInputTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [TestCase("up --devices 0", "--devices")]
    [TestCase("up --devices many", "--devices")]
    [TestCase("up --gateways 0", "--gateways")]
    [TestCase("up --gateways 17", "--gateways")]
    [TestCase("up --seconds -1", "--seconds")]
    [TestCase("up --sense nowhere.csv", "--sense")]
    [TestCase("nonsense", "nonsense")]
    [TestCase("prove 0011223344556677889900112233445566778899", "sequence")]
    [TestCase("prove 0011223344556677889900112233445566778899 one -o p.json", "one")]
    [TestCase("peers --all", "--all")]
    [TestCase("network --follow", "--follow")]
    [TestCase("network --gateway", "--gateway")]
    [TestCase("board show", "NAME")]
    [TestCase("board generate --force", "--force")]
    [TestCase("contracts deploy --rpc http://127.0.0.1:1", "--key")]
    [TestCase("label", "--public-key")]
    [TestCase("label --public-key 1234", "1234")]
    [TestCase("ports --all", "--all")]
    [TestCase("flash --port /dev/null", "--board")]
    [TestCase("flash --board esp8266", "esp8266")]
    [TestCase("bench nothing", "nothing")]
    [TestCase("bench network --gateways 1", "--gateways")]
    [TestCase("bench network --gateways 4,17", "--gateways")]
    [TestCase("bench network --gateways 4,", "--gateways")]
    [TestCase("bench network --seconds 0", "--seconds")]
    public async Task A_wrong_argument_is_named_and_nothing_is_tried(string line, string named)
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, line.Split(' '));
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(run.Errors, Does.Contain(named).IgnoreCase);
            Assert.That(run.Errors, Does.Contain("→"));
            Assert.That(run.Output, Is.Empty);
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty, "nothing is left behind");
        });
    }

    [TestCase("device show xyz", ExitCode.BadInput, "xyz")]
    [TestCase("device show 0011223344556677889900112233445566778899 --gateway ftp://x", ExitCode.BadInput, "ftp://x")]
    [TestCase("status --gateway http://127.0.0.1:1", ExitCode.Unreachable, "does not answer")]
    [TestCase("peers --gateway http://127.0.0.1:1", ExitCode.Unreachable, "does not answer")]
    [TestCase("network --gateway http://127.0.0.1:1", ExitCode.Unreachable, "does not answer")]
    [TestCase("network --watch --gateway http://127.0.0.1:1 --gateway http://127.0.0.1:2", ExitCode.Unreachable, "does not answer")]
    [TestCase("network --gateway http://127.0.0.1:1 --gateway here", ExitCode.BadInput, "here")]
    [TestCase("board show esp8266", ExitCode.BadInput, "esp8266")]
    [TestCase("verify missing.json", ExitCode.BadInput, "missing.json")]
    [TestCase("contracts deploy --rpc http://127.0.0.1:1 --key missing.key --gateway 0x0000000000000000000000000000000000000001", ExitCode.BadInput, "missing.key")]
    [TestCase("contracts deploy --rpc http://127.0.0.1:1 --key missing.key --gateway 0x12", ExitCode.BadInput, "0x12")]
    public async Task An_expected_failure_has_its_code_and_a_remedy(string line, int code, string named)
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, line.Split(' '));
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(code), run.Errors);
            Assert.That(run.Errors, Does.Contain(named));
            Assert.That(run.Errors, Does.Contain("→"));
            Assert.That(run.Errors, Does.Not.Contain("   at "), "no stack trace for an expected error");
        });
    }

    [Test, UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "file modes are Unix's")]
    public async Task A_key_file_that_others_may_read_is_refused_with_the_command_that_mends_it()
    {
        string key = Path.Combine(folder.Path, "key");
        await File.WriteAllTextAsync(key, new string('1', 64));
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        CliProcess run = await CliProcess.RunAsync(folder.Path, "contracts", "deploy", "--rpc", "http://127.0.0.1:1", "--key", key, "--gateway", "0x0000000000000000000000000000000000000001");
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(run.Errors, Does.Contain("chmod 600"));
            Assert.That(run.Errors, Does.Not.Contain(new string('1', 64)), "the key is in no message");
        });
    }

    [Test]
    public async Task A_data_folder_that_is_not_empty_is_not_touched()
    {
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "mine"), "precious");
        CliProcess run = await CliProcess.RunAsync(folder.Path, "up", "--once", "--data", folder.Path);
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(run.Errors, Does.Contain("not empty"));
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName), Is.EqualTo(new[] { "mine" }));
        });
    }

    [Test]
    public async Task Help_names_every_command()
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, "--help");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok));
        foreach (string command in (string[])["up", "prove", "verify", "status", "peers", "network", "device", "board", "ports", "flash", "provision", "ota", "label", "key", "contracts", "bench"])
        {
            Assert.That(run.Output, Does.Contain(command));
        }
    }
}

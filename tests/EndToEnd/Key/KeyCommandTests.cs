using System.Diagnostics;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Devnet;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Evidence;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Key;

/// <summary>`depin key` as a person runs it, and with Foundry's cast as the foreign wallet.</summary>
public sealed class KeyCommandTests
{
    private const string Passphrase = "correct horse battery staple";
    private const string Secret = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
    private const string SecretAddress = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"; // web3.js documentation, accounts.create

    private TempFolder folder = null!;
    private string passphraseFile = null!;

    [SetUp]
    public void MakeFolder()
    {
        folder = new TempFolder();
        passphraseFile = WritePrivate("passphrase", Passphrase + "\n");
    }

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public async Task A_new_key_is_written_once_privately_and_opens_with_its_passphrase()
    {
        CliProcess made = await RunAsync("key", "new", "owner.json", "--passphrase-file", passphraseFile);
        CliProcess again = await RunAsync("key", "new", "owner.json", "--passphrase-file", passphraseFile);
        CliProcess shown = await RunAsync("key", "show", "owner.json", "--passphrase-file", passphraseFile);
        CliProcess address = await RunAsync("key", "address", "owner.json");
        CliProcess wrong = await RunAsync("key", "show", "owner.json", "--passphrase-file", WritePrivate("wrong", "other"));
        Assert.Multiple(() =>
        {
            Assert.That(made.ExitCode, Is.Zero, made.Errors);
            Assert.That(made.Output.Trim(), Does.Match("^0x[0-9a-fA-F]{40}$"));
            Assert.That(shown.Output, Is.EqualTo(made.Output), shown.Errors);
            Assert.That(address.Output, Is.EqualTo(made.Output), address.Errors);
            Assert.That(again.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(again.Errors, Does.Contain("[key.exists]"));
            Assert.That(wrong.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(wrong.Errors, Does.Contain("[key.wrong-passphrase]").And.Not.Contains(Passphrase));
            Assert.That(Directory.GetFiles(folder.Path, "*.new"), Is.Empty);
            Assert.That(OperatingSystem.IsWindows() || File.GetUnixFileMode(Path.Combine(folder.Path, "owner.json")) == (UnixFileMode.UserRead | UnixFileMode.UserWrite), "mode 0600");
        });
    }

    [Test]
    public async Task Cast_opens_our_keystore_and_we_open_casts()
    {
        string cast = await Foundry.CastAsync();
        WritePrivate("plain", Secret);
        CliProcess imported = await RunAsync("key", "import", "ours", "--from", "plain", "--passphrase-file", passphraseFile);
        Assert.That(imported.Output.Trim(), Is.EqualTo(SecretAddress), imported.Errors);
        string theirs = await CastAsync(cast, "wallet", "address", "--keystore", Path.Combine(folder.Path, "ours"), "--password", Passphrase);
        Assert.That(theirs, Does.EndWith(SecretAddress));

        await CastAsync(cast, "wallet", "import", "theirs", "--private-key", "0x" + Secret, "--keystore-dir", folder.Path, "--unsafe-password", Passphrase);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path.Combine(folder.Path, "theirs"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        CliProcess shown = await RunAsync("key", "show", "theirs", "--passphrase-file", passphraseFile);
        Assert.That(shown.Output.Trim(), Is.EqualTo(SecretAddress), shown.Errors);
    }

    [Test]
    public async Task A_passphrase_comes_from_the_environment_too_and_without_one_nothing_waits()
    {
        WriteKeystore("ours");
        ProcessStartInfo start = new("dotnet", [CliProcess.Program, "key", "show", "ours"]) { WorkingDirectory = folder.Path, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment[DePIN.Cli.Key.Passphrase.Variable] = Passphrase;
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        CliProcess none = await RunAsync("key", "show", "ours");
        Assert.Multiple(() =>
        {
            Assert.That(output.Trim(), Is.EqualTo(SecretAddress));
            Assert.That(none.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(none.Errors, Does.Contain("[key.no-passphrase]").And.Contains("--passphrase-file"));
        });
    }

    [Test, Platform("Linux")]
    public async Task At_a_keyboard_the_passphrase_is_asked_for_and_not_shown()
    {
        const string script = "/usr/bin/script"; // util-linux: runs a command in a pseudo terminal
        if (!File.Exists(script))
        {
            Assert.Ignore("script of util-linux is not there");
        }

        WriteKeystore("ours");
        using Process process = Process.Start(new ProcessStartInfo(script, ["-qefc", $"dotnet {CliProcess.Program} key show ours", "/dev/null"])
        {
            WorkingDirectory = folder.Path, RedirectStandardOutput = true, RedirectStandardInput = true,
        })!;
        StringBuilder output = new();
        char[] chunk = new char[256];
        bool typed = false;
        for (int count = await process.StandardOutput.ReadAsync(chunk); count > 0; count = await process.StandardOutput.ReadAsync(chunk))
        {
            output.Append(chunk, 0, count);
            if (!typed && output.ToString().Contains("passphrase: ", StringComparison.Ordinal))
            {
                typed = true;
                await process.StandardInput.WriteAsync(Passphrase + "x\u007f\n"); // pasted at once, with a slip and its deletion
                await process.StandardInput.FlushAsync();
            }
        }

        await process.WaitForExitAsync();
        Assert.Multiple(() =>
        {
            Assert.That(typed, Is.True);
            Assert.That(output.ToString(), Does.Contain(SecretAddress));
            Assert.That(output.ToString(), Does.Not.Contain("correct"));
        });
    }

    [TestCase("key new", "FILE")]
    [TestCase("key import ks", "--from")]
    [TestCase("key new ks --passphrase secret", "--passphrase")]
    public async Task A_passphrase_is_no_argument_and_a_missing_argument_is_named(string line, string named)
    {
        CliProcess run = await RunAsync(line.Split(' '));
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(run.Errors, Does.Contain(named));
            Assert.That(File.Exists(Path.Combine(folder.Path, "ks")), Is.False);
        });
    }

    [Test, UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "file modes are Unix's")]
    public async Task Files_of_secrets_that_others_may_read_are_refused()
    {
        File.SetUnixFileMode(passphraseFile, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        WritePrivate("plain", Secret);
        CliProcess run = await RunAsync("key", "import", "ours", "--from", "plain", "--passphrase-file", passphraseFile);
        Assert.That(run.Errors, Does.Contain("[key.readable-by-others]").And.Contains("chmod 600"));
    }

    [Test]
    public async Task Deploying_takes_a_keystore_where_it_takes_a_key()
    {
        WriteKeystore("ours");
        string[] deploy = ["contracts", "deploy", "--rpc", "http://127.0.0.1:1", "--gateway", "0x0000000000000000000000000000000000000001", "--key", "ours", "--passphrase-file"];
        CliProcess right = await RunAsync([.. deploy, passphraseFile]), wrong = await RunAsync([.. deploy, WritePrivate("wrong", "other")]);
        Assert.Multiple(() =>
        {
            Assert.That(right.ExitCode, Is.EqualTo(ExitCode.Unreachable), "the key opened, the chain does not answer");
            Assert.That(wrong.Errors, Does.Contain("[key.wrong-passphrase]"));
        });
    }

    private Task<CliProcess> RunAsync(params string[] arguments) => CliProcess.RunAsync(folder.Path, arguments);

    /// <summary>With little work, so that tests are quick: what is opened says how much.</summary>
    private void WriteKeystore(string name)
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        using GatewaySigner key = new(Convert.FromHexString(Secret));
        DePIN.Cli.Up.PrivateFile.Write(Path.Combine(folder.Path, name), Keystore.Seal(key, Encoding.UTF8.GetBytes(Passphrase), random, 1 << 10));
    }

    private string WritePrivate(string name, string text)
    {
        string path = Path.Combine(folder.Path, name);
        DePIN.Cli.Up.PrivateFile.Write(path, Encoding.UTF8.GetBytes(text));
        return path;
    }

    private static async Task<string> CastAsync(string cast, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(cast, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero, await errors);
        return output.Trim();
    }
}

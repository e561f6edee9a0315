using System.Diagnostics;
using System.Text.Json;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Up;

/// <summary>`depin up` as a newcomer types it, and what is left when it ends, however it ends.</summary>
public sealed class UpTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public async Task Once_ends_with_every_board_proven_on_chain_and_nothing_left_running()
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, "up", "--once", "--json", "--devices", "4");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        using JsonDocument result = JsonDocument.Parse(run.Output.Trim());
        Assert.Multiple(() =>
        {
            Assert.That(run.Output.Trim(), Does.Not.Contain('\n'), "one JSON line");
            Assert.That(result.RootElement.GetProperty("devices").GetInt32(), Is.EqualTo(4));
            Assert.That(result.RootElement.GetProperty("gateways").GetInt32(), Is.EqualTo(3));
            Assert.That(result.RootElement.GetProperty("proven").GetInt32(), Is.EqualTo(4));
            Assert.That(result.RootElement.GetProperty("failed").GetInt32(), Is.Zero);
            Assert.That(result.RootElement.GetProperty("frames").GetInt64(), Is.GreaterThanOrEqualTo(4));
            Assert.That(result.RootElement.GetProperty("anchors").GetInt64(), Is.GreaterThanOrEqualTo(1));
            Assert.That(ProcessesOf(folder.Path), Is.Empty);
            Assert.That(Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName), Is.EqualTo(new[] { ".depin" }), "written nowhere else");
        });
    }

    [Test]
    public async Task One_gateway_is_a_quorum_of_one()
    {
        CliProcess run = await CliProcess.RunAsync(folder.Path, "up", "--once", "--json", "--devices", "1", "--gateways", "1");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors);
        using JsonDocument result = JsonDocument.Parse(run.Output.Trim());
        Assert.That(result.RootElement.GetProperty("gateways").GetInt32(), Is.EqualTo(1));
    }

    [Test]
    public async Task The_network_of_gateways_is_shown_whole_and_by_one()
    {
        using Process up = CliProcess.Start(folder.Path, "up", "--devices", "3", "--sense", "model");
        Task<string> errors = up.StandardError.ReadToEndAsync();
        await UntilLineAsync(up, "proven on chain");
        _ = up.StandardOutput.ReadToEndAsync();
        Uri[] gateways = [.. await GatewaysAsync()];
        Assert.That(gateways, Has.Length.EqualTo(3));

        using JsonDocument seen = JsonDocument.Parse((await CliProcess.RunAsync(folder.Path, "network", "--json", "--gateway", gateways[1].ToString())).Output);
        string self = seen.RootElement.GetProperty("gateway").GetString()!;
        JsonElement[] active = [.. seen.RootElement.GetProperty("active").EnumerateArray()];
        CliProcess peers = await CliProcess.RunAsync(folder.Path, "peers", "--gateway", gateways[1].ToString());
        CliProcess text = await CliProcess.RunAsync(folder.Path, "network");
        Assert.Multiple(() =>
        {
            Assert.That(active.Select(member => member.GetProperty("place").GetInt32()).Order(), Is.EqualTo(new[] { 1, 2, 3 }));
            Assert.That(active.Single(member => member.GetProperty("connected").ValueKind == JsonValueKind.Null).GetProperty("gateway").GetString(), Is.EqualTo(self));
            Assert.That(active.Where(member => member.GetProperty("connected").ValueKind == JsonValueKind.True).ToList(), Has.Count.EqualTo(2));
            Assert.That(active.Select(member => member.GetProperty("endpoint").GetString()), Has.All.StartsWith("https://127.0.0.1:"));
            Assert.That(seen.RootElement.GetProperty("entries").GetInt64(), Is.GreaterThanOrEqualTo(1));
            Assert.That(peers.ExitCode, Is.EqualTo(ExitCode.Ok), peers.Output + peers.Errors);
            Assert.That(peers.Output, Does.Contain(self).And.Contain("this one").And.Contain("3 of 3 gateways are together"));
            Assert.That(text.ExitCode, Is.EqualTo(ExitCode.Ok), text.Errors);
            Assert.That(text.Output, Does.Contain("leads").And.Contain("leads next").And.Contain("quorum is 3"));
        });

        using Process watch = CliProcess.Start(folder.Path, "network", "--watch");
        _ = watch.StandardError.ReadToEndAsync();
        await UntilLineAsync(watch, "together 3/3");
        await UntilLineAsync(watch, "epoch");
        Interrupt(watch);
        await watch.WaitForExitAsync();
        Assert.That(watch.ExitCode, Is.EqualTo(ExitCode.Ok), "Ctrl-C is how it ends");
        Interrupt(up);
        await up.WaitForExitAsync();
        Assert.That(up.ExitCode, Is.EqualTo(ExitCode.Ok), await errors);
        Assert.That(ProcessesOf(folder.Path), Is.Empty);
    }

    [Test]
    public async Task A_trace_file_is_what_every_board_senses()
    {
        string trace = Path.Combine(folder.Path, "trace.csv");
        await File.WriteAllTextAsync(trace, "time_ms,channel,value\n0,temperature,21.5\n0,humidity,40\n0,pressure,101325\n1000,temperature,21.75\n");
        string data = Path.Combine(folder.Path, "data");
        CliProcess run = await CliProcess.RunAsync(folder.Path, "up", "--once", "--devices", "1", "--sense", trace, "--data", data);
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Errors + run.Output);
            Assert.That(run.Output, Does.Contain("proven on chain"));
            Assert.That(Directory.Exists(Path.Combine(data, "logs")), "a named folder is kept");
        });
    }

    [Test]
    public async Task A_trace_with_a_wrong_line_ends_with_its_number()
    {
        string trace = Path.Combine(folder.Path, "trace.csv");
        await File.WriteAllTextAsync(trace, "time_ms,channel,value\n0,temperature,21.5\nsoon,temperature,22\n");
        CliProcess run = await CliProcess.RunAsync(folder.Path, "up", "--once", "--devices", "1", "--sense", trace);
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.Not.EqualTo(ExitCode.Ok));
            Assert.That(run.Errors, Does.Contain("trace.csv:3"));
            Assert.That(ProcessesOf(folder.Path), Is.Empty);
        });
    }

    [Test]
    public async Task Other_commands_find_the_running_network_and_prove_and_verify_in_it()
    {
        using Process up = CliProcess.Start(folder.Path, "up", "--devices", "1", "--sense", "model");
        Task<string> errors = up.StandardError.ReadToEndAsync();
        await UntilLineAsync(up, "proven on chain");
        _ = up.StandardOutput.ReadToEndAsync();

        CliProcess status = await CliProcess.RunAsync(folder.Path, "status");
        Assert.That(status.ExitCode, Is.EqualTo(ExitCode.Ok), status.Output + status.Errors);
        CliProcess list = await CliProcess.RunAsync(folder.Path, "device", "list");
        string device = list.Output.Split('\n')[1][..40];
        Assert.That((await CliProcess.RunAsync(folder.Path, "device", "show", device)).Output, Does.Contain(device));

        Assert.That((await CliProcess.RunAsync(folder.Path, "prove", device, "1", "-o", "proof.json")).ExitCode, Is.EqualTo(ExitCode.Ok));
        using JsonDocument note = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(folder.Path, ".depin", "up", UpFolder.NoteName)));
        string rpc = note.RootElement.GetProperty("rpc").GetString()!;
        CliProcess onChain = await CliProcess.RunAsync(folder.Path, "verify", "proof.json", "--rpc", rpc);
        Assert.That(onChain.ExitCode, Is.EqualTo(ExitCode.Ok), onChain.Output + onChain.Errors);
        Assert.That(onChain.Output, Does.Contain("PROVEN"));

        CliProcess unknown = await CliProcess.RunAsync(folder.Path, "prove", device, "4000000000", "-o", "no.json");
        Assert.Multiple(() =>
        {
            Assert.That(unknown.ExitCode, Is.EqualTo(ExitCode.BadInput));
            Assert.That(unknown.Errors, Does.Contain("→"));
            Assert.That(File.Exists(Path.Combine(folder.Path, "no.json")), Is.False);
        });

        CliProcess second = await CliProcess.RunAsync(folder.Path, "up", "--once");
        Assert.Multiple(() =>
        {
            Assert.That(second.ExitCode, Is.EqualTo(ExitCode.BadInput), "two runs do not share a folder");
            Assert.That(second.Errors, Does.Contain("in use"));
        });

        Interrupt(up);
        await up.WaitForExitAsync();
        Assert.That(up.ExitCode, Is.EqualTo(ExitCode.Ok), await errors);
        Assert.That(ProcessesOf(folder.Path), Is.Empty, "Ctrl-C leaves nothing running");

        // The network is gone; the proof holds without it.
        CliProcess offline = await CliProcess.RunAsync(folder.Path, "verify", "proof.json", "--json");
        using JsonDocument checkedOffline = JsonDocument.Parse(offline.Output);
        Assert.That(checkedOffline.RootElement.GetProperty("proven").GetBoolean());
        await AssertTamperedIsRefusedAsync();
    }

    [Test]
    public async Task Killed_without_warning_it_takes_its_processes_with_it()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("the parent-death signal is Linux's");
        }

        using Process up = CliProcess.Start(folder.Path, "up", "--devices", "1", "--sense", "model");
        _ = up.StandardError.ReadToEndAsync();
        await UntilLineAsync(up, "claimed on chain");
        Assert.That(ProcessesOf(folder.Path), Is.Not.Empty);
        up.Kill();
        await up.WaitForExitAsync();
        await Eventually.TrueAsync(() => ProcessesOf(folder.Path).Count == 0, "the children are gone");
    }

    private async Task AssertTamperedIsRefusedAsync()
    {
        string proof = await File.ReadAllTextAsync(Path.Combine(folder.Path, "proof.json"));
        using JsonDocument document = JsonDocument.Parse(proof);
        foreach (string field in (string[])["frame", "publicKey"])
        {
            string value = document.RootElement.GetProperty(field).GetString()!;
            string altered = value[..^1] + (value[^1] == '0' ? '1' : '0');
            await File.WriteAllTextAsync(Path.Combine(folder.Path, "altered.json"), proof.Replace(value, altered, StringComparison.Ordinal));
            CliProcess refused = await CliProcess.RunAsync(folder.Path, "verify", "altered.json");
            Assert.That(refused.ExitCode, Is.EqualTo(ExitCode.NotProven), field);
        }

        await File.WriteAllTextAsync(Path.Combine(folder.Path, "altered.json"), proof.Replace("\"ordinal\"", "\"ordinary\"", StringComparison.Ordinal));
        CliProcess unknown = await CliProcess.RunAsync(folder.Path, "verify", "altered.json");
        Assert.Multiple(() =>
        {
            Assert.That(unknown.ExitCode, Is.EqualTo(ExitCode.NotProven));
            Assert.That(unknown.Errors, Does.Contain("ordina"), "the field is named");
        });
    }

    private async Task<IEnumerable<Uri>> GatewaysAsync()
    {
        using JsonDocument note = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(folder.Path, ".depin", "up", UpFolder.NoteName)));
        return note.RootElement.GetProperty("gateways").EnumerateArray().Select(url => new Uri(url.GetString()!)).ToList();
    }

    private static async Task UntilLineAsync(Process process, string text)
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return;
            }
        }

        Assert.Fail($"'depin up' ended before it said '{text}'");
    }

    private static void Interrupt(Process process)
    {
        using Process kill = Process.Start("kill", ["-INT", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Command lines of processes that name the folder, except shells of ours.</summary>
    private static List<string> ProcessesOf(string path) =>
        [.. Directory.EnumerateDirectories("/proc").Select(process => Path.Combine(process, "cmdline")).Select(Read).Where(line => line.Contains(path, StringComparison.Ordinal))];

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file).Replace('\0', ' ');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return ""; // no process, or one that has just ended
        }
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Gateway.Operate;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.GatewayHost;

/// <summary>What an operator has in each test: a folder, a real chain that knows the gateway of its data folder, `depin gateway`, and the gateway's process.</summary>
public abstract class OperatedGateway
{
    private string _log = "";

    protected TempFolder Folder { get; private set; } = null!;

    protected LocalChain Chain { get; private set; } = null!;

    protected GatewayIdentity Identity { get; private set; } = null!;

    /// <summary>The gateway's process; null before the first launch.</summary>
    protected Process? Gateway { get; private set; }

    /// <summary>What it has written since its launch.</summary>
    protected string Log => _log;

    protected string Data => Path.Combine(Folder.Path, "data");

    protected string Config => Path.Combine(Folder.Path, "gateway.jsonc");

    protected string Backup => Path.Combine(Folder.Path, "gateway.backup");

    protected string PassphraseFile => Path.Combine(Folder.Path, "passphrase");

    [SetUp]
    public async Task BeginAsync()
    {
        Folder = new TempFolder();
        Identity = LocalGateway.CreateIdentity(Folder.Sub("data"));
        Chain = await LocalChain.StartAsync(Folder.Sub("chain"), [Identity], CancellationToken.None);
        PrivateFile.Write(PassphraseFile, "correct horse\n"u8);
    }

    [TearDown]
    public async Task EndAsync()
    {
        if (Gateway is { HasExited: false }) Gateway.Kill();
        Gateway?.Dispose();
        Gateway = null;
        await Chain.DisposeAsync();
        Folder.Dispose();
    }

    protected Task<CliProcess> InitAsync(params string[] more) => InitAsync(Data, more);

    protected Task<CliProcess> InitAsync(string data, string[] more) =>
        SucceedAsync(["init", "--deployment", Chain.DeploymentFile, "--rpc", Chain.Node.RpcUrl.ToString(), "--data", data, "--config", Config, .. more]);

    /// <summary>Runs it until it listens.</summary>
    protected async Task LaunchAsync()
    {
        Gateway?.Dispose();
        Process process = Gateway = CliProcess.Start(Folder.Path, "gateway", "run", "--config", Config);
        _log = "";
        process.ErrorDataReceived += (_, line) => _log += line.Data + Environment.NewLine;
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        await Eventually.TrueAsync(
            () =>
            {
                if (process.HasExited) throw new InvalidOperationException($"the gateway ended with {process.ExitCode}: {_log}");
                try
                {
                    return JsonNode.Parse(File.ReadAllText(Path.Combine(Data, RunningFile.FileName)))!["pid"]!.GetValue<int>() == process.Id; // this very process became the gateway
                }
                catch (Exception error) when (error is IOException or JsonException)
                {
                    return false;
                }
            },
            "the gateway listens", () => _log);
    }

    protected async Task SignalAsync(string signal)
    {
        using Process kill = Process.Start("kill", [signal, Gateway!.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    protected async Task StopAsync()
    {
        await SignalAsync("-TERM");
        await Gateway!.WaitForExitAsync();
        Assert.That(Gateway.ExitCode, Is.Zero, _log); // drained, as asked
    }

    protected void Change(Action<JsonNode> change)
    {
        JsonNode settings = JsonNode.Parse(File.ReadAllText(Config), documentOptions: new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip })!;
        change(settings);
        File.WriteAllText(Config, settings.ToJsonString());
    }

    /// <summary>What the doctor finds, in its order; each warning and failure has a next step.</summary>
    protected async Task<(CliProcess Run, List<(string Code, string Level, string What)> Findings)> ExamineAsync()
    {
        CliProcess run = await RunAsync("check", "--config", Config, "--json");
        List<(string, string, string)> findings = [];
        foreach (JsonNode finding in run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!))
        {
            string level = finding["level"]!.GetValue<string>();
            if (level is "warn" or "fail") Assert.That(finding["next"]!.GetValue<string>(), Is.Not.Empty, finding.ToJsonString());
            findings.Add((finding["code"]!.GetValue<string>(), level, finding["what"]!.GetValue<string>()));
        }

        return (run, findings);
    }

    /// <summary>`depin gateway` with these arguments; what comes after "&lt;" goes to standard input, as one line.</summary>
    protected async Task<CliProcess> RunAsync(params string[] arguments)
    {
        int input = Array.IndexOf(arguments, "<");
        using Process process = CliProcess.Start(Folder.Path, ["gateway", .. input < 0 ? arguments : arguments[..input]]);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (input >= 0) await process.StandardInput.WriteLineAsync(arguments[input + 1]);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return new CliProcess(process.ExitCode, await output, await errors);
    }

    protected async Task<CliProcess> SucceedAsync(params string[] arguments)
    {
        CliProcess run = await RunAsync(arguments);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), $"{string.Join(' ', arguments)}: {run.Output}{run.Errors}");
        return run;
    }
}

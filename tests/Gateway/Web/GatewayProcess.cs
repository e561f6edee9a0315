using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Anchor;

namespace DePIN.Gateway.Tests.Web;

/// <summary>The gateway as users run it: a process of its own, with a settings file, on a test network. Killing it is kill -9.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly TestNetwork _network;
    private readonly List<string> _lines = [];
    private readonly string? _names;
    private readonly string _name;
    private Process? _process;

    /// <param name="network">Its chain.</param>
    /// <param name="rpcUrl">Where the gateway asks the chain; null is the node itself.</param>
    /// <param name="names">The gateway's own /etc/hosts, which a test may empty, with no name server besides; null is the machine's.</param>
    /// <param name="name">Its data folder; processes of one network may have different ones.</param>
    /// <param name="store">The settings of its store, in JSON; null is a file.</param>
    public GatewayProcess(TestNetwork network, Uri? rpcUrl = null, string? names = null, string name = "data", string? store = null)
    {
        _network = network;
        _name = name;
        _names = names;
        File.WriteAllText(Path.Combine(network.Folder, "deployment.json"), network.Deployment.ToJson());
        File.WriteAllText(ConfigFile, $$"""
            {
              // as a person would write it
              "data": { "folder": "{{name}}" },
              "store": {{store ?? "{ }"}},
              "chain": { "rpcUrls": ["{{rpcUrl ?? network.Node.RpcUrl}}"], "deployment": "deployment.json", "pollIntervalMs": 100, "confirmations": 1 },
              "mqtt": { "listen": "127.0.0.1:0", "listenPlain": "127.0.0.1:0" },
              "batch": { "ageMaxS": 1 },
              "web": { "listen": "127.0.0.1:0", "pageMax": 50 },
              "peer": { "listen": "", "discovery": false }, // a network of one; the default port may be another gateway's
            }
            """);
        Directory.CreateDirectory(DataFolder);
        byte[] key = new byte[32];
        network.Gateway.CopyPrivateKey(key);
        SecretFile.Write(Path.Combine(DataFolder, "gateway.key"), System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(key)));
    }

    public string ConfigFile => Path.Combine(_network.Folder, _name == "data" ? "gateway.jsonc" : _name + ".jsonc");

    public string DataFolder => Path.Combine(_network.Folder, _name);

    public HttpClient Http { get; private set; } = new();

    public IPEndPoint Mqtt { get; private set; } = null!;

    public IPEndPoint MqttTls { get; private set; } = null!;

    /// <summary>Section "key" of the settings, and no plain key file any more.</summary>
    public void UseKey(JsonObject section)
    {
        JsonNode settings = JsonNode.Parse(File.ReadAllText(ConfigFile), documentOptions: new() { CommentHandling = System.Text.Json.JsonCommentHandling.Skip, AllowTrailingCommas = true })!;
        settings["key"] = section;
        File.WriteAllText(ConfigFile, settings.ToJsonString());
        File.Delete(Path.Combine(DataFolder, GatewayKey.FileName));
    }

    public async Task StartAsync()
    {
        _process = Run("--config", ConfigFile);
        JsonNode running = await WaitAsync("running.json", () =>
        {
            if (_process.HasExited) throw new InvalidOperationException("The gateway ended: " + Output());
            string file = Path.Combine(DataFolder, RunningFile.FileName);
            JsonNode? json = File.Exists(file) ? JsonNode.Parse(File.ReadAllText(file)) : null;
            return Task.FromResult(json?["pid"]!.GetValue<int>() == _process.Id ? json : null);
        });
        Http.Dispose();
        Http = new HttpClient { BaseAddress = new Uri(running["web"]!.GetValue<string>()), Timeout = TimeSpan.FromSeconds(30) };
        Mqtt = IPEndPoint.Parse(running["mqtt"]!.GetValue<string>());
        MqttTls = IPEndPoint.Parse(running["mqtts"]!.GetValue<string>());
    }

    public int Id => _process!.Id;

    public async Task SignalAsync(string signal)
    {
        using Process sent = Process.Start("kill", ["-" + signal, Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await sent.WaitForExitAsync();
    }

    /// <summary>Waits for its end; gives the exit code.</summary>
    public async Task<int> EndedAsync()
    {
        await _process!.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    public async Task<int> StopAsync()
    {
        using Process signal = Process.Start("kill", ["-TERM", _process!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>Runs the gateway to its end, for settings and usage.</summary>
    public async Task<(int Code, string Output)> RunToEndAsync(params string[] arguments)
    {
        _process = Run(arguments);
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return (_process.ExitCode, Output());
    }

    public async Task<JsonNode> GetAsync(string path)
    {
        using HttpResponseMessage answer = await Http.GetAsync(path);
        string body = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), $"{path}: {body}");
        return JsonNode.Parse(body)!;
    }

    /// <summary>Asks until the answer satisfies; waits on a condition and never on luck.</summary>
    public static async Task<T> WaitAsync<T>(string what, Func<Task<T?>> ask) where T : class
    {
        using CancellationTokenSource patience = new(Patience);
        while (true)
        {
            if (await ask() is { } found) return found;
            if (patience.IsCancellationRequested) throw new TimeoutException($"{what} did not come about");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
        }
    }

    public string Output()
    {
        lock (_lines) return string.Join('\n', _lines);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (_process is null) return;
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
    }

    private Process Run(params string[] arguments)
    {
        // Own mounts for names of its own; exec keeps the process id.
        string[] shell = _names is null ? [] : ["unshare", "--mount", "sh", "-ec", "mount --bind \"$0\" /etc/hosts; mount --bind /dev/null /etc/resolv.conf; exec \"$@\"", _names];
        string[] command = [.. shell, "dotnet", typeof(ExitCodes).Assembly.Location, .. arguments];
        ProcessStartInfo start = new(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("DEPIN_", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        Process process = Process.Start(start)!;
        DataReceivedEventHandler keep = (_, line) =>
        {
            lock (_lines)
                if (line.Data is not null && _lines.Count < 2_000) _lines.Add(line.Data);
        };
        process.OutputDataReceived += keep;
        process.ErrorDataReceived += keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }
}

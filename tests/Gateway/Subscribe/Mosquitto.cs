// A real mosquitto in a process of its own, on a free port that it keeps over restarts. Killing it is kill -9.

using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace DePIN.Gateway.Tests.Subscribe;

internal sealed class Mosquitto : IAsyncDisposable
{
    private static readonly string[] Places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto"];

    private readonly string _binary;
    private readonly string _config;
    private Process? _process;

    private Mosquitto(string binary, string folder, int port, string lines)
    {
        (_binary, Folder, Port) = (binary, folder, port);
        _config = Path.Combine(folder, "mosquitto.conf");
        // It would drop root's rights and then not write to the test's folder.
        File.WriteAllText(_config, $"listener {port} 127.0.0.1\npersistence true\npersistence_location {folder}/\nmax_queued_messages 0\nmax_inflight_messages 0\nlog_dest file {folder}/log\nlog_type all\n{(Environment.UserName == "root" ? "user root\n" : "")}{lines}\n");
    }

    public string Folder { get; }

    public int Port { get; }

    /// <summary>Starts one. <paramref name="lines"/>: what is added to its configuration, told the folder.</summary>
    public static async Task<Mosquitto> StartAsync(Func<string, string>? lines = null)
    {
        string? binary = Places.FirstOrDefault(File.Exists);
        if (binary is null)
        {
            const string Remedy = "mosquitto is missing: apt-get install mosquitto";
            if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(Remedy);
            Assert.Ignore(Remedy);
        }

        using TcpListener free = new(IPAddress.Loopback, 0);
        free.Start();
        int port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        string folder = Directory.CreateTempSubdirectory("depin-mosquitto-").FullName;
        Mosquitto broker = new(binary!, folder, port, lines?.Invoke(folder) ?? "allow_anonymous true");
        await broker.StartAgainAsync();
        return broker;
    }

    public async Task StartAgainAsync()
    {
        _process = Process.Start(new ProcessStartInfo(_binary, ["-c", _config]))!;
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
        while (true)
        {
            Assert.That(_process.HasExited, Is.False, () => "mosquitto ended: " + Log());
            try
            {
                using TcpClient probe = new();
                await probe.ConnectAsync(IPAddress.Loopback, Port, patience.Token);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(20, patience.Token);
            }
        }
    }

    /// <summary>Has it write everything to its disk, and kills it.</summary>
    public async Task SaveAndKillAsync()
    {
        string database = Path.Combine(Folder, "mosquitto.db");
        File.Delete(database);
        Process.Start("kill", ["-USR1", $"{_process!.Id}"]).WaitForExit();
        await Ingest.Until.TrueAsync(() => File.Exists(database), "mosquitto's database"); // written beside and renamed
        await KillAsync();
    }

    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    public string Log() => File.Exists(Path.Combine(Folder, "log")) ? File.ReadAllText(Path.Combine(Folder, "log")) : "";

    public async ValueTask DisposeAsync()
    {
        if (_process is not null) await KillAsync();
        Directory.Delete(Folder, recursive: true);
    }
}

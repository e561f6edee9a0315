using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace DePIN.Tests.Harness;

/// <summary>
/// A real PostgreSQL server on a cluster of its own in a temporary folder: TCP on a free port of the loopback and a unix socket, a password for its one user,
/// fsync on. PostgreSQL refuses to run as root, so root runs it as user postgres. Killed and deleted at the end; can be killed and started again in between.
/// </summary>
public sealed class PostgresServer : IDisposable
{
    public const string User = "depin";

    private readonly string _folder;
    private readonly string _bin;
    private Process? _server;

    private PostgresServer(string folder, string bin, string password, int port) => (_folder, _bin, Password, Port) = (folder, bin, password, port);

    public int Port { get; }

    /// <summary>Random hex, made for this server.</summary>
    public string Password { get; }

    /// <summary>Where the unix socket is.</summary>
    public string SocketFolder => Path.Combine(_folder, "socket");

    /// <summary>A file of mode 0600 with the password, for clients.</summary>
    public string PasswordFile => Path.Combine(_folder, "client-password");

    /// <summary>Null when PostgreSQL is installed, else what to do.</summary>
    public static string? WhyNot => Bin() is null ? "PostgreSQL is missing: apt-get install postgresql" : null;

    /// <summary>The URI of a database, without the password.</summary>
    public string Uri(string database) => $"postgresql://{User}@127.0.0.1:{Port}/{database}";

    /// <summary>Makes a cluster and starts its server. <paramref name="settings"/> are lines of postgresql.conf.</summary>
    public static async Task<PostgresServer> StartAsync(params string[] settings)
    {
        string bin = Bin() ?? throw new InvalidOperationException(WhyNot);
        string folder = Directory.CreateTempSubdirectory("depin-pg-").FullName;
        PostgresServer server = new(folder, bin, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)), FreePort());
        try
        {
            string password = Path.Combine(folder, "password"), data = Path.Combine(folder, "data");
            await File.WriteAllTextAsync(password, server.Password + "\n").ConfigureAwait(false);
            Directory.CreateDirectory(server.SocketFolder);
            Directory.CreateDirectory(data);
            if (Environment.IsPrivilegedProcess) await RunAsync("chown", "-R", "postgres", folder).ConfigureAwait(false);
            await File.WriteAllTextAsync(server.PasswordFile, server.Password + "\n").ConfigureAwait(false);
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(server.PasswordFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await RunAsync([.. server.Command("initdb"), "-D", data, "-U", User, "--pwfile", password, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]).ConfigureAwait(false);
            await File.AppendAllLinesAsync(Path.Combine(data, "postgresql.conf"),
            [
                "listen_addresses = '127.0.0.1'", $"port = {server.Port}", $"unix_socket_directories = '{server.SocketFolder}'",
                "shared_buffers = '32MB'", "max_connections = 60", .. settings,
            ]).ConfigureAwait(false);
            await server.RestartAsync().ConfigureAwait(false);
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>Starts the server after <see cref="Kill"/>; completes when it takes connections.</summary>
    public async Task RestartAsync()
    {
        string[] command = [.. Command("postgres"), "-D", Path.Combine(_folder, "data")];
        ProcessStartInfo start = new(command[0], command[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        Process server = _server = Process.Start(start)!;
        Queue<string> said = new();
        void Note(string? line)
        {
            lock (said)
            {
                said.Enqueue(line ?? "");
                if (said.Count > 20) said.Dequeue();
            }
        }

        server.ErrorDataReceived += (_, line) => Note(line.Data);
        server.OutputDataReceived += (_, line) => Note(line.Data);
        server.BeginErrorReadLine();
        server.BeginOutputReadLine();
        await Eventually.TrueAsync(async () =>
        {
            if (server.HasExited)
                lock (said) throw new InvalidOperationException("PostgreSQL ended: " + string.Join('\n', said));
            return await IsReadyAsync().ConfigureAwait(false);
        }, "PostgreSQL takes connections").ConfigureAwait(false);
    }

    /// <summary>kill -9 of the postmaster and of all that it started.</summary>
    public void Kill()
    {
        if (_server is not { HasExited: false } server) return;
        server.Kill(entireProcessTree: true);
        server.WaitForExit();
    }

    /// <summary>Makes an empty database.</summary>
    public Task CreateDatabaseAsync(string name) => PsqlAsync("postgres", $"CREATE DATABASE \"{name}\"");

    /// <summary>Runs SQL with psql; gives what it prints, unaligned and without headers.</summary>
    public async Task<string> PsqlAsync(string database, string sql)
    {
        ProcessStartInfo start = new(Path.Combine(_bin, "psql"),
            ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", $"{Port}", "-U", User, "-d", database, "-c", sql]);
        start.Environment["PGPASSWORD"] = Password;
        return await RunAsync(start).ConfigureAwait(false);
    }

    public void Dispose()
    {
        Kill();
        _server?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> IsReadyAsync()
    {
        using Process asked = Process.Start(new ProcessStartInfo(Path.Combine(_bin, "pg_isready"), ["-q", "-h", "127.0.0.1", "-p", $"{Port}"]))!;
        await asked.WaitForExitAsync().ConfigureAwait(false);
        return asked.ExitCode == 0;
    }

    private string[] Command(string program) =>
        Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", Path.Combine(_bin, program)] : [Path.Combine(_bin, program)];

    private static string? Bin() => Directory.Exists("/usr/lib/postgresql")
        ? Directory.GetDirectories("/usr/lib/postgresql").Select(version => Path.Combine(version, "bin")).Where(bin => File.Exists(Path.Combine(bin, "initdb"))).Max()
        : null;

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Task<string> RunAsync(params string[] command) => RunAsync(new ProcessStartInfo(command[0], command[1..]));

    private static async Task<string> RunAsync(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().ConfigureAwait(false);
        return process.ExitCode == 0 ? (await output.ConfigureAwait(false)).TrimEnd('\n') : throw new InvalidOperationException($"{Path.GetFileName(start.FileName)} ended with {process.ExitCode}: {await error.ConfigureAwait(false)}");
    }
}

using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Store;
using DePIN.Mqtt;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.GatewayHost;

/// <summary>Who may enter, whom boards trust, and what the doctor says of stores and brokers: the built program, real processes and servers.</summary>
public sealed class GatewayUsersTests : OperatedGateway
{
    private const string Device = "00112233445566778899aabbccddeeff00112233";

    private string Clients => Path.Combine(Folder.Path, "mqtt.users");

    private string People => Path.Combine(Folder.Path, "web.users");

    [SetUp]
    public Task MakeAsync() => InitAsync();

    [Test]
    public async Task Users_are_added_listed_removed_taken_over_by_SIGHUP_and_come_back_from_a_backup_with_the_authority_of_a_rotation()
    {
        // The commands.
        string password = (await SucceedAsync("mqtt", "add", Device, "--file", Clients)).Output.Trim();
        Assert.That(password, Has.Length.EqualTo(24), "made, and printed once");
        await SucceedAsync("user", "add", "anna", "--file", People, "<", "correct horse");
        if (!OperatingSystem.IsWindows()) Assert.That((File.GetUnixFileMode(Clients), File.GetUnixFileMode(People)), Is.EqualTo((UnixFileMode.UserRead | UnixFileMode.UserWrite, UnixFileMode.UserRead | UnixFileMode.UserWrite)));
        Assert.That(await File.ReadAllTextAsync(Clients) + await File.ReadAllTextAsync(People), Does.Not.Contain(password).And.Not.Contain("correct horse"));
        Assert.That((await SucceedAsync("mqtt", "list", "--file", Clients)).Output.Trim(), Is.EqualTo($"{Device}\tdevice"));
        Assert.That((await SucceedAsync("user", "list", "--file", People)).Output.Trim(), Is.EqualTo("anna\tapplication"));
        foreach ((string[] arguments, string named) in new (string[], string)[]
        {
            (["mqtt", "add", "roof", "--file", Clients], "40 lower-case hex digits"), (["mqtt", "add", "x", "--role", "king", "--file", Clients], "no role"), (["mqtt", "add", "a:b", "--role", "bridge", "--file", Clients], "no colon"),
            (["mqtt", "add", "x", "--role", "bridge", "--stdin", "--file", Clients, "<", ""], "no password"), (["user", "add", "boris", "--file", People, "<", "short"], "8 characters"),
            (["user", "remove", "nobody", "--file", People], "is not in"), (["user", "add", "boris", "--file", Path.Combine(Folder.Path, "none", "users"), "<", "long enough"], "none"),
        })
        {
            CliProcess refused = await RunAsync(arguments);
            Assert.That((refused.ExitCode, refused.Errors.Contains(named, StringComparison.Ordinal)), Is.EqualTo((ExitCode.BadInput, true)), $"{string.Join(' ', arguments)}: {refused.Output}{refused.Errors}");
        }

        // A gateway that runs.
        Change(settings =>
        {
            settings["mqtt"] = new JsonObject { ["listen"] = "127.0.0.1:0", ["listenPlain"] = "127.0.0.1:0", ["login"] = "required", ["credentials"] = "mqtt.users" };
            settings["web"] = new JsonObject { ["listen"] = "127.0.0.1:0", ["credentials"] = "web.users" };
            settings["peer"] = new JsonObject { ["listen"] = "", ["discovery"] = false };
        });
        await LaunchAsync();
        Assert.That((await LogInAsync(Device, password), await LogInAsync("reader", "of readings")), Is.EqualTo((true, false)));
        await SucceedAsync("mqtt", "add", "reader", "--role", "application", "--stdin", "--file", Clients, "<", "of readings");
        Assert.That(await LogInAsync("reader", "of readings"), Is.False, "not before it is told");
        await ReloadAsync();
        Assert.That(await LogInAsync("reader", "of readings"), Is.True);
        await SucceedAsync("mqtt", "remove", Device, "--file", Clients);
        string another = (await SucceedAsync("mqtt", "add", "reader", "--role", "application", "--file", Clients)).Output.Trim();
        await ReloadAsync();
        Assert.That((await LogInAsync(Device, password), await LogInAsync("reader", "of readings"), await LogInAsync("reader", another)), Is.EqualTo((false, false, true)));

        // Another authority; boards that trust the old one are served.
        using X509Certificate2 old = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(Data, CertificateAuthority.FileName));
        Assert.That((await SucceedAsync("ca", "rotate", "--config", Config, "--days", "400")).Output, Does.Contain("Restart the gateway").And.Contain("backup"));
        CliProcess twice = await RunAsync("ca", "rotate", "--config", Config);
        Assert.That(twice.ExitCode, Is.EqualTo(ExitCode.BadInput));
        Assert.That(twice.Errors, Does.Contain("the rotation before is not over"));
        await StopAsync();

        // A wiped machine.
        string said = (await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile)).Output;
        foreach (string name in new[] { "mqtt.users", "web.users", "ca.key", "ca-old.pem", "ca-old.key" }) Assert.That(said, Does.Contain(name));
        Directory.Delete(Data, recursive: true);
        foreach (string file in new[] { Config, Clients, People }) File.Delete(file);
        await SucceedAsync("restore", Backup, "--config", Config, "--data", Data, "--passphrase-file", PassphraseFile);
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(Clients), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        await LaunchAsync();
        using X509Certificate2 fresh = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(Data, CertificateAuthority.FileName));
        Assert.That(fresh.RawData, Is.Not.EqualTo(old.RawData));
        foreach (X509Certificate2 trusted in new[] { old, fresh }) Assert.That(await LogInAsync("reader", another, trusted), Is.True);
        using HttpClient page = new(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(Running("web")) };
        using HttpResponseMessage inside = await page.PostAsync("/login", new FormUrlEncodedContent([new("user", "anna"), new("password", "correct horse")]));
        Assert.That(inside.StatusCode, Is.EqualTo(HttpStatusCode.SeeOther));
        Assert.That((await CheckAsync())["tls.rotation"].Level, Is.EqualTo("ok"));
        await StopAsync();
    }

    [Test]
    public async Task The_doctor_tells_of_a_damaged_store_a_broker_and_a_database_what_to_do()
    {
        Change(settings =>
        {
            settings["mqtt"] = new JsonObject { ["listen"] = "127.0.0.1:0", ["listenPlain"] = "", ["login"] = "required", ["credentials"] = "mqtt.users" };
            settings["web"] = new JsonObject { ["listen"] = "127.0.0.1:0" };
            settings["peer"] = new JsonObject { ["listen"] = "", ["discovery"] = false };
        });
        await SucceedAsync("mqtt", "add", Device, "--stdin", "--file", Clients, "<", "correct horse");
        PrivateFile.Write(Path.Combine(Folder.Path, "password"), "correct horse\n"u8);
        PrivateFile.Write(Path.Combine(Folder.Path, "wrong"), "battery staple\n"u8);
        await LaunchAsync();
        // As a broker that does not grant what a device asks for: the gateway itself (mosquitto grants, and then withholds).
        Change(settings => settings["broker"] = new JsonObject { ["url"] = $"mqtts://localhost:{IPEndPoint.Parse(Running("mqtts")).Port}", ["user"] = Device, ["passwordFile"] = "password", ["authorityFile"] = Path.Combine(Data, "ca.pem") });
        Dictionary<string, (string Level, string What)> beside = await CheckAsync();
        Assert.That((beside["store.frames"].Level, beside["broker.login"].Level, beside["broker.subscribe"].Level), Is.EqualTo(("ok", "ok", "fail")), "beside a gateway that runs");
        Change(settings => settings.AsObject().Remove("broker"));
        await StopAsync();
        string frames = Path.Combine(Data, "frames.db");
        byte[] sound = await File.ReadAllBytesAsync(frames);
        await File.WriteAllBytesAsync(frames, [.. "no database"u8, .. sound.AsSpan(11)]);
        Directory.CreateDirectory(StoreDamage.FolderOf(frames));
        await File.WriteAllTextAsync(Path.Combine(StoreDamage.FolderOf(frames), "20260101T000000000-frames.db.txt"), "12 frames are lost");
        Dictionary<string, (string Level, string What)> damaged = await CheckAsync();
        Assert.That((damaged["store.frames"].Level, damaged["store.damage"]), Is.EqualTo(("fail", ("warn", "12 frames are lost"))));
        await File.WriteAllBytesAsync(frames, sound);

        // A broker that asks for a password over TLS, with this gateway's certificate as its own.
        int port = FreePort();
        using (Process made = Process.Start("mosquitto_passwd", ["-b", "-c", Path.Combine(Folder.Path, "users"), "gateway", "correct horse"])) await made.WaitForExitAsync();

        await File.WriteAllTextAsync(Path.Combine(Folder.Path, "acl"), "user gateway\ntopic readwrite depin/#\n");
        await File.WriteAllTextAsync(Path.Combine(Folder.Path, "mosquitto.conf"), $"""
            listener {port} 127.0.0.1
            cafile {Data}/ca.pem
            certfile {Data}/server.pem
            keyfile {Data}/server.key
            allow_anonymous false
            password_file {Folder.Path}/users
            acl_file {Folder.Path}/acl
            {(Environment.UserName == "root" ? "user root" : "")}

            """);
        using Process broker = Process.Start(File.Exists("/usr/sbin/mosquitto") ? "/usr/sbin/mosquitto" : "mosquitto", ["-c", Path.Combine(Folder.Path, "mosquitto.conf")]);
        try
        {
            await Eventually.TrueAsync(() => Answers(port), "mosquitto listens");
            foreach ((string code, string level, Action<JsonObject> wrong) in new (string, string, Action<JsonObject>)[]
            {
                ("broker.subscribe", "ok", _ => { }), ("broker.login", "fail", broker => broker["passwordFile"] = "wrong"),
                ("broker.login", "fail", broker => broker["passwordFile"] = "none"), ("broker.tls", "fail", broker => broker.Remove("authorityFile")), ("broker.reach", "fail", broker => broker["url"] = $"mqtts://localhost:{FreePort()}"),
            })
            {
                JsonObject section = new() { ["url"] = $"mqtts://localhost:{port}", ["user"] = "gateway", ["passwordFile"] = "password", ["authorityFile"] = Path.Combine(Data, "ca.pem") };
                wrong(section);
                Change(settings => settings["broker"] = section);
                Dictionary<string, (string Level, string What)> told = await CheckAsync();
                Assert.That(told.GetValueOrDefault(code).Level, Is.EqualTo(level), string.Join('\n', told));
            }
        }
        finally
        {
            broker.Kill();
            await broker.WaitForExitAsync();
        }

        // A database: away, refusing, new, another program's, of a newer gateway, ours.
        Change(settings => settings.AsObject().Remove("broker"));
        using PostgresServer server = await PostgresServer.StartAsync();
        await server.CreateDatabaseAsync("frames");
        await StoreIsAsync($"postgresql://{PostgresServer.User}@127.0.0.1:{FreePort()}/frames", "fail", "");
        await StoreIsAsync(server.Uri("none"), "fail", "none");
        await StoreIsAsync(server.Uri("frames"), "warn", "is empty");
        Assert.That(await server.PsqlAsync("frames", "SELECT count(*) FROM pg_class WHERE relname = 'store_state'"), Is.EqualTo("0"), "a look makes nothing");
        await server.PsqlAsync("frames", "CREATE TABLE invoices (id int)");
        await StoreIsAsync(server.Uri("frames"), "fail", "another program's tables");
        await server.PsqlAsync("frames", "CREATE TABLE store_state (key text, value bigint); INSERT INTO store_state VALUES ('schema', 99)");
        await StoreIsAsync(server.Uri("frames"), "fail", "schema 99");
        await server.PsqlAsync("frames", "UPDATE store_state SET value = 1");
        await StoreIsAsync(server.Uri("frames"), "ok", "schema 1");

        Assert.That((await SucceedAsync("backup", "--config", Config, "--out", Backup, "--passphrase-file", PassphraseFile)).Output, Does.Contain("client-password").And.Contain("NOT in it"));

        async Task StoreIsAsync(string uri, string level, string named)
        {
            Change(settings => settings["store"] = new JsonObject { ["postgres"] = uri + "?sslmode=disable", ["passwordFile"] = server.PasswordFile });
            (string Level, string What) told = (await CheckAsync())["store.postgres"];
            Assert.That((told.Level, told.What.Contains(named, StringComparison.Ordinal)), Is.EqualTo((level, true)), told.What);
        }
    }

    private static int FreePort()
    {
        using TcpListener free = new(IPAddress.Loopback, 0);
        free.Start();
        return ((IPEndPoint)free.LocalEndpoint).Port;
    }

    private static bool Answers(int port)
    {
        try
        {
            using TcpClient probe = new("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private string Running(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(Data, RunningFile.FileName)))![name]!.GetValue<string>();

    /// <summary>Over TLS where an authority is given.</summary>
    private async Task<bool> LogInAsync(string user, string password, X509Certificate2? trusted = null)
    {
        MqttClientOptions options = new() { Host = "127.0.0.1", Port = IPEndPoint.Parse(Running(trusted is null ? "mqtt" : "mqtts")).Port, ClientId = user, UserName = user, Password = Encoding.UTF8.GetBytes(password) };
        await using MqttClient client = new(trusted is null ? options : options with { Tls = new MqttTls { TargetHost = "localhost", TrustedRoots = [trusted] } });
        return (await client.ConnectAsync()).IsConnected;
    }

    private async Task ReloadAsync()
    {
        int before = Times();
        await SignalAsync("-HUP");
        await Eventually.TrueAsync(() => Times() > before, "the reload", () => Log);

        int Times() => Log.Split("settings read again").Length;
    }

    private async Task<Dictionary<string, (string Level, string What)>> CheckAsync()
    {
        Dictionary<string, (string, string)> told = [];
        foreach ((string code, string level, string what) in (await ExamineAsync()).Findings) told[code] = (level, what);
        return told;
    }
}

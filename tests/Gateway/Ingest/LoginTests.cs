// Logins, topic rules and who may take a session over: our own client where every answer counts, MQTT.js and mosquitto's clients as attackers.

using System.Diagnostics;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Settings;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

[TestFixture]
internal sealed class LoginTests
{
    private const string Other = "ffeeddccbbaa99887766554433221100ffeeddcc";
    private string _folder = "";
    private LoginBook _book = null!;
    private IngestHost _host = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _folder = Directory.CreateTempSubdirectory("depin-logins-").FullName;
        _book = Book((IngestHost.Device, ClientRole.Device, "device"), (Other, ClientRole.Device, "other"), ("reader", ClientRole.Application, "reader"), ("forwarder", ClientRole.Bridge, "forwarder"));
        _host = await IngestHost.StartAsync(settings => settings with { Login = LoginMode.Optional, Logins = () => _book, AnonymousRead = false });
        _host.Ingest.Hear("homeassistant/status", _ => { });
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _host.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task A_device_speaks_for_itself_and_reads_its_own([Values] MqttVersion version)
    {
        await using MqttClient device = await LoginAsync(IngestHost.Device, "device", version: version);
        Assert.That((await device.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess);
        foreach (string own in new[] { "depin/1/time", $"depin/1/{IngestHost.Device}/verdict", $"depin/1/{IngestHost.Device}/#" })
            Assert.That((await device.SubscribeAsync(own)).IsSuccess, own);
        foreach (string foreign in new[] { "#", "+/#", "depin/#", "depin/1/+/senml", "depin/+/time", $"depin/1/{Other}/verdict", $"depin/1/{IngestHost.Device}", "$SYS/#", "homeassistant/#" })
            Assert.That((await device.SubscribeAsync(foreign)).IsSuccess, Is.False, foreign);
        Assert.That(_host.Intake.Submitted, Is.EqualTo(1));

        MqttAnswer refused = await device.PublishAsync($"depin/1/{Other}/frame", new byte[200]);
        Assert.That(refused.IsSuccess, Is.False);
        if (version == MqttVersion.V5) Assert.That(refused.Reason, Is.EqualTo(MqttReason.NotAuthorized));
        Assert.That(_host.Intake.Submitted, Is.EqualTo(1), "no signature was checked for it");
        Assert.That(_host.Ingest.Metrics.RefusedPublishes(MqttReason.NotAuthorized), Is.EqualTo(1));
    }

    [Test]
    public async Task An_application_reads_everything_and_publishes_nothing_of_a_device()
    {
        await using MqttClient reader = await LoginAsync("reader", "reader", "dashboard");
        foreach (string filter in new[] { "depin/1/+/senml", "homeassistant/#", "#" })
            Assert.That((await reader.SubscribeAsync(filter)).IsSuccess, filter);
        foreach (string topic in new[] { IngestHost.FrameTopic, $"depin/1/{IngestHost.Device}/update/state", "depin/1/time", "anything" })
            Assert.That((await reader.PublishAsync(topic, "x"u8.ToArray())).Reason, topic.EndsWith("state", StringComparison.Ordinal) ? Is.EqualTo(MqttReason.Success) : Is.EqualTo(MqttReason.NotAuthorized), topic);
        Assert.That((await reader.PublishAsync("homeassistant/status", "online"u8.ToArray())).IsSuccess);
        Assert.That(_host.Intake.Submitted, Is.Zero);

        await using MqttClient bridge = await LoginAsync("forwarder", "forwarder", "bridge");
        Assert.That((await bridge.PublishAsync($"depin/1/{Other}/frame", new byte[200])).IsSuccess);
    }

    [Test]
    public async Task Who_does_not_log_in_has_the_time_and_what_its_client_id_names()
    {
        await using MqttClient board = await _host.ConnectAsync(options => options with { ClientId = IngestHost.Device });
        Assert.That((await board.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess, "frames are signed");
        Assert.That((await board.SubscribeAsync("depin/1/time")).IsSuccess);
        Assert.That((await board.SubscribeAsync($"depin/1/{IngestHost.Device}/verdict")).IsSuccess);
        Assert.That((await board.SubscribeAsync("depin/1/+/senml")).Reason, Is.EqualTo(MqttReason.NotAuthorized));
        Assert.That((await board.PublishAsync("homeassistant/status", "online"u8.ToArray())).Reason, Is.EqualTo(MqttReason.NotAuthorized));
    }

    [Test]
    public async Task Required_means_that_nobody_is_anonymous()
    {
        await using IngestHost host = await IngestHost.StartAsync(settings => settings with { Login = LoginMode.Required, Logins = () => _book });
        await using MqttClient nobody = new(new MqttClientOptions { Host = "127.0.0.1", Port = host.Port });
        Assert.That((MqttReason)(await nobody.ConnectAsync()).Code, Is.EqualTo(MqttReason.NotAuthorized));
        await using MqttClient older = new(new MqttClientOptions { Host = "127.0.0.1", Port = host.Port, Version = MqttVersion.V311, ClientId = "x" });
        Assert.That((ConnectReturnCode)(await older.ConnectAsync()).Code, Is.EqualTo(ConnectReturnCode.NotAuthorized));
    }

    [Test]
    public async Task A_session_stays_with_whom_it_was_opened_for()
    {
        await using MqttClient device = await LoginAsync(IngestHost.Device, "device");
        foreach ((string? user, string? password) in new (string?, string?)[] { (null, null), (Other, "other"), ("reader", "reader"), ("forwarder", "forwarder") })
        {
            await using MqttClient thief = Client(user, password, IngestHost.Device);
            Assert.That((MqttReason)(await thief.ConnectAsync()).Code, Is.EqualTo(MqttReason.ClientIdentifierNotValid), user);
        }

        Assert.That(device.IsConnected);

        // The other way round nobody keeps a device out of its own name.
        await using MqttClient squatter = Client(null, null, Other);
        Assert.That((await squatter.ConnectAsync()).IsConnected);
        await using MqttClient owner = await LoginAsync(Other, "other");
        Assert.That((await squatter.Closed).Reason, Is.EqualTo(MqttReason.SessionTakenOver));
        await using MqttClient again = await LoginAsync(IngestHost.Device, "device");
        Assert.That((await device.Closed).Reason, Is.EqualTo(MqttReason.SessionTakenOver));
    }

    [Test]
    public async Task Wrong_passwords_make_an_address_wait_but_not_who_proved_his_before()
    {
        await using (MqttClient before = await LoginAsync("reader", "reader", "first"))
        {
            await before.DisconnectAsync();
        }

        List<MqttReason> reasons = [];
        for (int i = 0; i < 8; i++)
        {
            await using MqttClient guesser = Client(i % 2 == 0 ? "forwarder" : "nobody", $"guess {i}", "guesser");
            reasons.Add((MqttReason)(await guesser.ConnectAsync()).Code);
        }

        Assert.That(reasons.Take(6), Has.All.EqualTo(MqttReason.BadUserNameOrPassword), "also for a user that is not there");
        Assert.That(reasons.Skip(6), Has.All.EqualTo(MqttReason.Banned));
        await using MqttClient right = Client("forwarder", "forwarder", "late");
        Assert.That((MqttReason)(await right.ConnectAsync()).Code, Is.EqualTo(MqttReason.Banned), "nobody learns by trying");
        await using MqttClient proved = await LoginAsync("reader", "reader", "again");
        Assert.That(proved.IsConnected);
    }

    [Test]
    public async Task A_password_changed_in_the_file_counts_at_the_next_login()
    {
        await using (MqttClient before = await LoginAsync("reader", "reader", "a"))
        {
            await before.DisconnectAsync();
        }

        _book = Book(("reader", ClientRole.Application, "new"));
        await using MqttClient old = Client("reader", "reader", "b");
        Assert.That((MqttReason)(await old.ConnectAsync()).Code, Is.EqualTo(MqttReason.BadUserNameOrPassword));
        await using MqttClient changed = await LoginAsync("reader", "new", "c");
        Assert.That(changed.IsConnected);
    }

    [Test]
    public async Task A_client_that_goes_away_during_its_login_and_a_flood_of_logins_leave_nothing_behind()
    {
        Task[] flood = [.. Enumerable.Range(0, 200).Select(async i =>
        {
            await using MqttClient client = new(Options($"nobody{i}", "x", $"flood-{i}") with { ConnectTimeout = TimeSpan.FromMilliseconds(1 + i) });
            try
            {
                await client.ConnectAsync();
            }
            catch (Exception e) when (e is TimeoutException or IOException or System.Net.Sockets.SocketException)
            {
                // It went first.
            }
        })];
        await Task.WhenAll(flood);
        await Until.TrueAsync(() => _host.Ingest.Metrics.Connections == 0, "the connections to end");
        Assert.That(_host.Ingest.SessionCount, Is.Zero);
        await using MqttClient anonymous = await _host.ConnectAsync();
        Assert.That((await anonymous.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess, "frames go on");
    }

    [Test]
    public void A_wrong_line_or_mode_is_refused_with_its_place()
    {
        string file = Path.Combine(_folder, "wrong");
        foreach (string line in new[] { "reader", "reader:king:1:AAAA:AAAA", "reader:device:100000:AAAAAAAAAAAAAAAAAAAAAA==:AAAA", ":application:1:AAAA:AAAA", "reader:2:1:AAAA:AAAA" })
        {
            DePIN.Gateway.Operate.SecretFile.Write(file, Encoding.UTF8.GetBytes("# users\n" + line + "\n"));
            Assert.That(Assert.Throws<SettingsException>(() => LoginBook.Read(file))!.Message, Does.Contain("(2)"), line);
        }

        if (OperatingSystem.IsWindows()) return;
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.That(Assert.Throws<SettingsException>(() => LoginBook.Read(file))!.Message, Does.Contain("chmod 600"));
    }

    [Test]
    public async Task Mosquitto_as_an_attacker_gets_nothing()
    {
        string[] where = ["-h", "127.0.0.1", "-p", $"{_host.Port}", "-V", "mqttv5", "-u", IngestHost.Device, "-P", "device", "-i", IngestHost.Device];
        string subscribed = await RunAsync("mosquitto_sub", [.. where, "-t", "depin/1/+/senml", "-t", "$SYS/#", "-W", "10", "-d"]);
        Assert.That(subscribed, Does.Contain("All subscription requests were denied"));
        string published = await RunAsync("mosquitto_pub", [.. where, "-q", "1", "-t", $"depin/1/{Other}/frame", "-m", "x", "-d"]);
        Assert.That(published, Does.Contain("Not authorized").IgnoreCase.Or.Contain("135"));
        string wrong = await RunAsync("mosquitto_pub", ["-h", "127.0.0.1", "-p", $"{_host.Port}", "-V", "mqttv311", "-u", Other, "-P", "no", "-t", IngestHost.FrameTopic, "-m", "x"]);
        Assert.That(wrong, Does.Contain("bad user name or password").IgnoreCase);
        Assert.That(_host.Intake.Submitted, Is.Zero);
    }

    [Test]
    public async Task MQTT_js_as_an_attacker_gets_nothing()
    {
        string script = $$"""
            const mqtt = require('mqtt');
            const at = { host: '127.0.0.1', port: {{_host.Port}}, protocol: 'mqtt', protocolVersion: 5, reconnectPeriod: 0 };
            const refused = (more) => new Promise(done => { const c = mqtt.connect({ ...at, ...more }); c.on('connect', () => done('connected')); c.on('error', e => done(e.code)); });
            (async () => {
              const device = mqtt.connect({ ...at, clientId: '{{IngestHost.Device}}', username: '{{IngestHost.Device}}', password: 'device' });
              await new Promise(done => device.on('connect', done));
              console.log('takeover ' + await refused({ clientId: '{{IngestHost.Device}}', username: 'reader', password: 'reader' }));
              console.log('anonymous ' + await refused({ clientId: '{{IngestHost.Device}}' }));
              console.log('password ' + await refused({ clientId: 'x', username: 'reader', password: 'device' }));
              console.log('will ' + await refused({ clientId: 'y', will: { topic: '{{IngestHost.FrameTopic}}', payload: 'x' } }));
              for (const topic of ['#', 'depin/1/{{Other}}/verdict', '$SYS/#'])
                console.log('subscribe ' + await new Promise(done => device.subscribe(topic, { qos: 1 }, (e, granted) => done(e ? 'refused' : granted[0].qos))));
              console.log('publish ' + await new Promise(done => device.publish('depin/1/{{Other}}/frame', 'x', { qos: 1 }, e => done(e ? e.code : 'taken'))));
              process.exit(0);
            })();
            """;
        string output = await RunAsync("node", ["-e", script], Path.Combine(DePIN.Devnet.Repository.Root, "tests"));
        Assert.That(output.Trim().Split('\n').Select(line => line.Trim()), Is.EqualTo(
            ["takeover 133", "anonymous 133", "password 134", "will 135", "subscribe refused", "subscribe refused", "subscribe refused", "publish 135"]), output);
        Assert.That(_host.Intake.Submitted, Is.Zero);
    }

    private LoginBook Book(params (string User, ClientRole Role, string Password)[] users)
    {
        string file = Path.Combine(_folder, $"users-{Guid.NewGuid():N}");
        DePIN.Gateway.Operate.SecretFile.Write(file, Encoding.UTF8.GetBytes(string.Join('\n', users.Select(user => LoginBook.Line(user.User, user.Role, Encoding.UTF8.GetBytes(user.Password))))));
        return LoginBook.Read(file);
    }

    private MqttClientOptions Options(string? user, string? password, string clientId, MqttVersion version = MqttVersion.V5) => new()
    {
        Host = "127.0.0.1", Port = _host.Port, ClientId = clientId, UserName = user, Password = password is null ? null : Encoding.UTF8.GetBytes(password), Version = version,
    };

    private MqttClient Client(string? user, string? password, string clientId) => new(Options(user, password, clientId));

    private async Task<MqttClient> LoginAsync(string user, string password, string? clientId = null, MqttVersion version = MqttVersion.V5)
    {
        MqttClient client = new(Options(user, password, clientId ?? user, version));
        MqttConnectResult result = await client.ConnectAsync();
        Assert.That(result.IsConnected, Is.True, $"CONNACK {result.Code}");
        return client;
    }

    private static async Task<string> RunAsync(string tool, string[] arguments, string? folder = null)
    {
        using Process process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder ?? "" })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return await output + await errors;
    }
}

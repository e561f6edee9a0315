using System.Diagnostics;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using DePIN.Mqtt;

namespace DePIN.Gateway.Tests.Ingest;

/// <summary>A listener that asks its clients for a certificate (mqtt.clientAuthorities).</summary>
[TestFixture]
public sealed class ClientCertificateTests
{
    private TestAuthority _authority = null!;
    private TestAuthority _clients = null!;
    private IngestHost _host = null!;

    [SetUp]
    public async Task StartAsync()
    {
        (_authority, _clients) = (new TestAuthority(), new TestAuthority());
        _host = await IngestHost.StartAsync(settings => settings with
        {
            Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => _authority.Presented, ClientAuthorities = () => [_clients.Root],
        });
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _host.DisposeAsync();
        _authority.Dispose();
        _clients.Dispose();
    }

    [Test]
    public async Task A_client_with_a_certificate_of_the_authority_publishes([Values(SslProtocols.Tls12, SslProtocols.Tls13)] SslProtocols protocol)
    {
        using X509Certificate2 own = _clients.Issue();
        await using MqttClient client = new(Options(own, protocol));
        Assert.That((await client.ConnectAsync()).IsConnected);
        Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess);
        Assert.That(_host.Ingest.Metrics.ClientCertificatesRefused, Is.Zero);
        await client.DisconnectAsync();
    }

    [Test]
    public async Task None_a_strangers_and_one_that_is_over_are_refused_and_counted(
        [Values("none", "stranger", "over")] string which, [Values(SslProtocols.Tls12, SslProtocols.Tls13)] SslProtocols protocol)
    {
        using X509Certificate2? own = which switch { "none" => null, "stranger" => _authority.Issue(), _ => _clients.Issue(isOver: true) };
        await using MqttClient client = new(Options(own, protocol));
        Assert.That(async () => await client.ConnectAsync(), Throws.Exception);
        Assert.That(_host.Ingest.Metrics.ClientCertificatesRefused, Is.EqualTo(1));
        Assert.That(_host.Intake.Submitted, Is.Zero);
    }

    [Test]
    public async Task Without_TLS_nobody_is_asked()
    {
        await using MqttClient client = await _host.ConnectAsync();
        Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess);
    }

    [Test]
    public async Task MQTT_js_with_one_devices_certificate_reaches_nothing_of_another()
    {
        const string Other = "ffffffffffffffffffffffffffffffffffffffff";
        string folder = Directory.CreateTempSubdirectory("depin-js-").FullName;
        try
        {
            using X509Certificate2 own = _clients.Issue(name: IngestHost.Device), forged = _authority.Issue(name: Other); // of an authority that is not asked
            foreach ((string name, X509Certificate2 certificate) in new[] { ("own", own), ("forged", forged) })
            {
                await File.WriteAllTextAsync(Path.Combine(folder, name + ".pem"), certificate.ExportCertificatePem());
                await File.WriteAllTextAsync(Path.Combine(folder, name + ".key"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
            }

            await File.WriteAllTextAsync(Path.Combine(folder, "ca.pem"), _authority.Root.ExportCertificatePem());
            string script = $$"""
                const mqtt = require('mqtt'), fs = require('fs');
                const read = name => fs.readFileSync('{{folder}}/' + name);
                const at = (who, more) => ({ host: 'localhost', servername: 'localhost', port: {{_host.EndPoints.Tls!.Port}}, family: 4, protocol: 'mqtts', protocolVersion: 5, reconnectPeriod: 0,
                  ca: read('ca.pem'), cert: read(who + '.pem'), key: read(who + '.key'), ...more });
                const refused = (who, more) => new Promise(done => { const c = mqtt.connect(at(who, more)); c.on('connect', () => done('connected')); c.on('error', e => done(e.code)); c.on('close', () => done('closed')); });
                (async () => {
                  const device = mqtt.connect(at('own', { clientId: '{{IngestHost.Device}}' }));
                  device.on('close', () => { console.log('closed'); process.exit(1); });
                  await new Promise(done => device.on('connect', done));
                  const publish = topic => new Promise(done => device.publish(topic, 'x', { qos: 1 }, e => done(e ? e.code : 'taken')));
                  console.log('own ' + await publish('{{IngestHost.FrameTopic}}'));
                  for (const what of ['frame', 'update/get', 'update/state', 'senml', 'verdict', 'stored'])
                    console.log(what + ' ' + await publish('depin/1/{{Other}}/' + what));
                  for (const topic of ['#', 'depin/1/+/senml', 'depin/1/{{Other}}/verdict', 'depin/1/{{Other}}/update/manifest'])
                    console.log('subscribe ' + await new Promise(done => device.subscribe(topic, { qos: 1 }, (e, granted) => done(e ? 'refused' : granted[0].qos))));
                  console.log('will ' + await refused('own', { clientId: 'x', will: { topic: 'depin/1/{{Other}}/frame', payload: 'x' } }));
                  console.log('forged ' + ['connected'].includes(await refused('forged', { clientId: '{{Other}}' })));
                  process.exit(0);
                })();
                """;
            string output = await RunAsync("node", ["-e", script], Path.Combine(DePIN.Devnet.Repository.Root, "tests"));
            // Updates are answered with success whatever becomes of them (README): another's are counted as foreign and looked at no further.
            Assert.That(output.Trim().Split('\n').Select(line => line.Trim()), Is.EqualTo((string[])
                ["own taken", "frame 135", "update/get taken", "update/state taken", "senml 135", "verdict 135", "stored 135", "subscribe refused", "subscribe refused", "subscribe refused", "subscribe refused", "will 135", "forged false"]), output);
            Assert.That(_host.Intake.Submitted, Is.EqualTo(1), "its own");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> RunAsync(string tool, string[] arguments, string folder)
    {
        using Process process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(90));
        return await output + await errors;
    }

    private MqttClientOptions Options(X509Certificate2? own, SslProtocols protocol) => new()
    {
        Host = "localhost", Port = _host.EndPoints.Tls!.Port, ClientId = "tls",
        Tls = new MqttTls { TrustedRoots = [_authority.Root], ClientCertificate = own, Protocols = protocol },
    };
}

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
            Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => _authority.Server, ClientAuthorities = () => [_clients.Root],
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

    private MqttClientOptions Options(X509Certificate2? own, SslProtocols protocol) => new()
    {
        Host = "localhost", Port = _host.EndPoints.Tls!.Port, ClientId = "tls",
        Tls = new MqttTls { TrustedRoots = [_authority.Root], ClientCertificate = own, Protocols = protocol },
    };
}

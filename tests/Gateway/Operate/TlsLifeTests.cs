// Decades of certificates in seconds: a moved clock, files in a folder, real handshakes.

using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Tests.Ingest;
using DePIN.Mqtt;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Operate;

/// <summary>The server certificate over years, on the wire, and what /health says of ends.</summary>
[TestFixture]
internal sealed class TlsLifeTests
{
    private readonly ManualTimeProvider _time = new();
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("depin-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task A_gateway_that_was_off_for_years_makes_a_new_certificate_and_serves_boards_that_kept_their_authority()
    {
        X509Certificate2 kept;
        DateTime end;
        using (GatewayTls before = Open()) (kept, end) = (before.Authority, before.Server.NotAfter.ToUniversalTime());
        _time.Advance(TimeSpan.FromDays(5 * 365));
        Assert.That(end, Is.LessThan(_time.GetUtcNow().UtcDateTime), "it is over");

        using GatewayTls tls = Open();
        await using IngestHost host = await ListenAsync(tls);
        Assert.That((await HandshakeAsync(host, kept)).NotAfter.ToUniversalTime(), Is.GreaterThan(_time.GetUtcNow().UtcDateTime));
        kept.Dispose();
    }

    [Test]
    public async Task A_certificate_is_renewed_while_the_gateway_runs_and_the_next_handshake_gets_it()
    {
        using GatewayTls tls = Open();
        await using IngestHost host = await ListenAsync(tls);
        using X509Certificate2 authority = tls.Authority;
        X509Certificate2 first = await HandshakeAsync(host, authority);
        HealthBoard health = new(_time, NullLogger.Instance);
        using CancellationTokenSource stopping = new();
        Task running = tls.RunAsync(health, stopping.Token);
        await Until.TrueAsync(() => _time.ActiveTimers == 1, "it to wait");
        Assert.That(health.Find(GatewayTls.Part)!.State, Is.EqualTo(PartState.Ok));

        _time.Advance(TimeSpan.FromDays(59)); // of 90: two thirds are not over
        await Until.TrueAsync(() => _time.ActiveTimers == 1, "it to wait again");
        Assert.That((await HandshakeAsync(host, authority)).RawData, Is.EqualTo(first.RawData));

        _time.Advance(TimeSpan.FromDays(2));
        await Until.TrueAsync(() => !tls.Server.RawData.SequenceEqual(first.RawData), "the renewal");
        X509Certificate2 second = await HandshakeAsync(host, authority);
        Assert.That(second.RawData, Is.EqualTo(tls.Server.RawData));
        Assert.That(second.NotAfter, Is.GreaterThan(first.NotAfter));
        await stopping.CancelAsync();
        Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase(400, PartState.Ok)]
    [TestCase(200, PartState.Degraded)]
    [TestCase(-1, PartState.Failed)]
    public async Task An_authority_near_or_past_its_end_is_told_with_what_to_do_and_the_gateway_goes_on(int days, PartState expected)
    {
        WriteAuthority(_time.GetUtcNow().AddDays(days));
        using GatewayTls tls = Open();
        Assert.That(tls.Server.NotAfter, Is.LessThanOrEqualTo(tls.Authority.NotAfter), "nothing outlives its authority");
        byte[] server = tls.Server.RawData;
        tls.Look();
        Assert.That(tls.Server.RawData, Is.EqualTo(server), "no new certificate at every look");

        PartStatus told = await ReportAsync(tls);
        Assert.That(told.State, Is.EqualTo(expected));
        if (expected != PartState.Ok) Assert.That(told.NextStep, Does.Contain("provision every board again"));
    }

    [Test]
    public async Task A_renewal_that_fails_is_told_until_it_succeeds()
    {
        using GatewayTls tls = Open();
        string key = Path.Combine(_folder, "server.key");
        File.Delete(key);
        Directory.CreateDirectory(Path.Combine(key, "in the way")); // not even root can write a file there
        _time.Advance(TimeSpan.FromDays(70));
        tls.Look();
        Assert.That((await ReportAsync(tls)).State, Is.EqualTo(PartState.Degraded));
        _time.Advance(TimeSpan.FromDays(30));
        tls.Look();
        PartStatus over = await ReportAsync(tls);
        Assert.That(over.State, Is.EqualTo(PartState.Failed));
        Assert.That(over.NextStep, Does.Contain(_folder));

        Directory.Delete(key, recursive: true);
        tls.Look();
        Assert.That((await ReportAsync(tls)).State, Is.EqualTo(PartState.Ok));
    }

    private GatewayTls Open() => GatewayTls.Open(new TlsSettings { ServerDays = 90 }, _folder, _time, NullLogger.Instance);

    private static Task<IngestHost> ListenAsync(GatewayTls tls) =>
        IngestHost.StartAsync(s => s with { Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => tls.Server });

    private async Task<PartStatus> ReportAsync(GatewayTls tls)
    {
        HealthBoard health = new(_time, NullLogger.Instance);
        using CancellationTokenSource stopping = new();
        Task running = tls.RunAsync(health, stopping.Token);
        await stopping.CancelAsync();
        Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
        return health.Find(GatewayTls.Part)!;
    }

    /// <summary>What the server presents to a client that trusts <paramref name="authority"/> and knows the time; fails when it does not trust it.</summary>
    private async Task<X509Certificate2> HandshakeAsync(IngestHost host, X509Certificate2 authority)
    {
        X509Certificate2? presented = null;
        MqttTls trust = new()
        {
            TargetHost = "localhost",
            Validate = (_, certificate, _, _) =>
            {
                presented = X509CertificateLoader.LoadCertificate(certificate!.GetRawCertData());
                using X509Chain chain = new();
                chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                chain.ChainPolicy.CustomTrustStore.Add(authority);
                chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                chain.ChainPolicy.VerificationTime = _time.GetUtcNow().UtcDateTime;
                return chain.Build(presented);
            },
        };
        await using MqttClient client = new(new MqttClientOptions { Host = "127.0.0.1", Port = host.EndPoints.Tls!.Port, ClientId = "board", Tls = trust });
        Assert.That((await client.ConnectAsync()).IsConnected, Is.True);
        Assert.That((await client.PublishAsync(IngestHost.FrameTopic, new byte[200])).IsSuccess, Is.True);
        return presented!;
    }

    private void WriteAuthority(DateTimeOffset end)
    {
        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=DePIN Edge gateway authority", pair, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, end);
        SecretFile.Write(Path.Combine(_folder, GatewayTls.AuthorityKeyFile), System.Text.Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem()));
        SecretFile.WritePublic(Path.Combine(_folder, GatewayTls.AuthorityFile), System.Text.Encoding.ASCII.GetBytes(made.ExportCertificatePem()));
    }
}

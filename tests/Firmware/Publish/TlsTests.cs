using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Gateway.Settings;
using DePIN.Gateway;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Verify;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Firmware.Tests.Publish;

/// <summary>The node over TLS 1.2 against the gateway's own listener and its own certificates; the node's clock is the test's.</summary>
[TestFixture]
public sealed class TlsTests
{
    private static readonly DateTime PowerOn = DateTime.UnixEpoch.AddSeconds(3);

    private DirectoryInfo _folder = null!;
    private GatewayTls _tls = null!;
    private PowerCutFlash _flash = null!;
    private VirtualHardware _hardware = null!;
    private NodeHealth _health = null!;

    [SetUp]
    public void Boot()
    {
        _folder = Directory.CreateTempSubdirectory("depin-tls-");
        _tls = GatewayTls.Open(new TlsSettings(), _folder.FullName, TimeProvider.System, NullLogger.Instance);
        _hardware = new VirtualHardware { WallClock = () => PowerOn };
        _flash = new PowerCutFlash();
        _health = new NodeHealth();
        Put("ca.pem", _tls.Authority.ExportCertificatePem());
    }

    [TearDown]
    public void Remove()
    {
        _tls.Dispose();
        _folder.Delete(recursive: true);
    }

    [Test]
    public async Task A_board_without_a_clock_accepts_its_gateway()
    {
        Assert.That(await DeliversAsync(null, ""));
    }

    [Test]
    public async Task A_clock_beyond_the_certificates_end_is_a_failure_that_is_counted()
    {
        _hardware.WallClock = () => new DateTime(2070, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        Assert.That(await DeliversAsync(null, ""), Is.False);
    }

    [Test]
    public async Task Another_authority_is_not_believed()
    {
        using X509Certificate2 stranger = Authority("CN=stranger");
        Put("ca.pem", stranger.ExportCertificatePem());
        Assert.That(await DeliversAsync(null, ""), Is.False);
    }

    [Test]
    public async Task The_nodes_own_certificate_opens_a_gateway_that_asks_for_one()
    {
        using X509Certificate2 clients = Authority("CN=our boards");
        Issue(clients);
        Assert.That(await DeliversAsync(clients, "tls-cert=own.pem\ntls-key=own-key.pem\n"));
    }

    [Test]
    public async Task Without_one_or_with_a_strangers_that_gateway_stays_shut()
    {
        using X509Certificate2 clients = Authority("CN=our boards");
        Assert.That(await DeliversAsync(clients, ""), Is.False);
        using X509Certificate2 stranger = Authority("CN=stranger");
        Issue(stranger);
        Assert.That(await DeliversAsync(clients, "tls-cert=own.pem\ntls-key=own-key.pem\n"), Is.False);
    }

    [Test]
    public async Task A_file_that_is_not_there_or_is_no_key_is_a_failure_that_is_counted()
    {
        Assert.That(await DeliversAsync(null, "tls-cert=own.pem\ntls-key=own-key.pem\n"), Is.False);
        using X509Certificate2 clients = Authority("CN=our boards");
        Issue(clients);
        Put("own-key.pem", "-----BEGIN EC PRIVATE KEY-----\nrubbish");
        Assert.That(await DeliversAsync(null, "tls-cert=own.pem\ntls-key=own-key.pem\n"), Is.False);
    }

    [TestCase("tls=on\ntls-cert=own.pem\n")]
    [TestCase("tls=on\ntls-key=own-key.pem\n")]
    [TestCase("tls-cert=own.pem\ntls-key=own-key.pem\n")]
    public void Half_a_pair_and_a_pair_without_tls_stop_the_node(string lines)
    {
        Assert.That(Settings(lines).Problem, Does.Contain("tls-cert and tls-key go together"));
    }

    /// <summary>True: two frames were delivered. False: it failed twice, each time counted, and nothing was delivered.</summary>
    private async Task<bool> DeliversAsync(X509Certificate2? clients, string lines)
    {
        using CancellationTokenSource closing = new();
        MqttIngest ingest = new(
            new IngestSettings
            {
                Plain = null, Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => _tls.Presented, ClientAuthorities = () => clients is null ? null : [clients],
            },
            new Intake(), TimeProvider.System, NullLoggerFactory.Instance);
        Task listening = ingest.RunAsync(closing.Token);
        int port = (await ingest.Listening).Tls!.Port;
        _hardware.PowerOn();
        DeviceKey key = DeviceKey.Open(_flash, new SeededEntropy(7), new NodeStatus());
        FrameStore store = FrameStore.Open(_flash, FrameRing.CapacityBytesMin, key.Signer);
        NodeClock clock = NodeClock.Open(_flash, new ManualTime());
        FrameComposer composer = new(Profiles.Environment, key.Id, store, clock);
        for (int i = 0; i < 2; i++)
        {
            SampleSet samples = new();
            samples.Add(Channels.Temperature, -2, 0, 2000 + i, 1000);
            composer.Compose(samples);
        }

        NodeSettings settings = Settings($"gateway-host=localhost\ngateway-port={port}\ntls=on\n" + lines);
        Assert.That(settings.Problem, Is.Null);
        FramePublisher publisher = new(settings, key, store, clock, _flash, new Network(settings, _health), _health, new Watchdog(), new DeviceTime());
        StopSignal stop = new();
        int before = _health.ConnectFailures;
        Thread thread = new(() => publisher.Run(stop));
        thread.Start();
        Eventually.True(() => store.NextOwed(0) == 0 || _health.ConnectFailures >= before + 2, "delivered, or failed twice");
        bool delivered = store.NextOwed(0) == 0;
        stop.Request();
        store.Wake();
        thread.Join();
        await closing.CancelAsync();
        await listening;
        Assert.That(ingest.Metrics.Frames(FrameVerdict.Accepted), delivered ? Is.EqualTo(2) : Is.Zero);
        return delivered;
    }

    private static NodeSettings Settings(string lines)
    {
        NodeSettings settings = new();
        byte[] text = Encoding.ASCII.GetBytes(lines);
        settings.Apply(text, 0, text.Length);
        return settings;
    }

    private void Put(string name, string text) => _flash.Write(name, Encoding.ASCII.GetBytes(text), 0, text.Length);

    private static X509Certificate2 Authority(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UtcNow.AddDays(2));
    }

    private void Issue(X509Certificate2 authority)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=board", key, HashAlgorithmName.SHA256);
        using X509Certificate2 issued = request.Create(authority, DateTimeOffset.UnixEpoch, DateTimeOffset.UtcNow.AddDays(1), [1, 2, 3]);
        Put("own.pem", issued.ExportCertificatePem());
        Put("own-key.pem", key.ExportECPrivateKeyPem());
    }

    private sealed class Intake : IFrameIntake
    {
        public ValueTask<FrameVerdict> SubmitAsync(ReadOnlyMemory<byte> topicDeviceId, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken) =>
            ValueTask.FromResult(FrameVerdict.Accepted);
    }
}

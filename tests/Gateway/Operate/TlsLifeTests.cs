// Decades of certificates in seconds: a moved clock, files in a folder, real handshakes.

using System.Diagnostics;
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
    public async Task After_a_rotation_boards_that_trust_the_old_and_the_new_authority_are_served_until_the_old_ones_time_ends()
    {
        using X509Certificate2 old = Rotate(TimeSpan.FromDays(40), out DateTime end);
        Assert.That(() => CertificateAuthority.Rotate(_folder, TimeSpan.FromDays(40), _time), Throws.TypeOf<SettingsException>().With.Message.Contains($"{end:u}"), "one after the other");
        using GatewayTls tls = Open();
        using X509Certificate2 fresh = tls.Authority;
        await using IngestHost host = await ListenAsync(tls);
        Assert.That(fresh.RawData, Is.Not.EqualTo(old.RawData));
        await HandshakeAsync(host, old);
        await HandshakeAsync(host, fresh);
        Assert.That((await OpenSslAsync(host, old), await OpenSslAsync(host, fresh)), Is.EqualTo((0, 0)), "another program's reading of RFC 5280");
        PartStatus told = await ReportAsync(tls);
        Assert.That((told.State, told.Reason.Contains($"{end:u}", StringComparison.Ordinal)), Is.EqualTo((PartState.Ok, true)));
        _time.Advance(TimeSpan.FromDays(20));
        Assert.That((await ReportAsync(tls)).State, Is.EqualTo(PartState.Degraded), "a last reminder");

        _time.Advance(TimeSpan.FromDays(20));
        tls.Look();
        Assert.That(async () => await HandshakeAsync(host, old), Throws.Exception, "its time is over");
        Assert.That(File.Exists(Path.Combine(_folder, CertificateAuthority.OldKeyFileName)), Is.False, "the old key is gone");
        Assert.That(await OpenSslAsync(host, old), Is.Not.Zero, "and one without a clock is shown what the new authority signed");
        await HandshakeAsync(host, fresh);
        Assert.That((await ReportAsync(tls)).State, Is.EqualTo(PartState.Ok));
        Rotate(TimeSpan.FromDays(40), out _).Dispose(); // and again
        using X509Certificate2 second = Rotate(TimeSpan.Zero, out _); // its key was stolen
        using GatewayTls after = Open();
        await using IngestHost other = await ListenAsync(after);
        Assert.That(async () => await HandshakeAsync(other, second), Throws.Exception);
        await HandshakeAsync(other, after.Authority);
    }

    [Test]
    public async Task A_rotation_that_fails_before_it_is_decided_changed_nothing()
    {
        using X509Certificate2 old = MakeAuthority();
        string next = Path.Combine(_folder, CertificateAuthority.NextFileName);
        Directory.CreateDirectory(Path.Combine(next, "in the way"));
        Assert.That(() => CertificateAuthority.Rotate(_folder, TimeSpan.FromDays(40), _time), Throws.InstanceOf<IOException>().Or.InstanceOf<UnauthorizedAccessException>());
        Directory.Delete(next, recursive: true);
        using GatewayTls tls = Open();
        Assert.That(tls.Authority.RawData, Is.EqualTo(old.RawData));
        await using IngestHost host = await ListenAsync(tls);
        await HandshakeAsync(host, old);
    }

    // Of the files that are replaced once it is decided, so many are before it stops.
    [Test]
    public async Task A_rotation_that_is_cut_off_after_it_was_decided_is_ended_by_the_next_start([Range(0, 4)] int replaced)
    {
        string[] order = [CertificateAuthority.OldKeyFileName, CertificateAuthority.OldFileName, CertificateAuthority.KeyFileName, CertificateAuthority.FileName];
        using X509Certificate2 old = MakeAuthority();
        Dictionary<string, byte[]> before = order[2..].ToDictionary(name => name, name => File.ReadAllBytes(Path.Combine(_folder, name)));
        string blocked = Path.Combine(_folder, order[0] + ".new"), next = Path.Combine(_folder, CertificateAuthority.NextFileName);
        Directory.CreateDirectory(Path.Combine(blocked, "in the way"));
        Assert.That(() => CertificateAuthority.Rotate(_folder, TimeSpan.FromDays(40), _time), Throws.InstanceOf<IOException>().Or.InstanceOf<UnauthorizedAccessException>());
        byte[] decided = File.ReadAllBytes(next);
        Directory.Delete(blocked, recursive: true);
        if (!OperatingSystem.IsWindows()) Assert.That(File.GetUnixFileMode(next), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite), "it holds a key");
        CertificateAuthority.Rotate(_folder, TimeSpan.FromDays(40), _time); // ends that one, and begins none
        byte[] fresh = File.ReadAllBytes(Path.Combine(_folder, CertificateAuthority.FileName));

        SecretFile.Write(next, decided);
        foreach (string name in order[replaced..])
            if (before.TryGetValue(name, out byte[]? content)) SecretFile.Write(Path.Combine(_folder, name), content);
            else File.Delete(Path.Combine(_folder, name));
        using GatewayTls tls = Open();
        Assert.That(tls.AuthorityPem(), Is.EqualTo(fresh));
        Assert.That(File.Exists(next), Is.False);
        await using IngestHost host = await ListenAsync(tls);
        await HandshakeAsync(host, old);
        await HandshakeAsync(host, tls.Authority);
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

    private X509Certificate2 MakeAuthority()
    {
        using GatewayTls tls = Open();
        return tls.Authority;
    }

    /// <summary>Gives the authority before.</summary>
    private X509Certificate2 Rotate(TimeSpan overlap, out DateTime end)
    {
        X509Certificate2 old = MakeAuthority();
        end = CertificateAuthority.Rotate(_folder, overlap, _time);
        return old;
    }

    /// <summary>0 when `openssl s_client` trusts the server through this authority alone; without looking at the time.</summary>
    private async Task<int> OpenSslAsync(IngestHost host, X509Certificate2 authority)
    {
        string file = Path.Combine(_folder, "trusted.pem");
        await File.WriteAllTextAsync(file, authority.ExportCertificatePem());
        using Process openssl = Process.Start(new ProcessStartInfo("openssl", ["s_client", "-connect", $"127.0.0.1:{host.EndPoints.Tls!.Port}", "-CAfile", file, "-no-CApath", "-no-CAstore", "-no_check_time", "-verify_return_error"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        openssl.StandardInput.Close();
        await Task.WhenAll(openssl.StandardOutput.ReadToEndAsync(), openssl.StandardError.ReadToEndAsync(), openssl.WaitForExitAsync());
        return openssl.ExitCode;
    }

    private static Task<IngestHost> ListenAsync(GatewayTls tls) =>
        IngestHost.StartAsync(s => s with { Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => tls.Presented });

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
            Validate = (_, certificate, sent, _) =>
            {
                presented = X509CertificateLoader.LoadCertificate(certificate!.GetRawCertData());
                using X509Chain chain = new();
                chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                chain.ChainPolicy.CustomTrustStore.Add(authority);
                chain.ChainPolicy.ExtraStore.AddRange(sent!.ChainPolicy.ExtraStore); // what the server sent along
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
        SecretFile.Write(Path.Combine(_folder, CertificateAuthority.KeyFileName), System.Text.Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem()));
        SecretFile.WritePublic(Path.Combine(_folder, CertificateAuthority.FileName), System.Text.Encoding.ASCII.GetBytes(made.ExportCertificatePem()));
    }
}

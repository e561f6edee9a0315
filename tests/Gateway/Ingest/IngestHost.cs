// A running MqttIngest on free loopback ports with a fake intake, for tests with real sockets.

using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Ingest;

/// <summary>Takes frames and answers as the test says.</summary>
internal sealed class FakeIntake : IFrameIntake
{
    private int _submitted;

    public ConcurrentQueue<byte[]> Frames { get; } = new();

    public int Submitted => Volatile.Read(ref _submitted);

    public bool Record { get; set; } = true;

    public Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>, ValueTask<FrameVerdict>> Decide { get; set; } = static (_, _) => new(FrameVerdict.Accepted);

    public ValueTask<FrameVerdict> SubmitAsync(ReadOnlyMemory<byte> topicDeviceId, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _submitted);
        if (Record)
        {
            Frames.Enqueue(frame.ToArray());
        }

        return Decide(topicDeviceId, frame);
    }
}

internal sealed class IngestHost : IAsyncDisposable
{
    public const string Device = "00112233445566778899aabbccddeeff00112233";

    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;

    private IngestHost(IngestSettings settings, FakeIntake intake, TimeProvider time)
    {
        Intake = intake;
        Ingest = new MqttIngest(settings, intake, time, NullLoggerFactory.Instance);
        _running = Task.Run(() => Ingest.RunAsync(_stopping.Token));
    }

    public FakeIntake Intake { get; }

    public MqttIngest Ingest { get; }

    public IngestEndPoints EndPoints => Ingest.Listening.Result;

    public int Port => EndPoints.Plain!.Port;

    public static string FrameTopic => $"depin/1/{Device}/frame";

    public static async Task<IngestHost> StartAsync(
        Func<IngestSettings, IngestSettings>? change = null, TimeProvider? time = null, FakeIntake? intake = null)
    {
        IngestSettings settings = new() { Plain = new IPEndPoint(IPAddress.Loopback, 0) };
        IngestHost host = new(change?.Invoke(settings) ?? settings, intake ?? new FakeIntake(), time ?? TimeProvider.System);
        await host.Ingest.Listening.WaitAsync(TimeSpan.FromSeconds(30));
        return host;
    }

    public async Task<MqttClient> ConnectAsync(Func<MqttClientOptions, MqttClientOptions>? change = null)
    {
        MqttClientOptions options = new() { Host = "127.0.0.1", Port = Port };
        MqttClient client = new(change?.Invoke(options) ?? options);
        MqttConnectResult result = await client.ConnectAsync();
        Assert.That(result.IsConnected, Is.True, $"CONNACK {result.Code}");
        return client;
    }

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _running;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
        Assert.That(Ingest.Metrics.Faults, Is.Zero, "No exception may escape into the connection's last resort.");
    }
}

/// <summary>Waits for a condition, never for a time.</summary>
internal static class Until
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource timeout = new(Patience);
        while (!condition())
        {
            if (timeout.IsCancellationRequested)
            {
                Assert.Fail($"Waited {Patience.TotalSeconds:0} s for: {what}");
            }

            await Task.Delay(5);
        }
    }
}

/// <summary>A throw-away authority and a server certificate of it.</summary>
internal sealed class TestAuthority : IDisposable
{
    public TestAuthority()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        // A name of its own: node sends the issuer along that has the right name, and two of one name without key identifiers are mixed up.
        CertificateRequest request = new($"CN=test authority {Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        DateTimeOffset now = DateTimeOffset.UtcNow;
        Root = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));

        using ECDsa serverKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest server = new("CN=localhost", serverKey, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        server.CertificateExtensions.Add(names.Build());
        using X509Certificate2 issued = server.Create(Root, now.AddDays(-1), now.AddDays(1), [1, 2, 3, 4]);
        using X509Certificate2 withKey = issued.CopyWithPrivateKey(serverKey);
        Presented = SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null), additionalCertificates: null, offline: true);
    }

    public X509Certificate2 Root { get; }

    public X509Certificate2 Server => Presented.TargetCertificate;

    public SslStreamCertificateContext Presented { get; }

    /// <summary>A client's certificate with its key.</summary>
    public X509Certificate2 Issue(bool isOver = false, string name = "client")
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=" + name, key, HashAlgorithmName.SHA256);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 issued = request.Create(Root, now.AddDays(-1), now.AddHours(isOver ? -1 : 1), [5, 6, 7, 8]);
        using X509Certificate2 withKey = issued.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    public string WriteRootPem()
    {
        string file = Path.Combine(Path.GetTempPath(), $"depin-ca-{Guid.NewGuid():N}.pem");
        File.WriteAllText(file, Root.ExportCertificatePem());
        return file;
    }

    public void Dispose()
    {
        Root.Dispose();
        Server.Dispose();
    }
}

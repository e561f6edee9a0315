using System.Diagnostics.Metrics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// The server certificate that the gateway's own authority signs, renewed when a third of its life is left or when a name is missing, and what is
/// presented with it after the authority's rotation. Keys are 0600; <c>ca.pem</c> is for boards.
/// Certificates are valid from 1970 on: a board or a Raspberry Pi without a clock says 1970 at boot and must not read "not yet valid".
/// </summary>
public sealed class GatewayTls : IDisposable
{
    /// <summary>The server certificate.</summary>
    public const string ServerFile = "server.pem";

    /// <summary>How often expiry and names are looked at.</summary>
    public static readonly TimeSpan CheckInterval = TimeSpan.FromHours(1);

    /// <summary>How long before the authority's end /health asks for boards to be provisioned again: somebody has to visit each of them.</summary>
    public static readonly TimeSpan AuthorityEndNear = TimeSpan.FromDays(365);

    /// <summary>How long before the end of a rotation /health reminds of the boards that trust the old authority.</summary>
    public static readonly TimeSpan OverlapEndNear = TimeSpan.FromDays(30);

    /// <summary>The part of /health.</summary>
    public const string Part = "tls";

    internal static readonly DateTimeOffset ValidFrom = DateTimeOffset.UnixEpoch;
    private const int NamesMax = 64;
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1"; // RFC 5280 section 4.2.1.12

    private readonly TlsSettings _settings;
    private readonly string _folder;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CertificateAuthority _authority;
    private readonly Meter _meter = new("DePIN.Gateway");
    private readonly Lock _gate = new();
    private volatile X509Certificate2 _server;
    private volatile SslStreamCertificateContext _presented;

    private GatewayTls(TlsSettings settings, string folder, TimeProvider time, ILogger log)
    {
        (_settings, _folder, _time, _log) = (settings, folder, time, log);
        _authority = CertificateAuthority.Open(folder, log);
        EndOverlap();
        _server = OpenServer();
        _presented = Present();
        _meter.CreateObservableGauge("depin_tls_end_seconds", Ends, description: "Time until a certificate ends: the authority's, the server's, and during a rotation the old authority's.");
    }

    /// <summary>The server's certificate, with its private key.</summary>
    public X509Certificate2 Server => _server;

    /// <summary>What to present now: the server's certificate and those that a client with an old authority needs. Ask at each handshake: it changes at renewal.</summary>
    public SslStreamCertificateContext Presented => _presented;

    /// <summary>The authority's certificate, without its key.</summary>
    public X509Certificate2 Authority => X509CertificateLoader.LoadCertificate(_authority.Certificate.RawData);

    /// <summary>The same as PEM, as boards are given it.</summary>
    public byte[] AuthorityPem() => CertificateAuthority.Pem(_authority.Certificate);

    /// <summary>Opens or creates both in <paramref name="folder"/>. Throws <see cref="SettingsException"/> on a damaged or readable key.</summary>
    public static GatewayTls Open(TlsSettings settings, string folder, TimeProvider time, ILogger log) => new(settings, folder, time, log);

    /// <summary>Renews the server certificate in time and tells <paramref name="health"/> of ends that are near, until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(HealthBoard health, CancellationToken stopping)
    {
        while (true)
        {
            Report(health);
            await Task.Delay(CheckInterval, _time, stopping).ConfigureAwait(false);
            Look();
        }
    }

    /// <summary>Renews the server certificate now, when it is time to or a name is missing.</summary>
    public void Look()
    {
        lock (_gate)
        {
            try
            {
                bool changed = EndOverlap();
                if (WhyRenew(_server) is { } reason) (_server, changed) = (IssueServer(reason), true);
                if (changed) _presented = Present();
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
            {
                _log.LogError(fault, "the server certificate could not be renewed; the old one is valid until {End:u}", _server.NotAfter.ToUniversalTime());
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _meter.Dispose();
        _authority.Dispose();
        _server.Dispose();
    }

    private SslStreamCertificateContext Present() => SslStreamCertificateContext.Create(_server, _authority.Bridge is { } bridge ? [bridge, _authority.Certificate] : null, offline: true);

    private bool EndOverlap()
    {
        if (!_authority.EndOverlap(_folder, _time.GetUtcNow())) return false;
        _log.LogInformation("the old authority's time is over: boards that trust it alone are refused from now on");
        return true;
    }

    private IEnumerable<Measurement<double>> Ends()
    {
        DateTime now = _time.GetUtcNow().UtcDateTime;
        yield return Left("authority", _authority.Certificate.NotAfter.ToUniversalTime());
        yield return Left("server", _server.NotAfter.ToUniversalTime());
        if (_authority.OverlapEnd is { } end) yield return Left("old authority", end);

        Measurement<double> Left(string which, DateTime end) => new((end - now).TotalSeconds, new KeyValuePair<string, object?>("certificate", which));
    }

    private void Report(HealthBoard health)
    {
        DateTime now = _time.GetUtcNow().UtcDateTime, authorityEnd = _authority.Certificate.NotAfter.ToUniversalTime(), serverEnd = _server.NotAfter.ToUniversalTime();
        const string again = "Run 'depin gateway ca rotate', restart the gateway, and provision every board again.";
        if (now >= authorityEnd)
            health.Report(Part, PartState.Failed, $"the authority that boards trust ended on {authorityEnd:u}; boards that know the time refuse this gateway.", again);
        else if (authorityEnd - now < AuthorityEndNear)
            health.Report(Part, PartState.Degraded, $"the authority that boards trust ends on {authorityEnd:u}.", again);
        else if (IsDue(_server))
            health.Report(Part, now >= serverEnd ? PartState.Failed : PartState.Degraded, $"the server certificate ends on {serverEnd:u} and could not be renewed.", $"Make {_folder} writable and free space on its disk; the log says why it failed.");
        else if (_authority.OverlapEnd is { } end)
            health.Report(Part, end - now < OverlapEndNear ? PartState.Degraded : PartState.Ok, $"the authority was changed; boards that trust the old one are served until {end:u}.", "Provision the boards again that were provisioned before the change.");
        else
            health.Report(Part, PartState.Ok, $"the server certificate is valid until {serverEnd:u}.");
    }

    /// <summary>A third of its life is left, and another would live longer: nothing outlives the authority.</summary>
    private bool IsDue(X509Certificate2 server) =>
        _time.GetUtcNow() >= server.NotAfter.ToUniversalTime() - TimeSpan.FromDays(_settings.ServerDays / 3.0) && server.NotAfter < _authority.Signer.NotAfter;

    private X509Certificate2 OpenServer()
    {
        string certificate = Path.Combine(_folder, ServerFile), key = Path.Combine(_folder, "server.key");
        if (!File.Exists(certificate) || !File.Exists(key)) return IssueServer("none exists yet");
        X509Certificate2 server;
        try
        {
            server = CertificateAuthority.Load(certificate, key);
        }
        catch (SettingsException damaged) when (File.Exists(key) && !damaged.Message.Contains("chmod", StringComparison.Ordinal))
        {
            return IssueServer("the old one is damaged"); // nobody pins the server's key: the authority signs another
        }

        if (WhyRenew(server) is not { } reason) return server;
        server.Dispose();
        return IssueServer(reason);
    }

    private string? WhyRenew(X509Certificate2 server)
    {
        if (IsDue(server)) return "its end is near";
        if (server.IssuerName.Name != _authority.Signer.SubjectName.Name || !SignedByAuthority(server)) return "another authority signed it";
        X509SubjectAlternativeNameExtension? names = server.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        HashSet<string> have = names is null ? [] : [.. names.EnumerateDnsNames(), .. names.EnumerateIPAddresses().Select(a => a.ToString())];
        return Names().All(have.Contains) ? null : "a name is missing";
    }

    private bool SignedByAuthority(X509Certificate2 server)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_authority.Signer);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        return chain.Build(server);
    }

    private X509Certificate2 IssueServer(string reason)
    {
        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=DePIN Edge gateway", pair, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], critical: false));
        SubjectAlternativeNameBuilder names = new();
        foreach (string name in Names())
        {
            if (IPAddress.TryParse(name, out IPAddress? address)) names.AddIpAddress(address);
            else names.AddDnsName(name);
        }

        request.CertificateExtensions.Add(names.Build());
        CertificateAuthority.NameKey(request, _authority.Signer);
        DateTimeOffset end = _time.GetUtcNow().AddDays(_settings.ServerDays), last = _authority.Signer.NotAfter;
        using X509Certificate2 made = request.Create(_authority.Signer, ValidFrom, end < last ? end : last, NewSerial());
        string certificate = Path.Combine(_folder, ServerFile), key = Path.Combine(_folder, "server.key");
        File.Delete(certificate); // a crash between the two writes leaves a pair that is simply made again
        SecretFile.Write(key, CertificateAuthority.Pem(pair));
        SecretFile.WritePublic(certificate, CertificateAuthority.Pem(made));
        _log.LogInformation("made a server certificate valid until {End:u} ({Reason})", made.NotAfter.ToUniversalTime(), reason);
        return CertificateAuthority.Load(certificate, key);
    }

    /// <summary>16 bytes, positive and not zero: RFC 5280 section 4.1.2.2.</summary>
    internal static byte[] NewSerial()
    {
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7f | 0x01);
        return serial;
    }

    private string[] Names()
    {
        IEnumerable<string> addresses = NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.OperationalStatus == OperationalStatus.Up)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .Where(a => a.AddressFamily == AddressFamily.InterNetwork || !a.IsIPv6LinkLocal)
            .Select(a => a.ToString());
        string host = Dns.GetHostName();
        return [.. new[] { "localhost", "127.0.0.1", "::1", host, host.Contains('.', StringComparison.Ordinal) ? host : host + ".local" }
            .Concat(_settings.Names).Concat(addresses).Distinct(StringComparer.Ordinal).Take(NamesMax)];
    }
}

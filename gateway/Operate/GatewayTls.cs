using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// The gateway's own certificate authority (P-256, kept for decades, because boards pin it) and the server certificate
/// it signs, renewed when a third of its life is left or when a name is missing. Keys are 0600; <c>ca.pem</c> is for boards.
/// Certificates are valid from 1970 on: a board or a Raspberry Pi without a clock says 1970 at boot and must not read "not yet valid".
/// </summary>
public sealed class GatewayTls : IDisposable
{
    /// <summary>The authority's public certificate, to be given to boards.</summary>
    public const string AuthorityFile = "ca.pem";

    /// <summary>Its private key.</summary>
    public const string AuthorityKeyFile = "ca.key";

    /// <summary>The server certificate.</summary>
    public const string ServerFile = "server.pem";

    /// <summary>How often expiry and names are looked at.</summary>
    public static readonly TimeSpan CheckInterval = TimeSpan.FromHours(1);

    /// <summary>How long before the authority's end /health asks for boards to be provisioned again: somebody has to visit each of them.</summary>
    public static readonly TimeSpan AuthorityEndNear = TimeSpan.FromDays(365);

    /// <summary>The part of /health.</summary>
    public const string Part = "tls";

    private static readonly DateTimeOffset ValidFrom = DateTimeOffset.UnixEpoch;
    private static readonly DateTimeOffset AuthorityValidTo = new(2060, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private const int NamesMax = 64;
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1"; // RFC 5280 section 4.2.1.12

    private readonly TlsSettings _settings;
    private readonly string _folder;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly X509Certificate2 _authority;
    private readonly Lock _gate = new();
    private volatile X509Certificate2 _server;

    private GatewayTls(TlsSettings settings, string folder, TimeProvider time, ILogger log)
    {
        (_settings, _folder, _time, _log) = (settings, folder, time, log);
        _authority = OpenAuthority();
        _server = OpenServer();
    }

    /// <summary>The certificate to present now, with its private key. Ask at each handshake: it changes at renewal.</summary>
    public X509Certificate2 Server => _server;

    /// <summary>The authority's certificate, without its key.</summary>
    public X509Certificate2 Authority => X509CertificateLoader.LoadCertificate(_authority.RawData);

    /// <summary>The same as PEM, as boards are given it.</summary>
    public byte[] AuthorityPem() => Encoding.ASCII.GetBytes(_authority.ExportCertificatePem() + "\n");

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
                if (WhyRenew(_server) is { } reason) _server = IssueServer(reason);
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
        _authority.Dispose();
        _server.Dispose();
    }

    private void Report(HealthBoard health)
    {
        DateTime now = _time.GetUtcNow().UtcDateTime, authorityEnd = _authority.NotAfter.ToUniversalTime(), serverEnd = _server.NotAfter.ToUniversalTime();
        string again = $"Move {AuthorityFile} and {AuthorityKeyFile} out of {_folder}, restart the gateway (it makes new ones) and provision every board again.";
        if (now >= authorityEnd)
            health.Report(Part, PartState.Failed, $"the authority that boards trust ended on {authorityEnd:u}; boards that know the time refuse this gateway.", again);
        else if (authorityEnd - now < AuthorityEndNear)
            health.Report(Part, PartState.Degraded, $"the authority that boards trust ends on {authorityEnd:u}.", again);
        else if (IsDue(_server))
            health.Report(Part, now >= serverEnd ? PartState.Failed : PartState.Degraded, $"the server certificate ends on {serverEnd:u} and could not be renewed.", $"Make {_folder} writable and free space on its disk; the log says why it failed.");
        else
            health.Report(Part, PartState.Ok, $"the server certificate is valid until {serverEnd:u}.");
    }

    /// <summary>A third of its life is left, and another would live longer: nothing outlives the authority.</summary>
    private bool IsDue(X509Certificate2 server) =>
        _time.GetUtcNow() >= server.NotAfter.ToUniversalTime() - TimeSpan.FromDays(_settings.ServerDays / 3.0) && server.NotAfter < _authority.NotAfter;

    private X509Certificate2 OpenAuthority()
    {
        string certificate = Path.Combine(_folder, AuthorityFile), key = Path.Combine(_folder, AuthorityKeyFile);
        bool haveCertificate = File.Exists(certificate), haveKey = File.Exists(key);
        if (haveCertificate && haveKey) return Load(certificate, key);
        if (haveCertificate) // boards trust this authority; a silent new one would cut them all off
            throw new SettingsException($"{key} is missing, but {certificate} exists and boards trust it. Restore ca.key from your backup; or, to cut off every board until it is provisioned again, remove {certificate}.");

        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=DePIN Edge gateway authority", pair, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using X509Certificate2 made = request.CreateSelfSigned(ValidFrom, AuthorityValidTo);
        SecretFile.Write(key, Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem() + "\n")); // key first: a certificate without its key is refused above
        SecretFile.WritePublic(certificate, Encoding.ASCII.GetBytes(made.ExportCertificatePem() + "\n"));
        _log.LogInformation("made a certificate authority; give {File} to your boards", certificate);
        return Load(certificate, key);
    }

    private X509Certificate2 OpenServer()
    {
        string certificate = Path.Combine(_folder, ServerFile), key = Path.Combine(_folder, "server.key");
        if (!File.Exists(certificate) || !File.Exists(key)) return IssueServer("none exists yet");
        X509Certificate2 server;
        try
        {
            server = Load(certificate, key);
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
        if (server.IssuerName.Name != _authority.SubjectName.Name || !SignedByAuthority(server)) return "another authority signed it";
        X509SubjectAlternativeNameExtension? names = server.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        HashSet<string> have = names is null ? [] : [.. names.EnumerateDnsNames(), .. names.EnumerateIPAddresses().Select(a => a.ToString())];
        return Names().All(have.Contains) ? null : "a name is missing";
    }

    private bool SignedByAuthority(X509Certificate2 server)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_authority);
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
        DateTimeOffset end = _time.GetUtcNow().AddDays(_settings.ServerDays), last = _authority.NotAfter;
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7f | 0x01); // positive and not zero: RFC 5280 section 4.1.2.2
        using X509Certificate2 made = request.Create(_authority, ValidFrom, end < last ? end : last, serial);
        string certificate = Path.Combine(_folder, ServerFile), key = Path.Combine(_folder, "server.key");
        File.Delete(certificate); // a crash between the two writes leaves a pair that is simply made again
        SecretFile.Write(key, Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem() + "\n"));
        SecretFile.WritePublic(certificate, Encoding.ASCII.GetBytes(made.ExportCertificatePem() + "\n"));
        _log.LogInformation("made a server certificate valid until {End:u} ({Reason})", made.NotAfter.ToUniversalTime(), reason);
        return Load(certificate, key);
    }

    private static X509Certificate2 Load(string certificate, string key)
    {
        byte[] secret = SecretFile.Read(key);
        try
        {
            using X509Certificate2 pem = X509Certificate2.CreateFromPem(File.ReadAllText(certificate), Encoding.ASCII.GetString(secret));
            // Through PKCS#12, so that the private key lives as long as the certificate on every platform.
            return X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            throw new SettingsException($"{certificate} and {key} are damaged or do not belong together ({fault.Message}). Restore both from your backup.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
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

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// The gateway's own certificate authority (P-256, kept for decades, because boards pin it), and its rotation: a new key, and its certificate over the old one ("old with
/// new", RFC 4210 section 4.4). Until the overlap ends the old key goes on signing the server's certificate: boards that pin the old authority verify it as before, boards
/// that pin the new one by the certificate over the old, which is sent along. The other way round would not do: mbedTLS, which boards have, lets nothing be below an
/// authority with a path length of 0, not even what is self-issued (RFC 5280 section 6.1.4 (l)).
/// </summary>
public sealed class CertificateAuthority : IDisposable
{
    /// <summary>The public certificate, to be given to boards.</summary>
    public const string FileName = "ca.pem";

    /// <summary>Its private key.</summary>
    public const string KeyFileName = "ca.key";

    /// <summary>During a rotation: the old authority's certificate, and the new one's over its key.</summary>
    public const string OldFileName = "ca-old.pem";

    /// <summary>During a rotation: the old authority's private key.</summary>
    public const string OldKeyFileName = "ca-old.key";

    /// <summary>A rotation that is decided and not done: the new key and certificate, and what becomes <see cref="OldFileName"/>; secret.</summary>
    public const string NextFileName = "ca-next.pem";

    /// <summary>How long boards that pin the old authority are served after a rotation, unless told otherwise. Days.</summary>
    public const int OverlapDays = 365;

    private const int YearsMin = 30;
    private static readonly DateTimeOffset FirstValidTo = new(2060, 1, 1, 0, 0, 0, TimeSpan.Zero); // fixed: at a first start the clock may be wrong

    private X509Certificate2? _old;

    private CertificateAuthority(X509Certificate2 certificate, X509Certificate2? old, X509Certificate2? bridge) => (Certificate, _old, Bridge) = (certificate, old, bridge);

    /// <summary>What boards are given, with its private key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>What signs the server's certificate: during a rotation the old authority.</summary>
    public X509Certificate2 Signer => _old ?? Certificate;

    /// <summary>During a rotation the certificate over the old authority's key, to be sent along.</summary>
    public X509Certificate2? Bridge { get; private set; }

    /// <summary>Until when boards that pin the old authority are served; null when there is none.</summary>
    public DateTime? OverlapEnd => Bridge?.NotAfter.ToUniversalTime();

    /// <summary>Opens it, makes it where none ever was, and ends a rotation that was interrupted after it was decided.</summary>
    /// <exception cref="SettingsException">A key is missing, damaged, or readable by others.</exception>
    public static CertificateAuthority Open(string folder, ILogger log)
    {
        Resume(folder);
        string certificate = Path.Combine(folder, FileName), key = Path.Combine(folder, KeyFileName), old = Path.Combine(folder, OldFileName);
        bool haveCertificate = File.Exists(certificate), haveKey = File.Exists(key);
        if (haveCertificate && !haveKey) // boards trust this authority; a silent new one would cut them all off
            throw new SettingsException($"{key} is missing, but {certificate} exists and boards trust it. Restore ca.key from your backup; or, to cut off every board until it is provisioned again, remove {certificate}.");
        if (!haveCertificate || !haveKey)
        {
            using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using X509Certificate2 made = Request(new X500DistinguishedName("CN=DePIN Edge gateway authority"), pair, below: 1).CreateSelfSigned(GatewayTls.ValidFrom, FirstValidTo);
            SecretFile.Write(key, Pem(pair)); // key first: a certificate without its key is refused above
            SecretFile.WritePublic(certificate, Pem(made));
            log.LogInformation("made a certificate authority; give {File} to your boards", certificate);
        }

        X509Certificate2 current = Load(certificate, key);
        return File.Exists(old) ? new CertificateAuthority(current, Load(old, Path.Combine(folder, OldKeyFileName)), Read(old)[1]) : new CertificateAuthority(current, null, null);
    }

    /// <summary>
    /// Replaces the key and the certificate that boards are given from now on; those that pin the old one are served for <paramref name="overlap"/>, at most until it ends.
    /// Killed at any moment, either nothing has changed, or the next <see cref="Open"/> or Rotate ends it. Returns the end of the overlap.
    /// </summary>
    /// <exception cref="SettingsException">There is none yet, or the overlap of an earlier rotation is not over.</exception>
    /// <exception cref="IOException">A file could not be written.</exception>
    public static DateTime Rotate(string folder, TimeSpan overlap, TimeProvider time)
    {
        DateTimeOffset now = time.GetUtcNow();
        bool isResumed = Resume(folder);
        string certificate = Path.Combine(folder, FileName), earlier = Path.Combine(folder, OldFileName);
        if (!File.Exists(certificate)) throw new SettingsException($"{certificate} is not there. The gateway makes it at its first start, or 'depin gateway init' does.");
        DateTime? under = File.Exists(earlier) ? Read(earlier)[1].NotAfter.ToUniversalTime() : null;
        if (isResumed) return under ?? now.UtcDateTime;
        if (under > now.UtcDateTime && overlap > TimeSpan.Zero)
            throw new SettingsException($"the rotation before is not over: boards that trust the authority before this one are served until {under:u}. Provision them again and wait for that day, or end it now with --days 0, which cuts off every board.");
        Forget(folder);
        using X509Certificate2 old = Load(certificate, Path.Combine(folder, KeyFileName));
        DateTimeOffset end = now + overlap < old.NotAfter ? now + overlap : old.NotAfter;
        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 made = Request(old.SubjectName, pair, below: 1).CreateSelfSigned(GatewayTls.ValidFrom, now.AddYears(YearsMin) > FirstValidTo ? now.AddYears(YearsMin) : FirstValidTo);
        byte[] decided = [.. Pem(pair), .. Pem(made)];
        if (end > now)
        {
            using ECDsa oldPair = old.GetECDsaPublicKey()!;
            CertificateRequest request = new(old.SubjectName, oldPair, HashAlgorithmName.SHA256);
            Extend(request, below: 0);
            NameKey(request, made);
            using X509Certificate2 bridge = request.Create(made, GatewayTls.ValidFrom, end, GatewayTls.NewSerial());
            decided = [.. decided, .. Pem(old), .. Pem(bridge)];
        }

        SecretFile.Write(Path.Combine(folder, NextFileName), decided);
        Resume(folder);
        return end.UtcDateTime;
    }

    /// <summary>Takes the old authority away when its time is over. Returns true when there was one.</summary>
    public bool EndOverlap(string folder, DateTimeOffset now)
    {
        if (OverlapEnd is not { } end || now < end) return false;
        Forget(folder);
        _old?.Dispose();
        (_old, Bridge) = (null, null);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Certificate.Dispose();
        _old?.Dispose();
    }

    /// <summary>A certificate with its key. Throws <see cref="SettingsException"/> when they are damaged or do not belong together.</summary>
    internal static X509Certificate2 Load(string certificate, string key)
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

    /// <summary>Says by which key, because after a rotation two have one name; an authority from elsewhere may give its key no name.</summary>
    internal static void NameKey(CertificateRequest request, X509Certificate2 issuer)
    {
        if (issuer.Extensions.OfType<X509SubjectKeyIdentifierExtension>().FirstOrDefault() is { } key)
            request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(key));
    }

    internal static byte[] Pem(X509Certificate2 certificate) => Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");

    internal static byte[] Pem(ECDsa pair) => Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem() + "\n");

    // Every step again does no harm; the file that decided goes last.
    private static bool Resume(string folder)
    {
        string next = Path.Combine(folder, NextFileName), key = Path.Combine(folder, KeyFileName), oldKey = Path.Combine(folder, OldKeyFileName);
        if (!File.Exists(next)) return false;
        Load(next, next).Dispose();
        X509Certificate2Collection made = Read(next);
        if (made.Count > 1)
        {
            if (!File.Exists(oldKey)) SecretFile.Write(oldKey, SecretFile.Read(key)); // before key is replaced; Rotate saw to it that none is there
            SecretFile.WritePublic(Path.Combine(folder, OldFileName), [.. Pem(made[1]), .. Pem(made[2])]);
        }

        using ECDsa pair = ECDsa.Create();
        pair.ImportFromPem(File.ReadAllText(next));
        SecretFile.Write(key, Pem(pair));
        SecretFile.WritePublic(Path.Combine(folder, FileName), Pem(made[0]));
        File.Delete(next);
        if (!OperatingSystem.IsWindows()) SecretFile.FlushFolder(folder);
        return true;
    }

    // The certificate first: without it the key is nobody's.
    private static void Forget(string folder)
    {
        foreach (string name in (ReadOnlySpan<string>)[OldFileName, OldKeyFileName])
        {
            File.Delete(Path.Combine(folder, name));
            if (!OperatingSystem.IsWindows()) SecretFile.FlushFolder(folder);
        }
    }

    private static X509Certificate2Collection Read(string file)
    {
        X509Certificate2Collection read = [];
        try
        {
            read.ImportFromPemFile(file);
        }
        catch (CryptographicException fault)
        {
            throw new SettingsException($"{file} is damaged ({fault.Message}). Restore it from your backup; without it, boards of one of the two authorities are cut off.");
        }

        return read;
    }

    private static CertificateRequest Request(X500DistinguishedName name, ECDsa pair, int below)
    {
        CertificateRequest request = new(name, pair, HashAlgorithmName.SHA256);
        Extend(request, below);
        return request;
    }

    // below: authorities that may be between this one and the server's certificate.
    private static void Extend(CertificateRequest request, int below)
    {
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: below, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
    }
}

using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Peer;

/// <summary>
/// The TLS key by which other gateways know this one (P-256, <c>peer.key</c>, 0600): the registry records its hash. A key is made only where
/// none ever was, because peers refuse any other. The certificate around it is made anew at every start: nobody looks at anything but its key,
/// and it is valid from 1970 to 2060, for machines without a clock at boot.
/// </summary>
public sealed class PeerKey : IDisposable
{
    /// <summary>The file in the data folder.</summary>
    public const string FileName = "peer.key";

    private const string KnownKey = "peer.key.hash";
    private static readonly DateTimeOffset ValidFrom = DateTimeOffset.UnixEpoch;
    private static readonly DateTimeOffset ValidTo = new(2060, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private PeerKey(ECDsa pair)
    {
        Hash = HashOf(pair.ExportSubjectPublicKeyInfo());
        CertificateRequest request = new("CN=DePIN Edge gateway", pair, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        using X509Certificate2 made = request.CreateSelfSigned(ValidFrom, ValidTo);
        // Through PKCS#12, so that the private key lives as long as the certificate on every platform.
        Certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        Context = SslStreamCertificateContext.Create(Certificate, additionalCertificates: null, offline: true);
    }

    /// <summary>SHA-256 of the public key (SubjectPublicKeyInfo, DER): tlsKeyHash in the GatewayRegistry contract.</summary>
    public Hash32 Hash { get; }

    /// <summary>The certificate with its private key.</summary>
    public X509Certificate2 Certificate { get; }

    internal SslStreamCertificateContext Context { get; }

    /// <summary>A key that lives as long as the process: for tests and simulations.</summary>
    public static PeerKey Create()
    {
        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new PeerKey(pair);
    }

    /// <summary>
    /// The key in <paramref name="folder"/>, made when the folder never had one. A key put there by a person is taken (that is how one is
    /// replaced): its hash must then be recorded in the registry. Throws <see cref="SettingsException"/> that says what to do.
    /// </summary>
    public static PeerKey Open(string folder, ChainDatabase database, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(database);
        string file = Path.Combine(folder, FileName);
        string? known = database.Recall(KnownKey);
        PeerKey key;
        if (File.Exists(file))
        {
            key = Read(file);
        }
        else if (known is not null)
        {
            throw new SettingsException($"{file} is missing, but the registry may record the key {known} that was in it. Restore it from your backup (chmod 600); or put a new P-256 key there (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256) and record its hash in the registry.");
        }
        else
        {
            using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            SecretFile.Write(file, Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem() + "\n"));
            key = new PeerKey(pair);
            log.LogInformation("made the TLS key {Hash} for other gateways; back up {File}", key.Hash, file);
        }

        string now = key.Hash.ToString();
        if (known is not null && known != now) log.LogWarning("{File} holds another key than before: record {Hash} in the registry, or peers refuse this gateway", file, now);
        if (known != now) database.Remember(KnownKey, now);
        return key;
    }

    /// <summary>SHA-256 of a certificate's public key; zero when it has none that can be read.</summary>
    public static Hash32 HashOf(X509Certificate? certificate)
    {
        try
        {
            return certificate is X509Certificate2 known ? HashOf(known.PublicKey.ExportSubjectPublicKeyInfo()) : Hash32.Zero;
        }
        catch (CryptographicException)
        {
            return Hash32.Zero;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Certificate.Dispose();

    private static Hash32 HashOf(byte[] publicKeyInfo) => new(SHA256.HashData(publicKeyInfo));

    private static PeerKey Read(string file)
    {
        byte[] secret = SecretFile.Read(file);
        try
        {
            using ECDsa pair = ECDsa.Create();
            pair.ImportFromPem(Encoding.ASCII.GetString(secret));
            if (pair.ExportParameters(false).Curve.Oid is not { } curve || curve.Value != ECCurve.NamedCurves.nistP256.Oid.Value) throw new CryptographicException("its curve is not P-256");
            return new PeerKey(pair);
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            // The message of the fault names no content.
            throw new SettingsException($"{file} holds no P-256 private key in PEM ({fault.Message}). Restore it from your backup.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }
}

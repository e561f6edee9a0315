// Stands for firmware/Publish/OwnCertificate.cs: nanoFramework's X509Certificate2(byte[], byte[], string), which .NET's has not.

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DePIN.Firmware.Publish;

/// <summary>A client certificate with its P-256 key.</summary>
public static class OwnCertificate
{
    /// <summary>Both in PEM, ended by a zero byte as mbedTLS demands.</summary>
    /// <exception cref="ArgumentException">One of them is no PEM.</exception>
    /// <exception cref="CryptographicException">They do not belong together.</exception>
    public static X509Certificate Open(byte[] certificate, byte[] key)
    {
        using X509Certificate2 joined = X509Certificate2.CreateFromPem(Text(certificate), Text(key));
        return X509CertificateLoader.LoadPkcs12(joined.Export(X509ContentType.Pkcs12), null); // a key that is only in memory does not do for TLS on every system
    }

    private static string Text(byte[] pem) =>
        pem[^1] == 0 ? Encoding.ASCII.GetString(pem, 0, pem.Length - 1) : throw new ArgumentException("PEM ends with a zero byte", nameof(pem));
}

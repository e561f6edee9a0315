using System.Security.Cryptography.X509Certificates;

namespace DePIN.Firmware.Publish
{
    /// <summary>The one place that .NET cannot compile: nanoFramework's X509Certificate2 takes the private key beside the certificate.</summary>
    public static class OwnCertificate
    {
        /// <summary>Both in PEM, ended by a zero byte. The password is an empty one: some of the runtime's targets refuse null.</summary>
        public static X509Certificate Open(byte[] certificate, byte[] key)
        {
            return new X509Certificate2(certificate, key, "");
        }
    }
}

using System.Security.Cryptography;
using System.Text;
using DePIN.Evidence;

namespace DePIN.Cli.Up;

/// <summary>Files that hold a secret: created with mode 0600 from the first byte on, fsynced before use.</summary>
public static class PrivateFile
{
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using FileStream file = new(path, options);
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Makes a P-256 key, writes it as PKCS#8 in PEM, and gives SHA-256 of its public key (SubjectPublicKeyInfo, DER).</summary>
    public static Hash32 CreateTlsKey(string path)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Write(path, Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n"));
        return new Hash32(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
    }

    /// <summary>Makes an account's key and writes it as 64 hex digits.</summary>
    public static GatewaySigner CreateKey(string path)
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        GatewaySigner key = GatewaySigner.Create(random);
        Span<byte> secret = stackalloc byte[EthereumCrypto.PrivateKeyBytes];
        key.CopyPrivateKey(secret);
        Write(path, Encoding.ASCII.GetBytes(Convert.ToHexStringLower(secret) + "\n"));
        CryptographicOperations.ZeroMemory(secret);
        return key;
    }
}

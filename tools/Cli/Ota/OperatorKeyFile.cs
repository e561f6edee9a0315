using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;

namespace DePIN.Cli.Ota;

/// <summary>The operator's private key: P-256, PKCS#8 in PEM, a file that only its owner may read. Its content reaches no message.</summary>
public static class OperatorKeyFile
{
    private const int FileBytesMax = 4 * 1024;

    /// <summary>Makes a key and writes it; never over an existing file.</summary>
    public static ECDsa Create(string path)
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        try
        {
            PrivateFile.Write(path, Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n"));
            return key;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            key.Dispose();
            throw new CliError(ExitCode.BadInput, File.Exists(path) ? $"--out: {path} is there already" : $"--out: {path} cannot be written: {error.Message}",
                "name a new file: a key that nodes were provisioned with must not be lost");
        }
    }

    /// <summary>Reads a key.</summary>
    public static ECDsa Read(string path)
    {
        ECDsa key = ECDsa.Create();
        try
        {
            PrivateKeyMode.Check(path, "--key");
            if (new FileInfo(path).Length > FileBytesMax)
            {
                throw Wrong(path);
            }

            key.ImportFromPem(File.ReadAllText(path));
            ECParameters known = key.ExportParameters(includePrivateParameters: true);
            CryptographicOperations.ZeroMemory(known.D);
            return known.Curve.Oid.FriendlyName == ECCurve.NamedCurves.nistP256.Oid.FriendlyName || known.Curve.Oid.Value == "1.2.840.10045.3.1.7" ? key : throw Wrong(path);
        }
        catch (Exception error) when (error is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw Wrong(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            key.Dispose();
            throw new CliError(ExitCode.BadInput, $"--key: {path} cannot be read: {error.Message}", "make a key with 'depin ota keygen --out FILE'");
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static CliError Wrong(string path) => new(ExitCode.BadInput, $"--key: {path} holds no P-256 private key", "name the file that 'depin ota keygen' wrote");
}

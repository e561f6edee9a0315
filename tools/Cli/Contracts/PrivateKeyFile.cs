using System.Security.Cryptography;
using DePIN.Cli.Terminal;
using DePIN.Evidence;

namespace DePIN.Cli.Contracts;

/// <summary>Reads an account's key from a file that only its owner may read; the text never reaches a message.</summary>
public static class PrivateKeyFile
{
    private const int FileBytesMax = 128;

    public static GatewaySigner Read(string path)
    {
        byte[] secret = [];
        try
        {
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) != 0)
            {
                throw new CliError(ExitCode.BadInput, $"--key: {path} may be read by others than its owner", $"run: chmod 600 {path}");
            }

            if (new FileInfo(path).Length > FileBytesMax)
            {
                throw Wrong(path);
            }

            string text = File.ReadAllText(path).Trim();
            secret = Convert.FromHexString(text.StartsWith("0x", StringComparison.Ordinal) ? text[2..] : text);
            return new GatewaySigner(secret);
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw Wrong(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--key: {path} cannot be read: {error.Message}", "name a file with 64 hex digits and mode 0600");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static CliError Wrong(string path) => new(ExitCode.BadInput, $"--key: {path} holds no private key", "the file holds 64 hex digits and nothing else");
}

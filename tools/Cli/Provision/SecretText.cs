using System.Security.Cryptography;
using System.Text;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Provision;

/// <summary>A secret from a file that only its owner reads, from the environment, or from the keyboard: never from the command line. As bytes, which the caller zeroes.</summary>
public static class SecretText
{
    /// <param name="path">The file; null: the environment, then the keyboard.</param>
    /// <param name="variable">The environment variable; may be empty.</param>
    /// <param name="bytesMax">Longer is an error.</param>
    /// <param name="prompt">Asked at a terminal when neither is given.</param>
    public static byte[] Read(string? path, string variable, int bytesMax, string prompt)
    {
        byte[] secret = path is not null ? ReadFile(path, bytesMax)
            : Environment.GetEnvironmentVariable(variable) is { } text ? Encoding.UTF8.GetBytes(text)
            : !Console.IsInputRedirected ? Asked(prompt)
            : throw new CliError(ExitCode.BadInput, "the template names a network, its password is not given, and there is no keyboard to ask at", $"give --wifi-password-file FILE or set {variable}; set it empty for an open network");
        if (secret.Length <= bytesMax) return secret;
        CryptographicOperations.ZeroMemory(secret);
        throw new CliError(ExitCode.BadInput, $"{path ?? variable} holds more than {bytesMax} bytes", "give the password and nothing else");
    }

    private static byte[] Asked(string prompt)
    {
        using Passphrase typed = Passphrase.Ask(prompt);
        return typed.Bytes.ToArray();
    }

    private static byte[] ReadFile(string path, int bytesMax)
    {
        try
        {
            PrivateKeyMode.Check(path, "--wifi-password-file");
            if (new FileInfo(path).Length > bytesMax + 2) throw new CliError(ExitCode.BadInput, $"{path} holds more than {bytesMax} bytes", "the file holds the password and nothing else");
            byte[] all = File.ReadAllBytes(path);
            int count = all.Length;
            while (count > 0 && all[count - 1] is (byte)'\n' or (byte)'\r') count--;
            byte[] secret = all[..count];
            CryptographicOperations.ZeroMemory(all);
            return secret;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"{path} cannot be read: {error.Message}", "name a file with the password and mode 0600");
        }
    }
}

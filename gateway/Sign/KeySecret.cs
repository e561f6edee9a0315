using System.Security.Cryptography;
using System.Text;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Sign;

/// <summary>
/// Where the passphrase of a sealed key file, or a token's PIN, comes from: the file of <c>key.passphraseFile</c>, else the service manager's
/// credential <see cref="Credential"/>, else the environment. Never a command line, which every user of the machine can read. Bytes are UTF-8.
/// </summary>
public sealed class KeySecret(string file, Func<string, string?> environment)
{
    /// <summary>The environment variable.</summary>
    public const string Variable = "DEPIN_KEY_PASSPHRASE";

    /// <summary>systemd: LoadCredential=depin-key-passphrase:/etc/depin/passphrase, or LoadCredentialEncrypted.</summary>
    public const string Credential = "depin-key-passphrase";

    /// <summary>What to do where there is none.</summary>
    public const string Remedy = $"Set key.passphraseFile to a file with mode 0600, load the systemd credential {Credential}, or set {Variable}.";

    /// <summary>The secret in an array that the caller zeroes; null when there is none.</summary>
    /// <param name="source">A file that comes before all others (a PKCS#11 URI's pin-source), or null.</param>
    /// <exception cref="SettingsException">A file that is named and cannot be used.</exception>
    public byte[]? Read(string? source = null)
    {
        string? named = source ?? (file.Length > 0 ? file : null);
        if (named is not null) return FirstLine(named, () => SecretFile.Read(named));
        // The service manager keeps its folder from others; for a user's service the mode shows its access list.
        if (environment("CREDENTIALS_DIRECTORY") is { Length: > 0 } folder && Path.Combine(folder, Credential) is { } credential && File.Exists(credential))
            return FirstLine(credential, () => File.ReadAllBytes(credential));
        return environment(Variable) is { Length: > 0 } text ? Encoding.UTF8.GetBytes(text) : null;
    }

    private static byte[] FirstLine(string path, Func<byte[]> read)
    {
        try
        {
            byte[] content = read();
            int end = content.AsSpan().IndexOfAny((byte)'\r', (byte)'\n');
            byte[] line = content[..(end < 0 ? content.Length : end)];
            CryptographicOperations.ZeroMemory(content);
            return line.Length > 0 ? line : throw new SettingsException($"{path} is empty. Write the passphrase or the PIN into its first line.");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"{path}: the passphrase or PIN cannot be read ({fault.Message}). {Remedy}");
        }
    }
}

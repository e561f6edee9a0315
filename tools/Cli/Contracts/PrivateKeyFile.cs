using System.Security.Cryptography;
using DePIN.Cli.Key;
using DePIN.Cli.Terminal;
using DePIN.Evidence;

namespace DePIN.Cli.Contracts;

/// <summary>
/// Reads an account's key from a file that only its owner may read: 64 hex digits, or an Ethereum keystore, which asks for its passphrase.
/// Neither key nor passphrase reaches a message. Every option that takes a key goes through here.
/// </summary>
public static class PrivateKeyFile
{
    private const int HexBytesMax = 128;

    /// <param name="path">The file.</param>
    /// <param name="passphraseFile">Of a keystore; null asks the environment, then the keyboard.</param>
    public static GatewaySigner Read(string path, string? passphraseFile = null)
    {
        byte[] content = ReadBytes(path);
        byte[] secret = [];
        try
        {
            if (IsKeystore(content))
            {
                using Passphrase passphrase = Passphrase.Take(passphraseFile);
                return Keystore.Open(content, passphrase.Bytes);
            }

            secret = ParseHex(content);
            return new GatewaySigner(secret);
        }
        catch (KeystoreException error)
        {
            throw new CliError(ExitCode.BadInput, $"{path}: {error.Message}", error.Remedy, error.Code);
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw new CliError(ExitCode.BadInput, $"--key: {path} holds no private key", "the file holds 64 hex digits and nothing else, or an Ethereum keystore", "key.no-key");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>A file of a secret, whole; refused when others may read it.</summary>
    public static byte[] ReadBytes(string path)
    {
        try
        {
            PrivateKeyMode.Check(path, "--key");
            return new FileInfo(path).Length <= Keystore.FileBytesMax ? File.ReadAllBytes(path)
                : throw new CliError(ExitCode.BadInput, $"--key: {path} holds no private key: it is too large", "the file holds 64 hex digits and nothing else, or an Ethereum keystore", "key.no-key");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.BadInput, $"--key: {path} cannot be read: {error.Message}", "name a file with 64 hex digits or an Ethereum keystore, mode 0600", "key.unreadable");
        }
    }

    public static bool IsKeystore(ReadOnlySpan<byte> content) => content.TrimStart(" \t\r\n"u8).StartsWith("{"u8);

    /// <summary>64 hex digits with or without 0x; no text of the key is made on the way.</summary>
    /// <exception cref="FormatException">Anything else.</exception>
    public static byte[] ParseHex(ReadOnlySpan<byte> content)
    {
        ReadOnlySpan<byte> digits = content.Trim(" \t\r\n"u8);
        digits = digits.StartsWith("0x"u8) ? digits[2..] : digits;
        byte[] secret = GC.AllocateArray<byte>(EthereumCrypto.PrivateKeyBytes, pinned: true);
        if (content.Length <= HexBytesMax && digits.Length == 2 * EthereumCrypto.PrivateKeyBytes && Convert.FromHexString(digits, secret, out _, out _) == System.Buffers.OperationStatus.Done)
        {
            return secret;
        }

        CryptographicOperations.ZeroMemory(secret);
        throw new FormatException();
    }
}

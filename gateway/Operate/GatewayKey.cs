using System.Security.Cryptography;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Opens the gateway's identity. A key is made only where none ever was: when <c>chain.db</c> remembers an address and
/// the key is missing or another one, the gateway refuses to start, because a silently new key would cut it off from its
/// place in the active set, its funds and its batches.
/// </summary>
public static class GatewayKey
{
    /// <summary>The file in the data folder, unless the settings name another.</summary>
    public const string FileName = "gateway.key";

    /// <summary>Under which <c>chain.db</c> remembers whose folder it is.</summary>
    public const string IdentityKey = "gateway.address";

    /// <summary>
    /// The key from <paramref name="secret"/> (the environment; may be null) or from <paramref name="file"/> (hex, 0600).
    /// Throws <see cref="SettingsException"/> that says what to do.
    /// </summary>
    public static GatewaySigner Open(string file, string? secret, ChainDatabase database, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(database);
        string? known = database.Recall(IdentityKey);
        GatewaySigner signer;
        if (secret is { Length: > 0 })
        {
            signer = Parse(Encoding.ASCII.GetBytes(secret), GatewaySettings.SecretVariable);
        }
        else if (File.Exists(file))
        {
            byte[] content = SecretFile.Read(file);
            signer = Parse(content, file);
            CryptographicOperations.ZeroMemory(content);
        }
        else if (known is not null)
        {
            throw new SettingsException($"{file} is missing, but this data folder belongs to gateway {known}. Restore the key file from your backup (chmod 600), or start with an empty data folder to be a new gateway.");
        }
        else
        {
            signer = Create(file, log);
        }

        if (known is null)
        {
            database.Remember(IdentityKey, signer.Address.ToChecksumString());
        }
        else if (known != signer.Address.ToChecksumString())
        {
            string found = signer.Address.ToChecksumString();
            signer.Dispose();
            throw new SettingsException($"the key is of gateway {found}, but this data folder belongs to {known}. Use the right key file, or another data folder (--data) for {found}.");
        }

        return signer;
    }

    private static GatewaySigner Create(string file, ILogger log)
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        GatewaySigner signer = GatewaySigner.Create(random);
        byte[] key = new byte[32];
        byte[] text = new byte[65];
        try
        {
            signer.CopyPrivateKey(key);
            for (int i = 0; i < key.Length; i++)
            {
                text[2 * i] = "0123456789abcdef"u8[key[i] >> 4];
                text[2 * i + 1] = "0123456789abcdef"u8[key[i] & 15];
            }

            text[64] = (byte)'\n';
            SecretFile.Write(file, text);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(text);
        }

        log.LogInformation("made the key of gateway {Address}: back up {File}, and fund the address", signer.Address.ToChecksumString(), file);
        return signer;
    }

    private static GatewaySigner Parse(byte[] text, string source)
    {
        ReadOnlySpan<byte> digits = text.AsSpan().Trim(" \t\r\n"u8);
        if (digits.StartsWith("0x"u8)) digits = digits[2..];
        byte[] key = new byte[32];
        try
        {
            // Never name the content: an error message ends up in logs.
            if (digits.Length != 64 || Convert.FromHexString(Encoding.ASCII.GetString(digits), key, out _, out _) != System.Buffers.OperationStatus.Done
                || !EthereumCrypto.IsPrivateKey(key))
                throw new SettingsException($"{source} holds no private key (64 hex digits). Restore it from your backup; remove it only to become a new gateway with an empty data folder.");
            return new GatewaySigner(key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(text);
        }
    }
}

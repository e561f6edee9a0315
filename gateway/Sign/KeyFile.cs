using System.Security.Cryptography;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Sign;

/// <summary>
/// The key in a file of mode 0600: 64 hex digits, or an Ethereum keystore (version 3) under a passphrase. A new one is sealed where a
/// passphrase is configured. Neither key nor passphrase reaches a message.
/// </summary>
public sealed class KeyFile(string path, KeySecret secret) : KeyPlace
{
    // scrypt's n: 128 MiB, given back after the start; a Raspberry Pi has them.
    private const int Cost = 1 << 17;

    /// <inheritdoc/>
    public override string Name => path;

    /// <inheritdoc/>
    public override string Remedy => "Restore the key file from your backup (chmod 600), or start with an empty data folder to be a new gateway.";

    /// <inheritdoc/>
    public override IEthereumSigner? TryOpen() => File.Exists(path) ? Read(path, secret) : null;

    /// <inheritdoc/>
    public override IEthereumSigner Create(RandomNumberGenerator random)
    {
        GatewaySigner key = GatewaySigner.Create(random);
        Put(key, random);
        return key;
    }

    /// <inheritdoc/>
    public override void Put(GatewaySigner key, RandomNumberGenerator random)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (File.Exists(path)) throw new SettingsException($"{path} is there already. Move it away: a key is never overwritten.");
        if (secret.Read() is not { } passphrase)
        {
            byte[] text = Hex(key);
            SecretFile.Write(path, text);
            CryptographicOperations.ZeroMemory(text);
            return;
        }

        SecretFile.Write(path, Seal(key, passphrase, random));
        CryptographicOperations.ZeroMemory(passphrase);
    }

    /// <summary>Whether the file is a keystore.</summary>
    public static bool IsSealed(string path) => SecretFile.Read(path).AsSpan().TrimStart(" \t\r\n"u8).StartsWith("{"u8);

    /// <summary>Replaces the plain file by a keystore of the same key, once that opens. The old blocks stay on the disk until it writes over them.</summary>
    public void SealInPlace(RandomNumberGenerator random)
    {
        byte[] passphrase = secret.Read() ?? throw new SettingsException($"there is no passphrase to seal {path} with. {KeySecret.Remedy}");
        using GatewaySigner key = Read(path, secret);
        byte[] text = Seal(key, passphrase, random);
        CryptographicOperations.ZeroMemory(passphrase);
        SecretFile.Write(path, text);
    }

    /// <summary>Reads a key file of either form.</summary>
    /// <exception cref="SettingsException">Readable by others, no key, sealed without a passphrase, a wrong passphrase.</exception>
    public static GatewaySigner Read(string path, KeySecret secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        byte[] content = SecretFile.Read(path);
        try
        {
            return content.AsSpan().TrimStart(" \t\r\n"u8).StartsWith("{"u8) ? Unseal(content, path, secret) : Parse(content, path);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>A key of 64 hex digits.</summary>
    /// <param name="text">Zeroed by the caller.</param>
    /// <param name="source">Where it is from; the content is never named, because messages end up in logs.</param>
    public static GatewaySigner Parse(ReadOnlySpan<byte> text, string source)
    {
        ReadOnlySpan<byte> digits = text.Trim(" \t\r\n"u8);
        if (digits.StartsWith("0x"u8)) digits = digits[2..];
        byte[] key = new byte[EthereumCrypto.PrivateKeyBytes];
        try
        {
            if (digits.Length != 2 * key.Length || Convert.FromHexString(digits, key, out _, out _) != System.Buffers.OperationStatus.Done || !EthereumCrypto.IsPrivateKey(key))
                throw new SettingsException($"{source} holds no private key (64 hex digits). Restore it from your backup; remove it only to become a new gateway with an empty data folder.");
            return new GatewaySigner(key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>The key as a file has it: 64 hex digits and a line's end. The caller zeroes it.</summary>
    public static byte[] Hex(GatewaySigner key)
    {
        ArgumentNullException.ThrowIfNull(key);
        byte[] secret = new byte[EthereumCrypto.PrivateKeyBytes], text = new byte[2 * EthereumCrypto.PrivateKeyBytes + 1];
        key.CopyPrivateKey(secret);
        for (int i = 0; i < secret.Length; i++)
        {
            text[2 * i] = "0123456789abcdef"u8[secret[i] >> 4];
            text[2 * i + 1] = "0123456789abcdef"u8[secret[i] & 15];
        }

        text[^1] = (byte)'\n';
        CryptographicOperations.ZeroMemory(secret);
        return text;
    }

    private static GatewaySigner Unseal(byte[] content, string path, KeySecret secret)
    {
        byte[] passphrase = secret.Read() ?? throw new SettingsException($"{path} is sealed, and there is no passphrase. {KeySecret.Remedy}");
        try
        {
            return Keystore.Open(content, passphrase);
        }
        catch (KeystoreException fault)
        {
            throw new SettingsException($"{path}: {fault.Message}. To go on: {fault.Remedy}.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(passphrase);
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true); // scrypt's memory goes back to the system now
        }
    }

    // Believed only when it opens.
    private static byte[] Seal(GatewaySigner key, byte[] passphrase, RandomNumberGenerator random)
    {
        byte[] text = Keystore.Seal(key, passphrase, random, Cost);
        using GatewaySigner again = Keystore.Open(text, passphrase);
        if (again.Address != key.Address) throw new InvalidOperationException("a keystore that was just made has another key");
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return text;
    }
}

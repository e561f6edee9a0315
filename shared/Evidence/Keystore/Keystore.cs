using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace DePIN.Evidence;

/// <summary>
/// An account's key under a passphrase: Ethereum's Web3 Secret Storage, version 3. Written with scrypt (n 262144, r 8, p 1), aes-128-ctr and
/// a Keccak MAC; pbkdf2 is read too. A file's work factors are bounded before anything is computed with them.
/// </summary>
public static class Keystore
{
    public const int FileBytesMax = 16 * 1024;

    /// <summary>scrypt's cost when a key is written: 256 MiB and about a second.</summary>
    public const int CostDefault = 1 << 18;

    /// <summary>128·n·r bytes, the memory that scrypt takes; a file that asks for more is refused.</summary>
    public const long ScryptBytesMax = 512L * 1024 * 1024;

    /// <summary>128·n·r·p, the work; about seven seconds.</summary>
    public const long ScryptWorkMax = 2L * 1024 * 1024 * 1024;

    public const int Pbkdf2RoundsMax = 10_000_000;

    private const int Version = 3;
    private const int BlockSize = 8;
    private const int DerivedBytes = 32;
    private const int CipherKeyBytes = 16;
    private const int VectorBytes = 16;
    private const int SaltBytes = 32;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 8 };
    private static readonly JsonWriterOptions Indented = new() { Indented = true };

    /// <summary>Opens a keystore.</summary>
    /// <param name="json">The file's bytes.</param>
    /// <param name="passphrase">UTF-8; the caller zeroes it.</param>
    /// <exception cref="KeystoreException">Not a keystore, one whose work is refused, or a wrong passphrase.</exception>
    public static GatewaySigner Open(ReadOnlySpan<byte> json, ReadOnlySpan<byte> passphrase)
    {
        KeystoreFields fields = Read(json);
        byte[] derived = [], secret = [];
        try
        {
            derived = fields.Derive(passphrase);
            if (!CryptographicOperations.FixedTimeEquals(Mac(derived, fields.Cipher), fields.Mac))
            {
                throw new KeystoreException(KeystoreFault.WrongPassphrase, "the passphrase is wrong, or the file was changed");
            }

            secret = Encrypt(fields.Cipher, derived.AsSpan(0, CipherKeyBytes), fields.Vector);
            GatewaySigner signer = new(secret);
            if (fields.Address is { } said && said != signer.Address)
            {
                signer.Dispose();
                throw new KeystoreException(KeystoreFault.Malformed, $"the key inside is not that of {said.ToChecksumString()}, which the file names");
            }

            return signer;
        }
        catch (ArgumentException)
        {
            throw new KeystoreException(KeystoreFault.Malformed, "what is inside is no private key");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(derived);
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>The address a keystore names, without a passphrase; null when it names none, which the format allows.</summary>
    /// <exception cref="KeystoreException">Not a keystore.</exception>
    public static Address? AddressOf(ReadOnlySpan<byte> json) => Read(json).Address;

    /// <summary>Writes a keystore's text, UTF-8.</summary>
    /// <param name="signer">The key.</param>
    /// <param name="passphrase">UTF-8; the caller zeroes it.</param>
    /// <param name="random">Salt and initial vector.</param>
    /// <param name="cost">scrypt's n, a power of two.</param>
    public static byte[] Seal(GatewaySigner signer, ReadOnlySpan<byte> passphrase, RandomNumberGenerator random, int cost = CostDefault)
    {
        ArgumentNullException.ThrowIfNull(signer);
        ArgumentNullException.ThrowIfNull(random);
        byte[] salt = new byte[SaltBytes], vector = new byte[VectorBytes], id = new byte[16], secret = new byte[EthereumCrypto.PrivateKeyBytes], derived = [];
        random.GetBytes(salt);
        random.GetBytes(vector);
        random.GetBytes(id);
        try
        {
            derived = Scrypt.Derive(passphrase, salt, cost, BlockSize, 1, DerivedBytes);
            signer.CopyPrivateKey(secret);
            byte[] cipher = Encrypt(secret, derived.AsSpan(0, CipherKeyBytes), vector);
            return Write(signer.Address, cipher, vector, salt, cost, Mac(derived, cipher), id);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(derived);
        }
    }

    private static byte[] Write(Address address, byte[] cipher, byte[] vector, byte[] salt, int cost, byte[] mac, byte[] id)
    {
        id[6] = (byte)((id[6] & 0x0F) | 0x40); // UUID version 4: RFC 9562 section 5.4
        id[8] = (byte)((id[8] & 0x3F) | 0x80);
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, Indented))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Version);
            json.WriteString("id", new Guid(id, bigEndian: true));
            json.WriteString("address", Convert.ToHexStringLower(address.ToArray()));
            json.WriteStartObject("crypto");
            json.WriteString("cipher", "aes-128-ctr");
            json.WriteString("ciphertext", Convert.ToHexStringLower(cipher));
            json.WriteStartObject("cipherparams");
            json.WriteString("iv", Convert.ToHexStringLower(vector));
            json.WriteEndObject();
            json.WriteString("kdf", "scrypt");
            json.WriteStartObject("kdfparams");
            json.WriteNumber("dklen", DerivedBytes);
            json.WriteNumber("n", cost);
            json.WriteNumber("r", BlockSize);
            json.WriteNumber("p", 1);
            json.WriteString("salt", Convert.ToHexStringLower(salt));
            json.WriteEndObject();
            json.WriteString("mac", Convert.ToHexStringLower(mac));
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return [.. text.ToArray(), (byte)'\n'];
    }

    private static KeystoreFields Read(ReadOnlySpan<byte> json)
    {
        if (json.Length > FileBytesMax)
        {
            throw new KeystoreException(KeystoreFault.Malformed, $"a keystore has at most {FileBytesMax} bytes");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json.ToArray(), Strict);
            JsonElement root = document.RootElement;
            // geth once wrote "Crypto"; the definition is not clear about case.
            JsonElement crypto = root.TryGetProperty("crypto", out JsonElement found) ? found : root.GetProperty("Crypto");
            if (root.GetProperty("version").GetInt32() != Version || crypto.GetProperty("cipher").GetString() != "aes-128-ctr")
            {
                throw new KeystoreException(KeystoreFault.Malformed, "only keystores of version 3 with aes-128-ctr are known");
            }

            Address? address = root.TryGetProperty("address", out JsonElement named) && named.GetString() is { Length: > 0 } text
                ? Address.Parse(text.StartsWith("0x", StringComparison.Ordinal) ? text : "0x" + text) : null;
            JsonElement work = crypto.GetProperty("kdfparams");
            KeystoreFields fields = new(
                address, Hex(crypto, "ciphertext", EthereumCrypto.PrivateKeyBytes), Hex(crypto.GetProperty("cipherparams"), "iv", VectorBytes), Hex(crypto, "mac", Hash32.Bytes), Derivation(crypto.GetProperty("kdf").GetString(), work));
            return work.GetProperty("dklen").GetInt32() == DerivedBytes ? fields : throw new KeystoreException(KeystoreFault.Malformed, "dklen is not 32");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new KeystoreException(KeystoreFault.Malformed, "this is no keystore of version 3: " + error.Message);
        }
    }

    private static KeyDerivation Derivation(string? name, JsonElement work)
    {
        byte[] salt = Hex(work, "salt", null);
        switch (name)
        {
            case "scrypt":
                long n = work.GetProperty("n").GetInt64(), r = work.GetProperty("r").GetInt64(), p = work.GetProperty("p").GetInt64();
                if (n < 2 || n > int.MaxValue || !long.IsPow2(n) || r < 1 || p < 1 || r > int.MaxValue || 128 * n > ScryptBytesMax / r || 128 * n * r > ScryptWorkMax / p)
                {
                    throw new KeystoreException(KeystoreFault.TooMuchWork, $"scrypt with n {n}, r {r}, p {p} is refused: n is a power of two, 128·n·r at most {ScryptBytesMax >> 20} MiB, 128·n·r·p at most {ScryptWorkMax >> 20} MiB");
                }

                return passphrase => Scrypt.Derive(passphrase, salt, (int)n, (int)r, (int)p, DerivedBytes);
            case "pbkdf2":
                int rounds = work.GetProperty("c").GetInt32();
                if (rounds is < 1 or > Pbkdf2RoundsMax)
                {
                    throw new KeystoreException(KeystoreFault.TooMuchWork, $"pbkdf2 with {rounds.ToString(CultureInfo.InvariantCulture)} rounds is refused: at most {Pbkdf2RoundsMax}");
                }

                return work.GetProperty("prf").GetString() == "hmac-sha256" ? passphrase => Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, rounds, HashAlgorithmName.SHA256, DerivedBytes)
                    : throw new KeystoreException(KeystoreFault.Malformed, "pbkdf2 is known with hmac-sha256 only");
            default:
                throw new KeystoreException(KeystoreFault.Malformed, $"the derivation {name} is not known: scrypt and pbkdf2 are");
        }
    }

    private static byte[] Hex(JsonElement parent, string name, int? bytes)
    {
        string text = parent.GetProperty(name).GetString() ?? "";
        byte[] value = Convert.FromHexString(text.StartsWith("0x", StringComparison.Ordinal) ? text[2..] : text);
        return bytes is null || value.Length == bytes ? value : throw new FormatException($"{name} has {value.Length} bytes and not {bytes}");
    }

    /// <summary>keccak256(derived[16..32] ‖ ciphertext).</summary>
    private static byte[] Mac(byte[] derived, byte[] cipher)
    {
        byte[] input = [.. derived.AsSpan(CipherKeyBytes, 16), .. cipher], mac = new byte[Hash32.Bytes];
        EthereumCrypto.Keccak256(input, mac);
        CryptographicOperations.ZeroMemory(input);
        return mac;
    }

    /// <summary>AES-128 in counter mode, which .NET has not: the stream is the encryption of a big-endian counter. Its own inverse.</summary>
    private static byte[] Encrypt(byte[] input, ReadOnlySpan<byte> key, byte[] vector)
    {
        using Aes aes = Aes.Create();
        byte[] copy = key.ToArray(), counter = [.. vector], output = new byte[input.Length];
        aes.Key = copy;
        CryptographicOperations.ZeroMemory(copy);
        for (int at = 0; at < input.Length; at += VectorBytes)
        {
            byte[] stream = aes.EncryptEcb(counter, PaddingMode.None);
            for (int i = 0; i < VectorBytes && at + i < input.Length; i++)
            {
                output[at + i] = (byte)(input[at + i] ^ stream[i]);
            }

            CryptographicOperations.ZeroMemory(stream);
            for (int i = VectorBytes - 1; i >= 0 && ++counter[i] == 0; i--)
            {
            }
        }

        return output;
    }

    private delegate byte[] KeyDerivation(ReadOnlySpan<byte> passphrase);

    private sealed record KeystoreFields(Address? Address, byte[] Cipher, byte[] Vector, byte[] Mac, KeyDerivation Derive);
}

using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using DePIN.Evidence;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Sign;

/// <summary>
/// The key in a file that only this machine's TPM opens: a sealed data object below a primary key of the owner hierarchy. The primary key's
/// name is kept beside it, so that a cleared TPM, another machine's file and somebody who stands between are told before anything is asked.
/// The TPM has no secp256k1: the key is opened at the start and signs in this process.
/// </summary>
public sealed class TpmKey(TpmKeyUri uri) : KeyPlace
{
    private const int Version = 1;

    private string Place => uri.Socket ?? uri.Device!;

    /// <inheritdoc/>
    public override string Name => $"{uri.Path}, sealed by the TPM";

    /// <inheritdoc/>
    public override string Remedy => "Restore the file, or restore the gateway's backup and run 'depin gateway seal'; or start with an empty data folder to be a new gateway.";

    /// <inheritdoc/>
    public override IEthereumSigner? TryOpen()
    {
        if (!File.Exists(uri.Path)) return null;
        TpmKeyJson file = Read();
        using Tpm tpm = OpenTpm();
        if (!CryptographicOperations.FixedTimeEquals(tpm.PrimaryName, file.Primary))
            throw new SettingsException($"{uri.Path} was sealed by another TPM, or this one was cleared since. Restore the gateway's backup and run 'depin gateway seal': nobody can open this file any more.");
        return Unsealed(tpm, file);
    }

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
        if (File.Exists(uri.Path)) throw new SettingsException($"{uri.Path} is there already. Move it away: a key is never overwritten.");
        byte[] secret = new byte[EthereumCrypto.PrivateKeyBytes];
        key.CopyPrivateKey(secret);
        try
        {
            using Tpm tpm = OpenTpm();
            (byte[] publicArea, byte[] privateArea) = tpm.SealSecret(secret);
            TpmKeyJson file = new() { Version = Version, Gateway = key.Address.ToChecksumString(), Primary = tpm.PrimaryName, Public = publicArea, Private = privateArea };
            Unsealed(tpm, file).Dispose(); // believed only when it opens
            SecretFile.Write(uri.Path, [.. JsonSerializer.SerializeToUtf8Bytes(file, TpmKeyJsonContext.Default.TpmKeyJson), (byte)'\n']);
        }
        catch (TpmException fault)
        {
            throw Told(fault);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private GatewaySigner Unsealed(Tpm tpm, TpmKeyJson file)
    {
        byte[] secret = [];
        try
        {
            secret = tpm.UnsealSecret(file.Public, file.Private);
            GatewaySigner signer = new(secret);
            if (signer.Address.ToChecksumString() == file.Gateway) return signer;
            signer.Dispose();
            throw Damaged("another key is inside than it names");
        }
        catch (TpmException fault) when (fault.IsObject && !fault.IsAuthorization)
        {
            throw Damaged(fault.Message);
        }
        catch (TpmException fault)
        {
            throw Told(fault);
        }
        catch (ArgumentException)
        {
            throw Damaged("what is inside is no private key");
        }
        catch (IOException fault)
        {
            throw Away(fault);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private TpmKeyJson Read()
    {
        try
        {
            return JsonSerializer.Deserialize(SecretFile.Read(uri.Path), TpmKeyJsonContext.Default.TpmKeyJson) is { Version: Version, Primary.Length: Tpm.NameBytes, Public.Length: > 0, Private.Length: > 0 } file
                ? file : throw Damaged("its fields are of another version or size");
        }
        catch (JsonException fault)
        {
            throw Damaged(fault.Message);
        }
    }

    private Tpm OpenTpm()
    {
        try
        {
            return Tpm.Open(uri.Device, uri.Socket);
        }
        catch (UnauthorizedAccessException)
        {
            throw new SettingsException($"{Place} may not be opened by user {Environment.UserName}. Add it to the group tss; gateway/Sign/README.md has the systemd drop-in.");
        }
        catch (IOException fault)
        {
            throw Away(fault);
        }
        catch (TpmException fault)
        {
            throw Told(fault);
        }
    }

    private KeyAwayException Away(IOException fault) => new($"there is no TPM that works at {Place} ({fault.Message}). On a Raspberry Pi enable it in config.txt (dtoverlay=tpm-slb9670), then: ls -l /dev/tpmrm0", fault);

    private Exception Told(TpmException fault) => fault.IsAuthorization
        ? new SettingsException($"the TPM at {Place} has an owner's password, which a gateway cannot give ({fault.Message}). Take it away: tpm2_changeauth -c owner -p OLD")
        : new KeyAwayException(fault.IsNotStarted ? $"the TPM at {Place} was not started (TPM2_Startup), which the kernel does. For swtpm: --flags startup-clear" : $"the TPM at {Place} does not work ({fault.Message}). Restart the machine; tpm2_selftest -f tells more.", fault);

    private SettingsException Damaged(string why) => new($"{uri.Path} does not open: it is damaged ({why}). Restore it, or restore the gateway's backup and run 'depin gateway seal'.");
}

/// <summary>The file: nothing in it is secret to others than this TPM.</summary>
internal sealed record TpmKeyJson
{
    [JsonPropertyName("depinTpmKey")]
    public int Version { get; set; }

    public string Gateway { get; set; } = "";

    /// <summary>Name of the primary key.</summary>
    public byte[] Primary { get; set; } = [];

    /// <summary>TPMT_PUBLIC of the sealed object.</summary>
    public byte[] Public { get; set; } = [];

    /// <summary>Its private part, encrypted by the TPM.</summary>
    public byte[] Private { get; set; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TpmKeyJson))]
internal sealed partial class TpmKeyJsonContext : JsonSerializerContext;

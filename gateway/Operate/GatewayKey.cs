using System.Security.Cryptography;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Sign;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Opens the gateway's identity. A key is made only where none ever was: when <c>chain.db</c> remembers an address and
/// the key is missing or another one, the gateway refuses to start, because a silently new key would cut it off from its
/// place in the active set, its funds and its batches.
/// </summary>
public static class GatewayKey
{
    /// <summary>The file in the data folder, unless the settings name another place.</summary>
    public const string FileName = "gateway.key";

    /// <summary>Under which <c>chain.db</c> remembers whose folder it is.</summary>
    public const string IdentityKey = "gateway.address";

    /// <summary>
    /// The key from <paramref name="secret"/> (hex, the environment; may be null) or from <paramref name="place"/>.
    /// Throws <see cref="SettingsException"/> or <see cref="KeyAwayException"/>, which say what to do.
    /// </summary>
    public static IEthereumSigner Open(KeyPlace place, string? secret, ChainDatabase database, ILogger log)
    {
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(database);
        string? known = database.Recall(IdentityKey);
        IEthereumSigner signer = Find(place, secret)
            ?? (known is null ? Create(place, log) : throw new SettingsException($"{place.Name}: the key is missing, but this data folder belongs to gateway {known}. {place.Remedy}"));
        string found = signer.Address.ToChecksumString();
        if (known is null)
        {
            database.Remember(IdentityKey, found);
        }
        else if (known != found)
        {
            signer.Dispose();
            throw new SettingsException($"the key is of gateway {found}, but this data folder belongs to {known}. Use the right key ({place.Name}), or another data folder (--data) for {found}.");
        }

        return signer;
    }

    private static IEthereumSigner? Find(KeyPlace place, string? secret)
    {
        if (secret is not { Length: > 0 }) return place.TryOpen();
        byte[] text = Encoding.ASCII.GetBytes(secret);
        try
        {
            return KeyFile.Parse(text, GatewaySettings.SecretVariable);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }

    private static IEthereumSigner Create(KeyPlace place, ILogger log)
    {
        using RandomNumberGenerator random = RandomNumberGenerator.Create();
        IEthereumSigner signer = place.Create(random);
        log.LogInformation("made the key of gateway {Address}: back up {Place}, and fund the address", signer.Address.ToChecksumString(), place.Name);
        return signer;
    }
}

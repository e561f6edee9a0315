using System.Security.Cryptography;
using DePIN.Evidence;

namespace DePIN.Gateway.Sign;

/// <summary>
/// A place for the gateway's key. Opening never makes one: whether a missing key may be made is for <see cref="Operate.GatewayKey"/> to judge,
/// which knows whose data folder it is. Wrong secrets and foreign keys are <see cref="Settings.SettingsException"/>, what another start may
/// find is <see cref="KeyAwayException"/>.
/// </summary>
public abstract class KeyPlace
{
    /// <summary>The place with its name, for messages.</summary>
    public abstract string Name { get; }

    /// <summary>How to get a lost key back, a sentence.</summary>
    public abstract string Remedy { get; }

    /// <summary>The key; null when there is none in this place.</summary>
    public abstract IEthereumSigner? TryOpen();

    /// <summary>Makes a key here.</summary>
    public abstract IEthereumSigner Create(RandomNumberGenerator random);

    /// <summary>Puts a key here that was elsewhere. Never over another one.</summary>
    public abstract void Put(GatewaySigner key, RandomNumberGenerator random);

    /// <summary>The place a URI names.</summary>
    public static KeyPlace Of(KeyUri uri, KeySecret secret) => uri switch
    {
        FileKeyUri file => new KeyFile(file.Path, secret),
        TokenKeyUri token => new TokenKey(token, secret),
        TpmKeyUri tpm => new TpmKey(tpm),
        _ => throw new ArgumentException("an unknown kind of key", nameof(uri)),
    };
}

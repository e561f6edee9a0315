namespace DePIN.Evidence;

public enum KeystoreFault
{
    Malformed,
    TooMuchWork,
    WrongPassphrase,
}

/// <summary>A keystore that cannot be opened. The message has nothing of passphrase or key.</summary>
public sealed class KeystoreException(KeystoreFault fault, string message) : Exception(message)
{
    public KeystoreFault Fault { get; } = fault;

    /// <summary>For programs; never changes.</summary>
    public string Code => Fault switch
    {
        KeystoreFault.WrongPassphrase => "key.wrong-passphrase",
        KeystoreFault.TooMuchWork => "key.too-much-work",
        _ => "key.no-keystore",
    };

    public string Remedy => Fault switch
    {
        KeystoreFault.WrongPassphrase => "try again with the passphrase the keystore was written with; nobody can get the key without it",
        KeystoreFault.TooMuchWork => "write the key anew with usual work factors, with the wallet the file is from",
        _ => "name a file with 64 hex digits or an Ethereum keystore (version 3)",
    };
}

namespace DePIN.Gateway.Settings;

/// <summary>Section <c>key</c>.</summary>
public sealed class KeySettings
{
    [Setting("Where the key is: file:PATH (mode 0600; hex, or a keystore under a passphrase), pkcs11:token=T;object=O?module-path=LIBRARY&pin-source=file:PATH (RFC 7512; it never leaves the token), or tpm2:PATH?device=/dev/tpmrm0 (sealed by the TPM). Relative paths are below the data folder. Who has the key can sign as this gateway and spend its funds.")]
    public string Uri { get; set; } = "file:gateway.key";

    [Setting("File of mode 0600 with a sealed key file's passphrase, or a token's PIN, in its first line; empty = the systemd credential depin-key-passphrase, else DEPIN_KEY_PASSPHRASE. A new key file is sealed when there is a passphrase.")]
    public string PassphraseFile { get; set; } = "";
}

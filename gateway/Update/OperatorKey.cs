using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Gateway.Update;

/// <summary>The operator's public P-256 key: the one that nodes are provisioned with and that signs every update's manifest.</summary>
public sealed class OperatorKey : IDisposable
{
    /// <summary>X ‖ Y as text: 128 hex digits.</summary>
    public const int TextChars = 2 * Protocol.DeviceId.PublicKeyBytes;

    private readonly ECDsa _key;

    private OperatorKey(ECDsa key, byte[] publicKey)
    {
        _key = key;
        Id = new byte[Protocol.DeviceId.Bytes];
        Protocol.DeviceId.FromPublicKey(publicKey, 0, Id, 0);
    }

    /// <summary>The key id in manifests: the last 20 bytes of SHA-256(X ‖ Y).</summary>
    public byte[] Id { get; }

    /// <summary>Reads 128 hex digits; null when they are no point of the curve.</summary>
    public static OperatorKey? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        byte[] key = new byte[Protocol.DeviceId.PublicKeyBytes];
        if (text.Length != TextChars || Convert.FromHexString(text, key, out _, out _) != System.Buffers.OperationStatus.Done) return null;
        try
        {
            return new OperatorKey(ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = key[..32], Y = key[32..] } }), key);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>The public key of a key pair as the settings have it.</summary>
    public static string TextOf(ECDsa key)
    {
        ArgumentNullException.ThrowIfNull(key);
        ECPoint q = key.ExportParameters(includePrivateParameters: false).Q;
        return Convert.ToHexStringLower([.. q.X!, .. q.Y!]);
    }

    /// <summary>Whether the last 64 bytes are this operator's signature over those before.</summary>
    public bool Verify(ReadOnlySpan<byte> manifest) => _key.VerifyData(
        manifest[..^UpdateManifest.SignatureBytes], manifest[^UpdateManifest.SignatureBytes..], HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}

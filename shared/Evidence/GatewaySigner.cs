using System.Diagnostics;
using System.Security.Cryptography;

namespace DePIN.Evidence;

/// <summary>
/// The gateway's secp256k1 key: signs attestations and transactions. The private bytes sit in one pinned array that the
/// collector never copies, are zeroed on dispose, and leave only by <see cref="CopyPrivateKey"/>, which the key file needs.
/// </summary>
[DebuggerDisplay("{Address}")]
public sealed class GatewaySigner : IEthereumSigner
{
    private readonly byte[] _privateKey = GC.AllocateArray<byte>(EthereumCrypto.PrivateKeyBytes, pinned: true);
    private readonly byte[] _publicKey = new byte[EthereumCrypto.PublicKeyBytes];
    private bool _disposed;

    /// <param name="privateKey">32 bytes in [1, n-1]; copied, so the caller zeroes its own.</param>
    /// <exception cref="ArgumentException">Not a private key.</exception>
    public GatewaySigner(ReadOnlySpan<byte> privateKey)
    {
        EthereumCrypto.PublicKey(privateKey, _publicKey);
        privateKey.CopyTo(_privateKey);
        Address = EthereumCrypto.AddressOf(_publicKey);
    }

    /// <summary>The account of this key.</summary>
    public Address Address { get; }

    /// <summary>X ‖ Y, 64 bytes.</summary>
    public ReadOnlySpan<byte> PublicKey => _publicKey;

    /// <summary>Makes a new key. Draws again when 32 bytes are not in [1, n-1] (chance 2^-128).</summary>
    /// <param name="random">Where the key's bytes come from: <c>RandomNumberGenerator.Create()</c>, or a seeded one in the simulator.</param>
    public static GatewaySigner Create(RandomNumberGenerator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Span<byte> candidate = stackalloc byte[EthereumCrypto.PrivateKeyBytes];
        do random.GetBytes(candidate);
        while (!EthereumCrypto.IsPrivateKey(candidate));
        GatewaySigner signer = new(candidate);
        CryptographicOperations.ZeroMemory(candidate);
        return signer;
    }

    /// <summary>Signs a 32-byte digest, deterministically and with low s.</summary>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    public EthereumSignature Sign(Hash32 digest)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return EthereumCrypto.Sign(_privateKey, digest);
    }

    /// <summary>Writes the 32 private bytes, for the key file only.</summary>
    /// <exception cref="ObjectDisposedException">The key was disposed.</exception>
    public void CopyPrivateKey(Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _privateKey.CopyTo(destination);
    }

    /// <summary>The address, never the key.</summary>
    public override string ToString() => Address.ToChecksumString();

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_privateKey);
        _disposed = true;
    }
}

namespace DePIN.Evidence;

/// <summary>
/// One gateway's signature over the EIP-712 digest of a batch or an anchor. Canonical bytes: 0 gateway 20 | 20 signature 64
/// (EIP-2098) | = 84. The address is carried although it could be recovered: it names who is accused when the signature is wrong.
/// </summary>
/// <param name="Gateway">The signer.</param>
/// <param name="Signature">secp256k1, low s.</param>
public readonly record struct Attestation(Address Gateway, EthereumSignature Signature)
{
    /// <summary>Size of the canonical bytes.</summary>
    public const int Bytes = Address.Bytes + EthereumSignature.CompactBytes;

    /// <summary>Attests a digest.</summary>
    public static Attestation Sign(IEthereumSigner signer, Hash32 digest)
    {
        ArgumentNullException.ThrowIfNull(signer);
        return new Attestation(signer.Address, signer.Sign(digest));
    }

    /// <summary>True when the signature over this digest is the gateway's.</summary>
    public bool IsOver(Hash32 digest) => EthereumCrypto.TryRecover(digest, Signature, out Address signer) && signer == Gateway;

    /// <param name="destination">At least 84 bytes; the first 84 are written.</param>
    public void Write(Span<byte> destination)
    {
        Gateway.CopyTo(destination);
        Signature.WriteCompact(destination[Address.Bytes..]);
    }

    /// <summary>A new array of 84 bytes.</summary>
    public byte[] ToArray()
    {
        byte[] bytes = new byte[Bytes];
        Write(bytes);
        return bytes;
    }

    /// <param name="source">Exactly 84 bytes; whether it is a signature, <see cref="IsOver"/> judges.</param>
    /// <exception cref="ArgumentException">Not 84 bytes.</exception>
    public static Attestation Read(ReadOnlySpan<byte> source)
    {
        if (source.Length != Bytes) throw new ArgumentException($"An attestation has {Bytes} bytes, not {source.Length}.", nameof(source));
        return new Attestation(new Address(source[..Address.Bytes]), EthereumSignature.FromCompact(source[Address.Bytes..]));
    }
}

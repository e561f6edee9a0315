namespace DePIN.Evidence;

/// <summary>
/// An ECDSA signature on secp256k1 with the parity of R's y, so that the signer can be recovered. On the wire and on chain
/// it is the 64-byte compact form of EIP-2098: r, then s with the parity in its top bit (free, because low s is below 2^255).
/// </summary>
/// <param name="R">r, big-endian.</param>
/// <param name="S">s, big-endian; low (EIP-2) in everything this code signs and accepts.</param>
/// <param name="YParity">0 or 1.</param>
public readonly record struct EthereumSignature(Hash32 R, Hash32 S, byte YParity)
{
    /// <summary>Size of the compact form in bytes.</summary>
    public const int CompactBytes = 64;

    /// <param name="destination">At least 64 bytes; the first 64 are written: r | yParityAndS.</param>
    public void WriteCompact(Span<byte> destination)
    {
        R.CopyTo(destination);
        S.CopyTo(destination[Hash32.Bytes..]);
        destination[Hash32.Bytes] |= (byte)(YParity << 7);
    }

    /// <summary>A new array of 64 bytes.</summary>
    public byte[] ToCompactArray()
    {
        byte[] bytes = new byte[CompactBytes];
        WriteCompact(bytes);
        return bytes;
    }

    /// <summary>Splits the compact form. Range of r and s is judged by <see cref="EthereumCrypto.TryRecover"/>.</summary>
    /// <exception cref="ArgumentException">Not 64 bytes.</exception>
    public static EthereumSignature FromCompact(ReadOnlySpan<byte> compact)
    {
        if (compact.Length != CompactBytes) throw new ArgumentException($"A compact signature has {CompactBytes} bytes.", nameof(compact));
        Span<byte> s = stackalloc byte[Hash32.Bytes];
        compact[Hash32.Bytes..].CopyTo(s);
        byte parity = (byte)(s[0] >> 7);
        s[0] &= 0x7f;
        return new EthereumSignature(new Hash32(compact[..Hash32.Bytes]), new Hash32(s), parity);
    }

    /// <summary>0x and the compact form.</summary>
    public override string ToString() => HexText.Encode(ToCompactArray());
}

namespace DePIN.Evidence;

/// <summary>
/// The leaf of a frame in its batch's tree: keccak256(keccak256(frame with its signature)). Hashed twice, as OpenZeppelin
/// advises, so that no inner node (a hash of 64 bytes) can be passed off as a leaf.
/// </summary>
public static class FrameLeaf
{
    /// <param name="frame">The whole frame, header to signature.</param>
    public static Hash32 Hash(ReadOnlySpan<byte> frame)
    {
        Span<byte> digest = stackalloc byte[Hash32.Bytes];
        EthereumCrypto.Keccak256(frame, digest);
        return EthereumCrypto.Keccak256(digest);
    }
}

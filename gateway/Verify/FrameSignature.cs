using System.Security.Cryptography;
using DePIN.Protocol;

namespace DePIN.Gateway.Verify;

/// <summary>The P-256 check of a frame, as the verifier and the check of peers' bodies do it.</summary>
internal static class FrameSignature
{
    /// <summary>Hashes the signed bytes into <paramref name="digest"/> (32) and checks the signature over them. Trusts that the frame is well formed.</summary>
    public static bool Verify(ECDsa key, ReadOnlySpan<byte> frame, Span<byte> digest)
    {
        SHA256.HashData(frame[..^FrameFormat.SignatureBytes], digest);
        return key.VerifyHash(digest, frame[^FrameFormat.SignatureBytes..], DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }
}

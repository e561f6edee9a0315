// Who signs for the device: P256Signer with a key in flash, or a secure element that keeps the key inside.

namespace DePIN.Protocol
{
    public interface IDeviceSigner
    {
        /// <summary>One of <see cref="KeyKinds"/>; the registry records it.</summary>
        byte KeyKind { get; }

        /// <summary>Writes X || Y, 64 bytes, big-endian.</summary>
        void ReadPublicKey(byte[] destination, int offset);

        /// <summary>Writes r || s, 64 bytes, ECDSA P-256 over SHA-256 of the bytes, with a low s.</summary>
        void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset);
    }

    /// <summary>A signer that takes the digest: <see cref="FrameBuilder"/> then hashes a frame once, for the signature and for the next frame's "previous".</summary>
    public interface IDigestSigner : IDeviceSigner
    {
        /// <summary>Writes r || s, 64 bytes, over a 32-byte SHA-256 digest, with a low s.</summary>
        void SignDigest(byte[] digest, int digestOffset, byte[] signature, int signatureOffset);
    }

    /// <summary>Where the device's key lives. A signature and attested hardware are different claims.</summary>
    public static class KeyKinds
    {
        public const byte Software = 1;
        public const byte SecureElement = 2;
        public const byte Attested = 3;
    }
}

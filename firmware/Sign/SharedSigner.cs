using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// One key for all threads of the node (frames, replay, claims): a signer works in its own buffers and serves one at a time.
    /// </summary>
    public sealed class SharedSigner : IDigestSigner
    {
        private readonly object _gate = new object();
        private readonly IDigestSigner _signer;

        public SharedSigner(IDigestSigner signer)
        {
            _signer = signer;
        }

        public byte KeyKind
        {
            get { return _signer.KeyKind; }
        }

        public void ReadPublicKey(byte[] destination, int offset)
        {
            lock (_gate)
            {
                _signer.ReadPublicKey(destination, offset);
            }
        }

        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            lock (_gate)
            {
                _signer.Sign(buffer, offset, count, signature, signatureOffset);
            }
        }

        public void SignDigest(byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
        {
            lock (_gate)
            {
                _signer.SignDigest(digest, digestOffset, signature, signatureOffset);
            }
        }
    }
}

namespace DePIN.Protocol
{
    public sealed class P256Signer : IDigestSigner
    {
        public P256Signer(byte[] privateKey32) { throw new System.NotImplementedException(); }
        public byte KeyKind { get { return KeyKinds.Software; } }
        public static byte[] CreatePrivateKey(IRandomSource random) { throw new System.NotImplementedException(); }
        public void ReadPublicKey(byte[] destination, int offset) { throw new System.NotImplementedException(); }
        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset) { throw new System.NotImplementedException(); }
        public void SignDigest(byte[] digest, int digestOffset, byte[] signature, int signatureOffset) { throw new System.NotImplementedException(); }
    }
}

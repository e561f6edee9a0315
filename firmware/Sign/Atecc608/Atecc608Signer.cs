using System;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// Signs with the key in one slot of the chip. The digest is computed here, the nonce in the chip, so the same bytes get another
    /// signature each time; s is made low, because the chip gives either and a frame takes only the low one.
    /// </summary>
    public sealed class Atecc608Signer : IDigestSigner
    {
        private readonly Atecc608Chip _chip;
        private readonly int _slot;
        private readonly byte[] _publicKey;
        private readonly byte[] _digest = new byte[Sha256.DigestBytes];
        private readonly byte[] _result = new byte[Atecc608Chip.SignatureBytes];

        /// <param name="chip">Provisioned; the key of the slot is <paramref name="publicKey"/>, 64 bytes.</param>
        public Atecc608Signer(Atecc608Chip chip, int slot, byte[] publicKey)
        {
            _chip = chip;
            _slot = slot;
            _publicKey = publicKey;
        }

        public byte KeyKind
        {
            get { return KeyKinds.SecureElement; }
        }

        public void ReadPublicKey(byte[] destination, int offset)
        {
            Array.Copy(_publicKey, 0, destination, offset, DeviceId.PublicKeyBytes);
        }

        public void Sign(byte[] buffer, int offset, int count, byte[] signature, int signatureOffset)
        {
            Sha256.Hash(buffer, offset, count, _digest, 0);
            SignDigest(_digest, 0, signature, signatureOffset);
        }

        /// <summary>Throws <see cref="SignerException"/> when the chip is given up on; nothing is written then.</summary>
        public void SignDigest(byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
        {
            _chip.Sign(_slot, digest, digestOffset, _result, 0);
            if (!P256Order.IsInRange(_result, 0) || !P256Order.IsInRange(_result, 32))
            {
                throw new SignerException(_chip.Name + " gave a signature that is none: replace the chip");
            }

            P256Order.MakeLow(_result, 32);
            Array.Copy(_result, 0, signature, signatureOffset, Atecc608Chip.SignatureBytes);
        }
    }
}

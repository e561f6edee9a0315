using System;

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// The chip's 128 configuration bytes (ATECC608A complete data sheet, "Configuration Zone"; offsets and bits as in
    /// Microchip cryptoauthlib, calib_device.h), and what this node needs of them: a slot that makes a P-256 key
    /// inside, never gives it out, and signs digests from outside with it. Two bytes a slot, low byte first, in both tables.
    /// </summary>
    public sealed class Atecc608Config
    {
        public const int Bytes = 128;
        public const int SerialBytes = 9;
        public const int BlockBytes = 32;
        public const int WordBytes = 4;
        private const int ChipModeOffset = 19;
        private const int SlotConfigOffset = 20;
        private const int LockValueOffset = 86;
        private const int LockConfigOffset = 87;
        private const int SlotLockedOffset = 88;
        private const int KeyConfigOffset = 96;
        private const byte Unlocked = 0x55;

        // SlotConfig of a private key ("SlotConfig"): bit 0 of ReadKey signs messages from outside, bit 1 the chip's own.
        private const int SlotSignsExternal = 0x0001;
        private const int SlotLimitedUse = 0x0020;
        private const int SlotIsSecret = 0x0080;

        /// <summary>Bit 1 of WriteConfig: GenKey may make a new key in the slot, until the slot is locked.</summary>
        private const int SlotGenKey = 0x2000;
        private const int SlotWanted = SlotGenKey | SlotIsSecret | SlotSignsExternal;

        // "KeyConfig".
        private const int KeyPrivate = 0x0001;
        private const int KeyPublicReadable = 0x0002;
        private const int KeyTypeMask = 0x001C;
        private const int KeyTypeP256 = 0x0010;
        private const int KeyLockable = 0x0020;
        private const int KeyNeedsRandom = 0x0040;
        private const int KeyNeedsAuthorisation = 0x0080;
        private const int KeyPersistentDisable = 0x1000;
        private const int KeyWanted = KeyPrivate | KeyPublicReadable | KeyTypeP256 | KeyLockable;

        private readonly byte[] _bytes;

        public Atecc608Config(byte[] bytes)
        {
            _bytes = bytes;
        }

        public bool IsConfigLocked
        {
            get { return _bytes[LockConfigOffset] != Unlocked; }
        }

        public bool IsDataLocked
        {
            get { return _bytes[LockValueOffset] != Unlocked; }
        }

        public byte ChipMode
        {
            get { return _bytes[ChipModeOffset]; }
        }

        /// <summary>CRC over all 128 bytes, which locks the zone only as it was meant.</summary>
        public int Checksum
        {
            get { return (int)Atecc608Crc.Compute(0, _bytes, 0, Bytes); }
        }

        /// <summary>A bit a slot, 1: not locked.</summary>
        public bool IsSlotLocked(int slot)
        {
            return (Word(SlotLockedOffset) & (1 << slot)) == 0;
        }

        /// <summary>Whether GenKey may still make a key in the slot after the data zone was locked.</summary>
        public bool MayMakeKey(int slot)
        {
            return (Word(SlotConfigOffset + (2 * slot)) & SlotGenKey) != 0 && !IsSlotLocked(slot);
        }

        /// <summary>Whether the slot can be locked alone.</summary>
        public bool IsSlotLockable(int slot)
        {
            return (Word(KeyConfigOffset + (2 * slot)) & KeyLockable) != 0;
        }

        /// <summary>Copies the 9 bytes of the chip's serial number.</summary>
        public void CopySerial(byte[] destination, int offset)
        {
            Array.Copy(_bytes, 0, destination, offset, 4);
            Array.Copy(_bytes, 8, destination, offset + 4, 5);
        }

        /// <summary>What of the slot's configuration does not fit, null when it does.</summary>
        public string SlotProblem(int slot)
        {
            int slotConfig = Word(SlotConfigOffset + (2 * slot));
            int keyConfig = Word(KeyConfigOffset + (2 * slot));
            if ((keyConfig & KeyPrivate) == 0 || (keyConfig & KeyTypeMask) != KeyTypeP256)
            {
                return "it is not a slot for a private P-256 key";
            }

            if ((slotConfig & SlotIsSecret) == 0)
            {
                return "it is not marked secret";
            }

            if ((slotConfig & SlotSignsExternal) == 0)
            {
                return "its key may not sign messages from outside";
            }

            if ((keyConfig & KeyPublicReadable) == 0)
            {
                return "its public key may not be read";
            }

            if ((slotConfig & SlotLimitedUse) != 0)
            {
                return "its key may be used only a limited number of times";
            }

            if ((keyConfig & (KeyNeedsAuthorisation | KeyNeedsRandom | KeyPersistentDisable)) != 0)
            {
                return "its key needs an authorisation, a nonce of the chip's own, or the persistent latch";
            }

            return null;
        }

        /// <summary>
        /// Sets the slot up in this copy. Only the slot's own two words change: offsets of the 4-byte words that must be written to the
        /// chip are <see cref="SlotConfigWord"/> and <see cref="KeyConfigWord"/>.
        /// </summary>
        public void SetUpSlot(int slot)
        {
            PutWord(SlotConfigOffset + (2 * slot), SlotWanted);
            PutWord(KeyConfigOffset + (2 * slot), KeyWanted);
        }

        public static int SlotConfigWord(int slot)
        {
            return SlotConfigOffset + ((2 * slot) & ~3);
        }

        public static int KeyConfigWord(int slot)
        {
            return KeyConfigOffset + ((2 * slot) & ~3);
        }

        /// <summary>Four bytes from there.</summary>
        public byte[] Slice(int offset)
        {
            byte[] word = new byte[WordBytes];
            Array.Copy(_bytes, offset, word, 0, WordBytes);
            return word;
        }

        private int Word(int offset)
        {
            return _bytes[offset] | (_bytes[offset + 1] << 8);
        }

        private void PutWord(int offset, int value)
        {
            _bytes[offset] = (byte)value;
            _bytes[offset + 1] = (byte)((uint)value >> 8);
        }
    }
}

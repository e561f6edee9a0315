using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sign.Atecc608;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// The key in a secure element. Flash remembers whose it is, so that another chip is never taken for this device and a node that
    /// had a chip never makes a software key. Record (<see cref="WrittenOnce"/>), nothing of it secret: version 1 | key kind |
    /// serial number, 9 bytes | public key, 64 bytes.
    /// </summary>
    internal static class ElementKey
    {
        public const string Name = "keyid";
        private const int SerialOffset = 2;
        private const int PublicKeyOffset = SerialOffset + Atecc608Config.SerialBytes;
        private const int RecordBytes = PublicKeyOffset + DeviceId.PublicKeyBytes;
        private const byte Version = 1;

        /// <summary>
        /// Opens it. <paramref name="mayMake"/>: an identity may begin here; <paramref name="mayProvision"/>: also on a chip that must
        /// be set up and locked first. When there is no key the status says why.
        /// </summary>
        public static DeviceKey Open(KeyUri uri, IFlash flash, NodeStatus status, IChipClock clock, bool mayMake, bool mayProvision)
        {
            Atecc608Chip chip = new Atecc608Chip(uri.I2cBus, uri.Address, clock);
            DeviceKey none = DeviceKey.WaitingFor(chip);
            try
            {
                WrittenOnce store = new WrittenOnce(flash, Name);
                OnceState state = store.Open();
                if (state == OnceState.Damaged || (state != OnceState.Absent && !IsRecord(store.Value)))
                {
                    status.Set(BoardState.KeyDamaged, "the record of this node's identity (" + Name + ".a, " + Name
                        + ".b) is unreadable: restore it; without it this node would begin as another device");
                    return none;
                }

                if (state == OnceState.Absent && new WrittenOnce(flash, SoftwareKey.Name).IsThere())
                {
                    status.Set(BoardState.KeyForeign, "this node has a software key: a secure element would be another device; erase the flash to begin anew");
                    return none;
                }

                return state == OnceState.Absent
                    ? Begin(uri, chip, store, status, mayMake, mayProvision, none)
                    : Recognise(uri, chip, store.Value, status, none);
            }
            catch (Atecc608Exception e)
            {
                status.Set(e.Fault == Atecc608Fault.Refused ? BoardState.KeyUnprovisioned : BoardState.KeyAbsent, e.Message);
            }
            catch (SignerException e)
            {
                status.Set(BoardState.KeyUnprovisioned, e.Message);
            }
            catch (IOException e)
            {
                status.Set(BoardState.FlashFailed, "the record of the device key: " + e.Message);
            }

            return none;
        }

        // The first time: the chip must be ready, then the flash remembers it.
        private static DeviceKey Begin(KeyUri uri, Atecc608Chip chip, WrittenOnce store, NodeStatus status, bool mayMake, bool mayProvision, DeviceKey none)
        {
            if (!mayMake)
            {
                return none;
            }

            CheckFamily(chip);
            Atecc608Provisioner provisioner = new Atecc608Provisioner(chip, uri.Slot);
            if (mayProvision)
            {
                provisioner.Run();
            }

            Atecc608Config config = chip.ReadConfig();
            byte[] publicKey = config.IsConfigLocked && config.SlotProblem(uri.Slot) == null ? chip.ReadPublicKey(uri.Slot) : null;
            string missing = provisioner.Missing(config, publicKey);
            if (missing != null)
            {
                status.Set(BoardState.KeyUnprovisioned, chip.Name + " is not provisioned: " + missing
                    + (config.IsConfigLocked && config.SlotProblem(uri.Slot) != null ? "" : "; key-provision=lock-for-ever does it once and irreversibly"));
                return none;
            }

            if (!config.IsSlotLocked(uri.Slot) && config.MayMakeKey(uri.Slot))
            {
                NodeLog.Event("key-replaceable", "message=the slot is not locked: who reaches the chip's bus can replace its key; key-provision=lock-for-ever locks it");
            }

            byte[] record = new byte[RecordBytes];
            record[0] = Version;
            record[1] = KeyKinds.SecureElement;
            config.CopySerial(record, SerialOffset);
            Array.Copy(publicKey, 0, record, PublicKeyOffset, DeviceId.PublicKeyBytes);
            store.Write(record);
            return new DeviceKey(new Atecc608Signer(chip, uri.Slot, publicKey), true);
        }

        // Every other time: the chip and the key that this node has always had, or none.
        private static DeviceKey Recognise(KeyUri uri, Atecc608Chip chip, byte[] record, NodeStatus status, DeviceKey none)
        {
            CheckFamily(chip);
            byte[] serial = new byte[Atecc608Config.SerialBytes];
            chip.ReadConfig().CopySerial(serial, 0);
            if (!Matches(serial, record, SerialOffset))
            {
                status.Set(BoardState.KeyForeign, chip.Name + " is another chip than the one this node began with: its key is another device; put the first chip back");
                return none;
            }

            byte[] publicKey = chip.ReadPublicKey(uri.Slot);
            if (publicKey == null || !Matches(publicKey, record, PublicKeyOffset))
            {
                status.Set(BoardState.KeyForeign, chip.Name + ": slot " + uri.Slot.ToString() + (publicKey == null ? " has no key" : " has another key than the one this node began with")
                    + ": name the slot it was");
                return none;
            }

            return new DeviceKey(new Atecc608Signer(chip, uri.Slot, publicKey), false);
        }

        private static void CheckFamily(Atecc608Chip chip)
        {
            if (!chip.IsFamily(chip.ReadRevision()))
            {
                throw new SignerException(chip.Name + " is a chip of another family: an ATECC608A or B is needed");
            }
        }

        private static bool IsRecord(byte[] value)
        {
            return value.Length == RecordBytes && value[0] == Version && value[1] == KeyKinds.SecureElement;
        }

        private static bool Matches(byte[] value, byte[] record, int offset)
        {
            for (int i = 0; i < value.Length; i++)
            {
                if (value[i] != record[offset + i])
                {
                    return false;
                }
            }

            return true;
        }
    }
}

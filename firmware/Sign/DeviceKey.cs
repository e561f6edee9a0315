using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// Opens the device's key, and makes one only where there never was an identity. A new key is first written to key.new, then to
    /// both slots key.a and key.b, then key.new goes: so a power cut at any point is told apart from damage, and damage never ends
    /// in a new key. Value: version 1 | key kind | private key, 32 bytes. The drive is readable by whoever holds the board.
    /// </summary>
    public sealed class DeviceKey
    {
        public const string Name = "key";
        public const string NewName = "key.new";
        private const int ValueBytes = 34;
        private const byte Version = 1;

        /// <summary>Signs; null when the store is damaged.</summary>
        public readonly IDeviceSigner Signer;

        /// <summary>X || Y, 64 bytes.</summary>
        public readonly byte[] PublicKey;

        /// <summary>20 bytes.</summary>
        public readonly byte[] Id;

        /// <summary>40 lower-case hex digits; empty when the store is damaged.</summary>
        public readonly string IdText;

        /// <summary>Whether this boot made the key.</summary>
        public readonly bool Made;

        private DeviceKey(byte[] value, bool made)
        {
            Made = made;
            PublicKey = new byte[DeviceId.PublicKeyBytes];
            Id = new byte[DeviceId.Bytes];
            IdText = "";
            if (value != null)
            {
                byte[] secret = new byte[32];
                Array.Copy(value, 2, secret, 0, 32);
                Signer = new SharedSigner(new P256Signer(secret));
                Signer.ReadPublicKey(PublicKey, 0);
                DeviceId.FromPublicKey(PublicKey, 0, Id, 0);
                IdText = DeviceId.ToText(Id, 0);
            }
        }

        /// <summary>Opens or makes the key. When it is damaged the status says so and <see cref="Signer"/> is null.</summary>
        public static DeviceKey Open(IFlash flash, IRandomSource random, NodeStatus status)
        {
            TwoGenerations store = new TwoGenerations(flash, Name);
            PairState state = store.Open();
            byte[] unfinished = ReadUnfinished(flash);

            if (unfinished != null)
            {
                // The last making was cut after the key was safe in key.new: it is finished with that same key.
                if (store.Value == null || Same(store.Value, unfinished))
                {
                    store.WriteBoth(unfinished);
                    flash.Delete(NewName);
                    return new DeviceKey(unfinished, true);
                }

                flash.Delete(NewName);
            }

            if (state == PairState.Absent)
            {
                return new DeviceKey(Make(flash, store, random), true);
            }

            if (store.Value == null || state == PairState.Contradicting || !IsKey(store.Value))
            {
                status.Set(BoardState.KeyDamaged, "the device key is unreadable: this node signs nothing; replace it, or restore the key files");
                return new DeviceKey(null, false);
            }

            if (state == PairState.OneGood)
            {
                NodeLog.Event("key-repaired", "message=one of two copies of the key was unreadable and is written again");
                store.Repair();
            }

            return new DeviceKey(store.Value, false);
        }

        /// <summary>For the log: the device id and whether it is new. Never the key.</summary>
        public string Describe()
        {
            return "device=" + IdText + " board=" + BoardPins.BoardName + " new_key=" + (Made ? "1" : "0");
        }

        private static byte[] Make(IFlash flash, TwoGenerations store, IRandomSource random)
        {
            byte[] secret = P256Signer.CreatePrivateKey(random);
            byte[] value = new byte[ValueBytes];
            value[0] = Version;
            value[1] = KeyKinds.Software;
            Array.Copy(secret, 0, value, 2, 32);

            byte[] file = new byte[ValueBytes + 4];
            Array.Copy(value, 0, file, 0, ValueBytes);
            BigEndian.WriteUInt32(file, ValueBytes, Crc32.Compute(file, 0, ValueBytes));
            flash.Write(NewName, file, 0, file.Length);
            byte[] back = ReadUnfinished(flash);
            if (back == null || !Same(back, value))
            {
                throw new System.IO.IOException("flash did not keep the new key");
            }

            store.WriteBoth(value);
            flash.Delete(NewName);
            return value;
        }

        private static byte[] ReadUnfinished(IFlash flash)
        {
            byte[] file = new byte[ValueBytes + 4];
            if (flash.Length(NewName) != file.Length || flash.Read(NewName, 0, file, 0, file.Length) != file.Length
                || BigEndian.ReadUInt32(file, ValueBytes) != Crc32.Compute(file, 0, ValueBytes))
            {
                return null;
            }

            byte[] value = new byte[ValueBytes];
            Array.Copy(file, 0, value, 0, ValueBytes);
            return IsKey(value) ? value : null;
        }

        private static bool IsKey(byte[] value)
        {
            return value.Length == ValueBytes && value[0] == Version && value[1] == KeyKinds.Software;
        }

        private static bool Same(byte[] a, byte[] b)
        {
            if (a.Length != b.Length)
            {
                return false;
            }

            uint different = 0;
            for (int i = 0; i < a.Length; i++)
            {
                different |= (uint)(a[i] ^ b[i]);
            }

            return different == 0;
        }
    }
}

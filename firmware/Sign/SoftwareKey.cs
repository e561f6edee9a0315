using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// The key in flash: made once, from hardware entropy, where there never was an identity; damage never ends in a new key.
    /// Value (<see cref="WrittenOnce"/>): version 1 | key kind | private key, 32 bytes. The drive is readable by whoever holds the board.
    /// </summary>
    internal static class SoftwareKey
    {
        public const string Name = "key";
        private const int ValueBytes = 34;
        private const int SecretBytes = 32;
        private const byte Version = 1;

        /// <summary>Opens it, or makes it when <paramref name="mayMake"/>. When there is none the status says why.</summary>
        public static DeviceKey Open(IFlash flash, IRandomSource random, NodeStatus status, bool mayMake)
        {
            WrittenOnce store = new WrittenOnce(flash, Name);
            bool made = false;
            try
            {
                OnceState state = store.Open();
                if (state == OnceState.Absent)
                {
                    if (!mayMake)
                    {
                        return DeviceKey.None;
                    }

                    if (new WrittenOnce(flash, ElementKey.Name).IsThere())
                    {
                        status.Set(BoardState.KeyForeign, "this node's key is in a secure element: set key=atecc608:... again; a software key would be another device");
                        return DeviceKey.None;
                    }

                    store.Write(Make(random));
                    made = true;
                }
                else if (state == OnceState.Damaged || !IsKey(store.Value))
                {
                    status.Set(BoardState.KeyDamaged, "the device key is unreadable: this node signs nothing; replace it, or restore the key files");
                    return DeviceKey.None;
                }
                else if (state == OnceState.Finished)
                {
                    made = true;
                }
                else if (state == OnceState.Repaired)
                {
                    NodeLog.Event("key-repaired", "message=one of two copies of the key was unreadable and is written again");
                }
            }
            catch (IOException e)
            {
                status.Set(BoardState.FlashFailed, "the device key: " + e.Message);
                return DeviceKey.None;
            }
            catch (SignerException e)
            {
                status.Set(BoardState.KeyAbsent, "no key was made: " + e.Message);
                return DeviceKey.None;
            }
            catch (InvalidOperationException e)
            {
                status.Set(BoardState.KeyAbsent, "no key was made: " + e.Message);
                return DeviceKey.None;
            }

            byte[] secret = new byte[SecretBytes];
            Array.Copy(store.Value, 2, secret, 0, SecretBytes);
            return new DeviceKey(new P256Signer(secret), made);
        }

        private static byte[] Make(IRandomSource random)
        {
            byte[] secret = P256Signer.CreatePrivateKey(random);
            byte[] value = new byte[ValueBytes];
            value[0] = Version;
            value[1] = KeyKinds.Software;
            Array.Copy(secret, 0, value, 2, SecretBytes);
            return value;
        }

        private static bool IsKey(byte[] value)
        {
            return value.Length == ValueBytes && value[0] == Version && value[1] == KeyKinds.Software && P256Order.IsInRange(value, 2);
        }
    }
}

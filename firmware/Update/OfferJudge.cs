using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;
using nanoFramework.Runtime.Native;

namespace DePIN.Firmware.Update
{
    /// <summary>
    /// Whether an offered manifest may be fetched at all: before a byte of it is. The signature is last, because it costs seconds of a
    /// board; nothing is written or fetched for a manifest without it.
    /// </summary>
    public sealed class OfferJudge
    {
        /// <summary>littlefs gives files whole blocks.</summary>
        public const int BlockBytes = 4096;

        /// <summary>Left free on the drive for Wi-Fi settings, certificates and littlefs's own blocks.</summary>
        public const int DriveReserveBytes = 6 * BlockBytes;

        /// <summary>Left free in memory beside the new application's bytes and tables.</summary>
        public const int MemoryReserveBytes = 16384;

        private readonly IFlash _flash;
        private readonly byte[] _operatorKey;
        private readonly int _driveBytes;
        private readonly int _ringBytes;

        /// <param name="flash">The drive the update would go to.</param>
        /// <param name="operatorKey">X || Y.</param>
        /// <param name="driveBytes">Size of that drive.</param>
        /// <param name="ringBytes">What the ring of frames may grow to.</param>
        public OfferJudge(IFlash flash, byte[] operatorKey, int driveBytes, int ringBytes)
        {
            _flash = flash;
            _operatorKey = operatorKey;
            _ringBytes = ringBytes;
            _driveBytes = driveBytes;
        }

        /// <summary>Bytes free in memory now; the runtime's own figure unless it was set.</summary>
        public uint MemoryBytes { get; set; }

        /// <summary>See <see cref="UpdateErrors"/>; None: it may be fetched into the slot.</summary>
        /// <param name="bytes">The offer as it came.</param>
        /// <param name="manifest">Filled in.</param>
        /// <param name="running">The manifest that runs, null when it has none.</param>
        /// <param name="refusedRelease">Release that was rolled back or refused, 0 when none.</param>
        /// <param name="slot">Where it would go.</param>
        public byte Judge(byte[] bytes, UpdateManifest manifest, UpdateManifest running, uint refusedRelease, int slot)
        {
            if (bytes.Length > UpdateManifest.BytesMax || manifest.Read(bytes, 0, bytes.Length) != ManifestFault.None)
            {
                return UpdateErrors.Malformed;
            }

            byte[] id = new byte[DeviceId.Bytes];
            DeviceId.FromPublicKey(_operatorKey, 0, id, 0);
            if (!SlotFiles.Same(id, manifest.OperatorId))
            {
                return UpdateErrors.NotThisOperator;
            }

            if (manifest.Board != BoardPins.BoardName)
            {
                return UpdateErrors.WrongBoard;
            }

            if (manifest.Release <= refusedRelease || (running != null && manifest.Release <= running.Release))
            {
                return UpdateErrors.NotNewer;
            }

            if (!HasRuntime(manifest.Runtime))
            {
                return UpdateErrors.RuntimeTooOld;
            }

            if (!Fits(manifest, running, slot))
            {
                return UpdateErrors.DoesNotFit;
            }

            return new P256Verifier().Verify(_operatorKey, 0, bytes, 0, manifest.SignedBytes, bytes, manifest.SignedBytes)
                ? UpdateErrors.None : UpdateErrors.WrongSignature;
        }

        private static bool HasRuntime(ushort[] needed)
        {
            int[] here = new int[]
            {
                SystemInfo.Version.Major, SystemInfo.Version.Minor, SystemInfo.Version.Build, SystemInfo.Version.Revision,
            };
            for (int i = 0; i < UpdateManifest.RuntimeParts; i++)
            {
                if (here[i] != needed[i])
                {
                    return here[i] > needed[i];
                }
            }

            return true;
        }

        private static int Blocks(int bytes)
        {
            return (int)(((uint)bytes + BlockBytes - 1) & 0xFFFFF000);
        }

        // The drive: all other files, the ring grown to its size, and the new files. Memory: the runtime keeps an application that was loaded
        // from bytes in memory, beside tables of about a quarter of it; what runs now from a slot is gone then.
        private bool Fits(UpdateManifest manifest, UpdateManifest running, int slot)
        {
            int used = DriveReserveBytes + Blocks(UpdateManifest.BytesMax) + Blocks(_ringBytes);
            string[] names = _flash.List();
            for (int i = 0; i < names.Length; i++)
            {
                if (!SlotFiles.Owns(slot, names[i]) && RingSegment.NumberOf(names[i]) == 0)
                {
                    used += Blocks(_flash.Length(names[i]));
                }
            }

            for (int i = 0; i < manifest.FileCount; i++)
            {
                used += Blocks((int)manifest.Sizes[i]);
            }

            if (used > _driveBytes)
            {
                return false;
            }

            uint free = MemoryBytes != 0 ? MemoryBytes : GC.Run(false);
            uint needed = manifest.TotalBytes + (manifest.TotalBytes >> 2) + MemoryReserveBytes;
            return needed <= free + (running == null ? 0 : running.TotalBytes);
        }
    }
}

using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Update
{
    /// <summary>
    /// The two application slots on the flash drive: slot-a.du is the signed manifest of slot a, app-a.NAME its files; b likewise. Shared by
    /// the node, which fills a slot, and the loader, which starts one. A slot is what its hashes say, never what a length or a name says.
    /// </summary>
    public static class SlotFiles
    {
        /// <summary>Slots are 0 and 1, in text a and b; this is neither.</summary>
        public const int None = -1;

        private const int PieceBytes = 1024;

        public static string Letter(int slot)
        {
            return slot == 0 ? "a" : "b";
        }

        /// <summary>The slot of a letter, or <see cref="None"/>.</summary>
        public static int SlotOf(string letter)
        {
            return letter == "a" ? 0 : letter == "b" ? 1 : None;
        }

        public static string ManifestName(int slot)
        {
            return "slot-" + Letter(slot) + ".du";
        }

        public static string FileName(int slot, string name)
        {
            return Prefix(slot) + name;
        }

        /// <summary>The slot's manifest as it lies on flash, null when there is none of a manifest's size.</summary>
        public static byte[] ReadManifest(IFlash flash, int slot)
        {
            int length = flash.Length(ManifestName(slot));
            if (length <= 0 || length > UpdateManifest.BytesMax)
            {
                return null;
            }

            byte[] bytes = new byte[length];
            return flash.Read(ManifestName(slot), 0, bytes, 0, length) == length ? bytes : null;
        }

        /// <summary>Whether a file on flash has the size and the SHA-256 of the manifest; reads all of it.</summary>
        public static bool Matches(IFlash flash, int slot, UpdateManifest manifest, int file)
        {
            string name = FileName(slot, manifest.Names[file]);
            int length = (int)manifest.Sizes[file];
            if (flash.Length(name) != length)
            {
                return false;
            }

            Sha256 hash = new Sha256();
            byte[] piece = new byte[PieceBytes];
            for (int at = 0; at < length;)
            {
                int count = flash.Read(name, at, piece, 0, PieceBytes);
                if (count <= 0)
                {
                    return false;
                }

                hash.Update(piece, 0, count);
                at += count;
            }

            byte[] digest = new byte[Sha256.DigestBytes];
            hash.Finish(digest, 0);
            return Same(digest, manifest.Hashes[file]);
        }

        /// <summary>Empties a slot, its manifest first: what is left by a power cut belongs to no manifest.</summary>
        public static void Clear(IFlash flash, int slot)
        {
            flash.Delete(ManifestName(slot));
            string[] names = flash.List();
            for (int i = 0; i < names.Length; i++)
            {
                if (Owns(slot, names[i]))
                {
                    flash.Delete(names[i]);
                }
            }
        }

        /// <summary>Whether a file belongs to a slot.</summary>
        public static bool Owns(int slot, string name)
        {
            return name == ManifestName(slot) || IsOf(name, Prefix(slot));
        }

        public static bool Same(byte[] a, byte[] b)
        {
            return a != null && b != null && TwoGenerations.Same(a, b);
        }

        public static byte[] HashOf(byte[] bytes)
        {
            byte[] digest = new byte[Sha256.DigestBytes];
            Sha256.Hash(bytes, 0, bytes.Length, digest, 0);
            return digest;
        }

        private static string Prefix(int slot)
        {
            return "app-" + Letter(slot) + ".";
        }

        private static bool IsOf(string name, string prefix)
        {
            return name.Length > prefix.Length && name.Substring(0, prefix.Length) == prefix;
        }
    }
}

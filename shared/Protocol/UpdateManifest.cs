// What an operator signs so that a node may take new software: for which board and runtime, which release, which files.
// The last file is the application, whose DePIN.Firmware.Program is started; the files before it are loaded in this order.
//
// offset  size  field
//      0     2  magic "DU"
//      2     1  version = 1
//      3     1  flags = 0
//      4     1  length B of the board name, 1..31
//      5     B  board name, A-Z a-z 0-9 . _ + -
//    5+B     4  release, u32 >= 1: a node takes only a higher one than its own
//    9+B     1  length V of the version text, 1..15
//   10+B     V  version text, the same characters
//      -     8  minimum runtime (nanoFramework's CLR): major, minor, build, revision, u16 each
//      -     1  number of files F, 1..16
//      -        F times: 1 length N of the name, 1..24 | N name, A-Z a-z 0-9 . _ - | 4 size u32 >= 1 | 32 SHA-256
//      -    20  key id of the operator: the last 20 bytes of SHA-256(X || Y), as a device's id
//      -    64  r || s, ECDSA P-256 over SHA-256 of all before, low s
// At most 1,024 bytes.

using System;

namespace DePIN.Protocol
{
    public sealed class UpdateManifest
    {
        public const int BytesMax = 1024;
        public const byte Version = 1;
        public const int BoardCharsMax = 31;
        public const int VersionCharsMax = 15;
        public const int RuntimeParts = 4;
        public const int FilesMax = 16;
        public const int FileNameCharsMax = 24;
        public const int SignatureBytes = 64;

        /// <summary>All files together: more than any board's deployment partition holds.</summary>
        public const uint TotalBytesMax = 2 * 1024 * 1024;

        /// <summary>First bytes of a manifest's SHA-256, which name it in the other update messages.</summary>
        public const int PrefixBytes = 8;

        private const byte Magic0 = 0x44;
        private const byte Magic1 = 0x55;

        private byte[] _from;
        private int _at;
        private int _end;

        public string Board { get; set; }

        /// <summary>Grows with every release of an operator; 0 is none.</summary>
        public uint Release { get; set; }

        public string VersionText { get; set; }

        /// <summary>Lowest runtime: major, minor, build, revision.</summary>
        public ushort[] Runtime { get; set; }

        public string[] Names { get; set; }

        public uint[] Sizes { get; set; }

        /// <summary>SHA-256 of each file.</summary>
        public byte[][] Hashes { get; set; }

        public byte[] OperatorId { get; set; }

        /// <summary>Bytes the signature covers, after <see cref="Read"/> or <see cref="WriteUnsigned"/>.</summary>
        public int SignedBytes { get; private set; }

        public int FileCount
        {
            get { return Names.Length; }
        }

        /// <summary>All files together; below 2^32 for what <see cref="Read"/> took.</summary>
        public uint TotalBytes
        {
            get
            {
                uint total = 0;
                for (int i = 0; i < Sizes.Length; i++)
                {
                    total += Sizes[i];
                }

                return total;
            }
        }

        /// <summary>
        /// Reads a whole manifest and checks every rule but the signature's equation. Hostile bytes give a fault, never an exception;
        /// the properties mean something only behind <see cref="ManifestFault.None"/>.
        /// </summary>
        public ManifestFault Read(byte[] buffer, int offset, int count)
        {
            Bytes.CheckRange(buffer, offset, count);
            if (count > BytesMax)
            {
                return ManifestFault.BadLength;
            }

            _from = buffer;
            _at = offset;
            _end = offset + count;
            if (Left() < 4)
            {
                return ManifestFault.BadLength;
            }

            if (buffer[offset] != Magic0 || buffer[offset + 1] != Magic1)
            {
                return ManifestFault.BadMagic;
            }

            if (buffer[offset + 2] != Version)
            {
                return ManifestFault.UnknownVersion;
            }

            if (buffer[offset + 3] != 0)
            {
                return ManifestFault.ReservedFlags;
            }

            _at = offset + 4;
            ManifestFault fault = ReadHead();
            if (fault != ManifestFault.None)
            {
                return fault;
            }

            int files = buffer[_at];
            _at++;
            if (files == 0 || files > FilesMax)
            {
                return ManifestFault.BadFileCount;
            }

            fault = ReadFiles(files);
            return fault == ManifestFault.None ? ReadTail(offset) : fault;
        }

        /// <summary>Writes what is signed and returns its size; the signature comes behind it.</summary>
        /// <exception cref="ArgumentException">The properties break a rule, which <see cref="Read"/> of the whole names.</exception>
        public int WriteUnsigned(byte[] destination, int offset)
        {
            CheckTexts();
            int count = 4 + 1 + Board.Length + 4 + 1 + VersionText.Length + (2 * RuntimeParts) + 1 + DeviceId.Bytes;
            for (int i = 0; i < Names.Length; i++)
            {
                count += 1 + Names[i].Length + 4 + Sha256.DigestBytes;
            }

            if (count > BytesMax - SignatureBytes)
            {
                throw new ArgumentException("a manifest has at most 1024 bytes: shorten names or pack fewer files");
            }

            Bytes.CheckRange(destination, offset, count);
            destination[offset] = Magic0;
            destination[offset + 1] = Magic1;
            destination[offset + 2] = Version;
            destination[offset + 3] = 0;
            int at = WriteText(Board, destination, offset + 4);
            Bytes.WriteUInt32(destination, at, Release);
            at = WriteText(VersionText, destination, at + 4);
            for (int i = 0; i < RuntimeParts; i++)
            {
                Bytes.WriteUInt16(destination, at, Runtime[i]);
                at += 2;
            }

            destination[at] = (byte)Names.Length;
            at++;
            for (int i = 0; i < Names.Length; i++)
            {
                at = WriteText(Names[i], destination, at);
                Bytes.WriteUInt32(destination, at, Sizes[i]);
                Array.Copy(Hashes[i], 0, destination, at + 4, Sha256.DigestBytes);
                at += 4 + Sha256.DigestBytes;
            }

            Array.Copy(OperatorId, 0, destination, at, DeviceId.Bytes);
            SignedBytes = count;
            return count;
        }

        private static bool IsNameChar(char c, bool plus)
        {
            return IsLetterOrDigit(c) || c == '.' || c == '_' || c == '-' || (plus && c == '+');
        }

        private static bool IsLetterOrDigit(char c)
        {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        }

        private static bool SameName(string a, string b)
        {
            if (a.Length != b.Length)
            {
                return false;
            }

            for (int i = 0; i < a.Length; i++)
            {
                if (Lower(a[i]) != Lower(b[i]))
                {
                    return false;
                }
            }

            return true;
        }

        private static int Lower(char c)
        {
            return c >= 'A' && c <= 'Z' ? c + 32 : c;
        }

        private static int WriteText(string text, byte[] destination, int at)
        {
            destination[at] = (byte)text.Length;
            for (int i = 0; i < text.Length; i++)
            {
                destination[at + 1 + i] = (byte)text[i];
            }

            return at + 1 + text.Length;
        }

        private ManifestFault ReadHead()
        {
            Board = ReadText(BoardCharsMax, true);
            if (Board == null)
            {
                return ManifestFault.BadText;
            }

            if (Left() < 4)
            {
                return ManifestFault.BadLength;
            }

            Release = Bytes.ReadUInt32(_from, _at);
            _at += 4;
            if (Release == 0)
            {
                return ManifestFault.ReleaseZero;
            }

            VersionText = ReadText(VersionCharsMax, true);
            if (VersionText == null)
            {
                return ManifestFault.BadText;
            }

            if (Left() < (2 * RuntimeParts) + 1)
            {
                return ManifestFault.BadLength;
            }

            Runtime = new ushort[RuntimeParts];
            for (int i = 0; i < RuntimeParts; i++)
            {
                Runtime[i] = (ushort)Bytes.ReadUInt16(_from, _at);
                _at += 2;
            }

            return ManifestFault.None;
        }

        private ManifestFault ReadFiles(int files)
        {
            Names = new string[files];
            Sizes = new uint[files];
            Hashes = new byte[files][];
            uint total = 0;
            for (int i = 0; i < files; i++)
            {
                string name = ReadText(FileNameCharsMax, false);
                if (name == null || !IsLetterOrDigit(name[0]) || !IsLetterOrDigit(name[name.Length - 1]))
                {
                    return ManifestFault.BadFileName;
                }

                for (int earlier = 0; earlier < i; earlier++)
                {
                    if (SameName(Names[earlier], name))
                    {
                        return ManifestFault.DuplicateFileName;
                    }
                }

                if (Left() < 4 + Sha256.DigestBytes)
                {
                    return ManifestFault.BadLength;
                }

                uint size = Bytes.ReadUInt32(_from, _at);
                total += size;
                if (size == 0 || size > TotalBytesMax || total > TotalBytesMax)
                {
                    return ManifestFault.BadFileSize;
                }

                Names[i] = name;
                Sizes[i] = size;
                Hashes[i] = new byte[Sha256.DigestBytes];
                Array.Copy(_from, _at + 4, Hashes[i], 0, Sha256.DigestBytes);
                _at += 4 + Sha256.DigestBytes;
            }

            return ManifestFault.None;
        }

        private ManifestFault ReadTail(int offset)
        {
            if (Left() < DeviceId.Bytes + SignatureBytes)
            {
                return ManifestFault.BadLength;
            }

            if (Left() > DeviceId.Bytes + SignatureBytes)
            {
                return ManifestFault.TrailingBytes;
            }

            OperatorId = new byte[DeviceId.Bytes];
            Array.Copy(_from, _at, OperatorId, 0, DeviceId.Bytes);
            int signature = _at + DeviceId.Bytes;
            SignedBytes = signature - offset;
            if (!P256Order.IsInRange(_from, signature) || !P256Order.IsInRange(_from, signature + 32))
            {
                return ManifestFault.SignatureOutOfRange;
            }

            return P256Order.IsHigh(_from, signature + 32) ? ManifestFault.HighS : ManifestFault.None;
        }

        // Null when the text is cut, empty, too long or has another character.
        private string ReadText(int charsMax, bool plus)
        {
            if (Left() < 1)
            {
                return null;
            }

            int length = _from[_at];
            if (length == 0 || length > charsMax || length > Left() - 1)
            {
                return null;
            }

            char[] text = new char[length];
            for (int i = 0; i < length; i++)
            {
                char c = (char)_from[_at + 1 + i];
                if (!IsNameChar(c, plus))
                {
                    return null;
                }

                text[i] = c;
            }

            _at += 1 + length;
            return new string(text);
        }

        private int Left()
        {
            return _end - _at;
        }

        private void CheckTexts()
        {
            if (Board == null || Board.Length == 0 || Board.Length > BoardCharsMax || VersionText == null || VersionText.Length == 0 || VersionText.Length > VersionCharsMax)
            {
                throw new ArgumentException("board and version need 1 to 31 and 1 to 15 characters");
            }

            if (Runtime == null || Runtime.Length != RuntimeParts || OperatorId == null || OperatorId.Length != DeviceId.Bytes)
            {
                throw new ArgumentException("the runtime has 4 parts and the operator's id 20 bytes");
            }

            if (Names == null || Names.Length == 0 || Names.Length > FilesMax || Sizes == null || Sizes.Length != Names.Length || Hashes == null || Hashes.Length != Names.Length)
            {
                throw new ArgumentException("a manifest has 1 to 16 files, each with a size and a hash");
            }

            for (int i = 0; i < Names.Length; i++)
            {
                if (Names[i] == null || Names[i].Length == 0 || Names[i].Length > FileNameCharsMax || Hashes[i] == null || Hashes[i].Length != Sha256.DigestBytes)
                {
                    throw new ArgumentException("a file needs a name of 1 to 24 characters and a hash of 32 bytes");
                }
            }
        }
    }
}

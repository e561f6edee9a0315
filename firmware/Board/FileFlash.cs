using System.IO;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// Flash through System.IO: "I:\" on a board (littlefs), a folder on a computer. Every call opens and closes its file:
    /// littlefs commits at the close, and no handle is left open across a power cut. Only members that nanoFramework 1.x has.
    /// </summary>
    public sealed class FileFlash : IFlash
    {
        private readonly string _root;

        /// <param name="root">Where names are put behind, so it ends with a separator: "I:\" or "/var/lib/board/flash/".</param>
        public FileFlash(string root)
        {
            _root = root;
        }

        public int Length(string name)
        {
            string path = _root + name;
            if (!File.Exists(path))
            {
                return -1;
            }

            using (FileStream file = new FileStream(path, FileMode.Open, FileAccess.Read))
            {
                return (int)file.Length;
            }
        }

        public int Read(string name, int fileOffset, byte[] buffer, int offset, int count)
        {
            string path = _root + name;
            if (!File.Exists(path))
            {
                return 0;
            }

            using (FileStream file = new FileStream(path, FileMode.Open, FileAccess.Read))
            {
                if (fileOffset >= file.Length)
                {
                    return 0;
                }

                file.Seek(fileOffset, SeekOrigin.Begin);
                int total = 0;
                while (total < count)
                {
                    int read = file.Read(buffer, offset + total, count - total);
                    if (read <= 0)
                    {
                        break;
                    }

                    total += read;
                }

                return total;
            }
        }

        public void Write(string name, byte[] buffer, int offset, int count)
        {
            Put(name, FileMode.Create, buffer, offset, count);
        }

        public void Append(string name, byte[] buffer, int offset, int count)
        {
            Put(name, FileMode.Append, buffer, offset, count);
        }

        public void Delete(string name)
        {
            File.Delete(_root + name);
        }

        public string[] List()
        {
            string[] paths = Directory.GetFiles(_root);
            for (int i = 0; i < paths.Length; i++)
            {
                int slash = paths[i].LastIndexOf('\\');
                int other = paths[i].LastIndexOf('/');
                paths[i] = paths[i].Substring((slash > other ? slash : other) + 1);
            }

            return paths;
        }

        private void Put(string name, FileMode mode, byte[] buffer, int offset, int count)
        {
            using (FileStream file = new FileStream(_root + name, mode, FileAccess.Write))
            {
                file.Write(buffer, offset, count);
                file.Flush();
            }
        }
    }
}

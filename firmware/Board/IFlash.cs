namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The node's flash drive, as few verbs as the firmware needs. Names are plain file names of at most 31 characters, no folders.
    /// Write and Append return only when the bytes are on flash; when they throw, nothing, some or all of the bytes may be there,
    /// and who called reads back what is true. There is no atomic replace (nanoFramework's File.Move refuses an existing target):
    /// what must never be half written goes through <see cref="Keep.TwoGenerations"/> or the ring.
    /// </summary>
    public interface IFlash
    {
        /// <summary>Length of the file in bytes, or -1 when there is none.</summary>
        int Length(string name);

        /// <summary>Reads up to <paramref name="count"/> bytes from <paramref name="fileOffset"/>; returns how many there were.</summary>
        int Read(string name, int fileOffset, byte[] buffer, int offset, int count);

        /// <summary>Creates or replaces the file. Not atomic.</summary>
        void Write(string name, byte[] buffer, int offset, int count);

        /// <summary>Adds to the end of the file, creating it when there is none.</summary>
        void Append(string name, byte[] buffer, int offset, int count);

        /// <summary>Removes the file; a missing one is no error.</summary>
        void Delete(string name);

        /// <summary>The names of all files, in no particular order.</summary>
        string[] List();
    }
}

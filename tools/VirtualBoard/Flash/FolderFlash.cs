// The board's I: drive as a folder: the firmware's own FileFlash, plus what a computer needs on top of it: fsync after each write
// (File.Flush does not on .NET) and files only their owner can read, because one of them is the device's key.

using DePIN.Firmware.Board;

namespace DePIN.VirtualBoard.Flash;

/// <summary>Flash in a folder of the host. What Write and Append have returned from survives a power cut of the host too.</summary>
public sealed class FolderFlash : IFlash
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _folder;
    private readonly FileFlash _files;

    public FolderFlash(string folder)
    {
        Directory.CreateDirectory(folder);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, OwnerOnly | UnixFileMode.UserExecute);
        }

        _folder = folder;
        _files = new FileFlash(folder + Path.DirectorySeparatorChar);
    }

    public int Length(string name) => _files.Length(name);

    public int Read(string name, int fileOffset, byte[] buffer, int offset, int count) => _files.Read(name, fileOffset, buffer, offset, count);

    public void Write(string name, byte[] buffer, int offset, int count)
    {
        Prepare(name);
        _files.Write(name, buffer, offset, count);
        Sync(name);
    }

    public void Append(string name, byte[] buffer, int offset, int count)
    {
        Prepare(name);
        _files.Append(name, buffer, offset, count);
        Sync(name);
    }

    public void Delete(string name) => _files.Delete(name);

    public string[] List() => _files.List();

    // The file gets its mode before it gets its bytes: at no moment is a key readable by others.
    private void Prepare(string name)
    {
        string path = Path.Combine(_folder, name);
        if (!OperatingSystem.IsWindows() && !File.Exists(path))
        {
            using FileStream made = new(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        }
    }

    private void Sync(string name)
    {
        using FileStream file = new(Path.Combine(_folder, name), FileMode.Open, FileAccess.ReadWrite);
        file.Flush(flushToDisk: true);
    }
}

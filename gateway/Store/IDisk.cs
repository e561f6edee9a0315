namespace DePIN.Gateway.Store;

/// <summary>What the store asks of the disk; tests answer for it.</summary>
public interface IDisk
{
    /// <summary>Bytes a normal user may still write on the volume of <paramref name="path"/>.</summary>
    long FreeBytes(string path);

    /// <summary>Bytes the database, its WAL, its shared-memory file and the partitions take.</summary>
    long UsedBytes(string path);
}

/// <summary>The machine's disk.</summary>
public sealed class SystemDisk : IDisk
{
    /// <inheritdoc/>
    public long FreeBytes(string path) => new DriveInfo(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!).AvailableFreeSpace;

    /// <inheritdoc/>
    public long UsedBytes(string path) => Length(path) + Length(path + "-wal") + Length(path + "-shm")
        + (new DirectoryInfo(PartitionFile.FolderOf(path)) is { Exists: true } folder ? folder.EnumerateFiles().Sum(static file => Length(file.FullName)) : 0);

    private static long Length(string path)
    {
        FileInfo file = new(path);
        return file.Exists ? file.Length : 0;
    }
}

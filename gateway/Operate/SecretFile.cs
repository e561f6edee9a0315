using System.Runtime.InteropServices;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Files that hold a secret: written so that a power cut leaves the old content or the new one (temporary file,
/// fsync, rename, fsync of the folder: rename(2), fsync(2)), readable by the owner only, and refused when others can read them.
/// </summary>
public static class SecretFile
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Larger than any secret of ours. Bytes.</summary>
    public const int BytesMax = 64 * 1024;

    /// <summary>The content. Throws <see cref="SettingsException"/> with the exact chmod when the mode is wider than 0600.</summary>
    public static byte[] Read(string path)
    {
        RequirePrivate(path);
        FileInfo info = new(path);
        if (info.Length > BytesMax) throw new SettingsException($"{path}: {info.Length} bytes is no key file. Restore the right file from your backup.");
        return File.ReadAllBytes(path);
    }

    /// <summary>Throws when group or others have any right on the file.</summary>
    public static void RequirePrivate(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        UnixFileMode mode = File.GetUnixFileMode(path);
        if ((mode & Others) != 0)
            throw new SettingsException($"{path}: mode {Convert.ToString((int)mode, 8).PadLeft(4, '0')} lets others read a secret. Run: chmod 600 {path}");
    }

    /// <summary>Replaces the file durably; the new one has mode 0600 from its first byte on.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content) => WriteDurably(path, content, Private);

    /// <summary>As <see cref="Write"/> for a file everyone may read (0644), such as a certificate.</summary>
    public static void WritePublic(string path, ReadOnlySpan<byte> content) =>
        WriteDurably(path, content, Private | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

    private static void WriteDurably(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string next = path + ".new";
        File.Delete(next);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = mode;
        using (FileStream stream = new(next, options))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
        if (!OperatingSystem.IsWindows()) FlushFolder(folder);
    }

    /// <summary>The rename is durable only after the folder is flushed; .NET opens no folders, so this asks the C library.</summary>
    internal static void FlushFolder(string folder)
    {
        int descriptor = Open(System.Text.Encoding.UTF8.GetBytes(folder + "\0"), flags: 0);
        if (descriptor < 0) throw new IOException($"{folder}: cannot be opened for fsync (errno {Marshal.GetLastPInvokeError()}).");
        int result = Fsync(descriptor);
        int error = Marshal.GetLastPInvokeError();
        _ = Close(descriptor);
        if (result != 0) throw new IOException($"{folder}: fsync failed (errno {error}).");
    }

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static extern int Fsync(int descriptor);

    [DllImport("libc", EntryPoint = "close", SetLastError = true)]
    private static extern int Close(int descriptor);
}

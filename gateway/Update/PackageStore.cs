using DePIN.Gateway.Peer;

namespace DePIN.Gateway.Update;

/// <summary>
/// The folder <c>updates</c> in the data folder: a file a package, named by the SHA-256 of its manifest. A package is kept by fsync, rename and
/// fsync of the folder, and is read back with every check again: what a disk has damaged is not served.
/// </summary>
public sealed class PackageStore
{
    /// <summary>Packages at most; those of no open roll-out go first.</summary>
    public const int PackagesMax = 16;

    private const string Suffix = ".package", PartSuffix = ".part";

    private readonly string _folder;
    private readonly OperatorKey _key;
    private readonly IBodyDisk _disk;

    /// <summary>Makes the folder when missing.</summary>
    public PackageStore(string folder, OperatorKey key, IBodyDisk? disk = null)
    {
        (_folder, _key, _disk) = (folder, key, disk ?? new SystemBodyDisk());
        Directory.CreateDirectory(folder);
        _disk.FlushFolder(folder);
        foreach (string part in Directory.EnumerateFiles(folder, "*" + PartSuffix)) File.Delete(part); // left by a crash
    }

    /// <summary>Checks a package; null with the reason when it is refused.</summary>
    public UpdatePackage? Check(byte[] content, out string fault)
    {
        UpdatePackage? package = UpdatePackage.Read(content, out fault);
        if (package is null || package.IsSignedBy(_key)) return package;
        fault = package.Manifest.OperatorId.AsSpan().SequenceEqual(_key.Id) ? "its signature is not the operator's" : "another operator signed it than the one in update.operatorKey";
        return null;
    }

    /// <summary>Keeps it durably. Repeatable.</summary>
    /// <exception cref="IOException">Not known to be kept: keep it again.</exception>
    public void Keep(UpdatePackage package)
    {
        ArgumentNullException.ThrowIfNull(package);
        string file = FileOf(package.Hash), part = file + PartSuffix;
        _disk.Append(part, 0, package.Content);
        _disk.Flush(part);
        _disk.Rename(part, file);
        _disk.FlushFolder(_folder);
    }

    /// <summary>The package of this manifest hash, checked again; null with the reason when it is missing or damaged.</summary>
    public UpdatePackage? Load(ReadOnlySpan<byte> hash, out string fault)
    {
        string file = FileOf(hash);
        try
        {
            if (new FileInfo(file).Length > UpdatePackage.BytesMax)
            {
                fault = "it is too large";
                return null;
            }

            UpdatePackage? package = Check(File.ReadAllBytes(file), out fault);
            if (package is null || package.Hash.AsSpan().SequenceEqual(hash)) return package;
            fault = "it is another package than its name says";
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            fault = error.Message;
            return null;
        }
    }

    /// <summary>Removes packages that no open roll-out needs while there are too many.</summary>
    public void Sweep(IReadOnlySet<string> needed)
    {
        ArgumentNullException.ThrowIfNull(needed);
        FileInfo[] files = [.. new DirectoryInfo(_folder).EnumerateFiles("*" + Suffix).OrderBy(f => f.LastWriteTimeUtc)];
        int excess = files.Length - PackagesMax;
        foreach (FileInfo file in files.Where(f => !needed.Contains(Path.GetFileNameWithoutExtension(f.Name))).Take(Math.Max(0, excess))) file.Delete();
    }

    private string FileOf(ReadOnlySpan<byte> hash) => Path.Combine(_folder, Convert.ToHexStringLower(hash) + Suffix);
}

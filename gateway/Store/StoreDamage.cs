namespace DePIN.Gateway.Store;

/// <summary>
/// Damaged files are moved to the folder <c>quarantine</c> beside the database, each with a text that says what was lost. The newest
/// <see cref="FilesMax"/> are kept, for who wants to try more on another machine; an operator who has read them deletes them.
/// </summary>
public static class StoreDamage
{
    /// <summary>The folder's name.</summary>
    public const string Folder = "quarantine";

    /// <summary>Damaged files kept.</summary>
    public const int FilesMax = 4;

    private const int TextsMax = 64;

    /// <summary>The folder of a database.</summary>
    public static string FolderOf(string database) => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(database))!, Folder);

    /// <summary>What is told of each damaged file, the oldest first.</summary>
    public static IReadOnlyList<string> Read(string database)
    {
        string folder = FolderOf(database);
        return Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*.txt").Order(StringComparer.Ordinal).Select(File.ReadAllText)] : [];
    }

    /// <summary>Moves a file with its write-ahead log away; nothing when it is not there.</summary>
    internal static void Keep(string database, string path, string text, DateTimeOffset now)
    {
        string folder = FolderOf(database);
        Directory.CreateDirectory(folder);
        string stamp = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmssfff", System.Globalization.CultureInfo.InvariantCulture), name = Path.Combine(folder, stamp + "-" + Path.GetFileName(path));
        for (int again = 1; File.Exists(name) || File.Exists(name + ".txt"); again++) name = Path.Combine(folder, $"{stamp}.{again}-{Path.GetFileName(path)}");
        using (FileStream told = new(name + ".txt", FileMode.Create, FileAccess.Write))
        {
            told.Write(System.Text.Encoding.UTF8.GetBytes(text));
            told.Flush(flushToDisk: true);
        }

        StoreUpgrade.Flush(folder); // first the text: a damaged file is never gone without a word
        foreach (string suffix in (ReadOnlySpan<string>)["-wal", ""])
            if (File.Exists(path + suffix)) File.Move(path + suffix, name + suffix);
        File.Delete(path + "-shm");
        StoreUpgrade.Flush(folder);
        StoreUpgrade.Flush(Path.GetDirectoryName(Path.GetFullPath(path))!);
        foreach (string old in Directory.GetFiles(folder, "*.db").OrderDescending(StringComparer.Ordinal).Skip(FilesMax))
            foreach (string suffix in (ReadOnlySpan<string>)["", "-wal"]) File.Delete(old + suffix);
        foreach (string old in Directory.GetFiles(folder, "*.txt").OrderDescending(StringComparer.Ordinal).Skip(TextsMax)) File.Delete(old);
    }
}

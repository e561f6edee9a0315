using DePIN.Boards.Energy;

namespace DePIN.Boards.Generate;

/// <summary>What is written from the boards' data, and whether a working copy has it.</summary>
public static class GeneratedFiles
{
    private static readonly string FirmwareFolder = Path.Combine("firmware", "Board", "Generated");
    private static readonly string VirtualBoardFolder = Path.Combine("tools", "VirtualBoard", "Nano", "Generated");

    /// <summary>Paths in the repository and their text.</summary>
    public static IReadOnlyDictionary<string, string> Of(BoardCatalog catalog)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        SortedDictionary<string, string> files = new(StringComparer.Ordinal);
        foreach (Board board in catalog.Boards)
        {
            files.Add(Path.Combine(FirmwareFolder, board.Name + ".cs"), FirmwareSource.Of(board));
            files.Add(Path.Combine(VirtualBoardFolder, board.Name + ".cs"), VirtualBoardSource.Of(board));
            files.Add(Path.Combine("hardware", board.Name, "README.md"), WiringPage.Of(board, catalog.Node));
            files.Add(Path.Combine("hardware", board.Name, "wiring.svg"), WiringPicture.Of(board, catalog.Node));
        }

        files.Add(Path.Combine("hardware", EnergyPage.FileName), EnergyPage.Of(catalog));
        return files;
    }

    /// <summary>The files that are missing, differ, or are of a board that is gone, as paths in the repository.</summary>
    public static IReadOnlyList<string> FindStale(string root, BoardCatalog catalog)
    {
        IReadOnlyDictionary<string, string> files = Of(catalog);
        IEnumerable<string> differing = files.Where(file => !File.Exists(Path.Combine(root, file.Key)) || File.ReadAllText(Path.Combine(root, file.Key)) != file.Value).Select(file => file.Key);
        return [.. differing.Concat(FindLeftovers(root, files)).Order(StringComparer.Ordinal)];
    }

    /// <summary>Writes what is stale and deletes constants of boards that are gone; returns the paths it touched.</summary>
    public static IReadOnlyList<string> Write(string root, BoardCatalog catalog)
    {
        IReadOnlyDictionary<string, string> files = Of(catalog);
        IReadOnlyList<string> stale = FindStale(root, catalog);
        foreach (string path in stale)
        {
            string full = Path.Combine(root, path);
            if (files.TryGetValue(path, out string? text))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(full)!);
                File.WriteAllText(full, text);
            }
            else
            {
                File.Delete(full);
            }
        }

        return stale;
    }

    private static IEnumerable<string> FindLeftovers(string root, IReadOnlyDictionary<string, string> files)
    {
        IEnumerable<string> sources = ((string[])[FirmwareFolder, VirtualBoardFolder]).Where(folder => Directory.Exists(Path.Combine(root, folder)))
            .SelectMany(folder => Directory.GetFiles(Path.Combine(root, folder), "*.cs"));
        IEnumerable<string> pictures = Directory.GetDirectories(Path.Combine(root, "hardware")).Select(folder => Path.Combine(folder, "wiring.svg")).Where(File.Exists);
        return sources.Concat(pictures).Select(path => Path.GetRelativePath(root, path)).Where(path => !files.ContainsKey(path));
    }
}

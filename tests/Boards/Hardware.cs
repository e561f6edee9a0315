using DePIN.Devnet;

namespace DePIN.Boards.Tests;

/// <summary>The boards of this working copy.</summary>
internal static class Hardware
{
    public static string Folder { get; } = Path.Combine(Repository.Root, "hardware");

    public static BoardCatalog Catalog { get; } = BoardCatalog.Load(Folder);

    public static IEnumerable<string> Names => Catalog.Boards.Select(board => board.Name);

    public static string TextOf(string board) => File.ReadAllText(Path.Combine(Folder, "boards", board + ".json"));
}

// Where the repository's folders are, for tools and tests that run from some bin folder inside it.
namespace DePIN.Devnet;

/// <summary>Paths of the working copy this process runs in.</summary>
public static class Repository
{
    private const string Marker = "DePIN.Edge.sln";

    /// <summary>The folder that holds DePIN.Edge.sln: looked for upwards from the program, then from the current folder.</summary>
    /// <exception cref="DevnetException">This is an installed copy, not a working copy.</exception>
    public static string Root =>
        Find(AppContext.BaseDirectory) ?? Find(Environment.CurrentDirectory)
        ?? throw new DevnetException($"{Marker} was not found above {AppContext.BaseDirectory} or {Environment.CurrentDirectory}: run this inside a working copy of the repository.");

    /// <summary>shared/Contracts: Solidity sources, their node packages, the compiled artifacts.</summary>
    public static string ContractsFolder => Path.Combine(Root, "shared", "Contracts");

    /// <summary>shared/vectors: golden JSON.</summary>
    public static string VectorsFolder => Path.Combine(Root, "shared", "vectors");

    private static string? Find(string start)
    {
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Marker)))
                return folder.FullName;
        }
        return null;
    }
}

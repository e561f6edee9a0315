using DePIN.Boards.Energy;

namespace DePIN.Boards;

/// <summary>All boards, the reference node and the parts list of a working copy, read and checked together.</summary>
public sealed class BoardCatalog
{
    private BoardCatalog(IReadOnlyList<Board> boards, ReferenceNode node, EnergyData energy)
    {
        Boards = boards;
        Node = node;
        Energy = energy;
    }

    /// <summary>By name.</summary>
    public IReadOnlyList<Board> Boards { get; }

    public ReferenceNode Node { get; }

    /// <summary>What they take.</summary>
    public EnergyData Energy { get; }

    public Board? Find(string name) => Boards.FirstOrDefault(board => board.Name == name);

    /// <param name="hardware">The folder hardware/ of a working copy.</param>
    /// <exception cref="BoardException">Something is wrong in it; every problem is named.</exception>
    public static BoardCatalog Load(string hardware)
    {
        List<string> problems = [];
        List<Board> boards = [];
        try
        {
            foreach (string path in Directory.GetFiles(Path.Combine(hardware, "boards"), "*.json").Order(StringComparer.Ordinal))
            {
                if (BoardReader.Read(File.ReadAllText(path), Path.GetFileNameWithoutExtension(path), problems) is { } board)
                {
                    boards.Add(board);
                }
            }

            if (ReferenceNode.Read(File.ReadAllText(Path.Combine(hardware, ReferenceNode.FileName)), problems) is { } node && problems.Count == 0)
            {
                PartsList.Check(File.ReadAllText(Path.Combine(hardware, PartsList.FileName)), node, boards, problems);
                if (EnergyData.Read(File.ReadAllText(Path.Combine(hardware, EnergyData.FileName)), boards, problems) is { } energy && problems.Count == 0)
                {
                    return new BoardCatalog(boards, node, energy);
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            problems.Add(error.Message);
        }

        throw new BoardException(problems);
    }
}

using System.Globalization;

namespace DePIN.Boards;

/// <summary>hardware/bom.csv, kept by hand: what to buy for a node. Checked against node.json and the boards: nothing missing, nothing too much.</summary>
public static class PartsList
{
    public const string FileName = "bom.csv";

    public const string Columns = "part,quantity,description,order code,note";

    /// <summary>The quantity of a board's row: one of them.</summary>
    private const string OneOf = "1 of";

    public static void Check(string text, ReferenceNode node, IReadOnlyList<Board> boards, List<string> problems)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(problems);
        void Problem(string problem) => problems.Add($"{FileName}: {problem}");
        string[] lines = text.TrimEnd('\n').Split('\n');
        if (lines[0] != Columns)
        {
            Problem($"the first line is not {Columns}");
            return;
        }

        Dictionary<string, string> rows = new(StringComparer.Ordinal);
        foreach (string line in lines.Skip(1))
        {
            string[] cells = line.Split(',');
            if (cells.Length != Columns.Split(',').Length || cells.Take(3).Any(string.IsNullOrWhiteSpace))
            {
                Problem($"'{line}' has not five cells without commas in them, of which the first three are filled");
            }
            else if (!rows.TryAdd(cells[0], cells[1]))
            {
                Problem($"{cells[0]} is there twice");
            }
        }

        IReadOnlyDictionary<string, int> needed = node.Count();
        foreach ((string part, int count) in needed)
        {
            if (!rows.TryGetValue(part, out string? quantity))
            {
                Problem($"{part} is in {ReferenceNode.FileName} and not here");
            }
            else if (quantity != count.ToString(CultureInfo.InvariantCulture))
            {
                Problem($"{part}: {ReferenceNode.FileName} takes {count}, here is {quantity}");
            }
        }

        foreach (Board board in boards.Where(board => rows.GetValueOrDefault(board.Name) != OneOf))
        {
            Problem($"the board {board.Name} has no row with the quantity '{OneOf}'");
        }

        foreach (string part in rows.Keys.Where(part => !needed.ContainsKey(part) && boards.All(board => board.Name != part)))
        {
            Problem($"{part} is no board and not in {ReferenceNode.FileName}");
        }
    }
}

namespace DePIN.Boards;

/// <summary>Data about boards that cannot be used: every problem, each with its file and key.</summary>
public sealed class BoardException(IReadOnlyList<string> problems) : Exception(string.Join(Environment.NewLine, problems))
{
    public IReadOnlyList<string> Problems { get; } = problems;
}

namespace DePIN.Index;

/// <summary>A value that an indexer was given and cannot work with, for a person: what is wrong, and what to do.</summary>
public sealed class IndexException(string message, string remedy) : Exception(message)
{
    /// <summary>What to do next.</summary>
    public string Remedy { get; } = remedy;
}

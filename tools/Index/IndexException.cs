namespace DePIN.Index;

/// <summary>What ends an indexer, for a person: what is wrong, and what to do.</summary>
public sealed class IndexException(string message, string remedy, bool isInput = true) : Exception(message)
{
    /// <summary>What to do next.</summary>
    public string Remedy { get; } = remedy;

    /// <summary>True when a value that was given is wrong; false when something that is needed did not answer.</summary>
    public bool IsInput { get; } = isInput;
}

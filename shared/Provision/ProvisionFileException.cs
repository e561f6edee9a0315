namespace DePIN.Provision;

/// <summary>A file of provisioning cannot be used: what happened, and what to do next.</summary>
/// <param name="message">What happened.</param>
/// <param name="remedy">What to do.</param>
/// <param name="isInput">A person gave it, wrong; false: it could not be written.</param>
public sealed class ProvisionFileException(string message, string remedy, bool isInput = true) : Exception(message)
{
    public string Remedy { get; } = remedy;

    public bool IsInput { get; } = isInput;
}

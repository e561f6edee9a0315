namespace DePIN.Devnet;

/// <summary>A tool of the development network is missing or failed. The message says what to do.</summary>
public sealed class DevnetException : Exception
{
    public DevnetException(string message) : base(message)
    {
    }

    public DevnetException(string message, Exception inner) : base(message, inner)
    {
    }
}

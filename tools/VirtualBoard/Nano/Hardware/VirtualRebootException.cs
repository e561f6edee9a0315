namespace DePIN.VirtualBoard.Hardware;

/// <summary>What RebootDevice throws on a virtual board, where there is no chip to reset.</summary>
public sealed class VirtualRebootException : Exception
{
    public VirtualRebootException()
        : base("the firmware asked for a reboot")
    {
    }

    public VirtualRebootException(string message)
        : base(message)
    {
    }

    public VirtualRebootException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

namespace DePIN.VirtualBoard.Hardware;

/// <summary>What StartDeepSleep throws on a virtual board: the firmware's run is over until the timer wakes the chip.</summary>
public sealed class VirtualDeepSleepException : Exception
{
    public VirtualDeepSleepException()
        : base("the chip sleeps")
    {
    }

    public VirtualDeepSleepException(string message)
        : base(message)
    {
    }

    public VirtualDeepSleepException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>The chip sleeps that long; zero: no timer was set, and nothing wakes it.</summary>
    public VirtualDeepSleepException(TimeSpan length)
        : this($"the chip sleeps for {length}") => Length = length;

    public TimeSpan Length { get; }
}

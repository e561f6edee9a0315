namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>How one command ended.</summary>
    public enum Atecc608Fault
    {
        None = 0,
        /// <summary>The chip did not answer the wake, or did not take a command: absent, asleep, or a bad line. It did nothing.</summary>
        NoAnswer = 1,
        /// <summary>It said that the command came in damaged (0xFF), that it had slept (0x11), or that its watchdog ends now (0xEE). It did nothing.</summary>
        NotDone = 2,
        /// <summary>It took the command and gave no answer in time, or one whose CRC is wrong each time: it may have done it.</summary>
        Lost = 3,
        /// <summary>It refused, for good: see the status.</summary>
        Refused = 4,
    }
}

namespace DePIN.Firmware.Board
{
    /// <summary>The board's clocks: one that only goes forward since boot, and the wall clock, which may be anything.</summary>
    public interface ITimeSource
    {
        /// <summary>Milliseconds since boot.</summary>
        long UptimeMs();

        /// <summary>The wall clock, ms since the Unix epoch; nonsense until somebody has set it.</summary>
        long WallMs();

        /// <summary>Sets the wall clock (so that TLS can judge a certificate's dates).</summary>
        void SetWallMs(long unixMs);

        /// <summary>Asks the time server; true when the wall clock was set by it.</summary>
        bool AskTimeServer(string server);
    }
}

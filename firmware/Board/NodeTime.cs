namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The board's clocks with an uptime that goes on through deep sleep, as though the node had only been slow: a wake-up is no boot, so
    /// "ms since boot" in an unsynchronised frame must not begin again.
    /// </summary>
    public sealed class NodeTime : ITimeSource
    {
        private readonly ITimeSource _time;
        private long _offsetMs;

        public NodeTime(ITimeSource time)
        {
            _time = time;
        }

        public long UptimeMs()
        {
            return _time.UptimeMs() + _offsetMs;
        }

        public long WallMs()
        {
            return _time.WallMs();
        }

        public void SetWallMs(long unixMs)
        {
            _time.SetWallMs(unixMs);
        }

        public bool AskTimeServer(string server)
        {
            return _time.AskTimeServer(server);
        }

        /// <summary>From now on the uptime that was <paramref name="thenMs"/> by the chip's own count is that.</summary>
        public void GoOn(long thenMs, long uptimeMs)
        {
            _offsetMs = uptimeMs - thenMs;
        }
    }
}

using System;
using nanoFramework.Networking;
using nanoFramework.Runtime.Native;

namespace DePIN.Firmware.Board
{
    /// <summary>The real clocks: the tick counter, the RTC, and SNTP.</summary>
    public sealed class DeviceTime : ITimeSource
    {
        private const long TicksPerMs = 10000;

        /// <summary>2025-01-01: an RTC that was never set says 1970 or its build date.</summary>
        public const long WallMsMin = 1735689600000;

        public long UptimeMs()
        {
            return Environment.TickCount64;
        }

        public long WallMs()
        {
            return (DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) / TicksPerMs;
        }

        public void SetWallMs(long unixMs)
        {
            Rtc.SetSystemTime(new DateTime(DateTime.UnixEpoch.Ticks + (unixMs * TicksPerMs)));
        }

        public bool AskTimeServer(string server)
        {
            Sntp.Server1 = server;
            if (!Sntp.IsStarted)
            {
                Sntp.Start();
            }

            Sntp.UpdateNow();
            return WallMs() >= WallMsMin;
        }
    }
}

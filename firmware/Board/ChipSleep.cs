using System;
using System.Threading;
using nanoFramework.Hardware.Esp32;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The chip's deep sleep. All memory is lost, the RTC goes on; the wake-up is a start of the chip from its boot loader on
    /// (nf-interpreter, targets/ESP32: StartDeepSleep ends the CLR, which calls esp_deep_sleep_start).
    /// </summary>
    public static class ChipSleep
    {
        private const long TicksPerMs = 10000;

        /// <summary>Whether the timer woke the chip; -1 where the runtime does not tell: images for chips without EXT wake-up (ESP32-C3) throw.</summary>
        public static int WokeByTimer()
        {
            try
            {
                return Sleep.GetWakeupCause() == Sleep.WakeupCause.Timer ? 1 : 0;
            }
            catch (NotSupportedException)
            {
                return -1;
            }
        }

        /// <summary>Sleeps; does not come back on a board. Where the timer cannot be set it waits awake, and the caller's restart follows.</summary>
        public static void Enter(long milliseconds)
        {
            EspNativeError error = Sleep.EnableWakeupByTimer(new TimeSpan(milliseconds * TicksPerMs));
            if (error != EspNativeError.OK)
            {
                NodeLog.Event("sleep-refused", "error=" + ((int)error).ToString() + " message=the wake-up timer could not be set: the node waits awake");
                Thread.Sleep((int)milliseconds);
                return;
            }

            Sleep.StartDeepSleep();
        }
    }
}

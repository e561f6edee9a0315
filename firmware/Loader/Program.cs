using System;
using System.Threading;
using DePIN.Firmware.Board;
using nanoFramework.Runtime.Native;

namespace DePIN.Loader
{
    /// <summary>What is deployed on a board that takes updates over the air: starts a slot, and the board again when it ended.</summary>
    public static class Program
    {
        private const int RestartMs = 5000;

        /// <summary>Without a good slot: long enough that a technician sees why on the console.</summary>
        private const int NoSlotMs = 30000;

        public static void Main()
        {
            try
            {
                bool started = new SlotLoader(new FileFlash(BoardPins.FlashRoot), BoardPins.FlashRoot, new ManualResetEvent(false)).Run();
                Thread.Sleep(started ? 0 : NoSlotMs);
            }
            catch (Exception e)
            {
                NodeLog.Fault("loader", e);
                Thread.Sleep(RestartMs);
            }

            Power.RebootDevice();
        }
    }
}

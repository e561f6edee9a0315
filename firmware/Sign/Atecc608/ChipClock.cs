using System;
using System.Threading;

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>The board's tick counter and Thread.Sleep.</summary>
    public sealed class ChipClock : IChipClock
    {
        public long NowMs()
        {
            return Environment.TickCount64;
        }

        public void Wait(int milliseconds)
        {
            Thread.Sleep(milliseconds);
        }
    }
}

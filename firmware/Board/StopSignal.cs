using System.Threading;

namespace DePIN.Firmware.Board
{
    /// <summary>Asks every part of the node to finish: for a restart over serial, and when a virtual board is switched off.</summary>
    public sealed class StopSignal
    {
        private readonly ManualResetEvent _event = new ManualResetEvent(false);
        private bool _requested;

        public bool IsRequested
        {
            get { return _requested; }
        }

        public void Request()
        {
            _requested = true;
            _event.Set();
        }

        /// <summary>Waits that long, or until a stop is asked for. Returns whether it was.</summary>
        public bool Wait(int milliseconds)
        {
            _event.WaitOne(milliseconds, false);
            return _requested;
        }
    }
}

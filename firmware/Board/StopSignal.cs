using System.Threading;

namespace DePIN.Firmware.Board
{
    /// <summary>Asks every part of the node to finish: for a restart over serial, and when a virtual board is switched off.</summary>
    public sealed class StopSignal
    {
        private readonly ManualResetEvent _event;
        private readonly bool _isShared;
        private bool _requested;

        public StopSignal()
        {
            _event = new ManualResetEvent(false);
        }

        /// <summary>A stop that somebody else may ask for too, by setting the event: the loader, whose types are not this program's.</summary>
        public StopSignal(ManualResetEvent shared)
        {
            _event = shared;
            _isShared = true;
        }

        public bool IsRequested
        {
            get { return _requested || (_isShared && _event.WaitOne(0, false)); }
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
            return IsRequested;
        }
    }
}

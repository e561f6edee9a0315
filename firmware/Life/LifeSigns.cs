using System.Threading;
using DePIN.Firmware.Board;
using nanoFramework.Runtime.Native;

namespace DePIN.Firmware.Life
{
    /// <summary>The node's third thread: shows the light code and restarts a node that is stuck. It touches neither flash nor network, so it does not get stuck itself.</summary>
    public sealed class LifeSigns
    {
        private const int OnMs = 150;
        private const int OffMs = 250;
        private const int PauseMs = 1500;
        private const int SteadyMs = 500;

        /// <summary>For the other parts to end in order before the board is restarted under them.</summary>
        private const int LastWordsMs = 20000;

        private readonly StatusLed _led;
        private readonly NodeStatus _status;
        private readonly NodeHealth _health;
        private readonly Watchdog _watchdog;
        private readonly ITimeSource _time;

        public LifeSigns(StatusLed led, NodeStatus status, NodeHealth health, Watchdog watchdog, ITimeSource time)
        {
            _led = led;
            _status = status;
            _health = health;
            _watchdog = watchdog;
            _time = time;
        }

        /// <summary>Runs until a stop is asked for; leaves the light dark.</summary>
        public void Run(StopSignal stop)
        {
            while (!stop.IsRequested)
            {
                Show(LightCode.Of(_status.State, _health), stop);
                int late = stop.IsRequested ? -1 : _watchdog.Late(_time.UptimeMs());
                if (late >= 0)
                {
                    Restart(late, stop);
                }
            }

            _led.Set(false);
        }

        private void Show(int code, StopSignal stop)
        {
            if (code == LightCode.Steady)
            {
                _led.Set(true);
                stop.Wait(SteadyMs);
                return;
            }

            for (int i = 0; i < code && !stop.IsRequested; i++)
            {
                _led.Set(true);
                stop.Wait(OnMs);
                _led.Set(false);
                stop.Wait(OffMs);
            }

            stop.Wait(PauseMs);
        }

        private void Restart(int late, StopSignal stop)
        {
            NodeLog.Event("watchdog", "part=" + Watchdog.Word(late) + " message=it is stuck: the node restarts, nothing signed is lost");
            stop.Request(); // whoever still can ends in order
            for (int waited = 0; waited < LastWordsMs; waited += SteadyMs)
            {
                if (_watchdog.HasEnded)
                {
                    return; // it was only slow: the main thread restarts the board
                }

                Thread.Sleep(SteadyMs);
            }

            Power.RebootDevice();
        }
    }
}

using DePIN.Firmware.Board;

namespace DePIN.Firmware.Life
{
    /// <summary>Waits by the node's own clock, in steps, so that a test's clock may run as it likes.</summary>
    public sealed class AwakePause : IPause
    {
        private const int StepMs = 1000;

        private readonly ITimeSource _time;

        public AwakePause(ITimeSource time)
        {
            _time = time;
        }

        public void Wait(long milliseconds, StopSignal stop)
        {
            long end = _time.UptimeMs() + milliseconds;
            long left = milliseconds;
            while (left > 0 && !stop.Wait(left < StepMs ? (int)left : StepMs))
            {
                left = end - _time.UptimeMs();
            }
        }
    }
}

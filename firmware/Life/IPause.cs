using DePIN.Firmware.Board;

namespace DePIN.Firmware.Life
{
    /// <summary>Waiting awake.</summary>
    public interface IPause
    {
        /// <summary>That long, or until a stop is asked for.</summary>
        void Wait(long milliseconds, StopSignal stop);
    }
}

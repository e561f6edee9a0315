using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// What the serial line tells about and acts on. The first five are there from the beginning; a part that is null does not run (yet), and
    /// whoever asks for it is told so. Fields are set once, by the node's start.
    /// </summary>
    public sealed class NodeParts
    {
        public readonly IFlash Flash;
        public readonly DeviceKey Key;
        public readonly NodeStatus Status;
        public readonly string Version;

        /// <summary>For pauses within a frame, time-outs and the button.</summary>
        public readonly ITimeSource Time;

        public NodeSettings Settings;
        public NodeHealth Health;
        public NodeClock Clock;
        public FrameStore Store;
        public SensorSet Sensors;

        public NodeParts(IFlash flash, DeviceKey key, NodeStatus status, string version, ITimeSource time)
        {
            Flash = flash;
            Key = key;
            Status = status;
            Version = version;
            Time = time;
        }
    }
}

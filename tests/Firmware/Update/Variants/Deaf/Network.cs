using DePIN.Firmware.Board;
using DePIN.Firmware.Life;

namespace DePIN.Firmware.Publish
{
    /// <summary>A network that is never joined: this version signs and keeps, and never becomes healthy.</summary>
    public sealed class Network
    {
        public Network(NodeSettings settings, NodeHealth health)
        {
        }

        public bool Join()
        {
            return false;
        }

        public bool HasRadio()
        {
            return true;
        }
    }
}

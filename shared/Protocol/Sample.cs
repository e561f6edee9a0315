// One value of one channel at one time: value x 10^exponent, in the channel's unit. A reusable record, because the device's heap is small.

namespace DePIN.Protocol
{
    public sealed class Sample
    {
        /// <summary>What was measured; see <see cref="Channels"/>.</summary>
        public ushort Channel { get; set; }

        /// <summary>Power of ten the value is multiplied by.</summary>
        public sbyte Exponent { get; set; }

        /// <summary>0 is good; any other value is the sensor's own reason for doubt.</summary>
        public byte Quality { get; set; }

        /// <summary>Milliseconds from the frame's time.</summary>
        public uint OffsetMs { get; set; }

        /// <summary>The reading, before the exponent.</summary>
        public long Value { get; set; }
    }
}

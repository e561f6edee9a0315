using DePIN.Protocol;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// The samples that wait for the next frame: at most as many as one frame takes (64), in arrays that are used again, because
    /// the board's heap is small. Times are since boot; the frame turns them into its own when it is built.
    /// </summary>
    public sealed class SampleSet
    {
        private readonly ushort[] _channels;
        private readonly sbyte[] _exponents;
        private readonly byte[] _qualities;
        private readonly long[] _values;
        private readonly long[] _uptimesMs;
        private int _count;

        /// <summary>As many as a frame takes.</summary>
        public SampleSet()
            : this(FrameFormat.SamplesMax)
        {
        }

        /// <param name="capacity">Samples at most, for a set that never fills a frame.</param>
        public SampleSet(int capacity)
        {
            _channels = new ushort[capacity];
            _exponents = new sbyte[capacity];
            _qualities = new byte[capacity];
            _values = new long[capacity];
            _uptimesMs = new long[capacity];
        }

        public int Count
        {
            get { return _count; }
        }

        public int Free
        {
            get { return _channels.Length - _count; }
        }

        /// <summary>Adds value × 10^exponent. False, with nothing added, when the set is full.</summary>
        public bool Add(ushort channel, sbyte exponent, byte quality, long value, long uptimeMs)
        {
            if (_count == _channels.Length)
            {
                return false;
            }

            _channels[_count] = channel;
            _exponents[_count] = exponent;
            _qualities[_count] = quality;
            _values[_count] = value;
            _uptimesMs[_count] = uptimeMs;
            _count++;
            return true;
        }

        /// <summary>Forgets all but the first ones: what a sensor added before it failed does not count.</summary>
        public void Truncate(int count)
        {
            if (count < _count)
            {
                _count = count;
            }
        }

        public ushort Channel(int index)
        {
            return _channels[index];
        }

        public sbyte Exponent(int index)
        {
            return _exponents[index];
        }

        public byte Quality(int index)
        {
            return _qualities[index];
        }

        public long Value(int index)
        {
            return _values[index];
        }

        public long UptimeMs(int index)
        {
            return _uptimesMs[index];
        }
    }
}

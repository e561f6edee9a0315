using System;

namespace DePIN.Firmware.Publish
{
    /// <summary>
    /// How long to wait after a failure: doubling between two bounds, with half of it at random, so that a thousand nodes that lost
    /// one gateway do not come back in one second.
    /// </summary>
    public sealed class BackOff
    {
        private readonly int _minMs;
        private readonly int _maxMs;
        private readonly Random _random = new Random();
        private int _ceilingMs;

        public BackOff(int minMs, int maxMs)
        {
            _minMs = minMs;
            _maxMs = maxMs;
            _ceilingMs = minMs;
        }

        public void Reset()
        {
            _ceilingMs = _minMs;
        }

        /// <summary>Milliseconds to wait now, from half the ceiling to the ceiling; the ceiling doubles.</summary>
        public int Next()
        {
            int half = _ceilingMs / 2;
            int wait = half + _random.Next(half + 1);
            _ceilingMs = _ceilingMs > _maxMs / 2 ? _maxMs : _ceilingMs * 2;
            return wait;
        }
    }
}

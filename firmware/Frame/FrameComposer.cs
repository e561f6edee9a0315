using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Protocol;

namespace DePIN.Firmware.Frame
{
    /// <summary>
    /// Makes the next frame out of the waiting samples: place in the chain from the store, time from the clock, samples in order.
    /// Signing goes through the store, which keeps the body before it signs. One buffer for all frames.
    /// </summary>
    public sealed class FrameComposer
    {
        private readonly ushort _profile;
        private readonly FrameStore _store;
        private readonly NodeClock _clock;
        private readonly FrameBuilder _builder;
        private readonly byte[] _previous = new byte[FrameFormat.PreviousBytes];

        public FrameComposer(ushort profile, byte[] deviceId, FrameStore store, NodeClock clock)
        {
            _profile = profile;
            _store = store;
            _clock = clock;
            _builder = new FrameBuilder(deviceId);
        }

        /// <summary>
        /// Builds, keeps and signs one frame of all samples; returns its sequence. IOException: flash did not take it, nothing was
        /// signed and the samples are still the caller's.
        /// </summary>
        public ulong Compose(SampleSet samples)
        {
            bool synchronised = _clock.IsSynchronised;
            long first = samples.UptimeMs(0);
            return Compose(samples, _store.BootCount, synchronised, synchronised ? _clock.At(first) : first);
        }

        /// <summary>The same for samples of an earlier boot: its number, and the time and the word on the clock of that boot.</summary>
        public ulong Compose(SampleSet samples, uint bootCount, bool synchronised, long time)
        {
            ulong sequence = _store.Next(_previous);
            long first = samples.UptimeMs(0);
            _builder.Begin(_profile, synchronised, bootCount, sequence, (ulong)time, sequence == 1 ? null : _previous);
            for (int i = 0; i < samples.Count; i++)
            {
                uint offsetMs = (uint)(samples.UptimeMs(i) - first);
                _builder.TryAdd(samples.Channel(i), samples.Exponent(i), samples.Quality(i), offsetMs, samples.Value(i));
            }

            _builder.Sign(_store);
            return sequence;
        }
    }
}

using DePIN.Firmware.Board;
using DePIN.Firmware.Sense;
using DePIN.Protocol;

namespace DePIN.Firmware.Keep
{
    /// <summary>
    /// The samples that are on flash and in no frame yet, as the ring finds them: at most as many as one frame takes.
    /// A sample: channel u16 | exponent i8 | quality u8 | ms before the record's uptime u32 | value i64, big-endian.
    /// </summary>
    internal sealed class WaitingSamples
    {
        public const int SampleBytes = 16;

        private SampleSet _samples; // null until a node that sleeps has some: 1.5 KB

        public int Count
        {
            get { return _samples == null ? 0 : _samples.Count; }
        }

        /// <summary>Forgets all but the first ones.</summary>
        public void Truncate(int count)
        {
            if (count == 0)
            {
                _samples = null;
            }
            else if (_samples != null)
            {
                _samples.Truncate(count);
            }
        }

        public void CopyTo(SampleSet target)
        {
            for (int i = 0; i < Count; i++)
            {
                target.Add(_samples.Channel(i), _samples.Exponent(i), _samples.Quality(i), _samples.Value(i), _samples.UptimeMs(i));
            }
        }

        /// <summary>Writes the samples from <paramref name="first"/> on; returns the bytes.</summary>
        public static int Write(SampleSet samples, int first, long uptimeMs, byte[] buffer, int offset)
        {
            for (int i = first; i < samples.Count; i++)
            {
                int at = offset + ((i - first) * SampleBytes);
                ushort channel = samples.Channel(i);
                buffer[at] = (byte)((uint)channel >> 8);
                buffer[at + 1] = (byte)channel;
                buffer[at + 2] = (byte)samples.Exponent(i);
                buffer[at + 3] = samples.Quality(i);
                BigEndian.WriteUInt32(buffer, at + 4, (uint)(uptimeMs - samples.UptimeMs(i)));
                BigEndian.WriteUInt64(buffer, at + 8, (ulong)samples.Value(i));
            }

            return (samples.Count - first) * SampleBytes;
        }

        /// <summary>Takes the samples of one record.</summary>
        public void Read(byte[] buffer, int offset, int count, long uptimeMs)
        {
            _samples = _samples == null ? new SampleSet() : _samples;
            for (int at = offset; at + SampleBytes <= offset + count; at += SampleBytes)
            {
                long before = BigEndian.ReadUInt32(buffer, at + 4);
                _samples.Add((ushort)((buffer[at] << 8) | buffer[at + 1]), (sbyte)buffer[at + 2], buffer[at + 3],
                    (long)BigEndian.ReadUInt64(buffer, at + 8), uptimeMs - before);
            }
        }

        /// <summary>Takes what was written just now.</summary>
        public void Take(SampleSet samples, int first)
        {
            _samples = _samples == null ? new SampleSet() : _samples;
            for (int i = first; i < samples.Count; i++)
            {
                _samples.Add(samples.Channel(i), samples.Exponent(i), samples.Quality(i), samples.Value(i), samples.UptimeMs(i));
            }
        }
    }
}
